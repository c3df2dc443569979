//! A log over HTTP(S): any server that has its files below one prefix, such as
//! the publish listener of a running log or a web server with an export of it.
//!
//! The server is believed in nothing; all that this holds it to is time, size
//! and the number of times that it is asked.

use std::fmt;
use std::io::{self, Read as _};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;
use ureq::http::{Response, Uri, header, uri::Scheme};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::verify::{LogSource, Withheld};

/// Certificates to one of which that of a server must lead, instead of those
/// that everybody believes: a log inside a company has a name and an authority
/// that nobody outside knows.
#[derive(Debug, Clone)]
pub struct Roots(Arc<Vec<Certificate<'static>>>);

/// Why a file holds no authority.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no certificate is in it: expected `-----BEGIN CERTIFICATE-----` (PEM)")]
pub struct RootsError(());

impl Roots {
    /// All certificates of a PEM file.
    ///
    /// # Errors
    /// It holds none, or something that only looks like one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(root) = item.map_err(|_| RootsError(()))? {
                roots.push(root);
            }
        }
        if roots.is_empty() { Err(RootsError(())) } else { Ok(Self(Arc::new(roots))) }
    }
}

/// How long a server is waited for, how often it is asked, and whom it has to
/// be known by.
///
/// # Defaults
/// `connect` 10 s, `answer` 30 s, `stall` 30 s, `whole` 300 s, `retries` 3,
/// `pause` 100 ms, `roots` those of the public web.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// For the name and the connection, the TLS handshake included.
    pub connect: Duration,
    /// For the head of an answer.
    pub answer: Duration,
    /// Between any two pieces of a body.
    pub stall: Duration,
    /// For one request and its whole answer.
    pub whole: Duration,
    /// After the first try, for what may pass: a broken connection, an answer
    /// that asks for patience.
    pub retries: u32,
    /// Before the first of them; each waits four times as long as the one
    /// before it.
    pub pause: Duration,
    /// Who vouches for servers; nothing: the public authorities.
    pub roots: Option<Roots>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            whole: Duration::from_secs(300),
            retries: 3,
            pause: Duration::from_millis(100),
            roots: None,
        }
    }
}

/// Why an address is none that a log can be read from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{url}` {what}: expected one like `https://log.example.com/prod`")]
pub struct UrlError {
    url: String,
    what: &'static str,
}

/// Why a request has no answer that can be used.
#[derive(Debug, Error)]
#[error("`{url}`: {what}")]
struct Refused {
    url: String,
    what: String,
    #[source]
    withheld: Option<Withheld>,
}

/// A log's files below an HTTP(S) address. Connections are kept and shared by
/// all threads that read; nothing else is kept.
#[derive(Debug)]
pub struct HttpSource {
    client: Client,
    prefix: String,
}

impl HttpSource {
    /// The log whose `checkpoint` lies at `<prefix>/checkpoint`. Nothing is
    /// asked of the server yet.
    ///
    /// # Errors
    /// The prefix is no plain HTTP(S) address.
    pub fn new(prefix: &str, options: HttpOptions) -> Result<Self, UrlError> {
        let refuse = |what| UrlError { url: shown(prefix), what };
        check(prefix)?;
        if prefix.contains('?') {
            return Err(refuse("has a query"));
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { client: Client::new(&prefix, options), prefix })
    }
}

impl LogSource for HttpSource {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.client.get(&format!("{}/{path}", self.prefix), limit)
    }

    fn read_range(&self, _path: &str, _offset: u64, _length: usize) -> io::Result<Vec<u8>> {
        // Only pinned files are read by ranges, and none can be pinned.
        Ok(Vec::new())
    }

    fn list(&self, _directory: &str) -> io::Result<Vec<String>> {
        // The write-ahead log is not public.
        Ok(Vec::new())
    }

    fn pin(&self, _path: &str) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// Whether this is written like an HTTP(S) address, and not like a path.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}

/// One file at an HTTP(S) address, such as a receipt; nothing when there is
/// none.
///
/// # Errors
/// The address is none, the server has no usable answer, or the file is larger
/// than `limit` or [`Withheld`].
pub fn fetch(url: &str, limit: u64, options: HttpOptions) -> io::Result<Option<Vec<u8>>> {
    check(url).map_err(|fault| io::Error::new(io::ErrorKind::InvalidInput, fault))?;
    Client::new(url, options).get(url, limit)
}

