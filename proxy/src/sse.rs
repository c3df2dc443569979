//! Server-sent events, read as WHATWG HTML section 9.2.6 reads them, with each
//! event's original bytes kept.
//!
//! Lines end in CR, LF or CRLF and packets may end anywhere: in the middle of a
//! character, of a CRLF, of a field. Several `data` lines are one text joined
//! with LF. What follows the last blank line when the stream ends is not an
//! event to a browser, but some clients read it, so it is handed out too.

/// One event, or one comment block, with the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The bytes, the blank line that ended it included.
    pub(crate) raw: Vec<u8>,
    /// The `data` lines joined with LF; `None` when there is none.
    pub(crate) data: Option<String>,
    /// Text of the other fields (`event`, `id`, `retry`) and of comments.
    pub(crate) other: Vec<String>,
}

/// Why a stream is no longer read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamFault {
    /// An event grew past the bound.
    #[error("an event of more than {limit} bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// Text that is not UTF-8.
    #[error("an event that is not UTF-8")]
    NotUtf8,
    /// A field that the standard does not name. A browser passes over it, and a
    /// client that reads it all the same (`data` behind a second byte order
    /// mark) reads what nobody has judged.
    #[error("a field that no standard names")]
    UnknownField,
}

/// Bytes in, events out.
#[derive(Debug)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// Where the event under way begins in `buffer`: within a packet events are
    /// taken by offset, and the buffer moves once at its end.
    start: usize,
    /// Everything before this byte of `buffer` has been searched for line ends.
    scanned: usize,
    /// Where the line under way begins in `buffer`.
    line: usize,
    /// The last line end was a CR at the end of a packet: an LF that comes next
    /// belongs to it.
    after_cr: bool,
    started: bool,
    limit: usize,
}

impl Parser {
    /// A parser that refuses events of more than `limit` bytes.
    #[must_use]
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            line: 0,
            after_cr: false,
            started: false,
            limit,
        }
    }

    /// Bytes of the event under way.
    #[must_use]
    pub(crate) const fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes a packet; returns the events that it completed.
    ///
    /// # Errors
    /// An event too large or not UTF-8; the stream is over then.
    pub(crate) fn push(&mut self, packet: &[u8]) -> Result<Vec<Event>, StreamFault> {
        self.buffer.extend_from_slice(packet);
        let mut events = Vec::new();
        while let Some(byte) = self.buffer.get(self.scanned).copied() {
            if self.after_cr {
                self.after_cr = false;
                if byte == b'\n' {
                    self.scanned += 1;
                    self.line = self.scanned;
                    continue;
                }
            }
            if byte != b'\n' && byte != b'\r' {
                self.scanned += 1;
                continue;
            }
            let blank = self.scanned == self.line;
            self.scanned += 1;
            if byte == b'\r' {
                match self.buffer.get(self.scanned) {
                    Some(b'\n') => self.scanned += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.line = self.scanned;
            if blank {
                events.push(self.cut(self.scanned)?);
            }
        }
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.line -= self.start;
        self.start = 0;
        if self.buffer.len() > self.limit {
            return Err(StreamFault::TooLarge { limit: self.limit });
        }
        Ok(events)
    }

    /// The end of the stream: what was left without a blank line, if anything.
    ///
    /// # Errors
    /// As [`Parser::push`].
    pub(crate) fn finish(&mut self) -> Result<Option<Event>, StreamFault> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.cut(self.buffer.len()).map(Some)
    }

    fn cut(&mut self, end: usize) -> Result<Event, StreamFault> {
        let raw = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
        if raw.len() > self.limit {
            return Err(StreamFault::TooLarge { limit: self.limit });
        }
        self.start = end;
        let text = std::str::from_utf8(&raw).map_err(|_| StreamFault::NotUtf8)?;
        let text = if self.started { text } else { text.strip_prefix('\u{feff}').unwrap_or(text) };
        self.started = true;
        let mut data: Option<String> = None;
        let mut other = Vec::new();
        for line in lines(text) {
            match field(line) {
                ("data", value) => match &mut data {
                    None => data = Some(value.to_owned()),
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                },
                ("" | "event" | "id" | "retry", "") => {}
                ("" | "event" | "id" | "retry", value) => other.push(value.to_owned()),
                _ => return Err(StreamFault::UnknownField),
            }
        }
        Ok(Event { raw, data, other })
    }
}

/// `raw` with its data replaced by `data`; all other lines as they were.
#[must_use]
pub(crate) fn rewrite(raw: &[u8], data: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw);
    // The mark that a stream may begin with is no part of its first field.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut out = Vec::with_capacity(raw.len() + data.len());
    let mut written = false;
    for line in lines(text) {
        if field(line).0 == "data" {
            if !written {
                written = true;
                for part in data.split('\n') {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(part.as_bytes());
                    out.push(b'\n');
                }
            }
        } else if !line.is_empty() {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out
}

/// `data` as one event.
#[must_use]
pub(crate) fn event(data: &str) -> Vec<u8> {
    rewrite(b"data:\n\n", data)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// A line's field name and value; a comment has the name `""`.
fn field(line: &str) -> (&str, &str) {
    match line.split_once(':') {
        Some((name, value)) => (name, value.strip_prefix(' ').unwrap_or(value)),
        None => (line, ""),
    }
}

#[cfg(test)]
mod tests;
