//! Messages, as Anthropic's clients expect them.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{
    reply::{self, Reply},
    script::{self, Ending, Script, Style},
    wire::{self, Body},
};

/// Answers `POST /v1/messages`.
pub(super) async fn messages(request: &Value) -> Response<Body> {
    if request.get("messages").and_then(Value::as_array).is_none() {
        return error(StatusCode::BAD_REQUEST, "`messages` must be an array");
    }
    if request.get("max_tokens").and_then(Value::as_u64).is_none() {
        return error(StatusCode::BAD_REQUEST, "max_tokens: field required");
    }
    let message = reply::last_user_text(request);
    let script = Script::read(&message);
    if let Some(status) = script.error {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return error(status, "the script asked for this error");
    }
    let answer = Answer {
        reply: Reply::new(&script, 0),
        id: format!("msg_{:016x}", script::fingerprint(&message)),
        model: request.get("model").and_then(Value::as_str).unwrap_or("troth-stub").to_owned(),
        input_tokens: reply::prompt_tokens(request),
    };
    if request.get("stream").and_then(Value::as_bool).unwrap_or(false) {
        let events = answer.events(script.style);
        // The message, a ping, a block and its first words come at once.
        let body = Body::stream(events, 4, &script);
        return super::with_body(StatusCode::OK, "text/event-stream", body);
    }
    answer.whole(&script).await
}

/// An error in this dialect's own shape.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Body> {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    let error = json!({ "type": kind, "message": message });
    let body = json!({ "type": "error", "error": error, "request_id": "req_stub" });
    super::json(status, body.to_string())
}

struct Answer {
    reply: Reply,
    id: String,
    model: String,
    input_tokens: usize,
}

impl Answer {
    async fn whole(&self, script: &Script) -> Response<Body> {
        tokio::time::sleep(script.pace).await;
        if script.ending == Ending::Hang {
            std::future::pending::<()>().await;
        }
        let content: Vec<_> = self.blocks().into_iter().map(Block::finished).collect();
        let message = self.message(&json!(content), Some(self.stop_reason()), self.reply.tokens());
        let text = wire::text(&message, script.style);
        if script.ending == Ending::Cut {
            let body = Body::cut_whole(text.into());
            return super::with_body(StatusCode::OK, "application/json", body);
        }
        super::json(StatusCode::OK, text)
    }

    fn events(&self, style: Style) -> Vec<Bytes> {
        let message = self.message(&json!([]), None, 1);
        let mut events =
            vec![json!({ "type": "message_start", "message": message }), json!({ "type": "ping" })];
        for (index, block) in (0_u64..).zip(self.blocks()) {
            events.push(json!({
                "type": "content_block_start", "index": index, "content_block": block.start(),
            }));
            events.extend(block.deltas().into_iter().map(
                |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            ));
            events.push(json!({ "type": "content_block_stop", "index": index }));
        }
        events.push(json!({
            "type": "message_delta",
            "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
            "usage": { "output_tokens": self.reply.tokens() },
        }));
        events.push(json!({ "type": "message_stop" }));
        let named = events.iter().map(|event| {
            let name = event.get("type").and_then(Value::as_str);
            wire::event(name, &wire::text(event, style), style)
        });
        named.collect()
    }

    fn message(&self, content: &Value, stop_reason: Option<&str>, output_tokens: usize) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": { "input_tokens": self.input_tokens, "output_tokens": output_tokens },
        })
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let reply = &self.reply;
        let mut blocks = Vec::new();
        if !reply.reasoning.is_empty() {
            blocks.push(Block::Thinking(&reply.reasoning));
        }
        // A refusal has no channel of its own here: its text stands in a text block and the stop
        // reason says what it is.
        blocks.extend(
            [&reply.content, &reply.refusal]
                .into_iter()
                .filter(|pieces| !pieces.is_empty())
                .map(|pieces| Block::Text(pieces)),
        );
        blocks.extend((0..).zip(&reply.tools).map(|(slot, call)| Block::ToolUse {
            id: format!("toolu_{slot}"),
            name: &call.name,
            fragments: &call.fragments,
        }));
        blocks
    }

    fn stop_reason(&self) -> &'static str {
        if !self.reply.refusal.is_empty() {
            "refusal"
        } else if self.reply.tools.is_empty() {
            "end_turn"
        } else {
            "tool_use"
        }
    }
}

enum Block<'a> {
    Thinking(&'a [String]),
    Text(&'a [String]),
    ToolUse { id: String, name: &'a str, fragments: &'a [String] },
}

impl Block<'_> {
    fn start(&self) -> Value {
        match self {
            Self::Thinking(_) => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            Self::Text(_) => json!({ "type": "text", "text": "" }),
            Self::ToolUse { id, name, .. } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": {} })
            }
        }
    }

    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Thinking(pieces) => {
                let texts =
                    pieces.iter().map(|p| json!({ "type": "thinking_delta", "thinking": p }));
                let signature = json!({ "type": "signature_delta", "signature": SIGNATURE });
                texts.chain([signature]).collect()
            }
            Self::Text(pieces) => {
                pieces.iter().map(|p| json!({ "type": "text_delta", "text": p })).collect()
            }
            Self::ToolUse { fragments, .. } => {
                // The real service opens with an empty fragment.
                let empty = String::new();
                std::iter::once(&empty)
                    .chain(*fragments)
                    .map(|part| json!({ "type": "input_json_delta", "partial_json": part }))
                    .collect()
            }
        }
    }

    fn finished(self) -> Value {
        match self {
            Self::Thinking(pieces) => json!({
                "type": "thinking", "thinking": pieces.concat(), "signature": SIGNATURE,
            }),
            Self::Text(pieces) => json!({ "type": "text", "text": pieces.concat() }),
            Self::ToolUse { id, name, fragments } => {
                let input: Value = serde_json::from_str(&fragments.concat()).unwrap_or_default();
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
        }
    }
}

/// Opaque to everybody, as the real ones are.
const SIGNATURE: &str = "c3R1Yi1zaWduYXR1cmU=";
