//! A permit for each exchange, held until its last byte.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use tokio::sync::Semaphore;
use tower::Service;

use super::Answering;
use crate::{body::Keeping, fault::Fault};

/// Refuses with [`Fault::Overloaded`] while all permits are out. A client that
/// leaves gives its permit back when its response is dropped.
///
/// Refusing beats queueing: a client that waits behind 10,000 others has gone
/// before its turn comes.
#[derive(Debug, Clone)]
pub(super) struct Limit<S> {
    permits: Arc<Semaphore>,
    inner: S,
}

impl<S> Limit<S> {
    pub(super) const fn new(permits: Arc<Semaphore>, inner: S) -> Self {
        Self { permits, inner }
    }
}

impl<B, S> Service<Request<B>> for Limit<S>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    S: Service<
            Request<B>,
            Response = http::Response<crate::body::Body>,
            Error = Fault,
            Future = Answering,
        >,
{
    type Response = http::Response<crate::body::Body>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return Box::pin(std::future::ready(Err(Fault::Overloaded { what: "exchanges" })));
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Keeping::until_end(body, permit)))
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;
    use crate::body::full;

    #[derive(Clone)]
    struct Answer;

    impl Service<Request<Full<Bytes>>> for Answer {
        type Response = http::Response<crate::body::Body>;
        type Error = Fault;
        type Future = Answering;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Full<Bytes>>) -> Answering {
            Box::pin(std::future::ready(Ok(http::Response::new(full("x")))))
        }
    }

    #[tokio::test]
    async fn the_permit_is_kept_until_the_body_is_dropped() {
        let mut limit = Limit::new(Arc::new(Semaphore::new(1)), Answer);
        let request = || Request::new(Full::new(Bytes::new()));
        let first = limit.call(request()).await.unwrap();
        assert!(matches!(limit.call(request()).await, Err(Fault::Overloaded { .. })));
        drop(first);
        assert!(limit.call(request()).await.is_ok());
    }
}
