//! The body, read whole within its bounds.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tower::Service;

use super::Answering;
use crate::{
    body::{Body, Budget, Keeping, Reservation},
    config::Limits,
    fault::Fault,
};

/// Refuses bodies past `limit`, slower than `timeout`, coded, or past the
/// process's memory. A client that leaves while it sends is a broken body.
#[derive(Debug, Clone)]
pub(super) struct Read<S> {
    limit: usize,
    timeout: Duration,
    budget: Budget,
    inner: S,
}

impl<S> Read<S> {
    pub(super) const fn new(limits: &Limits, budget: Budget, inner: S) -> Self {
        Self { limit: limits.request_bytes, timeout: limits.body_timeout(), budget, inner }
    }
}

impl<B, S> Service<Request<B>> for Read<S>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    S: Service<Request<Bytes>, Response = Response<Body>, Error = Fault, Future = Answering>
        + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        // The ready service goes into the future, a clone stays.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (limit, timeout) = (self.limit, self.timeout);
        let mut reservation = self.budget.reservation();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if is_coded(&head.headers) {
                return Err(Fault::Encoded);
            }
            if !is_utf8(&head.headers) {
                return Err(Fault::Charset);
            }
            let body = collect(body, limit, &mut reservation, timeout);
            let body = tokio::time::timeout(timeout, body).await.map_err(|_| Fault::SlowBody)??;
            let response = inner.call(Request::from_parts(head, body)).await?;
            Ok(response.map(|body| Keeping::until_end(body, reservation)))
        })
    }
}

/// Whether a body is coded. All of the headers are asked: a reader that knows
/// only the first of several is told that there is none.
pub(crate) fn is_coded(headers: &http::HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// No charset but UTF-8: an upstream that honours another reads other text.
fn is_utf8(headers: &http::HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().all(|value| {
        let Ok(value) = value.to_str() else { return false };
        value.split(';').skip(1).all(|parameter| {
            let (name, charset) = parameter.split_once('=').unwrap_or_default();
            !name.trim().eq_ignore_ascii_case("charset")
                || charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    })
}

/// All of `body`, of which no two pieces are further apart than `idle`.
pub(crate) async fn collect<B>(
    mut body: B,
    limit: usize,
    reservation: &mut Reservation,
    idle: Duration,
) -> Result<Bytes, Fault>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if hint > limit {
        return Err(Fault::TooLarge { limit });
    }
    let mut first: Option<Bytes> = None;
    let mut bytes = BytesMut::new();
    while let Some(frame) =
        tokio::time::timeout(idle, body.frame()).await.map_err(|_| Fault::SlowBody)?
    {
        let Ok(data) = frame.map_err(|_| Fault::BrokenBody)?.into_data() else { continue };
        let size = first.as_ref().map_or(0, Bytes::len) + bytes.len() + data.len();
        if size > limit {
            return Err(Fault::TooLarge { limit });
        }
        if !reservation.grow(data.len()) {
            return Err(Fault::Overloaded { what: "buffered bytes" });
        }
        // Most bodies come in one frame and are not copied.
        match first.take() {
            None if bytes.is_empty() => first = Some(data),
            Some(begin) => {
                bytes.extend_from_slice(&begin);
                bytes.extend_from_slice(&data);
            }
            None => bytes.extend_from_slice(&data),
        }
    }
    Ok(first.unwrap_or_else(|| bytes.freeze()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    async fn read(size: usize, limit: usize, budget: usize) -> Result<Bytes, Fault> {
        let mut reservation = Budget::new(budget).reservation();
        let body = Full::new(Bytes::from(vec![b'x'; size]));
        collect(body, limit, &mut reservation, Duration::from_secs(9)).await
    }

    /// A body of three bytes, each this long after the one before it.
    async fn trickle(pause: Duration, idle: Duration) -> Result<Bytes, Fault> {
        let bytes = futures_util::stream::iter([b"a", b"b", b"c"]).then(move |byte| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(byte)))
        });
        let mut reservation = Budget::new(99).reservation();
        collect(StreamBody::new(Box::pin(bytes)), 99, &mut reservation, idle).await
    }

    #[tokio::test(start_paused = true)]
    async fn only_silence_is_idle() {
        let second = Duration::from_secs(1);
        assert_eq!(trickle(second, second * 2).await.unwrap(), "abc");
        assert!(matches!(trickle(second * 3, second * 2).await, Err(Fault::SlowBody)));
    }

    #[test]
    fn every_coding_counts() {
        let of = |codings: &[&'static str]| {
            let mut headers = http::HeaderMap::new();
            for coding in codings {
                headers.append(header::CONTENT_ENCODING, http::HeaderValue::from_static(coding));
            }
            is_coded(&headers)
        };
        assert!(!of(&[]) && !of(&["identity"]) && !of(&["Identity", "identity"]));
        assert!(of(&["gzip"]) && of(&["identity", "gzip"]) && of(&["identity, gzip"]));
    }

    #[tokio::test]
    async fn bounds_hold_at_the_bound_and_one_past_it() {
        assert_eq!(read(8, 8, 8).await.unwrap().len(), 8);
        assert!(matches!(read(9, 8, 99).await, Err(Fault::TooLarge { limit: 8 })));
        assert!(matches!(read(9, 99, 8).await, Err(Fault::Overloaded { .. })));
        assert_eq!(read(0, 8, 8).await.unwrap().len(), 0);
    }
}
