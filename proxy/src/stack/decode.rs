//! Bytes into segments, strictly.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower::Service;
use troth_policies::{Channel, Origin};

use super::{Admission, Answering, Asked};
use crate::{
    body::Body,
    dialect::{DecodeFault, Decoded, Document, Endpoint, Piece, Place, openai},
    fault::Fault,
};

/// Takes the body apart. A body that cannot be read goes down all the same,
/// with its fault: an exchange was asked for, and the record says how it ended.
#[derive(Debug, Clone)]
pub(super) struct Decode<S> {
    inner: S,
}

impl<S> Decode<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Bytes>> for Decode<S>
where
    S: Service<Asked, Response = Response<Body>, Error = Fault, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Bytes>) -> Answering {
        let (mut head, body) = request.into_parts();
        let Some(admission) = head.extensions.remove::<Arc<Admission>>() else {
            return Box::pin(std::future::ready(Err(Fault::Internal)));
        };
        let (document, decoded) = match &admission.endpoint {
            Endpoint::ChatCompletions => match Document::parse(body.clone()) {
                Ok(document) => {
                    let decoded = openai::chat_request(&document);
                    (Some(document), decoded)
                }
                Err(fault) => (None, Err(DecodeFault::Syntax(fault))),
            },
            Endpoint::Models => (None, no_body(&body, Decoded::default())),
            Endpoint::Model { id } => {
                let decoded = Decoded { model: Some(id.clone()), ..Decoded::default() };
                (None, no_body(&body, decoded))
            }
        };
        let decoded = decoded.map(|mut decoded| {
            address(&mut decoded, &head, &admission.endpoint);
            decoded
        });
        self.inner.call(Asked { admission, head, document, body, decoded })
    }
}

fn no_body(body: &Bytes, decoded: Decoded) -> Result<Decoded, DecodeFault> {
    if body.is_empty() {
        Ok(decoded)
    } else {
        Err(DecodeFault::Shape { what: "this request has no body" })
    }
}

/// The parts of the address that a client can fill with text.
fn address(decoded: &mut Decoded, head: &http::request::Parts, endpoint: &Endpoint) {
    let piece = |pointer: &str, text: &str| Piece {
        pointer: pointer.to_owned(),
        channel: Channel::User,
        origin: Origin::User,
        tool: None,
        text: text.to_owned(),
        place: Place::Assembled,
        choice: None,
    };
    if let Endpoint::Model { id } = endpoint {
        decoded.pieces.push(piece("path", id));
    }
    if let Some(query) = head.uri.query().filter(|query| !query.is_empty()) {
        let text = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
        decoded.pieces.push(piece("query", &text));
    }
}
