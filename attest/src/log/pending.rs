//! A record on its way: a future, and a blocking wait.

use std::future::{Future, IntoFuture as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use super::AppendError;

/// Where a record is, once it is durable under a signed head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its index in the log.
    pub index: u64,
    /// The size of the signed tree that holds it.
    pub size: u64,
    /// The time it was stamped with, Unix microseconds.
    pub time_micros: u64,
}

type Answer = Result<Sealed, AppendError>;

/// The answer of the sequencer. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Pending(State);

#[derive(Debug)]
enum State {
    Blocking(oneshot::Receiver<Answer>),
    Async(oneshot::AsyncReceiver<Answer>),
    Done,
}

impl Pending {
    pub(super) fn new(receiver: oneshot::Receiver<Answer>) -> Self {
        Self(State::Blocking(receiver))
    }

    /// Blocks until the record is durable, or is not going to be.
    ///
    /// # Errors
    /// The sequencer refused the record, or the log failed or closed.
    pub fn wait(self) -> Result<Sealed, AppendError> {
        match self.0 {
            State::Blocking(receiver) => receiver.recv().unwrap_or(Err(AppendError::Closed)),
            State::Async(mut receiver) => {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let mut context = Context::from_waker(&waker);
                loop {
                    match Pin::new(&mut receiver).poll(&mut context) {
                        Poll::Ready(answer) => return answer.unwrap_or(Err(AppendError::Closed)),
                        Poll::Pending => std::thread::park(),
                    }
                }
            }
            State::Done => Err(AppendError::Closed),
        }
    }
}

/// Wakes the thread that waits on a record that was polled before.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        loop {
            match std::mem::replace(&mut self.0, State::Done) {
                State::Blocking(receiver) => self.0 = State::Async(receiver.into_future()),
                State::Async(mut receiver) => {
                    return match Pin::new(&mut receiver).poll(context) {
                        Poll::Ready(answer) => {
                            Poll::Ready(answer.unwrap_or(Err(AppendError::Closed)))
                        }
                        Poll::Pending => {
                            self.0 = State::Async(receiver);
                            Poll::Pending
                        }
                    };
                }
                State::Done => return Poll::Ready(Err(AppendError::Closed)),
            }
        }
    }
}
