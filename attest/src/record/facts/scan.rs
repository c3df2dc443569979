//! The scanner: canonical JSON leaves one order of fields, one spelling of
//! each number and no white space, so a record is compared with what must
//! stand there rather than parsed. Fields `cut` and `x`, escapes in strings
//! and all else that is rare is not for it.

use std::borrow::Cow;

use crate::json::MAX_INTEGER;

use super::exchange::{Coverage, Seen, Total};
use super::{ConfigInForce, ExchangeKey, Fact, Facts, PrincipalKey, RecordVerdict};

/// The facts of an intent, outcome or tool call; nothing where the text is
/// anything else.
pub(super) fn record(text: &str) -> Option<Facts<Cow<'_, str>>> {
    let mut scan = Scan { text, at: 0, comma: false };
    scan.literal("{")?;
    let facts = if text.starts_with("{\"action\":") {
        intent(&mut scan)?
    } else if text.starts_with("{\"c") {
        outcome(&mut scan)?
    } else {
        call(&mut scan)?
    };
    scan.literal("}")?;
    (scan.at == text.len()).then_some(facts)
}

fn intent<'a>(scan: &mut Scan<'a>) -> Option<Facts<Cow<'a, str>>> {
    scan.field("\"action\":")?.text()?;
    let config = scan.field("\"config\":")?.object(|scan| {
        Some(ConfigInForce {
            model: scan.optional("\"model\":", Scan::number)?,
            policy: scan.field("\"policy\":")?.number()?,
            settings: scan.field("\"settings\":")?.number()?,
        })
    })?;
    scan.field("\"dialect\":")?.text()?;
    scan.optional("\"end_user\":", Scan::text)?;
    let exchange = scan.field("\"exchange\":")?.text()?;
    scan.field("\"kind\":\"intent\"")?;
    scan.optional("\"model\":", Scan::text)?;
    scan.optional("\"overlap\":", |scan| scan.literal("true"))?;
    scan.optional("\"parent\":", Scan::text)?;
    let principal = PrincipalKey::of(scan.field("\"principal\":")?.text()?);
    scan.optional("\"request\":", Scan::bytes32)?;
    let route = scan.field("\"route\":")?.text()?;
    scan.optional("\"session\":", Scan::text)?;
    scan.optional("\"spki\":", Scan::bytes32)?;
    scan.field("\"tenant\":")?.text()?;
    let time = scan.field("\"time\":")?.number()?;
    scan.field("\"upstream\":")?.text()?;
    scan.field("\"v\":1")?;
    let key = ExchangeKey::of(exchange);
    Some(Facts { time, fact: Fact::Intent { key, principal, route: Cow::Borrowed(route), config } })
}

fn outcome<'a>(scan: &mut Scan<'a>) -> Option<Facts<Cow<'a, str>>> {
    let mut map = Coverage::default();
    scan.optional("\"categories\":", Scan::texts)?;
    scan.optional("\"commitments\":", Scan::texts)?;
    scan.optional("\"coverage\":", |scan| {
        scan.list(|scan| {
            map.rows.push(scan.object(row)?);
            Some(())
        })
    })?;
    let complete = scan.field("\"coverage_complete\":")?.boolean()?;
    scan.optional("\"decoded\":", |scan| {
        scan.list(|scan| {
            map.totals.push(scan.object(total)?);
            Some(())
        })
    })?;
    scan.optional("\"detectors\":", |scan| scan.list(|scan| scan.object(detector)))?;
    scan.field("\"enforcement\":")?.one_of(&ENFORCEMENTS)?;
    let exchange = scan.field("\"exchange\":")?.text()?;
    let intent = scan.field("\"intent\":")?.number()?;
    scan.field("\"kind\":\"outcome\"")?;
    scan.optional("\"model\":", Scan::text)?;
    scan.optional("\"opaque\":", |scan| {
        scan.list(|scan| {
            scan.object(|scan| {
                scan.field("\"bytes\":")?.number()?;
                scan.field("\"media_type\":")?.text()
            })?;
            Some(())
        })
    })?;
    scan.optional("\"policies\":", Scan::texts)?;
    let reason = scan.optional("\"reason\":", Scan::text)?;
    scan.field("\"released_after\":")?.number()?;
    scan.field("\"released_before\":")?.number()?;
    scan.optional("\"request\":", Scan::bytes32)?;
    scan.optional("\"response_released\":", Scan::bytes32)?;
    scan.optional("\"response_upstream\":", Scan::bytes32)?;
    let time = scan.field("\"time\":")?.number()?;
    scan.optional("\"timings_us\":", Scan::counts)?;
    scan.optional("\"upstream_status\":", |scan| u16::try_from(scan.number()?).ok())?;
    scan.optional("\"usage\":", |scan| {
        scan.object(|scan| {
            scan.field("\"input\":")?.number()?;
            scan.field("\"output\":")?.number()
        })
    })?;
    scan.field("\"v\":1")?;
    let verdict = scan.field("\"verdict\":")?.verdict()?;
    let (key, covers) = (ExchangeKey::of(exchange), map.adds_up(verdict, reason));
    Some(Facts { time, fact: Fact::Outcome { key, intent, verdict, complete, covers } })
}

