//! Every string of a document, so that no text goes unread because nobody
//! thought of its key: a guard that reads `content` in front of a model that
//! reads `content_blocks` sees nothing.

use troth_policies::{Channel, Origin};

use super::{Opaque, Piece, Place};
use crate::json::{self, Kind, Node, Text, pointer_token};

/// Who speaks where, on the way down.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    pub(super) channel: Channel,
    pub(super) origin: Origin,
    pub(super) tool: Option<String>,
    pub(super) choice: Option<u32>,
}

impl Voice {
    pub(super) const fn new(channel: Channel, origin: Origin) -> Self {
        Self { channel, origin, tool: None, choice: None }
    }
}

/// Collects pieces from a tree.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) pieces: Vec<Piece>,
    pub(super) opaque: Vec<Opaque>,
}

impl Walk {
    /// All strings below `node`, and the keys where `keys` says so.
    pub(super) fn all(&mut self, node: &Node, pointer: &str, voice: &Voice, keys: bool) {
        match &node.kind {
            Kind::String(text) => self.text(text, pointer, voice),
            Kind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.all(item, &format!("{pointer}/{index}"), voice, keys);
                }
            }
            Kind::Object(members) => {
                for (key, value) in members {
                    let below = below(pointer, &key.value);
                    if keys || !is_plain_key(&key.value) {
                        self.text(key, &below, voice);
                    }
                    self.member(&key.value, value, &below, voice, keys);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
        }
    }

    /// A member of an object whose shape is known only in part.
    pub(super) fn member_of(&mut self, key: &str, value: &Node, pointer: &str, voice: &Voice) {
        self.member(key, value, pointer, voice, true);
    }

    /// Tool calls: `arguments` and `input` may be JSON inside a string.
    pub(super) fn calls(&mut self, node: &Node, pointer: &str, voice: &Voice) {
        for (key, value) in node.members() {
            let below = below(pointer, &key.value);
            match (key.value.as_str(), value.as_text()) {
                ("arguments" | "input", Some(text)) => self.arguments(text, &below, voice),
                ("function" | "custom", None) => self.calls(value, &below, voice),
                _ => self.member(&key.value, value, &below, voice, true),
            }
        }
        if !matches!(node.kind, Kind::Object(_)) {
            self.all(node, pointer, voice, true);
        }
    }

    /// One member, by what its key says of its value.
    fn member(&mut self, key: &str, value: &Node, pointer: &str, voice: &Voice, keys: bool) {
        let media = match key {
            "image_url" | "url" | "data" | "file_data" => value.as_str().and_then(media_of),
            _ => None,
        };
        match (media, value.as_str()) {
            (Some(media_type), Some(text)) => {
                self.opaque.push(Opaque { media_type, bytes: text.len() as u64 });
            }
            _ => self.all(value, pointer, voice, keys),
        }
    }

    /// One string.
    pub(super) fn text(&mut self, text: &Text, pointer: &str, voice: &Voice) {
        if !is_protocol_word(&text.value) {
            self.piece(text, pointer, voice);
        }
    }

    /// A key that is not a name of the protocol's kind.
    pub(super) fn key(&mut self, key: &Text, pointer: &str, voice: &Voice) {
        if !is_plain_key(&key.value) {
            self.text(key, pointer, voice);
        }
    }

    fn piece(&mut self, text: &Text, pointer: &str, voice: &Voice) {
        if text.value.is_empty() {
            return;
        }
        self.pieces.push(Piece {
            pointer: pointer.to_owned(),
            channel: voice.channel,
            origin: voice.origin,
            tool: voice.tool.clone(),
            text: text.value.clone(),
            place: Place::Literal(text.span.clone()),
            choice: voice.choice,
        });
    }

