//! One chunk of a streamed chat completion, taken apart.

use std::ops::Range;

use troth_policies::Channel;

use super::{
    answer::{choice_index, shaped, usage},
    tokens::Tokens,
};
use crate::{
    dialect::{
        DecodeFault, Opaque,
        media::{self, Media},
        walk::below,
    },
    json::{Kind, Node, pointer_token},
};

/// A text that grows over the chunks of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// `delta.content`, `refusal`, `reasoning` and any other text, by choice
    /// and pointer below the choice.
    Text {
        /// The choice.
        choice: u32,
        /// What is being said.
        channel: &'static str,
        /// Where, below the choice.
        pointer: String,
    },
    /// A tool call's arguments.
    Call {
        /// The choice.
        choice: u32,
        /// The call's index in the choice.
        call: u32,
    },
    /// The tokens of `logprobs`, which repeat a text.
    Tokens {
        /// The choice.
        choice: u32,
        /// `content` or `refusal`.
        of: String,
        /// 0 for what was said; the others are what might have been.
        rank: usize,
    },
}

impl Lane {
    /// The channel that the lane belongs to.
    pub(crate) fn channel(&self) -> Channel {
        match self {
            Self::Text { channel, .. } => match *channel {
                "refusal" => Channel::Refusal,
                "reasoning" => Channel::Reasoning,
                _ => Channel::Assistant,
            },
            Self::Call { .. } => Channel::ToolCall,
            Self::Tokens { of, .. } if of == "refusal" => Channel::Refusal,
            Self::Tokens { .. } => Channel::Assistant,
        }
    }

    /// The choice that speaks.
    pub(crate) const fn choice(&self) -> u32 {
        match self {
            Self::Text { choice, .. } | Self::Call { choice, .. } | Self::Tokens { choice, .. } => {
                *choice
            }
        }
    }
}

/// A fragment of a lane's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The lane that it continues.
    pub(crate) lane: Lane,
    /// The text.
    pub(crate) text: String,
    /// Its literal in the chunk; `None` for tokens, which are not rewritten.
    pub(crate) literal: Option<Range<usize>>,
}

/// Where in a call arguments stand: the member and the object that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    of: &'static str,
    key: &'static str,
}

impl Slot {
    /// It holds a custom tool's text.
    pub(crate) fn is_custom(self) -> bool {
        self == Self { of: "custom", key: "input" }
    }
}

/// What one chunk says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    /// Texts that continue.
    pub(crate) fragments: Vec<Fragment>,
    /// Texts that stand alone (ids, names, padding): each is read whole.
    pub(crate) alone: Vec<(Channel, Option<u32>, String)>,
    /// Tool names: choice, call, name.
    pub(crate) names: Vec<(u32, u32, String)>,
    /// Choices that appear.
    pub(crate) choices: Vec<u32>,
    /// Choices that end here.
    pub(crate) finished: Vec<u32>,
    /// Literals of `logprobs` by choice.
    pub(crate) logprobs: Vec<(u32, Range<usize>)>,
    /// Tokens in and out.
    pub(crate) usage: Option<(u64, u64)>,
    /// The model that the upstream says it is.
    pub(crate) model: Option<String>,
    /// Something that clients read in different ways: why.
    pub(crate) ambiguous: Option<&'static str>,
    /// Tool call ids: choice, call, id.
    pub(crate) ids: Vec<(u32, u32, String)>,
    /// Where the arguments of a call stand: choice, call, slot.
    pub(crate) slots: Vec<(u32, u32, Slot)>,
    /// What no detector reads.
    pub(crate) opaque: Vec<Opaque>,
}

/// Takes a chunk apart.
///
/// # Errors
/// A value of another type where a client looks for one.
pub(crate) fn chunk(root: &Node) -> Result<Chunk, DecodeFault> {
    shaped(root)?;
    let mut chunk = Chunk {
        usage: usage(root),
        model: root.member("model").and_then(Node::as_str).map(str::to_owned),
        ..Chunk::default()
    };
    for (key, value) in root.members() {
        if key.value == "choices" {
            for (place, choice) in value.items().iter().enumerate() {
                chunk.choice(choice, choice_index(choice, place));
            }
        } else {
            chunk.alone.push((Channel::Assistant, None, key.value.clone()));
            chunk.alone_below(value, Channel::Assistant, None);
        }
    }
    if root.members().is_empty() {
        chunk.alone_below(root, Channel::Assistant, None);
    }
    Ok(chunk)
}

impl Chunk {
    fn choice(&mut self, choice: &Node, index: u32) {
        self.choices.push(index);
        for (key, value) in choice.members() {
            self.alone.push((Channel::Assistant, Some(index), key.value.clone()));
            match key.value.as_str() {
                "delta" => self.delta(value, index),
                "logprobs" => self.tokens(value, index),
                "finish_reason" => {
                    if value.as_str().is_some() {
                        self.finished.push(index);
                    }
                    self.alone_below(value, Channel::Assistant, Some(index));
                }
                name => self.text(value, index, "content", &pointer_token(name)),
            }
        }
    }

