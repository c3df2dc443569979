//! A chat completion request, taken apart.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use troth_policies::{Channel, Origin};

use crate::{
    dialect::{
        DecodeFault, Decoded, Document,
        walk::{self, Voice, Walk},
    },
    json::{self, Kind, Node},
};

/// Takes a request apart.
///
/// # Errors
/// A request that no model could answer, or whose parts have types that two
/// readers could take differently.
pub(crate) fn chat_request(document: &Document) -> Result<Decoded, DecodeFault> {
    let root = &document.root;
    if !matches!(root.kind, Kind::Object(_)) {
        return Err(shape("the body must be a JSON object"));
    }
    let messages = root.member("messages").ok_or(shape("`messages` is missing"))?;
    if !matches!(messages.kind, Kind::Array(_)) {
        return Err(shape("`messages` must be an array"));
    }
    let mut request = Request::default();
    for (key, value) in root.members() {
        request.walk.key(key, "", &USER);
        request.member(&key.value, value)?;
    }
    if request.walk.pieces.len() > PIECES {
        return Err(shape("the request has more texts than anybody reads"));
    }
    if request.offers.len() > TOOLS || request.results.len() > RESULTS {
        return Err(shape("the request has too many tools or tool results"));
    }
    Ok(Decoded {
        pieces: request.walk.pieces,
        opaque: request.walk.opaque,
        model: request.model,
        results: request.results,
        offers: request.offers,
        definitions: request.definitions,
        ..Decoded::default()
    })
}

/// An answer of the models listing, or any other JSON without speakers.
pub(crate) fn listing(document: &Document) -> Decoded {
    let mut walk = Walk::default();
    walk.all(&document.root, "", &Voice::new(Channel::Assistant, Origin::Model), true);
    Decoded { pieces: walk.pieces, opaque: walk.opaque, ..Decoded::default() }
}

#[derive(Default)]
struct Request {
    walk: Walk,
    /// Tool call id to tool name, from the assistant's turns so far.
    calls: HashMap<String, String>,
    model: Option<String>,
    results: Vec<String>,
    offers: Vec<String>,
    definitions: BTreeMap<String, [u8; 32]>,
}

impl Request {
    fn member(&mut self, key: &str, value: &Node) -> Result<(), DecodeFault> {
        let pointer = walk::below("", key);
        match key {
            "messages" => {
                for (index, message) in value.items().iter().enumerate() {
                    self.message(message, &format!("/messages/{index}"))?;
                }
            }
            "model" => {
                let model = value.as_str().ok_or(shape("`model` must be a string"))?;
                if model.len() > MODEL_NAME_BYTES || !model.bytes().all(is_model_byte) {
                    return Err(shape("`model` must be a plain name of at most 128 bytes"));
                }
                self.model = Some(model.to_owned());
                self.walk.all(value, &pointer, &USER, false);
            }
            "stream" => {
                // Two readers of `"stream": "yes"` would expect two answers.
                if !matches!(value.kind, Kind::Null | Kind::Bool(_)) {
                    return Err(shape("`stream` must be true or false"));
                }
            }
            "tools" | "functions" => self.offer(value, &pointer),
            "response_format" | "tool_choice" | "function_call" => {
                self.walk.assembled(value, &pointer, &DEFINITION);
            }
            _ => {
                self.walk.all(value, &pointer, &USER, true);
            }
        }
        Ok(())
    }

    fn offer(&mut self, value: &Node, pointer: &str) {
        for (index, tool) in value.items().iter().enumerate() {
            let name = ["function", "custom"]
                .iter()
                .find_map(|kind| tool.given(kind))
                .unwrap_or(tool)
                .member("name")
                .and_then(Node::as_str);
            let mut voice = DEFINITION;
            voice.tool = name.map(str::to_owned);
            // A tool of the provider's own (`web_search`, `mcp`) has a type and
            // no name: it is offered by that.
            let kind = tool.member("type").and_then(Node::as_str);
            voice.tool = voice.tool.or_else(|| kind.map(str::to_owned));
            if let Some(name) = &voice.tool {
                let definition = Sha256::digest(json::canonical(tool)).into();
                self.definitions.insert(name.clone(), definition);
            }
            self.offers.extend(voice.tool.clone());
            self.walk.assembled(tool, &format!("{pointer}/{index}"), &voice);
        }
        if !matches!(value.kind, Kind::Array(_)) {
            self.walk.assembled(value, pointer, &DEFINITION);
        }
    }

