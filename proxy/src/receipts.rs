//! Receipts over HTTP: to the exchange's own principal with openings, to
//! everybody without.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use troth_attest::{Log, PublishError, ReceiptError};
use troth_policies::Principal;

use crate::{
    body::{Body, full},
    fault::Fault,
    gateway::Gateway,
    rescue,
    stack::presented_key,
};

/// The exchange whose receipt `path` asks for.
pub(crate) fn asked(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)
}

/// A receipt with openings, on the main listener, for the exchange's own
/// principal. Anybody else is told what one is told of an id that nobody has.
pub(crate) async fn own(
    gateway: &Arc<Gateway>,
    method: &Method,
    headers: &HeaderMap,
    id: &str,
) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return rescue::problem_response(
            StatusCode::METHOD_NOT_ALLOWED,
            "a receipt is read with GET",
            "method",
        );
    }
    let Some(principal) = gateway.principal(presented_key(headers)) else {
        return rescue::problem_response(
            StatusCode::UNAUTHORIZED,
            "the key is missing or unknown",
            "invalid_api_key",
        );
    };
    let logs: Vec<Log> = gateway.evidence.iter().map(|evidence| evidence.log.clone()).collect();
    let id = id.to_owned();
    // Whatever is asked for may be old, or unknown, and then files are read: not
    // on a thread that others wait for.
    let read = tokio::task::spawn_blocking(move || of_principal(&logs, &principal, &id));
    read.await.unwrap_or_else(|_| rescue::respond(&Fault::Internal, None))
}

fn of_principal(logs: &[Log], principal: &Principal, id: &str) -> Response<Body> {
    for log in logs {
        let Some(entry) = log.exchange(id) else { continue };
        let own = entry.principal == log.pseudonym("principal", &principal.id)
            && entry.tenant == log.pseudonym("tenant", &principal.tenant);
        if own {
            return receipt(log.receipt(id, true).map(|receipt| receipt.to_string()));
        }
    }
    unknown()
}

/// What the publish listener serves: the tree, and receipts without openings.
pub(crate) fn published(log: &Log, method: &Method, path: &str) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return rescue::problem_response(
            StatusCode::METHOD_NOT_ALLOWED,
            "the log is read with GET",
            "method",
        );
    }
    if let Some(id) = asked(path) {
        return receipt(log.published_receipt(id).map(|receipt| receipt.to_string()));
    }
    match log.published(path.trim_start_matches('/')) {
        Ok(published) => {
            let mut response = Response::new(full(published.bytes));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(published.content_type));
            let age = if published.immutable {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(age));
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response
        }
        Err(PublishError::Forbidden) => rescue::problem_response(
            StatusCode::FORBIDDEN,
            "this log publishes hashes and checkpoints; its entries are for auditors",
            "entries_not_published",
        ),
        Err(PublishError::NotFound) => rescue::problem_response(
            StatusCode::NOT_FOUND,
            "the published tree has no such file",
            "not_found",
        ),
        Err(fault) => {
            tracing::error!(%fault, "cannot read the log");
            rescue::problem_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "the log cannot be read now",
                "log",
            )
        }
    }
}

fn receipt(receipt: Result<String, ReceiptError>) -> Response<Body> {
    match receipt {
        Ok(text) => {
            let mut response = Response::new(full(text));
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            response
        }
        Err(ReceiptError::NotFound) => unknown(),
        Err(ReceiptError::NotYet) => {
            let mut response = rescue::problem_response(
                StatusCode::NOT_FOUND,
                "the exchange is not in a checkpoint yet: ask again in a second",
                "not_yet",
            );
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Err(fault) => {
            tracing::error!(%fault, "cannot make a receipt");
            rescue::problem_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "the log cannot be read now",
                "log",
            )
        }
    }
}

fn unknown() -> Response<Body> {
    rescue::problem_response(
        StatusCode::NOT_FOUND,
        "no exchange of yours has this id",
        "unknown_exchange",
    )
}

const PREFIX: &str = "/.well-known/troth/receipts/";
