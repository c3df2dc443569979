//! Bodies at the seam, and what they keep alive until their end.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};

/// An error of unknown type between layers.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any response body; boxed once, here.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body of `bytes`.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that keeps something until it is dropped: a permit, a reservation.
#[derive(Debug)]
pub(crate) struct Keeping<T> {
    body: Body,
    _kept: T,
}

impl<T: Send + Unpin + 'static> Keeping<T> {
    /// `body`, with `kept` for as long as it lives.
    pub(crate) fn until_end(body: Body, kept: T) -> Body {
        Self { body, _kept: kept }.boxed_unsync()
    }
}

impl<T: Unpin> HttpBody for Keeping<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose frames come from a task, through a bounded channel: a client
/// that reads slowly slows the upstream, and one that leaves is noticed at the
/// next frame.
#[derive(Debug)]
pub(crate) struct Piped(tokio::sync::mpsc::Receiver<Result<Bytes, BoxError>>);

impl Piped {
    /// A body and where its frames go.
    pub(crate) fn pair() -> (tokio::sync::mpsc::Sender<Result<Bytes, BoxError>>, Body) {
        let (sender, receiver) = tokio::sync::mpsc::channel(PIPE_FRAMES);
        (sender, Self(receiver).boxed_unsync())
    }
}

impl HttpBody for Piped {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|frame| frame.map(|bytes| bytes.map(Frame::data)))
    }
}

/// Bytes of bodies in the whole process.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// Room for nothing yet.
    pub(crate) fn reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Room for `bytes` more; false when the budget is spent.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let limit = self.budget.limit;
        let fits = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= limit)
        });
        if fits.is_ok() {
            self.bytes += bytes;
        }
        fits.is_ok()
    }

    /// Room for `bytes` in all; false when the budget is spent, and then it
    /// stays as it was.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        if bytes >= self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.budget.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        true
    }

    /// Hands over a part of it, at most `bytes`.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// `bytes`, which count until nobody holds any of them: what a slow client
    /// has not taken lies in buffers of the libraries below.
    pub(crate) fn over(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Counted { bytes, _room: self })
    }
}

/// Bytes with their part of the budget.
struct Counted<T> {
    bytes: T,
    _room: Reservation,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Counted<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

const PIPE_FRAMES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_holds_at_its_bound() {
        let budget = Budget::new(10);
        let mut first = budget.reservation();
        assert!(first.grow(10));
        let mut second = budget.reservation();
        assert!(!second.grow(1));
        drop(first);
        assert!(second.grow(1));
        assert_eq!(budget.used(), 1);
        assert!(second.resize(10) && !second.resize(11));
        assert_eq!(budget.used(), 10);
        assert!(second.resize(4));
        let part = second.split(3);
        assert_eq!((part.bytes, second.bytes, budget.used()), (3, 1, 4));
        assert_eq!(second.split(3).bytes, 1);
        assert_eq!(budget.used(), 3);
    }

    #[test]
    fn bytes_count_until_the_last_of_them_is_dropped() {
        let budget = Budget::new(10);
        let mut room = budget.reservation();
        assert!(room.grow(10));
        let bytes = room.over(vec![b'x'; 10]);
        let part = bytes.slice(3..5);
        drop(bytes);
        assert_eq!(budget.used(), 10);
        drop(part);
        assert_eq!(budget.used(), 0);
    }
}
