//! A raw HTTP/1.1 client. It shows what no HTTP library shows: which bytes came when, where the
//! wire was cut, and whether a body ended as its framing says.

use std::{
    fmt::Debug,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use crate::{PATIENCE, Stopwatch};

/// A request that is about to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `GET path`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// `POST path` with `body` as JSON.
    #[must_use]
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::post_bytes(path, body.to_string())
    }

    /// `POST path` with exactly these bytes, labelled as JSON.
    #[must_use]
    pub fn post_bytes(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { method: "POST", path: path.into(), headers, body: body.into() }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request's bytes on the wire.
    #[must_use]
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let named = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("connection") {
            head += "connection: close\r\n";
        }
        if self.method != "GET" && !named("content-length") && !named("transfer-encoding") {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends the request and reads the answer's head.
    ///
    /// # Panics
    /// When there is nobody at `address`, or no head comes within [`PATIENCE`].
    #[must_use]
    pub fn open(&self, address: &str) -> Live {
        self.try_open(address).unwrap_or_else(|| panic!("no answer from {address}"))
    }

    /// The same; none when the connection is refused or lost before the head is whole.
    #[must_use]
    pub fn try_open(&self, address: &str) -> Option<Live> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        self.converse(stream, address)
    }

    /// Sends the request to a Unix socket and reads the whole answer.
    ///
    /// # Panics
    /// As [`Request::open`].
    #[must_use]
    pub fn send_to_socket(&self, path: &Path) -> Answer {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.converse(stream, "localhost").unwrap().finish()
    }

    fn converse(&self, mut wire: impl Wire + 'static, host: &str) -> Option<Live> {
        let watch = Stopwatch::start();
        // A server that refuses early answers before it has read everything.
        let _ = wire.write_all(&self.bytes(host));
        Live::read(Box::new(wire), watch)
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Panics
    /// As [`Request::open`].
    #[must_use]
    pub fn send(&self, address: &str) -> Answer {
        self.open(address).finish()
    }

    /// The same; none when the connection is refused or lost before the head is whole.
    #[must_use]
    pub fn try_send(&self, address: &str) -> Option<Answer> {
        Some(self.try_open(address)?.finish())
    }
}

trait Wire: Read + Write + Debug + Send {}
impl Wire for TcpStream {}
impl Wire for UnixStream {}

/// An answer whose head has come and whose body may still be on its way.
#[derive(Debug)]
pub struct Live {
    stream: Box<dyn Wire>,
    watch: Stopwatch,
    status: u16,
    headers: Vec<(String, String)>,
    framing: Framing,
    raw: Vec<u8>,
    body: Vec<u8>,
    pieces: Vec<(Duration, usize)>,
    complete: bool,
    lost: bool,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Live {
    fn read(mut stream: Box<dyn Wire>, watch: Stopwatch) -> Option<Self> {
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
            raw.extend_from_slice(&buffer[..count]);
        };
        let head = String::from_utf8(raw[..end].to_vec()).unwrap();
        raw.drain(..end);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let framing = match (header("transfer-encoding"), header("content-length")) {
            (Some("chunked"), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) => Framing::UntilClose,
            both => panic!("ambiguous framing: {both:?}"),
        };
        let mut live = Self {
            stream,
            watch,
            status,
            headers,
            framing,
            raw,
            body: Vec::new(),
            pieces: Vec::new(),
            complete: false,
            lost: false,
        };
        live.decode();
        Some(live)
    }

    /// The body's bytes so far.
    #[must_use]
    pub fn so_far(&self) -> &[u8] {
        &self.body
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of one header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Waits for more of the body; false at its end.
    pub fn more(&mut self) -> bool {
        let before = self.body.len();
        while self.body.len() == before && !self.complete && !self.lost {
            let mut buffer = [0; 16384];
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    self.raw.extend_from_slice(&buffer[..count]);
                    self.decode();
                }
                _ => {
                    self.lost = true;
                    self.complete = matches!(self.framing, Framing::UntilClose);
                }
            }
        }
        self.body.len() > before
    }

    /// Reads on until the body holds `text`.
    ///
    /// # Panics
    /// When the body ends without it.
    pub fn until(&mut self, text: &str) {
        while !self.body.windows(text.len()).any(|window| window == text.as_bytes()) {
            assert!(
                self.more(),
                "the body ended without `{text}`: {}",
                String::from_utf8_lossy(&self.body)
            );
        }
    }

    /// Reads the rest.
    #[must_use]
    pub fn finish(mut self) -> Answer {
        while self.more() {}
        Answer {
            status: self.status,
            headers: self.headers,
            body: self.body,
            complete: self.complete,
            pieces: self.pieces,
        }
    }

    fn decode(&mut self) {
        let before = self.body.len();
        match self.framing {
            Framing::UntilClose => self.body.append(&mut self.raw),
            Framing::Length(length) => {
                self.body.append(&mut self.raw);
                self.complete = self.body.len() == length;
            }
            Framing::Chunked => while self.decode_chunk() {},
        }
        if self.body.len() > before {
            self.pieces.push((self.watch.elapsed(), self.body.len()));
        }
    }

    /// Takes one whole chunk out of `raw`; false when there is none yet.
    fn decode_chunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") else {
            return false;
        };
        let size = std::str::from_utf8(&self.raw[..line]).unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
        if self.raw.len() < line + 2 + size + 2 {
            return false;
        }
        self.body.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
        self.raw.drain(..line + 2 + size + 2);
        self.complete = size == 0;
        size > 0
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    /// The body without its chunk headers.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says, and was not cut.
    pub complete: bool,
    /// How long the body was, and when, each time more of it came.
    pub pieces: Vec<(Duration, usize)>,
}

impl Answer {
    /// The value of one header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The id under which the exchange is in the log.
    ///
    /// # Panics
    /// When the answer carries none.
    #[must_use]
    pub fn exchange(&self) -> &str {
        self.header("troth-exchange").expect("every answer names its exchange")
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// Itself, if its status is `status`.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn has_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}