fn row<'a>(scan: &mut Scan<'a>) -> Option<Seen<'a>> {
    let bytes = scan.field("\"bytes\":")?.number()?;
    let cached = scan.counter("\"cached\":")?;
    let channel = scan.field("\"channel\":")?.text()?;
    scan.field("\"detector\":")?.text()?;
    let failed = scan.counter("\"failed\":")?;
    let segments = scan.field("\"segments\":")?.number()?;
    let skipped = scan.counter("\"skipped\":")?;
    let timed_out = scan.counter("\"timed_out\":")?;
    scan.counter("\"tokens\":")?;
    let truncated = scan.counter("\"truncated\":")?;
    // Five integers below 2^53.
    let accounted = segments + skipped + truncated + failed + timed_out;
    Some(Seen { bytes, cached, channel, segments, accounted })
}

fn total<'a>(scan: &mut Scan<'a>) -> Option<Total<'a>> {
    Some(Total {
        bytes: scan.field("\"bytes\":")?.number()?,
        channel: scan.field("\"channel\":")?.text()?,
        segments: scan.field("\"segments\":")?.number()?,
    })
}

fn detector(scan: &mut Scan<'_>) -> Option<()> {
    scan.field("\"category\":")?.text()?;
    scan.field("\"channel\":")?.text()?;
    scan.field("\"count\":")?.number()?;
    scan.field("\"detector\":")?.text()?;
    u32::try_from(scan.field("\"score_ppm\":")?.number()?).ok()?;
    Some(())
}

/// One that was never held for a person; the others are rare.
fn call<'a>(scan: &mut Scan<'a>) -> Option<Facts<Cow<'a, str>>> {
    scan.optional("\"arguments\":", Scan::bytes32)?;
    scan.optional("\"definition\":", Scan::bytes32)?;
    let exchange = scan.field("\"exchange\":")?.text()?;
    let intent = scan.field("\"intent\":")?.number()?;
    scan.field("\"kind\":\"toolcall\"")?;
    scan.counter("\"number\":")?;
    scan.optional("\"policies\":", Scan::texts)?;
    let time = scan.field("\"time\":")?.number()?;
    scan.field("\"tool\":")?.text()?;
    scan.field("\"v\":1")?;
    scan.field("\"verdict\":")?.verdict()?;
    Some(Facts { time, fact: Fact::Call { key: ExchangeKey::of(exchange), intent, used: None } })
}

/// A place in the text. Every method moves past what it expects, or gives
/// nothing, and then the whole scan is given up.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// The next field is not its object's first.
    comma: bool,
}

