//! One call on the desk, and the exchange that waits for it.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::sync::watch;
use troth_attest::Commitment;

use super::{Call, Desk, NotApproved, State, Why};
use crate::{clock::Mark, config::Approver};

/// A call that an exchange waits for. Dropped, the call stays on the desk, and
/// the same call made again finds it there.
#[derive(Debug)]
pub(crate) struct Held {
    desk: Desk,
    id: Arc<str>,
    bell: watch::Receiver<()>,
    since: Mark,
    rest: Duration,
    expires: u64,
}

/// Leave for one call to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The approval's id.
    pub(crate) id: Arc<str>,
    /// The commitment that was approved.
    pub(crate) call: Commitment,
}

impl Held {
    pub(super) fn new(desk: Desk, id: Arc<str>, call: &Call) -> Self {
        let rest = call.rest(desk.clock.now_micros());
        let (bell, since, expires) = (call.bell.subscribe(), Mark::now(), call.expires);
        Self { desk, id, bell, since, rest, expires }
    }

    /// The id that approvers know it by.
    pub(crate) const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Waits until it is allowed, for at most `wait`; or tells why it is not.
    /// Where `stop` resolves the proxy ends, and nobody will come back to it.
    ///
    /// # Errors
    /// It is not allowed, or not yet.
    pub(crate) async fn allowed(
        &mut self,
        wait: Duration,
        stop: impl Future<Output = ()>,
    ) -> Result<(), NotApproved> {
        let mut stop = pin!(stop);
        let mut patience = pin!(tokio::time::sleep(wait));
        let mut expiry = pin!(tokio::time::sleep(self.rest));
        loop {
            if let Some(told) = self.decided() {
                return told;
            }
            tokio::select! {
                biased;
                rung = self.bell.changed() => if rung.is_err() {
                    // It was taken off the desk.
                    return Err(self.gone());
                },
                () = &mut stop => {
                    self.desk.withdraw(&self.id);
                    return Err(self.not(Why::Stopping));
                }
                () = &mut expiry => return self.decided().unwrap_or_else(|| {
                    self.desk.withdraw(&self.id);
                    Err(self.not(Why::Expired))
                }),
                () = &mut patience => {
                    return self.decided().unwrap_or_else(|| Err(self.not(Why::Waiting)));
                }
            }
        }
    }

    /// What was decided, if anything was.
    fn decided(&self) -> Option<Result<(), NotApproved>> {
        let (calls, _) = self.desk.fresh();
        match calls.get(&self.id).map(|call| &call.state) {
            Some(State::Pending | State::Deciding) => None,
            Some(State::Allowed(_)) => Some(Ok(())),
            Some(State::Denied) => Some(Err(self.not(Why::Denied))),
            None => Some(Err(self.gone())),
        }
    }

    /// Takes the leave that was given, so that nobody else can: the call passes
    /// now. The key that signed must be one of `approvers` still.
    ///
    /// # Errors
    /// It is not allowed, or not any more.
    pub(crate) fn spend(self, approvers: &[Approver]) -> Result<Pass, NotApproved> {
        let (mut calls, _) = self.desk.fresh();
        let state = calls.get(&self.id).map(|call| call.state.clone());
        let why = match state {
            Some(State::Allowed(key)) if approvers.iter().any(|known| known.key == *key) => None,
            Some(State::Allowed(_)) => Some(Why::Withdrawn),
            Some(State::Denied) => Some(Why::Denied),
            Some(State::Pending | State::Deciding) => Some(Why::Waiting),
            None => return Err(self.gone()),
        };
        if let Some(why) = why {
            if why == Why::Withdrawn {
                calls.remove(&self.id);
            }
            return Err(self.not(why));
        }
        let taken = calls.remove(&self.id);
        drop(calls);
        let call = taken.ok_or_else(|| self.gone())?.commitment;
        Ok(Pass { id: self.id.clone(), call })
    }

    /// It is not on the desk any more, by time or by withdrawal.
    fn gone(&self) -> NotApproved {
        let now = self.desk.clock.now_micros();
        let expired = now >= self.expires || self.since.elapsed() >= self.rest;
        self.not(if expired { Why::Expired } else { Why::Withdrawn })
    }

    /// It is not allowed, and why.
    pub(crate) fn not(&self, why: Why) -> NotApproved {
        NotApproved { id: Some(self.id.clone()), why }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(call) = self.desk.calls().get_mut(&self.id) {
            call.attached = false;
        }
    }
}
