//! What a URL parser makes of a URL: who is really asked. User information is
//! left out, percent triplets in the host are undone, backslashes are slashes,
//! and numbers that are addresses are written as addresses: decimal,
//! hexadecimal, octal and short forms (the WHATWG URL Standard's IPv4 parser),
//! IPv6 that carries IPv4 (RFC 4291 2.5.5, RFC 6052).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{limits, rewrite::Plain, viewbuf::At};

/// Where in a URL the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Elsewhere,
    /// After a colon, and so many slashes.
    Slashes(u8),
    Authority,
}

/// A URL's authority, while it may go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Url {
    place: Place,
    pending: Vec<Plain>,
}

impl Url {
    pub(crate) fn concerns(text: &str) -> bool {
        let bytes = text.as_bytes();
        memchr::memchr_iter(b':', bytes)
            .any(|at| matches!(bytes.get(at.saturating_add(1)), None | Some(b'/' | b'\\')))
    }

    pub(crate) fn hold(&self) -> Option<usize> {
        self.pending.first().map(|first| first.at.start())
    }

    /// How many bytes of a text are in no URL; they count as taken.
    pub(crate) fn passes(&mut self, text: &str) -> usize {
        match self.place {
            Place::Elsewhere => memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len()),
            Place::Slashes(_) | Place::Authority => 0,
        }
    }

    pub(crate) fn push(&mut self, c: char, at: At, out: &mut Vec<Plain>) {
        match (self.place, c) {
            (Place::Slashes(count), '/' | '\\') => {
                if count < 2 {
                    out.push(Plain { c: '/', at: if c == '/' { at } else { at.spread(c) } });
                }
                self.place = Place::Slashes(count.saturating_add(1).min(2));
                return;
            }
            (Place::Slashes(2), _) => self.place = Place::Authority,
            (Place::Slashes(_), _) => self.place = Place::Elsewhere,
            _ => {}
        }
        if self.place == Place::Authority {
            if !ends_authority(c) && self.pending.len() < limits::AUTHORITY_CHARS {
                self.pending.push(Plain { c, at });
                return;
            }
            self.settle(out);
        }
        if c == ':' {
            self.place = Place::Slashes(0);
        }
        out.push(Plain { c, at });
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<Plain>) {
        self.settle(out);
    }

    fn settle(&mut self, out: &mut Vec<Plain>) {
        self.place = Place::Elsewhere;
        let pending = std::mem::take(&mut self.pending);
        let user = pending.iter().rposition(|piece| piece.c == '@');
        let asked = pending.get(user.map_or(0, |at| at.saturating_add(1))..).unwrap_or_default();
        let bracket = asked.iter().position(|piece| piece.c == ']');
        let port = asked
            .iter()
            .enumerate()
            .position(|(at, piece)| piece.c == ':' && bracket.is_none_or(|end| at > end));
        let (host, port) = asked.split_at_checked(port.unwrap_or(asked.len())).unwrap_or_default();
        // Only an address is written anew: its characters have one place
        // together, and are too few for a run that hides something.
        let written = address(&host.iter().map(|piece| piece.c).collect::<String>());
        match (written, host.first().zip(host.last()), host) {
            (Some(address), Some((first, last)), _) => {
                let at = At::Span(first.at.start(), last.at.end(last.c));
                out.extend(address.chars().map(|c| Plain { c, at }));
            }
            (None, _, [name @ .., Plain { c: '.', .. }]) => out.extend(name),
            _ => out.extend(host),
        }
        out.extend(port);
    }
}

fn ends_authority(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '/' | '\\' | '?' | '#' | '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '^'
        )
}

/// The address that a host is, in its plain form, if it is written otherwise.
fn address(host: &str) -> Option<String> {
    let decoded = percent_decoded(host);
    let plain = match decoded.strip_prefix('[') {
        Some(rest) => {
            let (inside, _) = rest.split_once(']')?;
            let address: Ipv6Addr = inside.split('%').next()?.parse().ok()?;
            embedded(address).map_or_else(|| format!("[{address}]"), |carried| carried.to_string())
        }
        None => ipv4(decoded.strip_suffix('.').unwrap_or(&decoded))?.to_string(),
    };
    (plain != host).then_some(plain)
}

/// The IPv4 address that an IPv6 address carries: mapped, compatible, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(carried(high, low)),
        _ => None,
    }
}

/// One to four numbers, the last of which fills what is left.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = host.split('.').collect();
    let (last, before) = parts.split_last()?;
    if before.len() > 3 {
        return None;
    }
    let mut value = 0u64;
    for (part, shift) in before.iter().zip([24u32, 16, 8]) {
        let number = number(part).filter(|number| *number < 256)?;
        value |= number << shift;
    }
    let left = 32u32.saturating_sub(u32::try_from(before.len()).ok()?.saturating_mul(8));
    let rest = number(last).filter(|number| *number < 1u64 << left)?;
    u32::try_from(value | rest).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if radix == 16 && digits.is_empty() {
        return Some(0);
    }
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (plain && digits.len() <= NUMBER_DIGITS).then(|| u64::from_str_radix(digits, radix).ok())?
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let triplet = match rest {
            [b'%', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                digit(*high).zip(digit(*low)).and_then(|(h, l)| u8::try_from(h * 16 + l).ok())
            }
            _ => None,
        };
        bytes.push(triplet.unwrap_or(first));
        rest = if triplet.is_some() { rest.get(3..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Digits of one number of an address: zeros may stand before it.
const NUMBER_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let (mut url, mut out) = (Url::default(), Vec::new());
        for (start, c) in text.char_indices() {
            url.push(c, At::Same(start), &mut out);
        }
        url.finish(&mut out);
        out.into_iter().map(|piece| piece.c).collect()
    }

    #[test]
    fn says_who_is_asked() {
        for (text, expected) in [
            ("http://2852039166/latest", "http://169.254.169.254/latest"),
            ("http://0xA9FEA9FE", "http://169.254.169.254"),
            ("http://0251.0376.0251.0376/", "http://169.254.169.254/"),
            ("http://127.1:80/x", "http://127.0.0.1:80/x"),
            ("http://0x7f.0.0x1", "http://127.0.0.1"),
            ("http://[::ffff:169.254.169.254]/", "http://169.254.169.254/"),
            ("http://[::ffff:a9fe:a9fe]:80/", "http://169.254.169.254:80/"),
            ("http://[64:ff9b::7f00:1]/", "http://127.0.0.1/"),
            ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
            ("http://bank.example@evil.example/", "http://evil.example/"),
            ("http:\\\\Evil.EXAMPLE.\\x", "http://Evil.EXAMPLE\\x"),
            ("http:\\/\\/127.1\\/", "http://127.0.0.1\\/"),
            ("http://%31%32%37.1/", "http://127.0.0.1/"),
            ("https://example.com:8443/a:b", "https://example.com:8443/a:b"),
            ("at 10:30 // and x: y", "at 10:30 // and x: y"),
            ("http://1.2.3.4.5/ http://256.1.1.1/", "http://1.2.3.4.5/ http://256.1.1.1/"),
            ("http://", "http://"),
            ("http://1/", "http://0.0.0.1/"),
            ("http://u:p@[fe80::1%25eth0]:8080.", "http://[fe80::1]:8080."),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
