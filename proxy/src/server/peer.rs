//! The other end of a connection: what it has to say and to take in time.
//!
//! The libraries below bound how long a request's head may take, and little
//! else: their reader of the HTTP version waits for ever for the rest of
//! `PRI * HTTP/2.0`, and a client that stops reading, or that gives a stream of
//! HTTP/2 no window, keeps its place and its memory for as long as it likes.
//! Here such a peer loses its connection, and with it all that it held.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Sleep, sleep},
};

use crate::{
    body::{Body, BoxError},
    clock::Tick,
};

/// What is known of the peer of one connection: shared by the connection, what
/// it is sent and the accounts of its exchanges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    stalled: AtomicBool,
    told: Notify,
    underway: Mutex<Underway>,
}

/// Pieces that were handed out and that it has not taken yet, and since when:
/// the first of them is the oldest.
#[derive(Debug, Default)]
struct Underway {
    pieces: BTreeMap<u64, Tick>,
    next: u64,
}

impl Peer {
    /// It does not take what it is sent: its connection ends.
    pub(crate) fn stall(&self) {
        self.0.stalled.store(true, Ordering::Release);
        self.0.told.notify_one();
    }

    /// Whether its connection ended, or is about to, because it took nothing.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Acquire)
    }

    /// Resolves when it has not taken a piece for `patience`; up to a quarter of
    /// that later, since nobody is told of a wait while it lasts.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            tokio::select! {
                () = self.0.told.notified() => return,
                () = sleep(patience / 4) => {}
            }
            let oldest = self.underway().pieces.first_key_value().map(|(_, since)| *since);
            if oldest.is_some_and(|since| since.elapsed() >= patience) {
                self.stall();
                return;
            }
        }
    }

    /// `body`, as this peer takes it.
    pub(super) fn paced(&self, body: Body) -> Paced {
        Paced { body, rest: Bytes::new(), peer: self.clone() }
    }

    /// `bytes`, under way until the last reader of them lets go.
    fn sent(&self, bytes: Bytes) -> Bytes {
        let mut underway = self.underway();
        let number = underway.next;
        underway.next += 1;
        underway.pieces.insert(number, Tick::now());
        drop(underway);
        Bytes::from_owner(Piece { bytes, number, peer: self.clone() })
    }

    fn underway(&self) -> MutexGuard<'_, Underway> {
        self.0.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that lie in a buffer of the libraries below until their peer has room.
struct Piece {
    bytes: Bytes,
    number: u64,
    peer: Peer,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.peer.underway().pieces.remove(&self.number);
    }
}

/// A response's body in pieces, each of which its peer has to take in time: of
/// one that is whole nobody could tell a slow reader from one that has stopped.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    rest: Bytes,
    peer: Peer,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(frame) => frame?,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let size = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(self.peer.sent(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let below = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(below.lower().saturating_add(rest));
        if let Some(upper) = below.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// A connection that fails when its peer does not say which HTTP it speaks, or
/// takes nothing, in time.
#[derive(Debug)]
pub(super) struct Patient<I> {
    io: I,
    peer: Peer,
    /// Until it is known which HTTP it speaks.
    opening: Option<Opening>,
    patience: Duration,
    /// Since nothing more could be written.
    writing: Blocked,
    /// Since what was written could not be flushed. It has a time of its own:
    /// a plain socket always says that it is flushed.
    flushing: Blocked,
}

/// Until when something may make no progress.
type Blocked = Option<Pin<Box<Sleep>>>;

#[derive(Debug)]
struct Opening {
    until: Pin<Box<Sleep>>,
    /// Bytes of the HTTP/2 preface that were said.
    said: usize,
}

impl<I> Patient<I> {
    /// `io`, whose peer has `opening` to say what it speaks and `patience` to
    /// take something.
    pub(super) fn new(io: I, peer: Peer, opening: Duration, patience: Duration) -> Self {
        let opening = Some(Opening { until: Box::pin(sleep(opening)), said: 0 });
        Self { io, peer, opening, patience, writing: None, flushing: None }
    }

    /// What a write came to, unless it has come to nothing for too long.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            (self.writing, self.flushing) = (None, None);
            return written;
        }
        ready!(Self::wait(&mut self.writing, self.patience, context));
        self.peer.stall();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn flushed(
        &mut self,
        context: &mut Context<'_>,
        flushed: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if flushed.is_ready() {
            self.flushing = None;
            return flushed;
        }
        ready!(Self::wait(&mut self.flushing, self.patience, context));
        self.peer.stall();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wait(blocked: &mut Blocked, patience: Duration, context: &mut Context<'_>) -> Poll<()> {
        blocked.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context)
    }
}

impl Opening {
    /// Whether `bytes` settle which HTTP it is.
    fn settles(&mut self, bytes: &[u8]) -> bool {
        let expected = PREFACE.get(self.said..).unwrap_or_default();
        self.said += bytes.len();
        bytes.is_empty() || bytes.len() >= expected.len() || !expected.starts_with(bytes)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(context, buffer);
        if let Some(opening) = &mut this.opening {
            if read.is_pending() {
                ready!(opening.until.as_mut().poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if opening.settles(buffer.filled().get(before..).unwrap_or_default()) {
                this.opening = None;
            }
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.flushed(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(context);
        self.flushed(context, shut)
    }
}

/// What a client that speaks HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The size of an HTTP/2 frame, where nobody asks for more: who takes not even
/// so much in the time for it has stopped.
const PIECE_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests;
