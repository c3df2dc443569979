//! `OpenAI` chat completions and the list of models.
//!
//! Field by field where a field has a meaning for screening (who speaks, which
//! tool, what is opaque), and by a walk over everything else, so that a field
//! that appears next year is screened before anybody has heard of it.

mod answer;
mod chunk;
mod refusal;
mod request;
mod tokens;

pub(crate) use answer::{CALLS, CHOICES, answer, replace_choices, silence_logprobs};
pub(crate) use chunk::{Chunk, Fragment, Lane, Slot, chunk};
pub(crate) use refusal::{error_body, error_event, final_chunk, text_chunk};
pub(crate) use request::{chat_request, listing};

use http::Method;

use super::Endpoint;

/// What `method` on `path` asks for. `path` has lost the route's prefix; an
/// `/v1` may stand before it, so that a route may name either.
pub(super) fn endpoint(method: &Method, path: &str) -> Option<Endpoint> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix("v1/").unwrap_or(path);
    match (method, path) {
        (&Method::POST, "chat/completions") => Some(Endpoint::ChatCompletions),
        (&Method::GET, "models") => Some(Endpoint::Models),
        (&Method::GET, _) => {
            // A slash inside an id comes escaped; as it is, it begins a path
            // that nobody named.
            let id = path.strip_prefix("models/").filter(|id| !id.contains('/'))?;
            let id = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
            let clean = !id.is_empty()
                && id.len() <= 256
                && id.bytes().all(plain)
                && id.split('/').all(|part| !matches!(part, "" | "." | ".."));
            clean.then(|| Endpoint::Model { id: id.into_owned() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
