//! The parser: recursive descent with a bound on depth, linear in the bytes.

use std::{collections::HashSet, ops::Range};

use super::{Kind, Node, Number, Text};

/// Bounds of one document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nesting of arrays and objects.
    pub(crate) depth: usize,
    /// Values and keys together.
    pub(crate) nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, nodes: 1_000_000 }
    }
}

/// Why a document is refused. Carries the place, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub(crate) struct SyntaxFault {
    what: &'static str,
    at: usize,
    duplicate: bool,
    truncated: bool,
}

impl SyntaxFault {
    /// Whether the document only ends too early: no parser reads that.
    pub(crate) const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether two correct parsers could read this document differently.
    #[cfg(test)]
    pub(crate) const fn is_duplicate_key(&self) -> bool {
        self.duplicate
    }
}

/// Parses one document, all of it.
///
/// # Errors
/// Anything that RFC 8259 does not allow, and what it leaves to the reader:
/// duplicate keys, lone surrogates, overflowing numbers, a byte order mark,
/// nesting or size past `limits`.
pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Node, SyntaxFault> {
    let text =
        std::str::from_utf8(bytes).map_err(|fault| fail("invalid UTF-8", fault.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(fail("a byte order mark", 0));
    }
    let mut parser = Parser { text, at: 0, limits, nodes: 0 };
    parser.space();
    let parsed = parser.value(0);
    let at_end = parser.at >= text.len();
    let node = parsed.map_err(|fault| SyntaxFault { truncated: at_end, ..fault })?;
    parser.space();
    if parser.at < text.len() {
        return Err(fail("trailing bytes", parser.at));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    nodes: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn count(&mut self) -> Result<(), SyntaxFault> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes { Err(self.fail("too many values")) } else { Ok(()) }
    }

    const fn fail(&self, what: &'static str) -> SyntaxFault {
        fail(what, self.at)
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxFault> {
        self.count()?;
        if depth > self.limits.depth {
            return Err(self.fail("nesting too deep"));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Kind::String),
            Some(b't') => self.word("true", Kind::Bool(true)),
            Some(b'f') => self.word("false", Kind::Bool(false)),
            Some(b'n') => self.word("null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.fail("an unexpected character")),
            None => Err(self.fail("an unexpected end")),
        }?;
        Ok(Node { kind, span: start..self.at })
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, SyntaxFault> {
        let end = self.at + word.len();
        if self.slice(self.at..end) != word {
            return Err(self.fail("an unexpected word"));
        }
        self.at = end;
        Ok(kind)
    }

    fn object(&mut self, depth: usize) -> Result<Kind, SyntaxFault> {
        self.at += 1;
        let mut members: Vec<(Text, Node)> = Vec::new();
        // Small objects are compared pairwise; large ones by hash, so that a
        // hostile object of 100,000 keys costs linear time.
        let mut seen: HashSet<String> = HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.fail("a missing key"));
            }
            self.count()?;
            let place = self.at;
            let key = self.string()?;
            let again = if members.len() < PAIRWISE_KEYS {
                members.iter().any(|(name, _)| name.value == key.value)
            } else {
                if seen.is_empty() {
                    seen.extend(members.iter().map(|(name, _)| name.value.clone()));
                }
                !seen.insert(key.value.clone())
            };
            if again {
                return Err(SyntaxFault { duplicate: true, ..fail("a duplicate key", place) });
            }
            self.space();
            self.expect(b':', "a missing colon")?;
            self.space();
            let value = self.value(depth + 1)?;
            members.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Kind::Object(members));
                }
                _ => return Err(self.fail("a missing comma or brace")),
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, SyntaxFault> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::Array(items));
                }
                _ => return Err(self.fail("a missing comma or bracket")),
            }
            self.space();
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), SyntaxFault> {
        if self.peek() != Some(byte) {
            return Err(self.fail(what));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Text, SyntaxFault> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let plain = self.at;
            while let Some(byte) = self.peek() {
                if byte == b'"' || byte == b'\\' || byte < 0x20 {
                    break;
                }
                self.at += 1;
            }
            value.push_str(self.slice(plain..self.at));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { value, span: start..self.at });
                }
                Some(b'\\') => {
                    let (decoded, length) = escape(self.text.as_bytes(), self.at)?;
                    value.push(decoded);
                    self.at += length;
                }
                Some(_) => return Err(self.fail("a control character in a string")),
                None => return Err(self.fail("an unterminated string")),
            }
        }
    }

    fn number(&mut self) -> Result<Kind, SyntaxFault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.fail("a number without digits")),
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let raw = self.slice(start..self.at);
        let number = if integer {
            raw.parse::<i64>()
                .map(Number::Signed)
                .or_else(|_| raw.parse::<u64>().map(Number::Unsigned))
                .map_err(|_| fail("an integer outside 64 bits", start))?
        } else {
            let value: f64 = raw.parse().map_err(|_| fail("an invalid number", start))?;
            if !value.is_finite() {
                return Err(fail("a number that overflows", start));
            }
            Number::Float(value)
        };
        Ok(Kind::Number(number))
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), SyntaxFault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.fail("a number without digits"));
        }
        self.digits();
        Ok(())
    }
}

/// The character of the escape at `at` and the length of the escape in bytes.
pub(super) fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), SyntaxFault> {
    let simple = |c| Ok((c, 2));
    match bytes.get(at + 1) {
        Some(b'"') => simple('"'),
        Some(b'\\') => simple('\\'),
        Some(b'/') => simple('/'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'u') => unicode_escape(bytes, at),
        _ => Err(fail("an unknown escape", at)),
    }
}

fn unicode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), SyntaxFault> {
    let lone = || fail("a lone surrogate", at);
    let first = hex4(bytes, at + 2).ok_or_else(|| fail("an invalid escape", at))?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first).map(|c| (c, 6)).ok_or_else(lone);
    }
    let pair =
        first < 0xdc00 && bytes.get(at + 6) == Some(&b'\\') && bytes.get(at + 7) == Some(&b'u');
    let second = if pair { hex4(bytes, at + 8) } else { None };
    match second {
        Some(second) if (0xdc00..0xe000).contains(&second) => {
            let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            char::from_u32(scalar).map(|c| (c, 12)).ok_or_else(lone)
        }
        _ => Err(lone()),
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

const fn fail(what: &'static str, at: usize) -> SyntaxFault {
    SyntaxFault { what, at, duplicate: false, truncated: false }
}

const PAIRWISE_KEYS: usize = 16;
