//! Strict JSON with places: what is scanned *is* what is forwarded.
//!
//! A lenient parser in front of a differently lenient one is how guards are
//! passed: the guard reads the first of two equal keys, the model the last. So
//! this parser refuses whatever two correct parsers could read differently
//! (RFC 8259, section 4 and 9): duplicate keys, lone surrogates, a byte order
//! mark, trailing bytes, numbers that overflow, nesting past a bound. And it
//! keeps the place of every string in the bytes, so that a redaction replaces
//! exactly the bytes of a finding and leaves every other byte as it was.

mod parse;
mod splice;

use std::ops::Range;

pub(crate) use parse::{Limits, SyntaxFault, parse};
pub(crate) use splice::{Splice, apply, literal_span};

/// One parsed value and the bytes it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The value.
    pub(crate) kind: Kind,
    /// Its bytes in the document.
    pub(crate) span: Range<usize>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Text),
    /// An array.
    Array(Vec<Node>),
    /// An object; keys are distinct and in the order of the bytes.
    Object(Vec<(Text, Node)>),
}

/// A number that both sides of the proxy read alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// An integer of `i64`.
    Signed(i64),
    /// An integer above `i64::MAX`.
    Unsigned(u64),
    /// Anything with a fraction or an exponent.
    Float(f64),
}

/// A string: its decoded text and its place, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The decoded text.
    pub(crate) value: String,
    /// Bytes of the literal in the document, from quote to quote.
    pub(crate) span: Range<usize>,
}

impl Node {
    /// The member `key` of an object.
    #[must_use]
    pub(crate) fn member(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(members) => {
                members.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The member `key`, unless it is `null`: to clients the same as none.
    #[must_use]
    pub(crate) fn given(&self, key: &str) -> Option<&Self> {
        self.member(key).filter(|value| !value.is_null())
    }

    /// Whether it is `null`.
    #[must_use]
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The text of a string.
    #[must_use]
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(&text.value),
            _ => None,
        }
    }

    /// The members of an object; empty for anything else.
    #[must_use]
    pub(crate) fn members(&self) -> &[(Text, Self)] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// The string with its place.
    #[must_use]
    pub(crate) const fn as_text(&self) -> Option<&Text> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array; empty for anything else.
    #[must_use]
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Array(items) => items,
            _ => &[],
        }
    }

    /// A non-negative integer.
    #[must_use]
    pub(crate) fn as_u64(&self) -> Option<u64> {
        match &self.kind {
            Kind::Number(Number::Signed(value)) => u64::try_from(*value).ok(),
            Kind::Number(Number::Unsigned(value)) => Some(*value),
            _ => None,
        }
    }

    /// The same value without places, for the policy engine.
    #[must_use]
    pub(crate) fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(Number::Signed(value)) => Value::from(*value),
            Kind::Number(Number::Unsigned(value)) => Value::from(*value),
            Kind::Number(Number::Float(value)) => Value::from(*value),
            Kind::String(text) => Value::String(text.value.clone()),
            Kind::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Object(members) => Value::Object(
                members.iter().map(|(key, value)| (key.value.clone(), value.to_value())).collect(),
            ),
        }
    }
}

/// One spelling for all spellings of a value: members sorted, no white space.
#[must_use]
pub(crate) fn canonical(node: &Node) -> String {
    let mut out = String::new();
    write_canonical(node, &mut out);
    out
}

fn write_canonical(node: &Node, out: &mut String) {
    let quoted = |text: &Text| serde_json::Value::from(text.value.as_str()).to_string();
    match &node.kind {
        Kind::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            let mut sorted: Vec<&(Text, Node)> = members.iter().collect();
            sorted.sort_by(|one, other| one.0.value.cmp(&other.0.value));
            out.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Kind::String(text) => out.push_str(&quoted(text)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => out.push_str(&node.to_value().to_string()),
    }
}

/// `text` as one token of a JSON pointer (RFC 6901, section 3).
#[must_use]
pub(crate) fn pointer_token(text: &str) -> String {
    if text.contains(['~', '/']) {
        text.replace('~', "~0").replace('/', "~1")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
