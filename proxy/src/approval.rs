//! Tool calls that wait for a person.
//!
//! A call whose strongest policy says `approve` is laid on the [`Desk`], which
//! the admin listener shows to approvers. It waits there for a statement that
//! one of the configured keys signed over exactly this call. Whatever else
//! happens, it does not pass: the time runs out, the approver denies it, the
//! bundle changes, the proxy stops, the desk is full.
//!
//! The exchange waits for `limits.approval_wait_ms` and is then refused in its
//! dialect's form; the call stays on the desk until `limits.approval_expiry_ms`,
//! so that the same call, made again by the same principal, finds the decision.
//! Each call on the desk has at most one exchange that waits for it. Two that
//! make the same call at once are two calls, and want two approvals.
//!
//! The desk is memory only. What a restart forgets was never allowed: who signed
//! an approval must sign another.

mod ask;
mod held;
mod hold;
mod refusal;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use troth_attest::{
    Approval, ApprovalDecision, Clock, Commitment, Committer, Digest, Opening, SystemClock,
    VaultError, VerifierKey,
};
use uuid::Uuid;

use crate::{clock::Mark, config::Approver};

pub(crate) use ask::{Ask, tool_name};
pub(crate) use held::{Held, Pass};
pub(crate) use hold::hold;
pub(crate) use refusal::{NotApproved, Undecided, Why};

/// The calls that wait, and those that were decided and not made again yet.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    calls: Arc<Mutex<Calls>>,
    clock: Arc<dyn Clock>,
}

/// By id; ids are in the order of time.
type Calls = BTreeMap<Arc<str>, Call>;

/// Bounds of the desk, as the configuration in force has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Calls on the desk.
    pub(crate) calls: usize,
    /// Calls of one principal.
    pub(crate) of_principal: usize,
    /// Bytes of one call's arguments: more, nobody reads.
    pub(crate) bytes: usize,
    /// How long a call stays.
    pub(crate) expiry: Duration,
}

#[derive(Debug)]
struct Call {
    ask: Ask,
    commitment: Commitment,
    opening: Opening,
    since: u64,
    arrived: Mark,
    lasts: Duration,
    expires: u64,
    state: State,
    /// An exchange waits for it.
    attached: bool,
    bell: watch::Sender<()>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Pending,
    /// A decision is on its way into the log.
    Deciding,
    Allowed(Box<VerifierKey>),
    Denied,
}

impl State {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deciding => "deciding",
            Self::Allowed(_) => "allowed",
            Self::Denied => "denied",
        }
    }
}

impl Call {
    /// By either clock: one that is set back prolongs nothing.
    fn has_expired(&self, now: u64) -> bool {
        now >= self.expires || self.arrived.elapsed() >= self.lasts
    }

    /// How long it still stays.
    fn rest(&self, now: u64) -> Duration {
        let by_clock = Duration::from_micros(self.expires.saturating_sub(now));
        by_clock.min(self.lasts.saturating_sub(self.arrived.elapsed()))
    }

    /// What its approver signs, without the decision, the key and the
    /// signature.
    fn statement(&self, id: &str) -> Approval {
        Approval {
            bundle: self.ask.bundle,
            call: self.commitment,
            decision: ApprovalDecision::Deny,
            definition: self.ask.definition,
            exchange: self.ask.exchange.to_string(),
            expires: self.expires,
            id: id.to_owned(),
            key: String::new(),
            principal: self.ask.principal_pseudonym.clone(),
            signature: String::new(),
            tenant: self.ask.tenant_pseudonym.clone(),
            tool: tool_name(&self.ask.tool).to_owned(),
            x: BTreeMap::new(),
        }
    }
}

/// A call on the desk, for whoever may see its arguments.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What was asked.
    pub(crate) ask: Ask,
    /// Since when it waits, Unix microseconds.
    pub(crate) since: u64,
    /// How long it waits.
    pub(crate) age: Duration,
    /// How long it will stay.
    pub(crate) rest: Duration,
    /// `pending`, `deciding`, `allowed`, `denied`.
    pub(crate) state: &'static str,
    /// An exchange waits for it.
    pub(crate) attached: bool,
    /// What its approver signs, but for the decision, the key and the
    /// signature.
    pub(crate) statement: Approval,
    /// Shows that the commitment is to the call that is shown.
    pub(crate) opening: Opening,
}

impl Desk {
    /// An empty desk by the system's clock.
    pub(crate) fn new() -> Self {
        Self::by(Arc::new(SystemClock))
    }

