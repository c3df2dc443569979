//! An upstream that plays exactly the bytes it was given, in exactly the pieces it was given.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use crate::PATIENCE;

/// A server of canned bytes: each connection gets the same answer, then it is closed.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: String,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    _thread: JoinHandle<()>,
}

impl Upstream {
    /// Answers every request with `pieces`, one write each with a breath between.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn answers(pieces: Vec<Vec<u8>>) -> Self {
        Self::slowly(pieces, BREATH)
    }

    /// The same with a pause of `breath` after each piece.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn slowly(pieces: Vec<Vec<u8>>, breath: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // The request is noted before it is answered: who has the answer may ask for it.
                let _ = converse(stream, &pieces, breath, |one| requests.lock().unwrap().push(one));
            }
        });
        Self { address, seen, _thread: thread }
    }

    /// Answers with a server-sent stream of `body`, cut into pieces of `size` bytes, without a
    /// length: it ends when the connection does.
    #[must_use]
    pub fn streams(body: &[u8], size: usize) -> Self {
        Self::stream_of(body.chunks(size.max(1)))
    }

    /// The same, cut where `pieces` are.
    #[must_use]
    pub fn stream_of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let head: &[u8] =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self::answers(std::iter::once(head).chain(pieces).map(<[u8]>::to_vec).collect())
    }

    /// Answers with a whole JSON body.
    #[must_use]
    pub fn says(body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n"
        );
        Self::answers(vec![[head.as_bytes(), body].concat()])
    }

    /// The requests that came, heads and bodies.
    ///
    /// # Panics
    /// When the server's thread did.
    #[must_use]
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads one request, tells it, plays the answer; nothing when the client left.
fn converse(
    mut stream: TcpStream,
    pieces: &[Vec<u8>],
    breath: Duration,
    tell: impl FnOnce(Vec<u8>),
) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = Vec::new();
    let mut buffer = [0; 16384];
    while !is_whole(&request) {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
    }
    tell(request);
    for piece in pieces {
        // Who reads may be gone: that is the reader's business.
        if stream.write_all(piece).is_err() {
            break;
        }
        std::thread::sleep(breath);
    }
    Some(())
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return request.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    request.len() >= end + 4 + length
}

/// Long enough for a piece to travel alone on loopback.
const BREATH: Duration = Duration::from_micros(300);
