//! Why a call does not pass, and why a decision is not taken.

use std::sync::Arc;

use troth_attest::ApprovalFault;
use troth_policies::Verdict;

/// A call that no approver has let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotApproved {
    /// Its id, where it was on the desk.
    pub(crate) id: Option<Arc<str>>,
    /// Why.
    pub(crate) why: Why,
}

/// Why a call does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody has decided yet.
    Waiting,
    /// Its approver denied it.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The policy or the approver's key is not in force any more.
    Withdrawn,
    /// The proxy stops.
    Stopping,
    /// Another call of the same answer does not pass.
    Beside,
    /// Too many calls wait.
    Full,
    /// Its arguments are longer than anybody reads.
    TooLong,
    /// No approver is configured.
    NoApprover,
    /// There is no log to write a decision to.
    NoEvidence,
}

impl NotApproved {
    /// What becomes of the call: held, as long as it can still be approved.
    pub(crate) const fn verdict(&self) -> Verdict {
        match self.why {
            Why::Waiting => Verdict::Approve,
            _ => Verdict::Block,
        }
    }

    /// The same for whoever made the call; never its arguments.
    pub(crate) fn told(&self) -> String {
        let what = match self.why {
            Why::Waiting => "It waits for a person's approval: ask again once that is given",
            Why::Denied => "Its approver denied it",
            Why::Expired => "Nobody approved it in time",
            Why::Withdrawn => "It was withdrawn before it was approved: ask again",
            Why::Stopping => "It needs a person's approval, and the proxy stops: ask again",
            Why::Beside => "Another call beside it was not approved",
            Why::Full => "It needs a person's approval, and too many calls wait for one",
            Why::TooLong => "It needs a person's approval, and is longer than a person can read",
            Why::NoApprover => "It needs a person's approval, and no approver is configured",
            Why::NoEvidence => "It needs a person's approval, and no log could record it",
        };
        match &self.id {
            Some(id) => format!("{what} (approval {id})."),
            None => format!("{what}."),
        }
    }
}

/// Why a decision is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecided {
    /// No such call waits.
    #[error(
        "no call waits under this id: it was never there, has expired, was used or withdrawn, or \
         the proxy was started again since"
    )]
    Unknown,
    /// Somebody was quicker.
    #[error("the call was decided before: it is {0}")]
    Before(&'static str),
    /// The statement is about something else.
    #[error("the statement is not about the call that waits under this id")]
    OtherCall,
    /// A key that is no approver's.
    #[error("the key is not one of an `[[approver]]` of the configuration in force")]
    Stranger,
    /// The signature.
    #[error(transparent)]
    Signature(ApprovalFault),
    /// A reload came between.
    #[error(
        "the bundle in force is another one than the call was judged by: the call was withdrawn, \
         and is judged anew when it is made again"
    )]
    OtherBundle,
}
