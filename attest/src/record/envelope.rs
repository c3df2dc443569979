//! How a record becomes bytes and back: the fields `kind`, `time` and `v`
//! woven into the sorted fields of its struct, and taken out again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::ser::Serialize;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use crate::json::{self, Json, JsonFault, MAX_INTEGER};

use super::{MAX_RECORD_BYTES, RECORD_VERSION, Record, RecordFault, Stored};

mod bound;
mod weave;

/// Sixteen bytes that stand for an exchange's id: the UUID itself, so that ids
/// sort by time, or the head of a SHA-256 of any other text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ExchangeKey(pub(crate) [u8; 16]);

impl ExchangeKey {
    pub(crate) fn of(exchange: &str) -> Self {
        let uuid = uuid_bytes(exchange);
        Self(uuid.unwrap_or_else(|| {
            let hash: [u8; 32] = Sha256::digest(exchange.as_bytes()).into();
            hash.first_chunk().copied().unwrap_or_default()
        }))
    }
}

/// The bytes of a UUID in its canonical, hyphenated, lower-case form.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let hyphens =
        text.len() == 36 && [8, 13, 18, 23].iter().all(|i| text.as_bytes().get(*i) == Some(&b'-'));
    if !hyphens {
        return None;
    }
    let mut bytes = [0_u8; 16];
    let mut digits = text.bytes().filter(|digit| *digit != b'-').map(nibble);
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(bytes)
}

/// The value of a lower-case hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The Unix milliseconds inside a UUIDv7 (RFC 9562 5.7).
pub(crate) fn uuid7_millis(text: &str) -> Option<u64> {
    let bytes = uuid_bytes(text)?;
    let version = bytes.get(6)? >> 4;
    let time = bytes.first_chunk::<6>()?;
    let millis = time.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    (version == 7).then_some(millis)
}

/// What the sequencer must know of a record to keep the log's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Intent(ExchangeKey),
    Outcome(ExchangeKey, u64),
    /// A tool call, which belongs to an open intent too.
    Call(ExchangeKey, u64),
    Other,
}

/// A record's bytes, all but the digits of its time.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    time_at: usize,
    pub(crate) subject: Subject,
}

impl Encoded {
    /// Bytes, without the time.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a record, cutting what is over the bounds.
    pub(crate) fn new(mut record: Record) -> Result<Self, EncodeError> {
        bound::strings(&mut record)?;
        loop {
            let encoded = Self::whole(&record)?;
            // Sixteen digits of time are still to come.
            if encoded.bytes.len() + 16 <= MAX_RECORD_BYTES {
                return Ok(encoded);
            }
            if !bound::shorten(&mut record) {
                return Err(EncodeError::TooLarge);
            }
        }
    }

    fn whole(record: &Record) -> Result<Self, EncodeError> {
        let kind = record.kind();
        let subject = match record {
            Record::Intent(intent) => Subject::Intent(ExchangeKey::of(&intent.exchange)),
            Record::Outcome(outcome) => {
                Subject::Outcome(ExchangeKey::of(&outcome.exchange), outcome.intent)
            }
            Record::ToolCall(call) => Subject::Call(ExchangeKey::of(&call.exchange), call.intent),
            _ => Subject::Other,
        };
        let (bytes, time_at) = visit(record, kind).map_err(EncodeError::Value)?;
        Ok(Self { bytes, time_at, subject })
    }

    /// Appends the record, stamped, to `out`.
    pub(crate) fn stamp(&self, time: u64, out: &mut Vec<u8>) {
        // `time_at` came from the writer of `bytes`; were it wrong, the record
        // would lack its tail and no verifier would read it.
        let (head, tail) = self.bytes.split_at_checked(self.time_at).unwrap_or((&self.bytes, &[]));
        out.extend_from_slice(head);
        let mut digits = [0_u8; 20];
        out.extend_from_slice(decimal(time.min(MAX_INTEGER), &mut digits));
        out.extend_from_slice(tail);
    }
}

/// Why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EncodeError {
    TooLarge,
    Exchange,
    Value(JsonFault),
}

fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut from = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        from = place;
        if value == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or(&[])
}