    /// All strings and keys below `node` as one text, so that a long schema
    /// costs one look-up and not a hundred.
    pub(super) fn assembled(&mut self, node: &Node, pointer: &str, voice: &Voice) {
        let mut inner = Self::default();
        inner.all(node, pointer, voice, true);
        self.opaque.append(&mut inner.opaque);
        let mut text = String::new();
        for piece in &inner.pieces {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&piece.text);
        }
        if text.is_empty() {
            return;
        }
        self.pieces.push(Piece {
            pointer: pointer.to_owned(),
            channel: voice.channel,
            origin: voice.origin,
            tool: voice.tool.clone(),
            text,
            place: Place::Assembled,
            choice: voice.choice,
        });
    }

    /// Tool arguments: the text as it was sent, and each string inside whose
    /// escapes hide what it says.
    pub(super) fn arguments(&mut self, text: &Text, pointer: &str, voice: &Voice) {
        self.piece(text, pointer, voice);
        if !text.value.contains('\\') {
            return;
        }
        let Ok(node) = json::parse(text.value.as_bytes(), json::Limits::default()) else { return };
        let mut inner = Self::default();
        inner.all(&node, &format!("{pointer}#"), voice, true);
        let outer_text: std::sync::Arc<str> = text.value.as_str().into();
        for mut piece in inner.pieces {
            let Place::Literal(literal) = piece.place else { continue };
            let escaped =
                text.value.get(literal.clone()).is_some_and(|literal| literal.contains('\\'));
            if escaped {
                piece.place = Place::Nested {
                    outer: text.span.clone(),
                    inner: literal,
                    text: outer_text.clone(),
                };
                self.pieces.push(piece);
            }
        }
    }
}

/// A pointer one step down. A key's share is bounded: each piece owns its
/// pointer, and a key of megabytes above many strings would be copied for each.
pub(super) fn below(pointer: &str, key: &str) -> String {
    let key: String = key.chars().take(POINTER_KEY_CHARS).collect();
    format!("{pointer}/{}", pointer_token(&key))
}

/// The media type of a `data:` URL (RFC 2397) whose content no detector reads:
/// base64 and nothing else, of a type that is not text.
pub(super) fn media_of(text: &str) -> Option<String> {
    let (head, payload) = text.strip_prefix("data:")?.split_once(',')?;
    let media = head.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let textual = ["text", "json", "xml", "svg", "script", "yaml", "html"];
    if textual.iter().any(|kind| media.contains(kind))
        || !head.ends_with(";base64")
        || !is_base64(payload)
    {
        // Text is not opaque: it is walked and decoded like any other.
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte);
    let known = media.len() <= 64 && media.contains('/') && media.bytes().all(plain);
    Some(if known { media } else { "application/octet-stream".to_owned() })
}

/// Whether `text` has the alphabet of base64 and nothing else.
pub(super) fn is_base64(text: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    !text.is_empty() && text.bytes().all(in_alphabet)
}

/// Words that the protocols use as values. By value, whatever the key: a string
/// that is exactly one of these says nothing more.
pub(super) fn is_protocol_word(text: &str) -> bool {
    PROTOCOL_WORDS.binary_search(&text).is_ok()
}

/// A key that is a name of the protocol's kind and needs no reading.
pub(super) fn is_plain_key(key: &str) -> bool {
    key.len() <= 32 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

const POINTER_KEY_CHARS: usize = 64;
const PROTOCOL_WORDS: &[&str] = &[
    "",
    "array",
    "assistant",
    "auto",
    "boolean",
    "chat.completion",
    "chat.completion.chunk",
    "content_filter",
    "default",
    "developer",
    "file",
    "function",
    "high",
    "image_url",
    "input_audio",
    "integer",
    "json_object",
    "json_schema",
    "length",
    "list",
    "low",
    "medium",
    "minimal",
    "model",
    "none",
    "null",
    "number",
    "object",
    "refusal",
    "required",
    "stop",
    "string",
    "system",
    "text",
    "tool",
    "tool_calls",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_words_are_sorted_for_the_search() {
        assert!(PROTOCOL_WORDS.is_sorted());
        assert!(is_protocol_word("assistant") && !is_protocol_word("assistants"));
    }

    #[test]
    fn only_encoded_media_is_opaque() {
        assert_eq!(media_of("data:image/PNG;base64,AAAA").as_deref(), Some("image/png"));
        assert_eq!(media_of("data:text/plain;base64,AAAA"), None);
        assert_eq!(media_of("data:image/svg+xml,<svg/>"), None);
        assert_eq!(media_of("https://example.com/a,b"), None);
        assert_eq!(media_of("data:i g;base64,AA").as_deref(), Some("application/octet-stream"));
    }
}
