//! `troth-audit witness`: the witness over HTTP/1.1, one request for each
//! connection, each within a time and a size.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use troth_attest::{
    Clock as _, Signer, SystemClock, TrustPolicy, VerifierKey, Witness, WitnessReply,
};

use super::{Usage, args, output};

/// Serves until it is killed.
pub(crate) fn run(args: &args::Witness) -> anyhow::Result<u8> {
    let file = args.key.display();
    let text = fs::read_to_string(&args.key).with_context(|| format!("cannot read `{file}`"))?;
    let signer: Signer = text.parse().map_err(|fault| Usage(format!("`{file}`: {fault}")))?;
    if args.print_key {
        output::line(signer.witness_verifier())?;
        return Ok(0);
    }
    let logs = logs(args)?;
    let state = args.state.as_deref().ok_or_else(|| Usage("--state is missing".to_owned()))?;
    let witness = Witness::open(signer, logs, state)
        .with_context(|| format!("cannot use `{}`", state.display()))?;
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    output::listening(listener.local_addr()?, "witness");
    serve(&listener, &Arc::new(witness))
}

/// The logs that it follows.
fn logs(args: &args::Witness) -> anyhow::Result<Vec<VerifierKey>> {
    let mut logs = Vec::new();
    for key in &args.log {
        logs.push(key.parse().map_err(|fault| Usage(format!("--log {key}: {fault}")))?);
    }
    if let Some(path) = &args.policy {
        let file = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read `{file}`"))?;
        let policy = TrustPolicy::parse(&text);
        let policy = policy.map_err(|fault| Usage(format!("`{file}`: {fault}")))?;
        logs.extend_from_slice(policy.logs());
    }
    if logs.is_empty() {
        return Err(Usage("name a log to follow with --log or --policy".to_owned()).into());
    }
    Ok(logs)
}

fn serve(listener: &TcpListener, witness: &Arc<Witness>) -> anyhow::Result<u8> {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(fault) => {
                // Out of descriptors, or a peer that left: others may come.
                output::error(format_args!("cannot accept a connection: {fault}"));
                thread::sleep(PAUSE);
                continue;
            }
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            // Whoever is told nothing tries again, as it would after an answer.
            continue;
        }
        let place = Place(Arc::clone(&open));
        let witness = Arc::clone(witness);
        let spawned = thread::Builder::new().name("witness".to_owned()).spawn(move || {
            let _place = place;
            // A peer that leaves in the middle has nobody to tell it to.
            let _ = talk(stream, &witness);
        });
        if let Err(fault) = spawned {
            output::error(format_args!("cannot start a thread: {fault}"));
        }
    }
}

/// One of the connections that may be open.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request, one answer.
fn talk(mut stream: TcpStream, witness: &Witness) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PACKET))?;
    stream.set_write_timeout(Some(PACKET))?;
    let reply = match read(&mut stream)? {
        Some(request) => answer(&request, witness),
        None => text(400, "not a request that a witness reads\n"),
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.status,
        reason(reply.status),
        reply.content_type,
        reply.body.len()
    );
    stream.write_all(&[head.as_bytes(), &reply.body].concat())?;
    stream.shutdown(Shutdown::Write)?;
    // What a peer has still sent must not make the answer a reset; one that
    // trickles is not waited for longer than for a request.
    let mut packet = [0; 8192];
    for _ in 0..PACKETS {
        if stream.read(&mut packet)? == 0 {
            break;
        }
    }
    Ok(())
}

struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

/// Reads one request; nothing when it is none, or is too large or too slow: so
/// many packets, each in its time.
fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let mut packet = [0; 8192];
    for _ in 0..PACKETS {
        match whole(&bytes) {
            Some(Ok(request)) => return Ok(Some(request)),
            Some(Err(())) => return Ok(None),
            None => {}
        }
        let read = stream.read(&mut packet)?;
        let Some(more) = packet.get(..read).filter(|more| !more.is_empty()) else { break };
        bytes.extend_from_slice(more);
        if bytes.len() > REQUEST_BYTES {
            break;
        }
    }
    Ok(None)
}

/// The request, once all of it is there.
fn whole(bytes: &[u8]) -> Option<Result<Request, ()>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some(Err(())),
    };
    let mut length = 0;
    for header in head.headers.iter() {
        // Bodies of unknown length are not read: nobody needs them here.
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Some(Err(()));
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            match std::str::from_utf8(header.value).ok().and_then(|value| value.parse().ok()) {
                Some(value) if value <= REQUEST_BYTES => length = value,
                _ => return Some(Err(())),
            }
        }
    }
    let body = bytes.get(start..start + length)?.to_vec();
    let (Some(method), Some(path)) = (head.method, head.path) else { return Some(Err(())) };
    Some(Ok(Request { method: method.to_owned(), path: path.to_owned(), body }))
}

fn answer(request: &Request, witness: &Witness) -> WitnessReply {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/add-checkpoint") => {
            witness.add_checkpoint(&request.body, SystemClock.now_micros() / 1_000_000)
        }
        ("GET", "/healthz") => text(200, "ok\n"),
        ("GET", path) if path.ends_with("/checkpoint") => {
            witness.checkpoint(path.trim_start_matches('/'))
        }
        _ => text(404, "POST /add-checkpoint, GET /<origin's SHA-256>/checkpoint, GET /healthz\n"),
    }
}

fn text(status: u16, body: &str) -> WitnessReply {
    WitnessReply { status, content_type: "text/plain; charset=utf-8", body: body.into() }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Content",
        _ => "Internal Server Error",
    }
}

/// Connections at once.
const CONNECTIONS: usize = 128;
/// Bytes of a request, its head included.
const REQUEST_BYTES: usize = 96 * 1024;
/// Packets of a request, and the time for each: under two minutes for a
/// peer that trickles.
const PACKETS: usize = 100;
const PACKET: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