fn check(url: &str) -> Result<(), UrlError> {
    let refuse = |what| UrlError { url: shown(url), what };
    let parsed = Uri::from_str(url).map_err(|_| refuse("is no address"))?;
    let secure = parsed.scheme() == Some(&Scheme::HTTPS);
    if !secure && parsed.scheme() != Some(&Scheme::HTTP) {
        return Err(refuse("is no HTTP address"));
    }
    let authority = parsed.authority().ok_or_else(|| refuse("names no host"))?;
    // It would end up in error messages, and in other people's logs.
    if authority.as_str().contains('@') {
        return Err(refuse("holds a user's name or password"));
    }
    if parsed.host().unwrap_or_default().is_empty() {
        return Err(refuse("names no host"));
    }
    if url.contains('#') { Err(refuse("has a fragment")) } else { Ok(()) }
}

/// An address for people: without a password, and not longer than a line.
fn shown(url: &str) -> String {
    let hidden = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://...@{host}{path}"))
    });
    let text = hidden.unwrap_or_else(|| url.to_owned());
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

#[derive(Debug)]
struct Client {
    agent: Agent,
    options: HttpOptions,
}

/// An answer, or what to do instead.
enum Answer {
    Body(Vec<u8>),
    Absent,
    Elsewhere(String),
    Fault(Fault),
}

struct Fault {
    kind: io::ErrorKind,
    what: String,
    /// Whether it may pass, and how long the server asks to wait.
    passing: Option<Duration>,
}

impl Client {
    fn new(url: &str, options: HttpOptions) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // They are followed here, where it is seen where they lead.
            .max_redirects(0)
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.answer))
            .timeout_per_read(Some(options.stall))
            .timeout_per_write(Some(options.stall))
            .timeout_global(Some(options.whole))
            .max_idle_connections(MAX_CONNECTIONS)
            .max_idle_connections_per_host(MAX_CONNECTIONS)
            .user_agent(concat!("troth-audit/", env!("CARGO_PKG_VERSION")));
        // The environment's proxy is for what is far away.
        let config = if is_loopback(url) { config.proxy(None) } else { config };
        let config = match &options.roots {
            None => config,
            Some(Roots(roots)) => {
                let roots = RootCerts::Specific(Arc::clone(roots));
                config.tls_config(TlsConfig::builder().root_certs(roots).build())
            }
        };
        Self { agent: config.build().new_agent(), options }
    }

    /// Asks until there is an answer, or none is to be expected.
    fn get(&self, url: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let mut at = url.to_owned();
        let mut redirects = 0;
        let mut tries = 0;
        loop {
            let (kind, what) = match self.ask(&at, limit) {
                Answer::Body(bytes) => return Ok(Some(bytes)),
                Answer::Absent => return Ok(None),
                Answer::Elsewhere(location) if redirects < MAX_REDIRECTS => {
                    redirects += 1;
                    match follow(&at, &location) {
                        Ok(next) => {
                            at = next;
                            continue;
                        }
                        Err(what) => (io::ErrorKind::Other, what.to_owned()),
                    }
                }
                Answer::Elsewhere(_) => {
                    (io::ErrorKind::Other, format!("more than {MAX_REDIRECTS} redirects"))
                }
                Answer::Fault(Fault { passing: Some(least), .. })
                    if tries < self.options.retries =>
                {
                    let pause = self.options.pause.saturating_mul(4_u32.saturating_pow(tries));
                    std::thread::sleep(pause.max(least).min(MAX_PAUSE));
                    tries += 1;
                    continue;
                }
                Answer::Fault(fault) => (fault.kind, fault.what),
            };
            let withheld = (kind == io::ErrorKind::PermissionDenied).then_some(Withheld);
            return Err(io::Error::new(kind, Refused { url: shown(&at), what, withheld }));
        }
    }

    fn ask(&self, url: &str, limit: u64) -> Answer {
        let response = match self.agent.get(url).call() {
            Ok(response) => response,
            Err(fault) => return Answer::Fault(Fault::of(fault)),
        };
        let status = response.status().as_u16();
        match status {
            200 => body(response, limit),
            404 | 410 => Answer::Absent,
            401 | 403 => {
                let kind = io::ErrorKind::PermissionDenied;
                let what = format!("the server answered {status}");
                Answer::Fault(Fault { kind, what, passing: None })
            }
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get(header::LOCATION);
                let location = location.and_then(|value| value.to_str().ok());
                Answer::Elsewhere(location.unwrap_or_default().to_owned())
            }
            _ => {
                let passing = matches!(status, 429 | 500 | 502 | 503 | 504);
                let asked = response.headers().get(header::RETRY_AFTER);
                let asked = asked.and_then(|value| value.to_str().ok()?.parse().ok());
                let passing = passing.then(|| Duration::from_secs(asked.unwrap_or(0)));
                let what = format!("the server answered {status}");
                Answer::Fault(Fault { kind: io::ErrorKind::Other, what, passing })
            }
        }
    }
}