    fn delta(&mut self, delta: &Node, choice: u32) {
        for (key, value) in delta.members() {
            self.alone.push((Channel::Assistant, Some(choice), key.value.clone()));
            let name = key.value.as_str();
            match name {
                "role" => self.alone_below(value, Channel::Assistant, Some(choice)),
                "tool_calls" => {
                    let calls = value.items().iter().enumerate();
                    for (place, call) in calls.filter(|(_, call)| !call.is_null()) {
                        self.call(call, choice, choice_index(call, place), "");
                    }
                }
                "function_call" if value.is_null() => {}
                "function_call" => self.call(value, choice, u32::MAX, ""),
                "audio" => self.audio(value, choice),
                "refusal" => self.text(value, choice, "refusal", "delta/refusal"),
                "reasoning" | "reasoning_content" => {
                    self.text(value, choice, "reasoning", &format!("delta/{name}"));
                }
                _ => {
                    self.text(value, choice, "content", &format!("delta/{}", pointer_token(name)));
                }
            }
        }
    }

    /// All strings below `node`, each a lane by its pointer.
    fn text(&mut self, node: &Node, choice: u32, channel: &'static str, pointer: &str) {
        match &node.kind {
            Kind::String(text) if !text.value.is_empty() => {
                if let Some(Media { opaque, is_text }) = media::at(pointer, &text.value) {
                    self.opaque.push(opaque);
                    if !is_text {
                        return;
                    }
                }
                self.fragments.push(Fragment {
                    lane: Lane::Text { choice, channel, pointer: pointer.to_owned() },
                    text: text.value.clone(),
                    literal: Some(text.span.clone()),
                });
            }
            Kind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.text(item, choice, channel, &format!("{pointer}/{index}"));
                }
            }
            Kind::Object(members) => {
                for (key, value) in members {
                    self.alone.push((Channel::Assistant, Some(choice), key.value.clone()));
                    self.text(value, choice, channel, &below(pointer, &key.value));
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &Node, choice: u32, index: u32, of: &'static str) {
        if call.given("function").is_some() && call.given("custom").is_some() {
            self.ambiguous = Some("a tool call with two names");
        }
        for (key, value) in call.members() {
            match (key.value.as_str(), value.as_text()) {
                ("function", None) => self.call(value, choice, index, "function"),
                ("custom", None) => self.call(value, choice, index, "custom"),
                ("name", Some(text)) => {
                    self.names.push((choice, index, text.value.clone()));
                    self.alone.push((Channel::ToolCall, Some(choice), text.value.clone()));
                }
                ("id", Some(text)) => {
                    self.ids.push((choice, index, text.value.clone()));
                    self.alone.push((Channel::ToolCall, Some(choice), text.value.clone()));
                }
                ("arguments" | "input", None) if !matches!(value.kind, Kind::Null) => {
                    self.ambiguous = Some("tool arguments that are not a string");
                }
                (name @ ("arguments" | "input"), Some(text)) => {
                    let key = if name == "input" { "input" } else { "arguments" };
                    self.slots.push((choice, index, Slot { of, key }));
                    if !text.value.is_empty() {
                        self.fragments.push(Fragment {
                            lane: Lane::Call { choice, call: index },
                            text: text.value.clone(),
                            literal: Some(text.span.clone()),
                        });
                    }
                }
                _ => self.alone_below(value, Channel::ToolCall, Some(choice)),
            }
        }
        if !self.names.iter().any(|(c, i, _)| (*c, *i) == (choice, index)) {
            // A call exists from its first fragment, named or not.
            self.names.push((choice, index, String::new()));
        }
    }

    fn audio(&mut self, audio: &Node, choice: u32) {
        for (key, value) in audio.members() {
            match (key.value.as_str(), value.as_str()) {
                ("data", Some(text)) => {
                    let (media_type, bytes) = ("audio".to_owned(), text.len() as u64);
                    self.opaque.push(Opaque { media_type, bytes });
                }
                (name, _) => {
                    let pointer = format!("delta/audio/{}", pointer_token(name));
                    self.text(value, choice, "content", &pointer);
                }
            }
        }
    }

    fn tokens(&mut self, logprobs: &Node, choice: u32) {
        if logprobs.members().is_empty() {
            return;
        }
        self.logprobs.push((choice, logprobs.span.clone()));
        for (key, tokens) in logprobs.members() {
            self.alone.push((Channel::Assistant, Some(choice), key.value.clone()));
            let Tokens { columns, rest } = Tokens::read(tokens);
            for (rank, text) in columns.into_iter().enumerate().filter(|(_, t)| !t.is_empty()) {
                let lane = Lane::Tokens { choice, of: key.value.clone(), rank };
                self.fragments.push(Fragment { lane, text, literal: None });
            }
            let rest = rest.into_iter().map(|text| (Channel::Assistant, Some(choice), text));
            self.alone.extend(rest);
        }
    }

    fn alone_below(&mut self, node: &Node, channel: Channel, choice: Option<u32>) {
        match &node.kind {
            Kind::String(text) if !crate::dialect::walk::is_protocol_word(&text.value) => {
                self.alone.push((channel, choice, text.value.clone()));
            }
            Kind::Array(items) => {
                items.iter().for_each(|item| self.alone_below(item, channel, choice));
            }
            Kind::Object(members) => {
                for (key, value) in members {
                    self.alone.push((channel, choice, key.value.clone()));
                    self.alone_below(value, channel, choice);
                }
            }
            _ => {}
        }
    }
}
