//! Chat completions and models, as OpenAI's clients expect them.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    reply::{self, Reply},
    script::{self, Ending, Script},
    wire::{self, Body},
};

/// Answers `POST /v1/chat/completions`.
pub(super) async fn chat(request: &Value) -> Response<Body> {
    let Some(ask) = Ask::read(request) else {
        return error(StatusCode::BAD_REQUEST, "`messages` or `n` is not what it should be");
    };
    if let Some(status) = ask.script.error {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return error(status, "the script asked for this error");
    }
    if ask.stream { stream(&ask) } else { whole(&ask).await }
}

/// Answers `GET /v1/models`.
pub(super) fn models() -> Response<Body> {
    let data: Vec<_> = MODELS.iter().map(|id| model_object(id)).collect();
    super::json(StatusCode::OK, json!({ "object": "list", "data": data }).to_string())
}

/// Answers `GET /v1/models/{id}`.
pub(super) fn model(id: &str) -> Response<Body> {
    if MODELS.contains(&id) {
        super::json(StatusCode::OK, model_object(id).to_string())
    } else {
        error(StatusCode::NOT_FOUND, "the model does not exist")
    }
}

/// An error in this dialect's own shape.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Body> {
    let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
    let error = json!({ "message": message, "type": kind, "param": null, "code": null });
    super::json(status, json!({ "error": error }).to_string())
}

/// What one request asks for.
struct Ask {
    script: Script,
    replies: Vec<Reply>,
    model: String,
    id: String,
    stream: bool,
    usage: Value,
    include_usage: bool,
}

impl Ask {
    fn read(request: &Value) -> Option<Self> {
        request.get("messages")?.as_array()?;
        let n = request.get("n").map_or(Some(1), Value::as_u64).filter(|n| (1..=8).contains(n))?;
        let message = reply::last_user_text(request);
        let script = Script::read(&message);
        let replies: Vec<_> = (0..n).map(|choice| Reply::new(&script, choice)).collect();
        let prompt = reply::prompt_tokens(request);
        let completion: usize = replies.iter().map(Reply::tokens).sum();
        let model = request.get("model").and_then(Value::as_str).unwrap_or(MODELS[0]);
        Some(Self {
            model: model.to_owned(),
            id: format!("chatcmpl-{:016x}", script::fingerprint(&message)),
            stream: request.get("stream").and_then(Value::as_bool).unwrap_or(false),
            usage: json!({
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }),
            include_usage: request.pointer("/stream_options/include_usage") == Some(&json!(true)),
            script,
            replies,
        })
    }

    /// A chunk of the stream with `choices` and nothing else to say.
    fn chunk(&self, choices: &Value) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model,
            "choices": choices,
        });
        if let (true, Some(chunk)) = (self.include_usage, chunk.as_object_mut()) {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        chunk
    }
}

async fn whole(ask: &Ask) -> Response<Body> {
    tokio::time::sleep(ask.script.pace).await;
    if ask.script.ending == Ending::Hang {
        std::future::pending::<()>().await;
    }
    let choices: Vec<_> = (0_u64..).zip(&ask.replies).map(|(i, reply)| choice(i, reply)).collect();
    let completion = json!({
        "id": ask.id,
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": choices,
        "usage": ask.usage,
    });
    let text = wire::text(&completion, ask.script.style);
    if ask.script.ending == Ending::Cut {
        let body = Body::cut_whole(text.into());
        return super::with_body(StatusCode::OK, "application/json", body);
    }
    super::json(StatusCode::OK, text)
}

fn choice(index: u64, reply: &Reply) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    let content = reply.content.concat();
    message.insert("content".to_owned(), json!((!content.is_empty()).then_some(content)));
    let refusal = reply.refusal.concat();
    message.insert("refusal".to_owned(), json!((!refusal.is_empty()).then_some(refusal)));
    if !reply.reasoning.is_empty() {
        message.insert("reasoning_content".to_owned(), json!(reply.reasoning.concat()));
    }
    if !reply.tools.is_empty() {
        let calls: Vec<_> = (0..)
            .zip(&reply.tools)
            .map(|(slot, call)| {
                let function = json!({ "name": call.name, "arguments": call.fragments.concat() });
                json!({ "id": call_id(index, slot), "type": "function", "function": function })
            })
            .collect();
        message.insert("tool_calls".to_owned(), json!(calls));
    }
    json!({ "index": index, "message": message, "finish_reason": finish(reply), "logprobs": null })
}

fn stream(ask: &Ask) -> Response<Body> {
    let mut lanes: Vec<_> = (0_u64..).zip(&ask.replies).map(|(i, r)| deltas(i, r)).collect();
    let mut chunks = Vec::new();
    // Choices take turns, as a server that samples them side by side sends them.
    let longest = lanes.iter().map(Vec::len).max().unwrap_or_default();
    lanes.iter_mut().for_each(|lane| lane.reverse());
    for _ in 0..longest {
        let next = lanes.iter_mut().filter_map(Vec::pop);
        chunks.extend(next.map(|choice| ask.chunk(&json!([choice]))));
    }
    if ask.include_usage {
        let mut last = ask.chunk(&json!([]));
        if let Some(last) = last.as_object_mut() {
            last.insert("usage".to_owned(), ask.usage.clone());
        }
        chunks.push(last);
    }
    let style = ask.script.style;
    let mut events: Vec<_> =
        chunks.iter().map(|chunk| wire::event(None, &wire::text(chunk, style), style)).collect();
    events.push(wire::event(None, "[DONE]", style));
    // Each choice's role and first words come at once: a model that has begun does not wait.
    let body = Body::stream(events, ask.replies.len() * 2, &ask.script);
    super::with_body(StatusCode::OK, "text/event-stream", body)
}

/// The `choices[]` elements of one choice's whole stream, in order.
fn deltas(index: u64, reply: &Reply) -> Vec<Value> {
    let mut deltas = vec![json!({ "role": "assistant", "content": "" })];
    deltas.extend(reply.reasoning.iter().map(|piece| json!({ "reasoning_content": piece })));
    deltas.extend(reply.content.iter().map(|piece| json!({ "content": piece })));
    deltas.extend(reply.refusal.iter().map(|piece| json!({ "refusal": piece })));
    for (slot, call) in (0_u64..).zip(&reply.tools) {
        let function = json!({ "name": call.name, "arguments": "" });
        deltas.push(json!({ "tool_calls": [{
            "index": slot, "id": call_id(index, slot), "type": "function", "function": function,
        }] }));
        deltas.extend(call.fragments.iter().map(|fragment| {
            json!({ "tool_calls": [{ "index": slot, "function": { "arguments": fragment } }] })
        }));
    }
    let mut choices: Vec<_> = deltas
        .into_iter()
        .map(|delta| json!({ "index": index, "delta": delta, "finish_reason": null }))
        .collect();
    choices.push(json!({ "index": index, "delta": {}, "finish_reason": finish(reply) }));
    choices
}

fn finish(reply: &Reply) -> &'static str {
    if reply.tools.is_empty() { "stop" } else { "tool_calls" }
}

fn call_id(choice: u64, slot: u64) -> String {
    format!("call_{choice}_{slot}")
}

fn model_object(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "troth" })
}

const MODELS: [&str; 2] = ["troth-stub", "troth-stub-zh"];

/// The same in every answer: 2026-01-01T00:00:00Z.
const CREATED: u64 = 1_767_225_600;
