//! Cedar's own authorizer over all policies of a bundle at once: what the
//! index of facts and slices must not differ from. Not there but for tests and
//! fuzzing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be asked of Cedar is a fault of the test"
)]

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision as CedarDecision, Policy, PolicyId, PolicySet, Request};

use crate::{
    event::Event,
    judge::{
        Judge,
        entities::{Arguments, Cast, Making, Touches, context, weights},
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
        let cast = Cast::of(&judge.types, event);
        let action = &judge.actions[&event.action];
        let making = Making { types: &judge.types, attributes: &judge.attributes, labels, action };
        let arguments = event.call.map(|call| Arguments::of(call.arguments).unwrap());
        let mut origins = judge.origins(event);
        let entities =
            making.entities(event, &cast, arguments.as_ref(), Touches::ALL, &mut origins).unwrap();
        let origins = origins.map(|mut origins| origins.context(labels, event.call).unwrap());
        let origins = origins.unwrap_or_default();
        let context = context(event, &weights(event.findings), cast.call, origins).unwrap();
        let request =
            Request::new(cast.principal, action.uid(), cast.resource, context, None).unwrap();
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
