//! One approval lets one call pass: the call that it was given for, by its
//! principal, under its bundle, in its time.

use std::collections::BTreeMap;

use crate::commit::Commitment;
use crate::hash::Digest;
use crate::record::{Approval, ApprovalDecision, ExchangeKey, PrincipalKey, Used};

/// What an approval says, as long as it may be used.
#[derive(Debug, Clone)]
struct Given {
    decision: ApprovalDecision,
    expires: u64,
    principal: PrincipalKey,
    tool: String,
    definition: Option<Digest>,
    call: Commitment,
    bundle: Digest,
    used: bool,
}

/// The approvals that have not expired, by their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Approvals {
    given: BTreeMap<ExchangeKey, Given>,
    /// Some were forgotten before they had expired: there were too many.
    forgotten: bool,
}

/// The exchange that a call belongs to, as its intent tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) principal: PrincipalKey,
    /// Digest of the bundle in force, where it is known.
    pub(super) bundle: Option<Digest>,
}

/// Why a call may not have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misuse {
    /// It breaks the rule, whatever else the log holds.
    Wrong(&'static str),
    /// It names what is not there; perhaps it was forgotten.
    Missing,
}

impl Approvals {
    /// Takes an approval whose signature holds, recorded at `time`.
    pub(super) fn give(&mut self, approval: &Approval, time: u64) -> Result<(), &'static str> {
        if self.given.len() >= MAX_APPROVALS {
            self.given.retain(|_, given| time <= given.expires.saturating_add(LATENESS));
        }
        if self.given.len() >= MAX_APPROVALS {
            self.given.pop_first();
            self.forgotten = true;
        }
        let given = Given {
            decision: approval.decision,
            expires: approval.expires,
            principal: PrincipalKey::of(&approval.principal),
            tool: approval.tool.clone(),
            definition: approval.definition,
            call: approval.call,
            bundle: approval.bundle,
            used: false,
        };
        match self.given.insert(ExchangeKey::of(&approval.id), given) {
            None => Ok(()),
            Some(_) => Err("a second decision about one held call"),
        }
    }

    /// A call that passed with an approval, recorded at `time`.
    pub(super) fn used(&mut self, used: &Used, caller: Caller, time: u64) -> Result<(), Misuse> {
        let given = self.given.get_mut(&used.id).ok_or(Misuse::Missing)?;
        if given.decision != ApprovalDecision::Allow {
            return Err(Misuse::Wrong("the tool call passed although its approver denied it"));
        }
        if std::mem::replace(&mut given.used, true) {
            return Err(Misuse::Wrong(
                "the tool call passed with an approval that was used before",
            ));
        }
        let same_call = given.tool == used.tool
            && given.definition == used.definition
            && used.approved == Some(given.call);
        if !same_call {
            return Err(Misuse::Wrong("the tool call passed with the approval of another call"));
        }
        if given.principal != caller.principal {
            return Err(Misuse::Wrong("the tool call passed with another principal's approval"));
        }
        if caller.bundle.is_some_and(|bundle| bundle != given.bundle) {
            let what = "the tool call passed with an approval under another bundle";
            return Err(Misuse::Wrong(what));
        }
        if time > given.expires.saturating_add(LATENESS) {
            return Err(Misuse::Wrong("the tool call passed with an approval that had expired"));
        }
        Ok(())
    }

    /// Whether a missing approval may be one that was forgotten.
    pub(super) const fn has_forgotten(&self) -> bool {
        self.forgotten
    }
}

/// How long after its decision a record may be stamped: a proxy looks at its
/// clock when it lets a call pass, and the log stamps the record when it takes
/// it.
pub(super) const LATENESS: u64 = 10 * 60 * 1_000_000;
/// Approvals that are remembered, the newest.
const MAX_APPROVALS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, approval, exchange};

    /// As many as are remembered and one more, which hold for ever: the oldest
    /// goes, and a use of it is no proven fault any more. Of those that have
    /// expired none counts.
    #[test]
    fn what_is_remembered_is_bounded() {
        let mut approvals = Approvals::default();
        let most = u64::try_from(MAX_APPROVALS).unwrap();
        let old = approval(&exchange(0), ApprovalDecision::Allow);
        approvals.give(&old, NOW).unwrap();
        let later = old.expires + LATENESS + 1;
        for n in 1..=most {
            let lasting = Approval { id: exchange(n), expires: later, ..old.clone() };
            approvals.give(&lasting, later).unwrap();
        }
        assert_eq!((approvals.given.len(), approvals.has_forgotten()), (MAX_APPROVALS, false));
        let lasting = Approval { id: exchange(most + 1), expires: later, ..old };
        approvals.give(&lasting, later).unwrap();
        assert_eq!((approvals.given.len(), approvals.has_forgotten()), (MAX_APPROVALS, true));
    }
}
