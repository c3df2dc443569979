//! A whole chat completion, taken apart and put together again.

use serde_json::{Value, json};
use troth_policies::{Channel, Origin};

use super::tokens::Tokens;
use crate::{
    dialect::{
        DecodeFault, Decoded, Document, Piece, Place, ToolCall,
        walk::{self, Voice, Walk},
    },
    json::{Kind, Node, Splice},
};

/// Takes an answer apart.
///
/// # Errors
/// A value of another type where a client looks for one: what stands there
/// could be read in two ways.
pub(crate) fn answer(document: &Document) -> Result<Decoded, DecodeFault> {
    let root = &document.root;
    shaped(root)?;
    let mut walk = Walk::default();
    let mut calls = Vec::new();
    let speech = Voice::new(Channel::Assistant, Origin::Model);
    for (key, value) in root.members() {
        walk.key(key, "", &speech);
        let pointer = walk::below("", &key.value);
        if key.value == "choices" {
            for (place, choice) in value.items().iter().enumerate() {
                let index = choice_index(choice, place);
                let mut voice = speech.clone();
                voice.choice = Some(index);
                choice_of(&mut walk, &mut calls, choice, &format!("/choices/{place}"), &voice);
            }
        } else {
            walk.all(value, &pointer, &speech, true);
        }
    }
    if root.members().is_empty() {
        walk.all(root, "", &speech, true);
    }
    let text = |key: &str| root.member(key).and_then(Node::as_str).map(str::to_owned);
    Ok(Decoded {
        pieces: walk.pieces,
        opaque: walk.opaque,
        calls,
        model: text("model"),
        usage: usage(root),
        ..Decoded::default()
    })
}

/// Refuses shapes that some client reads and this dialect does not name.
pub(super) fn shaped(root: &Node) -> Result<(), DecodeFault> {
    let fault = |what| Err(DecodeFault::Shape { what });
    let object = |node: Option<&Node>| {
        node.is_none_or(|node| matches!(node.kind, Kind::Object(_) | Kind::Null))
    };
    let array = |node: Option<&Node>| {
        node.is_none_or(|node| matches!(node.kind, Kind::Array(_) | Kind::Null))
    };
    if !array(root.member("choices")) {
        return fault("`choices` is not an array");
    }
    let choices = root.member("choices").map(Node::items).unwrap_or_default();
    if choices.len() > CHOICES {
        return fault("more choices than anybody asks for");
    }
    let mut made = 0;
    for choice in choices {
        if !matches!(choice.kind, Kind::Object(_)) {
            return fault("a choice is not an object");
        }
        for said in ["message", "delta"] {
            let Some(said) = choice.member(said) else { continue };
            let calls = said.member("tool_calls");
            if !object(Some(said)) || !object(said.member("audio")) || !array(calls) {
                return fault("a message has a member of another type");
            }
            let single = said.member("function_call");
            let calls = calls.map(Node::items).unwrap_or_default();
            if !object(single) || !calls.iter().all(|call| object(Some(call))) {
                return fault("a tool call is not an object");
            }
            made += calls.len();
            if made > CALLS {
                return fault("more tool calls than anybody judges");
            }
            for call in calls {
                if !object(call.member("function")) || !object(call.member("custom")) {
                    return fault("a tool call is not an object");
                }
            }
        }
        if !object(choice.member("logprobs")) {
            return fault("`logprobs` is not an object");
        }
    }
    Ok(())
}

/// Tokens in and out, as the upstream counted them.
pub(super) fn usage(root: &Node) -> Option<(u64, u64)> {
    let usage = root.member("usage")?;
    let count = |key| usage.member(key).and_then(Node::as_u64);
    Some((count("prompt_tokens")?, count("completion_tokens").unwrap_or(0)))
}

/// The choice's own index, or its place where it does not say.
pub(super) fn choice_index(choice: &Node, place: usize) -> u32 {
    let told = choice.member("index").and_then(Node::as_u64);
    told.and_then(|index| u32::try_from(index).ok())
        .unwrap_or_else(|| u32::try_from(place).unwrap_or(u32::MAX))
}

fn choice_of(
    walk: &mut Walk,
    calls: &mut Vec<ToolCall>,
    choice: &Node,
    pointer: &str,
    voice: &Voice,
) {
    for (key, value) in choice.members() {
        walk.key(key, pointer, voice);
        let below = walk::below(pointer, &key.value);
        match key.value.as_str() {
            "message" => message(walk, calls, value, &below, voice),
            "logprobs" => logprobs(walk, value, &below, voice),
            _ => walk.all(value, &below, voice, true),
        }
    }
}

