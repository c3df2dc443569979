//! Canonical JSON: a strict subset of RFC 8785, so that a record has one
//! spelling and a digest of it means something.
//!
//! ASCII keys in sorted order, integers in 0..2^53-1, no floats, no nulls, no
//! duplicate keys. Reading is refusing: [`read`] emits what it parsed and
//! compares, so whatever this writer would not have written is not a record.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;
use serde::{Deserialize, Deserializer, Serializer};
use thiserror::Error;

/// The largest integer that every JSON reader keeps exact.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why bytes are not canonical JSON of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// Not JSON, or not of this record's shape. Tells the column only: what
    /// stands there may be anything.
    #[error("not a record of its kind, near byte {0}")]
    Shape(usize),
    /// JSON, but not in its canonical spelling.
    #[error("not in canonical form")]
    Spelling,
    /// A value that canonical JSON has no form for.
    #[error("a number, null or key that canonical JSON does not have")]
    Value,
}

/// Any canonical value; what stands under `"x"`, and what records of unknown
/// kinds are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// 0 to 2^53 - 1.
    Number(u64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Map(BTreeMap<String, Json>),
}

/// Fields that this version does not know, all under `"x"`.
pub type Extra = BTreeMap<String, Json>;

/// Writes a value canonically. Structs must declare their fields in sorted
/// order: a test holds every record type to that.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), JsonFault> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Canonical::default());
    value.serialize(&mut serializer).map_err(|_| JsonFault::Value)
}

/// Reads a value and refuses any other spelling of it.
pub(crate) fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, JsonFault> {
    let value: T = serde_json::from_slice(bytes).map_err(|e| JsonFault::Shape(e.column()))?;
    let mut again = Vec::with_capacity(bytes.len());
    write(&value, &mut again)?;
    if again == bytes { Ok(value) } else { Err(JsonFault::Spelling) }
}

/// The formatter that has no words for what canonical JSON does not have.
/// serde_json already escapes exactly as RFC 8785 asks.
#[derive(Debug, Default)]
struct Canonical {
    in_key: bool,
}

fn refuse<T>() -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::InvalidData))
}

impl serde_json::ser::Formatter for Canonical {
    fn write_null<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        refuse()
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, _: &mut W, _: f64) -> io::Result<()> {
        refuse()
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, _: &mut W, _: f32) -> io::Result<()> {
        refuse()
    }

    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        match u64::try_from(value) {
            Ok(value) => self.write_u64(writer, value),
            Err(_) => refuse(),
        }
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value > MAX_INTEGER {
            return refuse();
        }
        write!(writer, "{value}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.in_key = true;
        if first { Ok(()) } else { w.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Beyond ASCII, byte order and RFC 8785's UTF-16 order differ.
        if self.in_key && !fragment.is_ascii() {
            return refuse();
        }
        writer.write_all(fragment.as_bytes())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => values.serialize(serializer),
            Self::Map(values) => values.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde_json bounds the depth at 128.
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a canonical JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if values.insert(key, value).is_some() {
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(Json::Map(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<JsonFault> {
        read::<Json>(text.as_bytes()).err()
    }

    #[test]
    fn canonical_values_pass() {
        for text in [
            r#"{}"#,
            r#"{"a":1,"b":[true,"x",{"c":9007199254740991}]}"#,
            r#""\b\t\n\f\r\"\\\u0001\u001f""#,
            "\"中文 \u{7f} \u{2028}\"",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "{} ",
            " {}",
            "\u{feff}{}",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-1}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":null}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"é":1}"#,
            r#""\u0041""#,
            r#""\/""#,
            r#""\u001F""#,
            r#""\ud800""#,
            "{\"a\":1}\r\n",
            r#"{"a":1}{"#,
        ] {
            assert!(fault(text).is_some(), "{text}");
        }
        assert!(fault(&"[".repeat(100_000)).is_some());
    }
}