    fn message(&mut self, message: &Node, pointer: &str) -> Result<(), DecodeFault> {
        if !matches!(message.kind, Kind::Object(_)) {
            return Err(shape("a message must be a JSON object"));
        }
        let role = message
            .member("role")
            .and_then(Node::as_str)
            .ok_or(shape("a message must have a `role`"))?;
        let voice = match role {
            "system" | "developer" => Voice::new(Channel::System, Origin::Operator),
            "user" => USER,
            "assistant" => Voice::new(Channel::Assistant, Origin::Model),
            "tool" | "function" => self.result(message),
            _ => return Err(shape("a message has an unknown `role`")),
        };
        for (key, value) in message.members() {
            self.walk.key(key, pointer, &voice);
            let below = walk::below(pointer, &key.value);
            match key.value.as_str() {
                "role" => {}
                "content" => self.content(value, &below, &voice)?,
                "tool_calls" => self.tool_calls(value, &below),
                "function_call" => self.call(value, &below),
                "refusal" => {
                    let voice = Voice { channel: Channel::Refusal, ..voice.clone() };
                    self.walk.all(value, &below, &voice, true);
                }
                "reasoning" | "reasoning_content" => {
                    let voice = Voice { channel: Channel::Reasoning, ..voice.clone() };
                    self.walk.all(value, &below, &voice, true);
                }
                _ => self.walk.all(value, &below, &voice, true),
            }
        }
        Ok(())
    }

    /// The voice of a tool's result, which says what the tool is called only by
    /// the id of the call that it answers.
    fn result(&mut self, message: &Node) -> Voice {
        let text = |key| message.member(key).and_then(Node::as_str);
        let tool = text("tool_call_id")
            .and_then(|id| self.calls.get(id).cloned())
            .or_else(|| text("name").map(str::to_owned));
        self.results.push(tool.clone().unwrap_or_default());
        Voice { tool, ..Voice::new(Channel::ToolResult, Origin::Tool) }
    }

    fn content(&mut self, value: &Node, pointer: &str, voice: &Voice) -> Result<(), DecodeFault> {
        match &value.kind {
            Kind::Null => {}
            Kind::String(text) => self.walk.text(text, pointer, voice),
            Kind::Array(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    self.part(part, &format!("{pointer}/{index}"), voice);
                }
            }
            _ => return Err(shape("`content` must be a string or an array of parts")),
        }
        Ok(())
    }

    fn part(&mut self, part: &Node, pointer: &str, voice: &Voice) {
        for (key, value) in part.members() {
            let mut voice = voice.clone();
            if key.value == "refusal" {
                voice.channel = Channel::Refusal;
            }
            self.walk.all(value, &walk::below(pointer, &key.value), &voice, true);
        }
        if !matches!(part.kind, Kind::Object(_)) {
            self.walk.all(part, pointer, voice, true);
        }
    }

    fn tool_calls(&mut self, value: &Node, pointer: &str) {
        for (index, call) in value.items().iter().enumerate() {
            let function = ["function", "custom"].iter().find_map(|kind| call.given(kind));
            let name = function.and_then(|function| function.member("name")).and_then(Node::as_str);
            if let (Some(id), Some(name)) = (call.member("id").and_then(Node::as_str), name) {
                self.calls.insert(id.to_owned(), name.to_owned());
            }
            self.call(call, &format!("{pointer}/{index}"));
        }
        if !matches!(value.kind, Kind::Array(_)) {
            self.call(value, pointer);
        }
    }

    fn call(&mut self, call: &Node, pointer: &str) {
        let function = ["function", "custom"].iter().find_map(|kind| call.given(kind));
        let name = function.unwrap_or(call).member("name").and_then(Node::as_str);
        let mut voice = Voice::new(Channel::ToolCall, Origin::Model);
        voice.tool = name.map(str::to_owned);
        self.walk.calls(call, pointer, &voice);
    }
}

const fn shape(what: &'static str) -> DecodeFault {
    DecodeFault::Shape { what }
}

const fn is_model_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'-')
}

/// Texts of one request.
const PIECES: usize = 100_000;
/// Tools of one request; each is a question to the policies.
const TOOLS: usize = 1024;
/// Tool results of one request.
const RESULTS: usize = 4096;
/// A model's name goes into a record, where no content may go.
const MODEL_NAME_BYTES: usize = 128;
const USER: Voice = Voice::new(Channel::User, Origin::User);
const DEFINITION: Voice = Voice::new(Channel::ToolDefinition, Origin::Operator);
