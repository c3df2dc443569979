//! Refusals in the form that makes the official SDKs raise the right type.
//!
//! Tried with the clients of 2026: HTTP 400 with `code` `content_filter` gives
//! `BadRequestError` in Python and JavaScript; a final chunk with
//! `finish_reason` `content_filter` ends a stream cleanly; an `error` event in
//! a stream raises `APIError`.

use serde_json::{Value, json};

/// The body of an error response.
pub(crate) fn error_body(message: &str, kind: &str, param: Option<&str>, code: &str) -> Vec<u8> {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
        .to_string()
        .into_bytes()
}

/// An error inside a stream that has begun.
pub(crate) fn error_event(message: &str, kind: &str, code: &str) -> Vec<u8> {
    let body = error_body(message, kind, None, code);
    crate::sse::event(&String::from_utf8_lossy(&body))
}

/// The chunk that ends `choices` with `content_filter`; `like` gives the
/// stream's own id, model and time, and `why` is said as a refusal.
pub(crate) fn final_chunk(like: Option<&Value>, choices: &[u32], why: Option<&str>) -> Vec<u8> {
    let delta = why.map_or_else(|| json!({}), |why| json!({ "refusal": why }));
    let choices = choices
        .iter()
        .map(|index| json!({ "index": index, "delta": delta, "finish_reason": "content_filter" }))
        .collect();
    chunk(like, choices)
}

/// A chunk that says `text` under `key` of the delta.
pub(crate) fn text_chunk(like: Option<&Value>, choice: u32, key: &str, text: &str) -> Vec<u8> {
    let delta = json!({ key: text });
    chunk(like, vec![json!({ "index": choice, "delta": delta, "finish_reason": null })])
}

fn chunk(like: Option<&Value>, choices: Vec<Value>) -> Vec<u8> {
    let of = |key: &str| like.and_then(|like| like.get(key)).cloned();
    let chunk = json!({
        "id": of("id").unwrap_or_else(|| json!("troth")),
        "object": "chat.completion.chunk",
        "created": of("created").unwrap_or_else(|| json!(0)),
        "model": of("model").unwrap_or_else(|| json!("")),
        "choices": choices,
    });
    crate::sse::event(&chunk.to_string())
}
