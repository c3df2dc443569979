//! What judging says.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// What happens to the event. A later one is stronger.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passes.
    #[default]
    Allow,
    /// It passes and is noted.
    Flag,
    /// It passes with spans replaced.
    Redact,
    /// It waits for a person.
    Approve,
    /// It does not pass.
    Block,
}

impl Verdict {
    /// The name that records and files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Flag => "flag",
            Verdict::Redact => "redact",
            Verdict::Approve => "approve",
            Verdict::Block => "block",
        }
    }

    /// The verdict of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Verdict> {
        [Verdict::Allow, Verdict::Flag, Verdict::Redact, Verdict::Approve, Verdict::Block]
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
    }
}

/// A policy that determined a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Determining {
    /// Its `@id`.
    pub id: String,
    /// Its `@response`.
    pub response: Verdict,
    /// Its `@commitment`s, each `framework/id`.
    pub commitments: Vec<String>,
    /// Its `@severity`.
    pub severity: Option<String>,
    /// Its `@message`, for whoever is refused.
    pub message: Option<String>,
    /// The categories of its `@redact`.
    pub redact: Vec<String>,
    /// Where it stands: `policies/baseline.cedar:12`.
    pub place: String,
}

/// What was decided, and by which policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The strongest response of the policies that determined it.
    pub verdict: Verdict,
    /// Strongest first, then by id.
    #[serde(serialize_with = "each")]
    pub policies: Vec<Arc<Determining>>,
    /// Indexes into the event's findings: their spans are to be replaced.
    pub redact: Vec<usize>,
    /// Why it was blocked when no policy says so; one line each, without content.
    pub errors: Vec<String>,
}

impl Decision {
    /// The commitments of the determining policies, each once, in order.
    #[must_use]
    pub fn commitments(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.policies.iter().flat_map(|policy| policy.commitments.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn each<S: Serializer>(policies: &[Arc<Determining>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(policies.iter().map(|policy| &**policy))
}
