#![expect(clippy::string_slice, reason = "the cuts are at characters")]

use bytes::Bytes;
use http::Method;
use serde_json::json;
use troth_policies::Channel;

use super::*;
use crate::dialect::{Decoded, Document};

fn document(value: &serde_json::Value) -> Document {
    Document::parse(Bytes::from(value.to_string())).unwrap()
}

fn texts(decoded: &Decoded) -> Vec<(Channel, &str)> {
    decoded.pieces.iter().map(|piece| (piece.channel, piece.text.as_str())).collect()
}

#[test]
fn every_path_that_nobody_named_is_refused() {
    let known = |path| endpoint(&Method::POST, path).is_some();
    assert!(known("/chat/completions") && known("/v1/chat/completions"));
    for path in [
        "/completions",
        "/chat/completions/",
        "/chat/completions/x",
        "//chat/completions",
        "/chat%2fcompletions",
        "/v1/v1/chat/completions",
        "/embeddings",
        "/responses",
        "/files",
        "/",
        "",
    ] {
        assert!(!known(path), "{path}");
    }
    assert!(endpoint(&Method::GET, "/chat/completions").is_none());
    assert!(endpoint(&Method::DELETE, "/models/x").is_none());
    let model = |path| match endpoint(&Method::GET, path) {
        Some(Endpoint::Model { id }) => Some(id),
        _ => None,
    };
    assert_eq!(model("/models/org%2Fname:1").as_deref(), Some("org/name:1"));
    assert_eq!(model("/models/../files"), None);
    assert_eq!(model("/models/%2e%2e/files"), None);
    assert_eq!(model("/models/a b"), None);
    assert_eq!(model("/models/"), None);
}

#[test]
fn a_request_says_who_speaks_where() {
    let decoded = chat_request(&document(&json!({
        "model": "m",
        "stream": true,
        "messages": [
            { "role": "system", "content": "rules" },
            { "role": "user", "name": "bob", "content": [
                { "type": "text", "text": "look" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                { "type": "input_audio", "input_audio": { "data": "AAAAAA", "format": "wav" } },
                { "type": "text", "text": "" },
            ] },
            { "role": "assistant", "content": null, "refusal": "no", "tool_calls": [
                { "id": "c1", "type": "function",
                  "function": { "name": "mail", "arguments": "{\"to\":\"\\u0061\"}" } },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "the result" },
        ],
        "tools": [
            { "type": "function", "function": { "name": "mail", "description": "sends",
              "parameters": { "type": "object", "properties": { "odd_key": {
                  "type": "string", "description": "whom", "enum": ["alice"] } } } } },
        ],
        "metadata": { "note": "meta", "Some Key": "x" },
        "content_blocks": [ { "unknown": "hidden" } ],
    })))
    .unwrap();
    let texts = texts(&decoded);
    for expected in [
        (Channel::System, "rules"),
        (Channel::User, "bob"),
        (Channel::User, "look"),
        (Channel::Refusal, "no"),
        (Channel::ToolCall, r#"{"to":"\u0061"}"#),
        (Channel::ToolCall, "a"),
        (Channel::ToolResult, "the result"),
        (Channel::User, "meta"),
        (Channel::User, "Some Key"),
        (Channel::User, "hidden"),
    ] {
        assert!(texts.contains(&expected), "{expected:?} is not in {texts:?}");
    }
    let definition = decoded.pieces.iter().find(|p| p.channel == Channel::ToolDefinition).unwrap();
    for part in ["mail", "sends", "odd_key", "whom", "alice"] {
        assert!(definition.text.contains(part), "{part}");
    }
    assert_eq!(decoded.results, ["mail"]);
    assert_eq!(decoded.offers, ["mail"]);
    let opaque: Vec<_> = decoded.opaque.iter().map(|o| (o.media_type.as_str(), o.bytes)).collect();
    assert_eq!(opaque, [("image/png", 26), ("audio", 6)]);
    let result = decoded.pieces.iter().find(|p| p.channel == Channel::ToolResult).unwrap();
    assert_eq!(result.tool.as_deref(), Some("mail"));
}

#[test]
fn what_cannot_be_a_request_is_refused() {
    for value in [
        json!([]),
        json!({ "model": "m" }),
        json!({ "messages": {} }),
        json!({ "messages": ["x"] }),
        json!({ "messages": [{ "content": "x" }] }),
        json!({ "messages": [{ "role": "wizard", "content": "x" }] }),
        json!({ "messages": [{ "role": "user", "content": 7 }] }),
        json!({ "messages": [], "model": "two words" }),
        json!({ "messages": [], "model": "m".repeat(129) }),
        json!({ "messages": [], "stream": "yes" }),
    ] {
        assert!(chat_request(&document(&value)).is_err(), "{value}");
    }
}

#[test]
fn places_lead_back_to_the_bytes() {
    let raw = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":
        {"name":"f","arguments":"{\"k\":\"x\\u0041y\"}"}}]}]}"#;
    let document = Document::parse(Bytes::from_static(raw.as_bytes())).unwrap();
    let decoded = chat_request(&document).unwrap();
    let inner = decoded.pieces.iter().find(|piece| piece.text == "xAy").unwrap();
    let span = inner.place.locate(&document.bytes, &(1..2)).unwrap();
    assert_eq!(&raw[span], r"\\u0041");
}

