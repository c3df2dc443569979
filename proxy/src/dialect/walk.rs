//! Every string of a document, so that no text goes unread because nobody
//! thought of its key: a guard that reads `content` in front of a model that
//! reads `content_blocks` sees nothing.

use troth_policies::{Channel, Origin};

use super::{
    Opaque, Piece, Place,
    media::{self, Media},
};
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
            Kind::String(text) => self.string(text, pointer, voice),
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
                    self.all(value, &below, voice, keys);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
        }
    }

    /// Tool calls: `arguments` and `input` may be JSON inside a string.
    pub(super) fn calls(&mut self, node: &Node, pointer: &str, voice: &Voice) {
        for (key, value) in node.members() {
            let below = below(pointer, &key.value);
            match (key.value.as_str(), value.as_text()) {
                ("arguments" | "input", Some(text)) => self.arguments(text, &below, voice),
                ("function" | "custom", None) => self.calls(value, &below, voice),
                _ => self.all(value, &below, voice, true),
            }
        }
        if !matches!(node.kind, Kind::Object(_)) {
            self.all(node, pointer, voice, true);
        }
    }

    /// A string, by what its place says of it.
    fn string(&mut self, text: &Text, pointer: &str, voice: &Voice) {
        // Arguments and schemas have keys of their own; what stands under them
        // is shown to no model as an image.
        let shown = !matches!(voice.channel, Channel::ToolCall | Channel::ToolDefinition);
        if let Some(Media { opaque, is_text }) = media::at(pointer, &text.value).filter(|_| shown) {
            self.opaque.push(opaque);
            if !is_text {
                return;
            }
        }
        self.text(text, pointer, voice);
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
}
