//! Each marker does what the table in `stub_model.rs` says, over a real socket.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::{
    reply::pieces,
    script::{Script, ToolCall, fake_key},
};

/// Sends `body` to `path` of a fresh server and returns all that came back, without chunk headers.
async fn exchange(method: &str, path: &str, body: &str) -> String {
    String::from_utf8(dechunked(&exchange_raw(method, path, body).await)).unwrap()
}

async fn exchange_raw(method: &str, path: &str, body: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: stub\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        drop(stop);
        answer
    };
    tokio::join!(client, super::serve(listener, stopped)).0
}

/// A response with its chunk headers taken out; the last chunk's stays, as the mark of a body
/// that ended well.
fn dechunked(raw: &[u8]) -> Vec<u8> {
    let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") else {
        return raw.to_vec();
    };
    let (head, mut rest) = raw.split_at(end + 4);
    let mut answer = head.to_vec();
    if !String::from_utf8_lossy(head).contains("transfer-encoding: chunked") {
        return raw.to_vec();
    }
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        answer.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    answer.extend_from_slice(rest);
    answer
}

async fn chat(prompt: &str, more: &Value) -> String {
    let mut request = json!({ "messages": [{ "role": "user", "content": prompt }] });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    exchange("POST", "/v1/chat/completions", &request.to_string()).await
}

async fn message(prompt: &str, stream: bool) -> String {
    let request = json!({
        "max_tokens": 9, "stream": stream, "messages": [
            { "role": "user", "content": [{ "type": "text", "text": prompt }] },
        ],
    });
    exchange("POST", "/v1/messages", &request.to_string()).await
}

/// The JSON of a whole answer.
fn whole(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The `data:` payloads of a chunked stream, in order.
fn payloads(answer: &str) -> Vec<String> {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| data.trim().to_owned()).collect()
}

