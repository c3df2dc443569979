//! `troth.toml`: from what was typed ([`raw`]) to what it means ([`Config`]).
//!
//! A [`Config`] cannot be wrong: every fault of the file is found before one
//! exists, and all faults are told at once, each with its place.
//!
//! # Defaults
//! - `listen.address` `127.0.0.1:8080`
//! - route: `mode` `enforce`, `commit` `sealed`, `stream` `gate`, `opaque` `record`
//! - `policy.bundle` `builtin:baseline`
//! - `classifiers`: `models` `builtin:models`, `providers` `["cpu"]`,
//!   `deadline_ms` 250, `on_deadline` `refuse`
//! - no `[[approver]]`: what policies hold for a person is refused
//! - limits: see [`Limits`]

mod faults;
mod limits;
mod raw;
mod read;

pub(crate) use faults::ConfigFaults;
pub(crate) use limits::Limits;
pub(crate) use read::read;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use troth_attest::VerifierKey;
use troth_classifiers::Provider;
use troth_policies::Principal;

use crate::dialect::Family;

/// A configuration that holds.
#[derive(Debug)]
pub(crate) struct Config {
    /// SHA-256 of the file, in hexadecimal.
    pub(crate) digest: String,
    /// What applications talk to.
    pub(crate) listen: Listen,
    /// Where operators talk to the proxy.
    pub(crate) admin: Option<Admin>,
    /// Longest prefix first.
    pub(crate) routes: Vec<Arc<Route>>,
    /// The bundle.
    pub(crate) bundle: Place,
    /// The models; `None` is `dangerous_off`.
    pub(crate) classifiers: Option<Classifiers>,
    /// The logs.
    pub(crate) logs: Vec<LogSettings>,
    /// Who may come; empty: everybody is `anonymous`.
    pub(crate) principals: Vec<Known>,
    /// Whose statements let held calls pass.
    pub(crate) approvers: Vec<Approver>,
    /// Bounds.
    pub(crate) limits: Limits,
}

/// What applications talk to.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    /// The address.
    pub(crate) address: SocketAddr,
    /// TLS, where it is spoken.
    pub(crate) tls: Option<TlsFiles>,
}

/// PEM files of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Certificate chain.
    pub(crate) certificate: PathBuf,
    /// Private key.
    pub(crate) key: PathBuf,
    /// Authorities of client certificates; clients must present one then.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Where operators talk to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admin {
    /// A Unix socket of mode 0600.
    Socket(PathBuf),
    /// TCP, with a bearer token.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The token, from `token_file`.
        token: Secret,
    },
}

/// A text that no log line shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Something built in, or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `builtin:...`, the usual one.
    Builtin,
    /// A bundle that ships besides the usual one, by its name.
    Shipped(&'static str),
    /// A directory.
    Directory(PathBuf),
}

/// One route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// Its name, in records and metrics.
    pub(crate) name: String,
    /// The path prefix that it answers.
    pub(crate) path: String,
    /// Where it leads.
    pub(crate) upstream: Upstream,
    /// What is spoken there.
    pub(crate) family: Family,
    /// Verdicts are applied, or only recorded.
    pub(crate) mode: Mode,
    /// What the last byte waits for.
    pub(crate) commit: Commit,
    /// Streams wait for classifiers, or race them.
    pub(crate) stream: StreamMode,
    /// Whether content that no detector reads passes.
    pub(crate) opaque: OpaqueMode,
    /// Index of the log; `None` is `dangerous_unlogged`.
    pub(crate) log: Option<usize>,
    /// The upstream is called beside the fsync of the intent, where no tool is
    /// in play.
    pub(crate) overlap: bool,
    /// The receipt is sent in `Troth-Receipt`.
    pub(crate) inline_receipt: bool,
    /// A header that only the proxy knows.
    pub(crate) credential: Option<Credential>,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// `http` or `https`.
    pub(crate) scheme: http::uri::Scheme,
    /// Host and port.
    pub(crate) authority: http::uri::Authority,
    /// What stands before every path; empty or without a slash at its end.
    pub(crate) base: String,
}

/// A header that only the proxy knows.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// Its name.
    pub(crate) header: http::HeaderName,
    /// Its value; marked sensitive.
    pub(crate) value: http::HeaderValue,
}

/// Verdicts are applied, or only recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Applied.
    Enforce,
    /// Recorded.
    Shadow,
}

/// What the last byte waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// The outcome in a signed checkpoint.
    Sealed,
    /// The same, and a quorum of cosignatures on it.
    Witnessed,
    /// Nothing; drops are counted.
    Async,
}

/// What a stream does about classifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamMode {
    /// Text waits for its verdict.
    Gate,
    /// Text flows; a verdict cuts.
    Race,
}

/// What happens to content that no detector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpaqueMode {
    /// It passes and is counted.
    Record,
    /// It is refused.
    Refuse,
}

/// The models.
#[derive(Debug, Clone)]
pub(crate) struct Classifiers {
    /// Where they are.
    pub(crate) models: Place,
    /// ONNX Runtime, where the file says.
    pub(crate) runtime: Option<PathBuf>,
    /// In the order of trial.
    pub(crate) providers: Vec<Provider>,
    /// Threads, one session each.
    pub(crate) workers: Option<usize>,
    /// How long a text waits for its scores.
    pub(crate) deadline: Duration,
    /// What happens when they are late, or fail.
    pub(crate) on_deadline: OnDeadline,
}

/// What happens to an exchange whose scores did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDeadline {
    /// It is refused.
    Refuse,
    /// It passes, flagged, and the record says so.
    Flag,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// Its name, which routes use.
    pub(crate) name: String,
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its origin line.
    pub(crate) origin: String,
    /// The file with its private key.
    pub(crate) key: PathBuf,
    /// Where it is published.
    pub(crate) publish: Option<SocketAddr>,
    /// Whether entries are published too.
    pub(crate) publish_entries: bool,
    /// How often the public checkpoint moves, at most.
    pub(crate) publish_interval: Duration,
    /// Records that may wait.
    pub(crate) queue_records: usize,
    /// The file of the key before it, which signs too while keys change.
    pub(crate) previous_key: Option<PathBuf>,
    /// The directory of the log that has ended and that this one goes on from.
    pub(crate) follows: Option<PathBuf>,
    /// The policy file (C2SP tlog-policy) that names its witnesses, with their
    /// addresses and the quorum.
    pub(crate) witnesses: Option<PathBuf>,
    /// How long a witness is waited for.
    pub(crate) witness_timeout: Duration,
}

/// Somebody who decides about calls that policies hold for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Approver {
    /// Its name, for people.
    pub(crate) id: String,
    /// The key that signs its decisions.
    pub(crate) key: VerifierKey,
}

/// A principal and the digest of its key.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Who it is.
    pub(crate) principal: Arc<Principal>,
    /// SHA-256 of the key that it presents.
    pub(crate) key_sha256: [u8; 32],
}