/// A whole body, if it is no longer than it may be. The declared length is a
/// reason to refuse, and never one to make room.
fn body(response: Response<ureq::Body>, limit: u64) -> Answer {
    let body = response.into_body();
    if body.content_length().is_some_and(|length| length > limit) {
        return Answer::Fault(Fault::of(ureq::Error::BodyExceedsLimit(limit)));
    }
    let mut bytes = Vec::new();
    match body.into_with_config().limit(limit).reader().read_to_end(&mut bytes) {
        Ok(_) => Answer::Body(bytes),
        Err(fault) => Answer::Fault(Fault::of(fault.into())),
    }
}

impl Fault {
    fn of(fault: ureq::Error) -> Self {
        let (kind, what, passing) = match fault {
            ureq::Error::Io(fault) if fault.kind() == io::ErrorKind::InvalidData => {
                (io::ErrorKind::InvalidData, format!("TLS: {fault}"), false)
            }
            // The system's own refusals are not those of the server.
            ureq::Error::Io(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                (io::ErrorKind::Other, fault.to_string(), false)
            }
            ureq::Error::Io(fault) => (fault.kind(), fault.to_string(), true),
            ureq::Error::Rustls(fault) => {
                (io::ErrorKind::InvalidData, format!("TLS: {fault}"), false)
            }
            ureq::Error::Timeout(part) => {
                // The time for the whole covers every try.
                let again = part != ureq::Timeout::Global;
                (io::ErrorKind::TimedOut, format!("no answer in time ({part})"), again)
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                let what = format!("the answer is longer than {limit} bytes");
                (io::ErrorKind::FileTooLarge, what, false)
            }
            ureq::Error::HostNotFound => {
                (io::ErrorKind::HostUnreachable, "the host is not known".to_owned(), true)
            }
            ureq::Error::ConnectionFailed => {
                (io::ErrorKind::ConnectionRefused, "no connection".to_owned(), true)
            }
            fault => (io::ErrorKind::Other, fault.to_string(), false),
        };
        Self { kind, what, passing: passing.then_some(Duration::ZERO) }
    }
}

/// Where a redirect leads.
fn follow(from: &str, location: &str) -> Result<String, &'static str> {
    let next = join(from, location).filter(|next| next.len() <= MAX_URL);
    let next = next.ok_or("a redirect that leads nowhere")?;
    check(&next).map_err(|_| "a redirect to what is no plain HTTP address")?;
    let secure = |url: &str| url.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
    if secure(from) && !secure(&next) {
        return Err("a redirect from https to http");
    }
    Ok(next)
}

/// The address that a reference means, seen from another (RFC 3986, section 5.2,
/// without dot segments, which the server resolves).
fn join(from: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().filter(|location| !location.is_empty())?;
    // Absolute, whatever its scheme: whoever checks it judges that.
    if location.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return Some(location.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    if location.starts_with("//") {
        return Some(format!("{scheme}:{location}"));
    }
    let rest = rest.split('?').next()?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if location.starts_with('/') {
        return Some(format!("{scheme}://{authority}{location}"));
    }
    let directory = path.rsplit_once('/').map_or(String::new(), |(above, _)| format!("{above}/"));
    Some(format!("{scheme}://{authority}/{directory}{location}"))
}

fn is_loopback(url: &str) -> bool {
    let uri = Uri::from_str(url).ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

const MAX_REDIRECTS: u32 = 5;
/// Longer than any that a server of files needs.
const MAX_URL: usize = 4096;
const MAX_SHOWN: usize = 300;
/// A server that asks for more patience is asked again in vain.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// One for each thread that verifies.
const MAX_CONNECTIONS: usize = 16;

#[cfg(test)]
mod tests;
