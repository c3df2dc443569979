//! Cedar's own authorizer over all policies of a bundle at once: what the
//! index of facts and slices must not differ from. Not there but for tests and
//! fuzzing.

#![expect(clippy::unwrap_used, reason = "what cannot be asked of Cedar is a fault of the test")]

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision as CedarDecision, Policy, PolicyId, PolicySet};

use crate::{
    event::Event,
    judge::{
        Judge,
        entities::Touches,
        policy::{BASE, Rule},
    },
    labels::Labels,
};

/// All policies, and the one that permits.
#[derive(Debug)]
pub(crate) struct Oracle {
    set: PolicySet,
}

/// What Cedar says.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) allows: bool,
    pub(crate) reasons: BTreeSet<String>,
    pub(crate) errors: BTreeSet<String>,
}

impl Oracle {
    pub(crate) fn new(rules: &[Rule]) -> Oracle {
        let mut set = PolicySet::new();
        let base = "permit (principal, action, resource);";
        set.add(Policy::parse(Some(PolicyId::new(BASE)), base).unwrap()).unwrap();
        for rule in rules {
            set.add(rule.policy.clone()).unwrap();
        }
        Oracle { set }
    }

    /// Asks about an event that a policy can be asked about.
    pub(crate) fn ask(judge: &Judge, labels: &Labels, event: &Event<'_>) -> Said {
        let hearing = judge.hear(event).unwrap();
        let (request, entities) =
            judge.question(labels, event, &hearing, Touches::ALL, judge.asks_origins).unwrap();
        let response = Authorizer::new().is_authorized(&request, &judge.oracle.set, &entities);
        let names = |id: &PolicyId| id.to_string();
        let reasons = response.diagnostics().reason().map(names).filter(|id| id != BASE).collect();
        let errors = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                error.policy_id().to_string()
            }
        });
        Said {
            allows: response.decision() == CedarDecision::Allow,
            reasons,
            errors: errors.collect(),
        }
    }
}