#[test]
fn an_answer_is_taken_apart_choice_by_choice() {
    let value = json!({
        "id": "x", "model": "m-1", "usage": { "prompt_tokens": 3, "completion_tokens": 4 },
        "choices": [
            { "index": 1, "finish_reason": "stop",
              "message": { "role": "assistant", "content": "one", "reasoning_content": "why" },
              "logprobs": { "content": [ { "token": "o" }, { "token": "ne" } ] } },
            { "index": 0, "message": { "tool_calls": [
                { "id": "c", "function": { "name": "f", "arguments": "{\"a\":1,\"a\":2}" } } ] } },
        ],
    });
    let decoded = answer(&document(&value)).unwrap();
    let texts = texts(&decoded);
    assert!(texts.contains(&(Channel::Reasoning, "why")));
    assert_eq!(texts.iter().filter(|text| text.1 == "one").count(), 2, "content and tokens");
    let call = decoded.calls.first().unwrap();
    assert_eq!((call.name.as_str(), call.choice, call.ambiguous), ("f", 0, true));
    assert_eq!(decoded.usage, Some((3, 4)));
    assert_eq!(decoded.model.as_deref(), Some("m-1"));
    let replaced = replace_choices(&document(&value).root, &[(1, "because".to_owned())]);
    let replaced: serde_json::Value = serde_json::from_slice(&replaced).unwrap();
    assert_eq!(replaced.pointer("/choices/0/finish_reason").unwrap(), "content_filter");
    assert_eq!(replaced.pointer("/choices/0/message/refusal").unwrap(), "because");
    assert!(replaced.pointer("/choices/1/message/tool_calls").is_some());
}

#[test]
fn what_is_null_is_no_tool_call() {
    let said = json!({ "role": "assistant", "content": "hello", "function_call": null,
        "tool_calls": [null] });
    let whole = json!({ "choices": [{ "index": 0, "message": said }] });
    assert_eq!(answer(&document(&whole)).unwrap().calls.len(), 0);
    let streamed = json!({ "choices": [{ "index": 0, "delta": said }] });
    let chunk = chunk(&document(&streamed).root).unwrap();
    assert_eq!((chunk.names, chunk.ambiguous), (vec![], None));
    let call = json!({ "choices": [{ "index": 0, "message": { "tool_calls": [
        { "id": "c", "type": "function", "custom": null,
          "function": { "name": "f", "arguments": "{}" } }] } }] });
    let calls = answer(&document(&call)).unwrap().calls;
    assert_eq!((calls[0].name.as_str(), calls[0].ambiguous), ("f", false));
}

#[test]
fn a_custom_tool_takes_text() {
    for (call, arguments, ambiguous) in [
        (json!({ "custom": { "name": "f", "input": "ls -l" } }), json!("ls -l"), false),
        (json!({ "custom": { "name": "f", "input": "7" } }), json!("7"), false),
        (json!({ "custom": { "name": "f", "input": "{\"a\":1}" } }), json!({ "a": 1 }), false),
        (
            json!({ "custom": { "name": "f", "input": "{\"a\":1,\"a\":2}" } }),
            json!("{\"a\":1,\"a\":2}"),
            true,
        ),
        (json!({ "custom": { "name": "f", "arguments": "ls" } }), json!("ls"), true),
        (json!({ "function": { "name": "f", "input": "ls" } }), json!("ls"), true),
        (json!({ "custom": { "name": "f", "input": "ls", "arguments": "{}" } }), json!({}), true),
        (json!({ "input": "ls", "function": { "name": "f", "arguments": "{}" } }), json!({}), true),
    ] {
        let said = json!({ "choices": [{ "message": { "tool_calls": [call] } }] });
        let calls = answer(&document(&said)).unwrap().calls;
        assert_eq!((&calls[0].arguments, calls[0].ambiguous), (&arguments, ambiguous), "{call}");
    }
}