    /// An empty desk by this clock.
    pub(crate) fn by(clock: Arc<dyn Clock>) -> Self {
        Self { calls: Arc::default(), clock }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls, without those whose time has run out.
    fn fresh(&self) -> (MutexGuard<'_, Calls>, u64) {
        let now = self.clock.now_micros();
        let mut calls = self.calls();
        // One that is being decided is settled by whoever decides it.
        calls.retain(|_, call| call.state == State::Deciding || !call.has_expired(now));
        (calls, now)
    }

    /// Lays a call on the desk, or finds it there where it was made before.
    /// `committer` makes the commitments of a record with this id.
    ///
    /// # Errors
    /// There is no room, or nobody to ask.
    pub(crate) fn hold(
        &self,
        ask: Ask,
        committer: impl FnOnce(&str) -> Result<Committer, VaultError>,
        bounds: &Bounds,
        approvers: &[Approver],
    ) -> Result<Held, NotApproved> {
        let refused = |why| NotApproved { id: None, why };
        if approvers.is_empty() {
            return Err(refused(Why::NoApprover));
        }
        if ask.arguments.0.len() > bounds.bytes {
            return Err(refused(Why::TooLong));
        }
        let (mut calls, now) = self.fresh();
        let found = calls.iter_mut().find(|(_, call)| !call.attached && call.ask.is_same(&ask));
        if let Some((id, call)) = found {
            call.attached = true;
            return Ok(Held::new(self.clone(), id.clone(), call));
        }
        if calls.len() >= bounds.calls {
            // What was refused already is the first to be forgotten.
            calls.retain(|_, call| call.attached || call.state != State::Denied);
        }
        let of_principal = calls.values().filter(|call| call.ask.is_by_same(&ask)).count();
        if calls.len() >= bounds.calls || of_principal >= bounds.of_principal {
            return Err(refused(Why::Full));
        }
        let id: Arc<str> = Uuid::now_v7().to_string().into();
        let committer = committer(&id).map_err(|_| refused(Why::NoEvidence))?;
        let content = Approval::content(&ask.tool, &ask.arguments.0);
        let call = Call {
            commitment: committer.commit(Approval::FIELD, &content),
            opening: committer.opening(Approval::FIELD),
            since: now,
            arrived: Mark::now(),
            lasts: bounds.expiry,
            expires: now.saturating_add(micros(bounds.expiry)),
            state: State::Pending,
            attached: true,
            bell: watch::channel(()).0,
            ask,
        };
        let held = Held::new(self.clone(), id.clone(), &call);
        calls.insert(id, call);
        Ok(held)
    }

    /// All calls on the desk, the oldest first.
    pub(crate) fn all(&self) -> Vec<Seen> {
        let (calls, now) = self.fresh();
        calls.iter().map(|(id, call)| seen(id, call, now)).collect()
    }

    /// One call on the desk.
    pub(crate) fn one(&self, id: &str) -> Option<Seen> {
        let (calls, now) = self.fresh();
        calls.get(id).map(|call| seen(id, call, now))
    }

    /// How many calls are on the desk.
    pub(crate) fn len(&self) -> usize {
        self.fresh().0.len()
    }

    /// Begins a decision: `approval` is about a call that waits, as it waits,
    /// and a configured key signed it for that call's log. Whoever gets it must
    /// log it, and then [enter](Deciding::enter) it.
    ///
    /// # Errors
    /// What does not hold; nothing has changed then, but that a call of
    /// another bundle than the one in force is withdrawn.
    pub(crate) fn decide(
        &self,
        approval: &Approval,
        origin: &str,
        approvers: &[Approver],
        bundle: Digest,
    ) -> Result<Deciding, Undecided> {
        let (mut calls, _) = self.fresh();
        let (id, call) = calls
            .get_key_value(approval.id.as_str())
            .map(|(id, call)| (id.clone(), call))
            .filter(|(_, call)| call.ask.origin == origin)
            .ok_or(Undecided::Unknown)?;
        if call.state != State::Pending {
            return Err(Undecided::Before(call.state.as_str()));
        }
        let expected = Approval {
            decision: approval.decision,
            key: approval.key.clone(),
            signature: approval.signature.clone(),
            ..call.statement(&id)
        };
        if *approval != expected {
            return Err(Undecided::OtherCall);
        }
        let key: VerifierKey = approval.key.parse().map_err(|_| Undecided::Stranger)?;
        let approver = approvers.iter().find(|approver| approver.key == key);
        let approver = approver.ok_or(Undecided::Stranger)?.id.clone();
        approval.check(origin).map_err(Undecided::Signature)?;
        if call.ask.bundle != bundle {
            calls.remove(&id);
            return Err(Undecided::OtherBundle);
        }
        if let Some(call) = calls.get_mut(&id) {
            call.state = State::Deciding;
        }
        let decision = approval.decision;
        Ok(Deciding { desk: self.clone(), id, decision, key, approver, entered: false })
    }

    /// Withdraws what was judged under another bundle than this one: under the
    /// new one it may be allowed, or blocked. Who waits for it is refused.
    pub(crate) fn keep_bundle(&self, bundle: Digest) {
        self.calls().retain(|_, call| call.ask.bundle == bundle);
    }

    /// Withdraws a call that will not be made, whatever anybody says of it.
    pub(crate) fn withdraw(&self, id: &str) {
        self.calls().remove(id);
    }
}

/// A decision on its way into the log. Dropped before it is there, the call
/// waits as before.
#[derive(Debug)]
pub(crate) struct Deciding {
    desk: Desk,
    id: Arc<str>,
    decision: ApprovalDecision,
    key: VerifierKey,
    /// Who decides, by the name in the configuration.
    pub(crate) approver: String,
    entered: bool,
}

impl Deciding {
    /// The decision is durable: from now on it counts.
    pub(crate) fn enter(mut self) {
        self.entered = true;
        let state = match self.decision {
            ApprovalDecision::Allow => State::Allowed(Box::new(self.key.clone())),
            ApprovalDecision::Deny => State::Denied,
        };
        self.settle(state);
    }

    fn settle(&self, state: State) {
        let mut calls = self.desk.calls();
        if let Some(call) = calls.get_mut(&self.id) {
            call.state = state;
            call.bell.send_replace(());
        }
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        if !self.entered {
            self.settle(State::Pending);
        }
    }
}

fn seen(id: &str, call: &Call, now: u64) -> Seen {
    Seen {
        ask: call.ask.clone(),
        since: call.since,
        age: call.arrived.elapsed(),
        rest: call.rest(now),
        state: call.state.as_str(),
        attached: call.attached,
        statement: call.statement(id),
        opening: call.opening.clone(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
