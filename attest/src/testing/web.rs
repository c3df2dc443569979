//! A small HTTP server that serves files from memory and may misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// This status, these headers, this body.
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// 200 and a body that never ends.
    Endless,
    /// 200, the promise of a body, and nothing more.
    Stall,
    /// Reads the request and says nothing.
    Silence,
    /// 200, and less than was promised.
    Short(Vec<u8>),
    /// The promise of so many bytes, and none of them.
    Promise(u64),
    /// Closes the connection without an answer.
    Close,
    /// What is no HTTP.
    Noise,
}

impl Reply {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::Status(200, Vec::new(), body.to_vec())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), b"why".to_vec())
    }

    pub(crate) fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::Status(status, vec![("location", location.into())], Vec::new())
    }
}

/// Answers a path; the number tells how often it was asked before.
type Answer = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// A running server; it ends with its handle.
pub(crate) struct Web {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    answer: Box<Answer>,
    asked: Mutex<BTreeMap<String, usize>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Web {
    pub(crate) fn start(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            answer: Box::new(answer),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::Relaxed);
                shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                // A client that leaves in the middle is what some of the tests are about.
                std::thread::spawn(move || drop(talk(stream, &shared)));
            }
        });
        Self { url, state }
    }

    /// Serves files by their paths; what is not there is 404.
    pub(crate) fn files(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::start(move |path, _| {
            files.get(path.trim_start_matches('/')).map_or(Reply::status(404), |b| Reply::ok(b))
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// How often each path was asked for.
    pub(crate) fn asked(&self) -> BTreeMap<String, usize> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        for stream in self.state.open.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the listener, which then sees that it is to end.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
    }
}

fn talk(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(first) = lines.next() else { return Ok(()) };
        let path = first?.split(' ').nth(1).unwrap_or_default().to_owned();
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let before = {
            let mut asked = state.asked.lock().unwrap();
            let count = asked.entry(path.clone()).or_default();
            *count += 1;
            *count - 1
        };
        match (state.answer)(&path, before) {
            Reply::Status(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                out.write_all(&[(head + "\r\n").as_bytes(), &body].concat())?;
            }
            Reply::Endless => {
                out.write_all(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")?;
                loop {
                    out.write_all(&[b"400\r\n", [b'a'; 1024].as_slice(), b"\r\n"].concat())?;
                }
            }
            Reply::Stall => {
                out.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nabc")?;
                // Until the client has had enough.
                let _ = lines.next();
                return Ok(());
            }
            Reply::Silence => {
                let _ = lines.next();
                return Ok(());
            }
            Reply::Short(body) => {
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len() + 5);
                out.write_all(&[head.as_bytes(), &body].concat())?;
                return out.shutdown(std::net::Shutdown::Both);
            }
            Reply::Promise(length) => {
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n");
                out.write_all(head.as_bytes())?;
                let _ = lines.next();
                return Ok(());
            }
            Reply::Close => return out.shutdown(std::net::Shutdown::Both),
            Reply::Noise => {
                out.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")?;
                return out.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}
