//! The one place where causes become responses, by type and never by text.

use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    body::{Body, full},
    dialect::{Family, openai},
    fault::Fault,
    judge::Judgement,
};

/// The response for `fault`, in the form that the route's clients read.
pub(crate) fn respond(fault: &Fault, family: Option<Family>) -> Response<Body> {
    let message = fault.to_string();
    let status = fault.status();
    let body = match family {
        Some(Family::OpenAi) => {
            let kind = match status {
                StatusCode::UNAUTHORIZED => "authentication_error",
                _ if status.is_client_error() => "invalid_request_error",
                _ => "api_error",
            };
            openai::error_body(&message, kind, None, fault.code())
        }
        None => problem(status, &message, fault.code()),
    };
    let media_type = match family {
        Some(_) => "application/json",
        None => "application/problem+json",
    };
    let mut response = json_response(status, body, media_type);
    if !fault.is_transient() {
        never_again(&mut response);
    }
    response
}

/// The response for a request that policy refuses. `param` is the part of the
/// request that was refused.
pub(crate) fn refuse(judgement: &Judgement, exchange: &str, family: Family) -> Response<Body> {
    let message = reason(judgement, exchange);
    let body = match family {
        Family::OpenAi => openai::error_body(
            &message,
            "invalid_request_error",
            Some("messages"),
            "content_filter",
        ),
    };
    // 400 and never 408, 409, 429 or 5xx: the SDKs would try those again.
    let mut response = json_response(StatusCode::BAD_REQUEST, body, "application/json");
    never_again(&mut response);
    response
}

/// Why: the policy's own message, its id and the exchange; never the text.
pub(crate) fn reason(judgement: &Judgement, exchange: &str) -> String {
    let Some(policy) = judgement.strongest() else {
        let why = judgement.errors.first().map_or("no policy allows it", String::as_str);
        return format!("Blocked: {why} (exchange {exchange}).");
    };
    let message = policy.message.as_deref().unwrap_or("this is against the operator's policy");
    let held = match judgement.not_approved.first() {
        Some(refused) => format!(" {}", refused.told()),
        None if policy.response == troth_policies::Verdict::Approve => {
            " It needs a person's approval.".to_owned()
        }
        None => String::new(),
    };
    format!("Blocked by policy `{}`: {message}.{held} (exchange {exchange})", policy.id)
        .replace("..", ".")
}

/// Names the held call of a whole answer to whoever made it.
pub(crate) fn name_approval(judgement: &Judgement, response: &mut Response<Body>) {
    let id = judgement.not_approved.iter().find_map(|refused| refused.id.as_ref());
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert("troth-approval", value);
    }
}

/// A problem document (RFC 9457), where no dialect applies.
pub(crate) fn problem_response(status: StatusCode, detail: &str, code: &str) -> Response<Body> {
    json_response(status, problem(status, detail, code), "application/problem+json")
}

fn problem(status: StatusCode, detail: &str, code: &str) -> Vec<u8> {
    serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    })
    .to_string()
    .into_bytes()
}

fn json_response(status: StatusCode, body: Vec<u8>, media_type: &'static str) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

fn never_again(response: &mut Response<Body>) {
    response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
}
