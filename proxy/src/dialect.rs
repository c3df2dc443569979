//! Wire formats: bytes into segments, verdicts into the client's own errors.
//!
//! A dialect knows where text stands in its messages and how its official
//! clients want to be refused. It decides nothing.

mod media;
pub(crate) mod openai;
mod walk;

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use http::Method;
use troth_policies::{Channel, Origin, Segment};

use crate::json::{self, Kind, Node, Splice, SyntaxFault};

/// The wire protocol family of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `OpenAI`: chat completions and the list of models.
    OpenAi,
}

impl Family {
    /// The family that a configuration names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        (name == "openai").then_some(Self::OpenAi)
    }

    /// Its name in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
        }
    }

    /// All names that a configuration may use.
    pub(crate) const NAMES: &'static [&'static str] = &["openai"];

    /// What `method` on `path` (without the route's prefix) asks for; `None` is
    /// a path that nobody named, and that is refused.
    pub(crate) fn endpoint(self, method: &Method, path: &str) -> Option<Endpoint> {
        match self {
            Self::OpenAi => openai::endpoint(method, path),
        }
    }
}

/// One kind of request that a family knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `POST chat/completions`
    ChatCompletions,
    /// `GET models`
    Models,
    /// `GET models/{id}`
    Model {
        /// The percent-decoded id.
        id: String,
    },
}

impl Endpoint {
    /// The dialect's name in a record.
    pub(crate) const fn dialect(&self) -> &'static str {
        match self {
            Self::ChatCompletions => "openai-chat",
            Self::Models | Self::Model { .. } => "json",
        }
    }
}

/// Where a segment's text stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The string literal at these bytes.
    Literal(Range<usize>),
    /// A string literal inside the text of another (JSON in JSON).
    Nested {
        /// The outer literal, in the document.
        outer: Range<usize>,
        /// The inner literal, in the outer one's text.
        inner: Range<usize>,
        /// The outer literal's text.
        text: std::sync::Arc<str>,
    },
    /// A text made of several strings: it can be refused, not redacted.
    Assembled,
}

impl Place {
    /// The document's bytes that hold `part` of the segment's text.
    pub(crate) fn locate(&self, document: &[u8], part: &Range<usize>) -> Option<Range<usize>> {
        match self {
            Self::Literal(literal) => json::literal_span(document, literal, part),
            Self::Nested { outer, inner, text } => {
                let within = json::literal_span(text.as_bytes(), inner, part)?;
                json::literal_span(document, outer, &within)
            }
            Self::Assembled => None,
        }
    }
}

/// One text of a message, with its place.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// JSON pointer (RFC 6901) of the text.
    pub(crate) pointer: String,
    /// Its channel.
    pub(crate) channel: Channel,
    /// Who wrote it.
    pub(crate) origin: Origin,
    /// The tool that it came from or goes to.
    pub(crate) tool: Option<String>,
    /// The decoded text.
    pub(crate) text: String,
    /// Where it stands.
    pub(crate) place: Place,
    /// The answer's choice that it belongs to.
    pub(crate) choice: Option<u32>,
}

impl Piece {
    /// The piece as the policy engine sees it.
    pub(crate) fn segment(&self, index: usize) -> Segment<'_> {
        Segment {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            pointer: &self.pointer,
            channel: self.channel,
            origin: self.origin,
            tool: self.tool.as_deref(),
            text: &self.text,
        }
    }
}

/// A tool call that an answer makes.
#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    /// The tool's name.
    pub(crate) name: String,
    /// Its arguments; a string when they are not strict JSON, or a custom tool's text.
    pub(crate) arguments: serde_json::Value,
    /// The arguments as they were sent.
    pub(crate) raw: String,
    /// Two parsers could read these arguments differently.
    pub(crate) ambiguous: bool,
    /// The choice that makes the call.
    pub(crate) choice: u32,
}

impl ToolCall {
    /// A call whose arguments are the text `raw`.
    pub(crate) fn new(name: String, raw: String, choice: u32) -> Self {
        let (arguments, ambiguous) = if raw.trim().is_empty() {
            (serde_json::Value::Object(serde_json::Map::new()), false)
        } else {
            match json::parse(raw.as_bytes(), json::Limits::default()) {
                Ok(node) => (node.to_value(), false),
                // Cut arguments run nowhere; anything else that is not strict,
                // some lenient parser reads in a way of its own.
                Err(fault) => (serde_json::Value::String(raw.clone()), !fault.is_truncated()),
            }
        };
        Self { name, arguments, raw, ambiguous, choice }
    }

    /// A call of a custom tool, whose `input` is whatever text its grammar says.
    /// An object or array in it is read as one, so that a rule about a tool's
    /// arguments holds however the tool is called; anything else is a text.
    pub(crate) fn custom(name: String, raw: String, choice: u32) -> Self {
        let text = || serde_json::Value::String(raw.clone());
        let (arguments, ambiguous) = match json::parse(raw.as_bytes(), json::Limits::default()) {
            Ok(node) if matches!(node.kind, Kind::Object(_) | Kind::Array(_)) => {
                (node.to_value(), false)
            }
            Ok(_) => (text(), false),
            // A text that is no JSON says one thing; JSON that only lenient
            // parsers read says several.
            Err(_) => (text(), serde_json::from_str::<serde::de::IgnoredAny>(&raw).is_ok()),
        };
        Self { name, arguments, raw, ambiguous, choice }
    }
}

/// What nobody can read, counted by media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opaque {
    /// `image`, `audio`, `file`, or the media type where it is told.
    pub(crate) media_type: String,
    /// Bytes of the encoded content.
    pub(crate) bytes: u64,
}

/// A message taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoded {
    /// All texts, in the order of the bytes.
    pub(crate) pieces: Vec<Piece>,
    /// What no detector reads.
    pub(crate) opaque: Vec<Opaque>,
    /// Tool calls that the message makes.
    pub(crate) calls: Vec<ToolCall>,
    /// The model that the message names.
    pub(crate) model: Option<String>,
    /// Names of tools whose results the message carries.
    pub(crate) results: Vec<String>,
    /// Names of tools that the message offers.
    pub(crate) offers: Vec<String>,
    /// SHA-256 of the canonical JSON of their definitions, by name.
    pub(crate) definitions: BTreeMap<String, [u8; 32]>,
    /// Tokens in and out, where the message tells.
    pub(crate) usage: Option<(u64, u64)>,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeFault {
    /// Not strict JSON.
    #[error("the body is not strict JSON: {0}")]
    Syntax(#[from] SyntaxFault),
    /// Strict JSON of another shape.
    #[error("{what}")]
    Shape {
        /// What was expected, without content.
        what: &'static str,
    },
}

/// A message's bytes with its tree.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The bytes, as they came.
    pub(crate) bytes: Bytes,
    /// The tree.
    pub(crate) root: Node,
}

impl Document {
    /// Parses strictly.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, SyntaxFault> {
        let root = json::parse(&bytes, json::Limits::default())?;
        Ok(Self { bytes, root })
    }

    /// The bytes with `splices` applied.
    pub(crate) fn spliced(&self, splices: Vec<Splice>) -> Bytes {
        Bytes::from(json::apply(&self.bytes, splices))
    }
}