fn message(
    walk: &mut Walk,
    calls: &mut Vec<ToolCall>,
    message: &Node,
    pointer: &str,
    voice: &Voice,
) {
    for (key, value) in message.members() {
        walk.key(key, pointer, voice);
        let below = walk::below(pointer, &key.value);
        let voice = Voice { channel: channel_of(&key.value), ..voice.clone() };
        match key.value.as_str() {
            "tool_calls" => {
                let calls_made = value.items().iter().enumerate();
                for (index, call) in calls_made.filter(|(_, call)| !call.is_null()) {
                    tool_call(walk, calls, call, &format!("{below}/{index}"), &voice);
                }
                if value.items().is_empty() {
                    walk.all(value, &below, &voice, true);
                }
            }
            "function_call" if value.is_null() => {}
            "function_call" => tool_call(walk, calls, value, &below, &voice),
            "audio" => {
                for (key, value) in value.members() {
                    let below = walk::below(&below, &key.value);
                    match value.as_str() {
                        Some(text) if key.value == "data" => {
                            walk.opaque.push(crate::dialect::Opaque {
                                media_type: "audio".to_owned(),
                                bytes: text.len() as u64,
                            })
                        }
                        _ => walk.all(value, &below, &voice, true),
                    }
                }
            }
            _ => walk.all(value, &below, &voice, true),
        }
    }
}

fn tool_call(
    walk: &mut Walk,
    calls: &mut Vec<ToolCall>,
    call: &Node,
    pointer: &str,
    voice: &Voice,
) {
    let (function, custom) = (call.given("function"), call.given("custom"));
    let made_of = function.or(custom).unwrap_or(call);
    let text = |key: &str| made_of.member(key).and_then(Node::as_str).map(str::to_owned);
    let name = text("name").unwrap_or_default();
    let mut voice = voice.clone();
    voice.tool = Some(name.clone());
    walk.calls(call, pointer, &voice);
    let choice = voice.choice.unwrap_or(0);
    let mut made = match (text("arguments"), text("input")) {
        (None, Some(input)) if function.is_none() && custom.is_some() => {
            ToolCall::custom(name, input, choice)
        }
        (arguments, input) => ToolCall::new(name, arguments.or(input).unwrap_or_default(), choice),
    };
    // Two names or two sets of arguments for one call: which one runs is the
    // client's guess.
    let said = [Some(call), function, custom].into_iter().flatten();
    let said = said.flat_map(|node| [node.given("arguments"), node.given("input")]).flatten();
    made.ambiguous |= function.is_some() && custom.is_some() || said.count() > 1;
    // A dialect that sends arguments as an object is judged all the same.
    let other = ["arguments", "input"].iter().find_map(|key| made_of.given(key));
    if let Some(arguments) = other.filter(|node| node.as_str().is_none()) {
        made.arguments = arguments.to_value();
    }
    calls.push(made);
}

/// Whatever `logprobs` say is more text to read.
fn logprobs(walk: &mut Walk, value: &Node, pointer: &str, voice: &Voice) {
    for (key, tokens) in value.members() {
        walk.key(key, pointer, voice);
        let Tokens { columns, rest } = Tokens::read(tokens);
        let rest = Some(rest.join("\n"));
        for text in columns.into_iter().chain(rest).filter(|text| !text.is_empty()) {
            walk.pieces.push(Piece {
                pointer: walk::below(pointer, &key.value),
                channel: if key.value == "refusal" { Channel::Refusal } else { voice.channel },
                origin: Origin::Model,
                tool: None,
                text,
                place: Place::Assembled,
                choice: voice.choice,
            });
        }
    }
}

/// Which channel a member of a message or a delta speaks on.
pub(super) fn channel_of(key: &str) -> Channel {
    match key {
        "refusal" => Channel::Refusal,
        "reasoning" | "reasoning_content" => Channel::Reasoning,
        "tool_calls" | "function_call" => Channel::ToolCall,
        _ => Channel::Assistant,
    }
}

/// Splices that empty the `logprobs` of the choices in `redacted`: the tokens
/// would give away what was replaced.
pub(crate) fn silence_logprobs(root: &Node, redacted: &[u32]) -> Vec<Splice> {
    let choices = root.member("choices").map(Node::items).unwrap_or_default();
    choices
        .iter()
        .enumerate()
        .filter(|(place, choice)| redacted.contains(&choice_index(choice, *place)))
        .filter_map(|(_, choice)| choice.member("logprobs"))
        .map(|logprobs| Splice { span: logprobs.span.clone(), with: "null".to_owned() })
        .collect()
}

/// The answer with each choice of `blocked` replaced by a refusal that says
/// why, in the form that the SDKs read: `finish_reason` `content_filter`.
pub(crate) fn replace_choices(root: &Node, blocked: &[(u32, String)]) -> Vec<u8> {
    let mut value = root.to_value();
    if let Some(choices) = value.get_mut("choices").and_then(Value::as_array_mut) {
        for (place, choice) in choices.iter_mut().enumerate() {
            let told = choice.get("index").and_then(Value::as_u64);
            let index = told
                .and_then(|index| u32::try_from(index).ok())
                .unwrap_or_else(|| u32::try_from(place).unwrap_or(u32::MAX));
            if let Some((_, why)) = blocked.iter().find(|(blocked, _)| *blocked == index) {
                *choice = json!({
                    "index": index,
                    "message": { "role": "assistant", "content": null, "refusal": why },
                    "logprobs": null,
                    "finish_reason": "content_filter",
                });
            }
        }
    }
    value.to_string().into_bytes()
}

/// Choices of one answer: `n` is at most 128.
pub(crate) const CHOICES: usize = 128;
/// Tool calls of one answer; each is a question to the policies and a record.
pub(crate) const CALLS: usize = 1024;