#[test]
fn a_chunk_is_taken_apart_lane_by_lane() {
    let value = json!({
        "id": "x", "obfuscation": "pad",
        "choices": [
            { "index": 0, "delta": { "content": "a", "reasoning": "r", "odd": { "k": "deep" } } },
            { "index": 1, "finish_reason": "tool_calls", "delta": { "tool_calls": [
                { "index": 2, "id": "c", "function": { "name": "f", "arguments": "{" } } ] } },
        ],
    });
    let chunk = chunk(&document(&value).root).unwrap();
    let mut lanes: Vec<_> = chunk
        .fragments
        .iter()
        .map(|fragment| (fragment.lane.choice(), fragment.lane.channel(), fragment.text.as_str()))
        .collect();
    // The order of members is the document's own.
    lanes.sort_by_key(|(choice, _, text)| (*choice, std::cmp::Reverse(text.len())));
    assert_eq!(
        lanes,
        [
            (0, Channel::Assistant, "deep"),
            (0, Channel::Assistant, "a"),
            (0, Channel::Reasoning, "r"),
            (1, Channel::ToolCall, "{"),
        ]
    );
    assert_eq!(chunk.names, [(1, 2, "f".to_owned())]);
    assert_eq!(chunk.finished, [1]);
    let alone: Vec<_> = chunk.alone.iter().map(|(_, _, text)| text.as_str()).collect();
    assert!(alone.contains(&"pad") && alone.contains(&"f") && alone.contains(&"c"));
}

const LOGPROBS: &str = r#"{
    "content": [
        { "token": "st", "logprob": -1, "bytes": [115], "top_logprobs": [
            { "token": "st", "logprob": -1 }, { "token": "sto", "note": "odd" } ] },
        { "token": "op", "top_logprobs": [ { "token": "op" }, { "token": "p it" }, "third" ] } ],
    "tokens": ["a", "b"],
    "top_logprobs": [ { "x": -1, "y z": -2 }, { "w": -1 } ],
    "refusal": { "deep": ["down"] }
}"#;

#[test]
fn all_of_logprobs_is_read() {
    let logprobs: serde_json::Value = serde_json::from_str(LOGPROBS).unwrap();
    let whole = json!({ "choices": [{ "index": 0, "logprobs": logprobs }] });
    let decoded = answer(&document(&whole)).unwrap();
    let read: Vec<&str> = decoded.pieces.iter().map(|piece| piece.text.as_str()).collect();
    let streamed = chunk(&document(&whole).root).unwrap();
    let lanes: Vec<&str> = streamed.fragments.iter().map(|f| f.text.as_str()).collect();
    for text in ["stop", "stop it", "third", "ab", "xw", "y z"] {
        assert!(read.contains(&text), "{text} is not in {read:?}");
        assert!(lanes.contains(&text), "{text} is not in {lanes:?}");
    }
    for text in ["odd", "down"] {
        assert!(read.contains(&text), "{text} is not in {read:?}");
        assert!(streamed.alone.iter().any(|(_, _, alone)| alone == text), "{text}");
    }
}

#[test]
fn an_answer_has_as_many_choices_and_calls_as_anybody_asks_for() {
    let of = |choices: usize, calls: usize| {
        let calls = vec![json!({ "function": { "name": "f", "arguments": "{}" } }); calls];
        let mut said = vec![json!({ "message": {} }); choices];
        said[0] = json!({ "message": { "tool_calls": calls } });
        answer(&document(&json!({ "choices": said }))).is_ok()
    };
    assert!(of(CHOICES, CALLS));
    assert!(!of(CHOICES + 1, 0) && !of(1, CALLS + 1));
}