/// All that one field of the deltas of `choice` adds up to.
fn joined(answer: &str, choice: u64, field: &str) -> String {
    let chunks = payloads(answer);
    let chunks = chunks.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let deltas = chunks.filter(|chunk| chunk["choices"][0]["index"] == choice);
    deltas.filter_map(|c| c["choices"][0]["delta"][field].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn plain_text_gets_the_same_canned_answer_each_time_in_its_own_language() {
    let first = chat("What should I plant?", &json!({})).await;
    assert_eq!(first, chat("What should I plant?", &json!({})).await);
    assert!(first.contains("x-stub-model: 1"));
    let content = whole(&first)["choices"][0]["message"]["content"].clone();
    assert!(content.as_str().unwrap().is_ascii());
    let chinese = chat("我应该种什么？", &json!({})).await;
    let content = whole(&chinese)["choices"][0]["message"]["content"].clone();
    assert!(content.as_str().unwrap().contains('。'));
}

#[tokio::test]
async fn a_stream_says_what_a_whole_answer_says() {
    for prompt in ["hello", "[[secret]]", "[[split-secret]]", "[[utf8]]", "[[long 3000]]"] {
        let whole_answer = whole(&chat(prompt, &json!({})).await);
        let content = whole_answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        let streamed = chat(prompt, &json!({ "stream": true })).await;
        assert_eq!(joined(&streamed, 0, "content"), content, "{prompt}");
        assert_eq!(payloads(&streamed).last().unwrap(), "[DONE]");
    }
}

#[tokio::test]
async fn a_split_secret_never_stands_in_one_delta() {
    let key = fake_key();
    assert!(chat("[[secret]]", &json!({})).await.contains(&key));
    let streamed = chat("[[split-secret]]", &json!({ "stream": true })).await;
    assert!(!streamed.contains(&key));
    assert!(joined(&streamed, 0, "content").contains(&key));
}

#[tokio::test]
async fn the_wire_is_cut_inside_characters() {
    let request = r#"{"stream": true, "messages": [{"role": "user", "content": "[[utf8]]"}]}"#;
    let raw = exchange_raw("POST", "/v1/chat/completions", request).await;
    // The first byte of a character, then the end of its chunk.
    assert!(raw.windows(3).any(|window| window[0] >= 0xc0 && &window[1..] == b"\r\n"));
}

#[tokio::test]
async fn usage_comes_last_and_only_when_asked_for() {
    let asked = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let chunks = payloads(&chat("hi", &asked).await);
    let last: Value = serde_json::from_str(&chunks[chunks.len() - 2]).unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert!(!chat("hi", &json!({ "stream": true })).await.contains("usage"));
}

#[tokio::test]
async fn one_choice_of_several_can_be_scripted() {
    let prompt = "[[choice 1]] [[secret]]";
    let streamed = chat(prompt, &json!({ "stream": true, "n": 2 })).await;
    assert_eq!(joined(&streamed, 0, "content"), "OK.");
    assert!(joined(&streamed, 1, "content").contains(&fake_key()));
    assert_eq!(
        whole(&chat(prompt, &json!({ "n": 2 })).await)["choices"].as_array().unwrap().len(),
        2
    );
    assert!(chat("hi", &json!({ "n": 9 })).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn tool_calls_stream_as_fragments_that_join_to_the_arguments() {
    let prompt = r#"[[tool send {"to": ["a", ["b"]], "key": "$SECRET"}]]"#;
    let arguments = format!(r#"{{"to": ["a", ["b"]], "key": "{}"}}"#, fake_key());
    let answer = whole(&chat(prompt, &json!({})).await);
    let function = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(function, &json!({ "name": "send", "arguments": arguments }));
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");

    let streamed = payloads(&chat(prompt, &json!({ "stream": true })).await);
    let chunks: Vec<Value> = streamed.iter().filter_map(|c| serde_json::from_str(c).ok()).collect();
    let fragments: Vec<_> = chunks
        .iter()
        .filter_map(|c| c["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert!(fragments.len() > 3);
    assert_eq!(fragments.concat(), arguments);
}

#[tokio::test]
async fn refusals_and_reasoning_have_their_own_channels() {
    let refused = chat("[[refuse]] [[say no]]", &json!({ "stream": true })).await;
    assert_eq!(joined(&refused, 0, "refusal"), "no");
    assert_eq!(joined(&refused, 0, "content"), "");
    let reasoned = chat("[[reasoning]] [[say hmm]]", &json!({ "stream": true })).await;
    assert_eq!(joined(&reasoned, 0, "reasoning_content"), "hmm");
    assert!(!joined(&reasoned, 0, "content").is_empty());
}

#[tokio::test]
async fn errors_wear_the_dialects_own_shape() {
    let openai = chat("[[error 503]]", &json!({})).await;
    assert!(openai.starts_with("HTTP/1.1 503"));
    assert_eq!(whole(&openai)["error"]["type"], "server_error");
    let anthropic = message("[[error 429]]", true).await;
    assert!(anthropic.starts_with("HTTP/1.1 429"));
    assert_eq!(whole(&anthropic)["error"]["type"], "rate_limit_error");
    assert!(exchange("POST", "/v1/messages", "{}").await.starts_with("HTTP/1.1 400"));
    assert!(exchange("POST", "/v1/chat/completions", "{").await.starts_with("HTTP/1.1 400"));
    assert!(exchange("GET", "/v2", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_cut_leaves_the_answer_unfinished() {
    let streamed = chat("[[cut]] hello", &json!({ "stream": true })).await;
    assert!(streamed.contains("data: ") && !streamed.contains("[DONE]"));
    assert!(!streamed.ends_with("0\r\n\r\n"));
    let answer = chat("[[cut]] hello", &json!({})).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(!body.is_empty() && body.len() < announced.parse().unwrap());
}

#[tokio::test]
async fn a_hang_sends_half_of_a_stream_and_nothing_of_a_whole_answer() {
    let streamed = chat("[[hang]] hello", &json!({ "stream": true })).await;
    assert!(streamed.contains("data: ") && !streamed.contains("[DONE]"));
    assert_eq!(chat("[[hang]] hello", &json!({})).await, "");
}

#[tokio::test]
async fn odd_bytes_mean_the_same() {
    let prompt = "[[say 你好 👋]]";
    let plain = whole(&chat(prompt, &json!({})).await);
    let odd = chat(&format!("{prompt} [[odd]]"), &json!({})).await;
    assert!(odd.is_ascii());
    assert_eq!(whole(&odd)["choices"], plain["choices"]);
    let framed = chat(&format!("{prompt} [[crlf]] [[comments]]"), &json!({ "stream": true })).await;
    assert!(framed.contains(": keep-alive\r\ndata: {"));
    assert_eq!(joined(&framed, 0, "content"), "你好 👋");
}

#[tokio::test]
async fn messages_stream_what_they_say_whole() {
    let answer = whole(&message("[[say ab cd]] [[reasoning]]", false).await);
    assert_eq!(answer["content"][0]["thinking"], "ab cd");
    assert_eq!(answer["stop_reason"], "end_turn");
    let streamed = message("[[say ab cd]] [[reasoning]]", true).await;
    let events: Vec<Value> =
        payloads(&streamed).iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let thought: String =
        events.iter().filter_map(|event| event["delta"]["thinking"].as_str()).collect();
    assert_eq!(thought, "ab cd");
    for event in &events {
        assert!(streamed.contains(&format!("event: {}\n", event["type"].as_str().unwrap())));
    }
    let called = message(r#"[[tool send {"a": [1]}]]"#, true).await;
    assert!(called.contains(r#""partial_json":"""#) && called.contains("tool_use"));
    let refused = whole(&message("[[refuse]]", false).await);
    assert_eq!(refused["stop_reason"], "refusal");
}

#[tokio::test]
async fn models_are_listed_and_found() {
    let listed = whole(&exchange("GET", "/v1/models", "").await);
    assert_eq!(listed["data"][0]["id"], "troth-stub");
    let found = whole(&exchange("GET", "/v1/models/troth-stub", "").await);
    assert_eq!(found["object"], "model");
    assert!(exchange("GET", "/v1/models/none", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_last_user_message_with_text_is_the_script() {
    let request = json!({ "messages": [
        { "role": "user", "content": "[[say first]]" },
        { "role": "user", "content": [{ "type": "text", "text": "[[say second]]" }] },
        { "role": "assistant", "content": "[[say third]]" },
        { "role": "tool", "tool_call_id": "x", "content": "[[say fourth]]" },
    ] });
    let answer = exchange("POST", "/v1/chat/completions", &request.to_string()).await;
    assert_eq!(whole(&answer)["choices"][0]["message"]["content"], "second");
}

#[test]
fn what_is_no_marker_is_text() {
    let cases = [
        "a [[b]] c",
        "[[",
        "[[say",
        "]]",
        "[[tool x {]]",
        "[[tool x 1]]",
        "[[error 200]]",
        "[[slow x]]",
        "[[long -1]]",
    ];
    for text in cases {
        assert_eq!(Script::read(text).plain, text);
    }
    let many = "[[x".repeat(10_000);
    assert_eq!(Script::read(&many).plain, many);
}

#[test]
fn markers_combine_and_leave_the_plain_text() {
    let script = Script::read("a [[slow 20 ms]] b [[chunk 3]] [[tool t {}]]");
    assert_eq!(script.plain, "a  b");
    assert_eq!(script.pace, Duration::from_millis(20));
    assert_eq!(script.chunk, Some(3));
    assert_eq!(script.tools, [ToolCall { name: "t".into(), arguments: "{}".into() }]);
}

#[test]
fn pieces_join_to_the_text() {
    for chunk in [None, Some(1), Some(2), Some(1000)] {
        assert_eq!(pieces("Grüße, 你好 of all", chunk).concat(), "Grüße, 你好 of all");
    }
}

/// Ends the wait for an answer that never ends.
const PATIENCE: Duration = Duration::from_millis(1500);
