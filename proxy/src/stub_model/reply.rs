//! What the model says, cut into deltas, before a dialect dresses it.

use serde_json::Value;

use super::script::{Channel, Script, Words};

/// One choice's answer. Whole answers join the pieces, streams send one a delta.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) reasoning: Vec<String>,
    pub(super) content: Vec<String>,
    pub(super) refusal: Vec<String>,
    pub(super) tools: Vec<Call>,
}

/// A tool call with its arguments in fragments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) fragments: Vec<String>,
}

impl Reply {
    /// The answer of choice number `choice`.
    pub(super) fn new(script: &Script, choice: u64) -> Self {
        if script.choice.is_some_and(|scripted| scripted != choice) {
            return Self { content: pieces("OK.", None), ..Self::default() };
        }
        let chunk = match script.words {
            Words::Long(_) => script.chunk.or(Some(LONG_PIECE)),
            _ => script.chunk,
        };
        let tools = script.tools.iter().map(|call| Call {
            name: call.name.clone(),
            fragments: pieces(&call.arguments, chunk),
        });
        let mut reply = Self { tools: tools.collect(), ..Self::default() };
        // A model that calls a tool says nothing beside it, unless the script tells it what.
        if reply.tools.is_empty() || script.words != Words::Canned {
            let said = pieces(&script.text(), chunk);
            match script.channel {
                Channel::Content => reply.content = said,
                Channel::Refusal => reply.refusal = said,
                Channel::Reasoning => {
                    reply.reasoning = said;
                    reply.content = pieces("That is my answer.", chunk);
                }
            }
        }
        reply
    }

    /// How many tokens this would have been: pieces, near enough.
    pub(super) fn tokens(&self) -> usize {
        let calls: usize = self.tools.iter().map(|call| call.fragments.len()).sum();
        self.reasoning.len() + self.content.len() + self.refusal.len() + calls
    }
}

/// The text of the last user message that has any, in both dialects: a string, or the `text` of
/// its parts.
pub(super) fn last_user_text(request: &Value) -> String {
    let messages = request.get("messages").and_then(Value::as_array);
    messages
        .into_iter()
        .flatten()
        .rev()
        .filter(|message| message.get("role").and_then(Value::as_str) == Some("user"))
        .find_map(|message| message.get("content").and_then(text_of))
        .unwrap_or_default()
}

/// A count of prompt tokens that grows with the request: four bytes each.
pub(super) fn prompt_tokens(request: &Value) -> usize {
    let messages = request.get("messages").and_then(Value::as_array);
    let texts = messages.into_iter().flatten().filter_map(|m| m.get("content").and_then(text_of));
    texts.map(|text| text.len().div_ceil(4)).sum()
}

/// Cuts `text` into pieces of `chunk` characters, or of at most [`WORD_PIECE`] that end at a space.
pub(super) fn pieces(text: &str, chunk: Option<usize>) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut characters = 0;
    for c in text.chars() {
        piece.push(c);
        characters += 1;
        let full = chunk.map_or(c == ' ' || characters == WORD_PIECE, |size| characters >= size);
        if full {
            pieces.push(std::mem::take(&mut piece));
            characters = 0;
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn text_of(content: &Value) -> Option<String> {
    let text = match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> =
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

const WORD_PIECE: usize = 6;
const LONG_PIECE: usize = 64;
