//! The embedded model: a small deterministic server in the OpenAI and Anthropic dialects, for
//! `troth demo`, `troth stub-model` and the tests. It holds no model: what the last user message
//! says decides the answer, so that a test can ask for any behaviour of an upstream, the rude
//! ones included, and get the same bytes each time.
//!
//! | marker in the last user message | effect |
//! |---|---|
//! | none | a canned answer picked by a hash of the message; in Chinese when the message holds Han characters |
//! | `[[say TEXT]]` | answers `TEXT` |
//! | `[[echo]]` | answers the message without its markers |
//! | `[[long N]]` | answers `N` bytes of plain text (at most 1 MiB) |
//! | `[[secret]]` | answers with a fake AWS access key, built at run time |
//! | `[[split-secret]]` | the same, one character a delta |
//! | `[[utf8]]` | answers in several scripts and cuts the wire inside each multi-byte character |
//! | `[[tool NAME {json}]]` | calls a tool, once for each such marker; arguments are streamed in fragments |
//! | `[[refuse]]` | the text goes out as a refusal |
//! | `[[reasoning]]` | the text goes out as reasoning, a canned answer follows as content |
//! | `[[choice N]]` | only choice `N` of `n` is scripted, the others answer `OK.` |
//! | `[[chunk N]]` | deltas of `N` characters instead of words |
//! | `[[slow N ms]]` | waits `N` ms before each delta but the first, or once before a whole answer (at most 10 s) |
//! | `[[crlf]]` | the stream's lines end in CR LF |
//! | `[[comments]]` | a comment line before each event |
//! | `[[odd]]` | unusual but valid JSON: spaces, and `\u` escapes for all that is not ASCII |
//! | `[[error N]]` | status `N` (400 to 599) with the dialect's own error |
//! | `[[hang]]` | never answers; a stream stops after half of its deltas |
//! | `[[cut]]` | the connection is dropped halfway through the answer |
//!
//! `$SECRET` in `TEXT` and in tool arguments stands for the fake key. Markers combine; an unknown
//! one is plain text. Served: `POST /v1/chat/completions`, `POST /v1/messages`, `GET /v1/models`,
//! `GET /v1/models/{id}`; each answer carries `x-stub-model: 1`, by which a test knows that it was
//! reached.

mod anthropic;
mod openai;
mod reply;
mod script;
#[cfg(test)]
mod tests;
mod wire;

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use self::wire::Body;

/// Answers on `listener` until `shutdown` resolves, then drops every connection.
///
/// At most [`CONNECTIONS`] are open at a time, further ones wait in the kernel's queue.
pub(crate) async fn serve(listener: TcpListener, shutdown: impl Future) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream))),
                // Out of descriptors, or the peer left already: breathe, then go on.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    connections.shutdown().await;
}

async fn converse(stream: TcpStream) {
    // Each delta is a packet of its own, as a real model server sends it.
    let _ = stream.set_nodelay(true);
    // A client that leaves, or a `[[cut]]`, ends here as an error that is nobody's fault.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service_fn(respond))
        .await;
}

async fn respond(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let mut response = match (&head.method, path) {
        (&Method::POST, "/v1/chat/completions") => match read(body).await {
            Ok(request) => openai::chat(&request).await,
            Err(fault) => openai::error(fault.status(), fault.message()),
        },
        (&Method::POST, "/v1/messages") => match read(body).await {
            Ok(request) => anthropic::messages(&request).await,
            Err(fault) => anthropic::error(fault.status(), fault.message()),
        },
        (&Method::GET, "/v1/models") => openai::models(),
        (&Method::GET, _) if path.starts_with(MODEL_PREFIX) => {
            openai::model(path.strip_prefix(MODEL_PREFIX).unwrap_or_default())
        }
        _ => openai::error(StatusCode::NOT_FOUND, "unknown path"),
    };
    response.headers_mut().insert(STUB_HEADER, HeaderValue::from_static("1"));
    Ok(response)
}

/// Reads and parses a request's body.
async fn read(body: Incoming) -> Result<Value, BadRequest> {
    let collected = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, REQUEST_BYTES).collect())
        .await
        .map_err(|_| BadRequest::Slow)?
        .map_err(|_| BadRequest::Large)?;
    serde_json::from_slice(&collected.to_bytes()).map_err(|_| BadRequest::NotJson)
}

/// Why a request was not understood.
#[derive(Debug, Clone, Copy)]
enum BadRequest {
    Slow,
    Large,
    NotJson,
}

impl BadRequest {
    fn status(self) -> StatusCode {
        match self {
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::BAD_REQUEST,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Slow => "the request's body did not arrive in time",
            Self::Large => "the request's body is too large or was cut",
            Self::NotJson => "the request's body is not JSON",
        }
    }
}

/// A whole JSON answer.
fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    with_body(status, "application/json", Body::whole(body.into()))
}

fn with_body(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const CONNECTIONS: usize = 4096;
const REQUEST_BYTES: usize = 64 << 20;
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const MODEL_PREFIX: &str = "/v1/models/";
const STUB_HEADER: HeaderName = HeaderName::from_static("x-stub-model");
