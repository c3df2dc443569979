//! The upstream, at the bottom of the stack.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::Service;

use crate::{fault::Fault, upstream::Client};

/// Sends what it is given, as it is given. Only `Screen` calls it, after the
/// verdict and the durable intent.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    client: Client,
}

impl Forward {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Service<Request<Full<Bytes>>> for Forward {
    type Response = Response<Incoming>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // The pool opens connections as they are needed.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}