impl<'a> Scan<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    #[inline]
    fn literal(&mut self, expected: &str) -> Option<()> {
        self.rest().starts_with(expected.as_bytes()).then(|| self.at += expected.len())
    }

    /// A field that must be there: its name in quotes, with the colon.
    #[inline]
    fn field(&mut self, name: &'static str) -> Option<&mut Self> {
        if std::mem::replace(&mut self.comma, true) {
            self.literal(",")?;
        }
        self.literal(name)?;
        Some(self)
    }

    /// A field that may be missing. Nothing only when its value is not what
    /// `value` expects.
    #[inline]
    fn optional<T>(
        &mut self,
        name: &'static str,
        value: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        let (before, comma) = (self.at, self.comma);
        if self.field(name).is_none() {
            (self.at, self.comma) = (before, comma);
            return Some(None);
        }
        value(self).map(Some)
    }

    /// A counter that is left out where it is zero.
    #[inline]
    fn counter(&mut self, name: &'static str) -> Option<u64> {
        let value = self.optional(name, Self::number)?;
        value.map_or(Some(0), |value| Some(value).filter(|value| *value > 0))
    }

    fn object<T>(&mut self, fields: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.literal("{")?;
        self.comma = false;
        let value = fields(self)?;
        self.literal("}")?;
        self.comma = true;
        Some(value)
    }

    /// A list that is left out where it is empty.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.literal("[")?;
        item(self)?;
        while self.literal(",").is_some() {
            item(self)?;
        }
        self.literal("]")
    }

    fn texts(&mut self) -> Option<()> {
        self.list(|scan| scan.text().map(|_| ()))
    }

    /// A map of numbers that is left out where it is empty.
    fn counts(&mut self) -> Option<()> {
        self.literal("{")?;
        let mut last = None;
        loop {
            let key = self.text()?;
            if !key.is_ascii() || last.is_some_and(|last| last >= key) {
                return None;
            }
            last = Some(key);
            self.literal(":")?;
            self.number()?;
            if self.literal(",").is_none() {
                return self.literal("}");
            }
        }
    }

    /// A string without escapes.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        self.literal("\"")?;
        let start = self.at;
        let length = plain_length(self.rest());
        self.at += length;
        self.literal("\"")?;
        self.text.get(start..start + length)
    }

    /// 0 to 2^53 - 1, without leading zeros.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let (mut value, mut length) = (0_u64, 0);
        // Sixteen digits cannot overflow, and 2^53 has sixteen.
        for byte in rest.iter().take(17) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + u64::from(digit);
            length += 1;
        }
        let leading_zero = length > 1 && rest.first() == Some(&b'0');
        if length == 0 || leading_zero || value > MAX_INTEGER {
            return None;
        }
        self.at += length;
        Some(value)
    }

    #[inline]
    fn boolean(&mut self) -> Option<bool> {
        if self.literal("true").is_some() {
            return Some(true);
        }
        self.literal("false").map(|()| false)
    }

    /// 32 bytes in unpadded base64url: 43 digits, the last with two bits that
    /// must be zero.
    #[inline]
    fn bytes32(&mut self) -> Option<()> {
        let (digits, _) = self.rest().split_first_chunk::<45>()?;
        let [b'"', digits @ .., last, b'"'] = digits else { return None };
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
        if !digits.iter().all(digit) || !b"AEIMQUYcgkosw048".contains(last) {
            return None;
        }
        self.at += 45;
        Some(())
    }

    fn one_of(&mut self, words: &[&'static str]) -> Option<()> {
        let text = self.text()?;
        words.contains(&text).then_some(())
    }

    fn verdict(&mut self) -> Option<RecordVerdict> {
        let text = self.text()?;
        VERDICTS.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// How many bytes stand before the first quote, backslash or control
/// character. Eight at a time: for each of the three the lowest mark in `hits`
/// is true, and only marks above a true one can be false.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (chunks, tail) = bytes.as_chunks::<8>();
    for (place, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let hits = (quote | backslash | control) & (ONES * 0x80);
        if hits != 0 {
            return place * 8 + usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    let into_tail = tail.iter().position(ends).unwrap_or(tail.len());
    bytes.len() - tail.len() + into_tail
}

const ENFORCEMENTS: [&str; 4] = ["enforced", "shadow", "fail_open", "fail_closed"];

const VERDICTS: [RecordVerdict; 7] = [
    RecordVerdict::Allow,
    RecordVerdict::Flag,
    RecordVerdict::Redact,
    RecordVerdict::Block,
    RecordVerdict::Approve,
    RecordVerdict::Error,
    RecordVerdict::Abort,
];