/// Writes the record's struct with `kind` and `v` woven in and `time` left
/// open.
fn visit(record: &Record, kind: &'static str) -> Result<(Vec<u8>, usize), JsonFault> {
    match record {
        Record::Boot(body) => weave::weave(body, kind),
        Record::Config(body) => weave::weave(body, kind),
        Record::Commitment(body) => weave::weave(body, kind),
        Record::Intent(body) => weave::weave(body, kind),
        Record::Outcome(body) => weave::weave(body.as_ref(), kind),
        Record::ToolCall(body) => weave::weave(body, kind),
        Record::Approval(body) => weave::weave(body.as_ref(), kind),
        Record::Test(body) => weave::weave(body, kind),
        Record::Heartbeat(body) => weave::weave(body, kind),
        Record::Incident(body) | Record::Review(body) | Record::Stop(body) => {
            weave::weave(body, kind)
        }
        Record::Anchor(body) => weave::weave(body, kind),
        Record::Key(body) => weave::weave(body, kind),
        Record::Erasure(body) => weave::weave(body, kind),
        Record::Close(body) => weave::weave(body, kind),
    }
}

/// The three fields that every record has.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    time: u64,
    v: u64,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Stored, RecordFault> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordFault::TooLong);
    }
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(|_| RecordFault::Envelope)?;
    let record = if head.v == RECORD_VERSION { known(&head.kind, bytes)? } else { None };
    match &record {
        Some(record) => {
            let encoded = Encoded::whole(record).map_err(|_| JsonFault::Value)?;
            let mut again = Vec::with_capacity(bytes.len());
            encoded.stamp(head.time, &mut again);
            if again != bytes {
                return Err(JsonFault::Spelling.into());
            }
        }
        None => {
            json::read::<BTreeMap<String, Json>>(bytes)?;
        }
    }
    Ok(Stored { v: head.v, kind: head.kind.into_owned(), time: head.time, record })
}

fn known(kind: &str, bytes: &[u8]) -> Result<Option<Record>, JsonFault> {
    Ok(Some(match kind {
        "boot" => Record::Boot(body(bytes)?),
        "config" => Record::Config(body(bytes)?),
        "commitment" => Record::Commitment(body(bytes)?),
        "intent" => Record::Intent(body(bytes)?),
        "outcome" => Record::Outcome(Box::new(body(bytes)?)),
        "toolcall" => Record::ToolCall(body(bytes)?),
        "approval" => Record::Approval(Box::new(body(bytes)?)),
        "test" => Record::Test(body(bytes)?),
        "heartbeat" => Record::Heartbeat(body(bytes)?),
        "incident" => Record::Incident(body(bytes)?),
        "review" => Record::Review(body(bytes)?),
        "stop" => Record::Stop(body(bytes)?),
        "anchor" => Record::Anchor(body(bytes)?),
        "key" => Record::Key(body(bytes)?),
        "erasure" => Record::Erasure(body(bytes)?),
        "close" => Record::Close(body(bytes)?),
        _ => return Ok(None),
    }))
}

fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonFault> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let unwoven: Unwoven<T> =
        Unwoven::deserialize(&mut deserializer).map_err(|e| JsonFault::Shape(e.column()))?;
    deserializer.end().map_err(|e| JsonFault::Shape(e.column()))?;
    Ok(unwoven.0)
}

/// A struct read from an object that also has `kind`, `time` and `v`.
struct Unwoven<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unwoven<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Outer<T> {
            type Value = Unwoven<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Unwoven<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(WithoutHead(map))).map(Unwoven)
            }
        }
        deserializer.deserialize_map(Outer(std::marker::PhantomData))
    }
}

/// The fields of an object but for the three of the envelope.
struct WithoutHead<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutHead<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.0.next_key()? {
            if matches!(key.as_ref(), "kind" | "time" | "v") {
                self.0.next_value::<IgnoredAny>()?;
                continue;
            }
            return match key {
                Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
                Cow::Owned(key) => {
                    let key: CowStrDeserializer<'_, A::Error> =
                        de::IntoDeserializer::into_deserializer(Cow::<str>::Owned(key));
                    seed.deserialize(key).map(Some)
                }
            };
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Serialises one field's value as canonical JSON.
fn write_value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), JsonFault> {
    json::write(value, out)
}
