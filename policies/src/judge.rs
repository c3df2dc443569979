//! Decisions: an event against the policies of a bundle.
//!
//! Cedar decides by `permit` and `forbid`, and skips a policy whose evaluation
//! errs: a `forbid` that overflows an integer would quietly allow. So there is
//! one `permit` for everything, which we write; a bundle only forbids; any
//! evaluation error blocks, and so does a denial that names no policy. Of the
//! policies that forbid, the strongest `@response` is what happens.

pub(crate) mod entities;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod schema;

use std::collections::BTreeMap;

use cedar_policy::{
    Authorizer, Decision as CedarDecision, Entities, Entity, Policy, PolicyId, PolicySet, Request,
    Schema,
};

use self::{
    entities::{Types, Unjudgeable, cast, context},
    origin::Origins,
    policy::{BASE, Rule},
    schema::{ResourceKind, applies_to},
};
use crate::{
    decision::{Decision, Determining, Verdict},
    event::{Action, Event, Resource},
    labels::Labels,
    manifest::AttributeKind,
};

/// The policies of a bundle, sliced by what they can apply to.
#[derive(Debug)]
pub(crate) struct Judge {
    types: Types,
    authorizer: Authorizer,
    attributes: BTreeMap<String, AttributeKind>,
    /// For each action on each kind of resource, the policies that can apply:
    /// a policy costs most of a microsecond to evaluate, so a request meets
    /// no others.
    slices: BTreeMap<(Action, ResourceKind), PolicySet>,
    says: BTreeMap<String, Determining>,
    /// Whether some policy asks where arguments come from.
    asks_origins: bool,
    /// Each action with the groups that it is in.
    actions: BTreeMap<Action, Entity>,
}

impl Judge {
    /// Puts validated policies together; `None` where Cedar disagrees with
    /// itself, which the caller reports as a fault of the bundle.
    pub(crate) fn new(
        schema: &Schema,
        attributes: BTreeMap<String, AttributeKind>,
        rules: Vec<Rule>,
    ) -> Option<Judge> {
        let base =
            Policy::parse(Some(PolicyId::new(BASE)), "permit (principal, action, resource);");
        let base = base.ok()?;
        let mut slices = BTreeMap::new();
        for action in Action::ALL {
            for resource in applies_to(action) {
                let mut slice = PolicySet::new();
                slice.add(base.clone()).ok()?;
                slices.insert((action, *resource), slice);
            }
        }
        let mut says = BTreeMap::new();
        // A policy that cannot be read again is taken to ask.
        let asks_origins =
            rules.iter().any(|rule| rule.policy.to_json().map_or(true, |json| origin::asks(&json)));
        for rule in rules {
            let mut applies: Vec<(Action, ResourceKind)> = Vec::new();
            for env in rule.policy.get_valid_request_envs(schema) {
                let action = Action::parse(env.action().id().unescaped())?;
                let kind = env.resource().to_string();
                let resource = ResourceKind::ALL.into_iter().find(|one| one.as_str() == kind)?;
                applies.push((action, resource));
            }
            applies.sort_unstable();
            applies.dedup();
            for place in applies {
                slices.get_mut(&place)?.add(rule.policy.clone()).ok()?;
            }
            says.insert(rule.says.id.clone(), rule.says);
        }
        Some(Judge {
            types: Types::new()?,
            authorizer: Authorizer::new(),
            attributes,
            slices,
            says,
            asks_origins,
            actions: actions(schema)?,
        })
    }

    /// Decides. There is no way to no decision.
    pub(crate) fn judge(&self, labels: &Labels, event: &Event<'_>) -> Decision {
        match self.ask(labels, event) {
            Ok(decision) => decision,
            Err(why) => blocked(why.as_str()),
        }
    }

    /// The ids of the policies that an event meets.
    pub(crate) fn considered(&self, event: &Event<'_>) -> Vec<String> {
        let slice = self.slices.get(&(event.action, kind(event)));
        let ids = slice.into_iter().flat_map(|slice| slice.policies());
        let mut ids: Vec<String> =
            ids.map(|policy| policy.id().to_string()).filter(|id| id != BASE).collect();
        ids.sort();
        ids
    }

    /// How many policies there are.
    pub(crate) fn len(&self) -> usize {
        self.says.len()
    }

    /// Whether some policy asks where a call's arguments come from.
    pub(crate) fn asks_origins(&self) -> bool {
        self.asks_origins
    }

    /// The attributes that principals have in policies.
    pub(crate) fn attributes(&self) -> &BTreeMap<String, AttributeKind> {
        &self.attributes
    }

    fn ask(&self, labels: &Labels, event: &Event<'_>) -> Result<Decision, Unjudgeable> {
        let slice = self.slices.get(&(event.action, kind(event))).ok_or(Unjudgeable::Entity)?;
        let with_call = event.action == Action::CallTool;
        let mut origins =
            (with_call && self.asks_origins).then(|| Origins::new(event.trace.flow()));
        let cast = cast(&self.types, &self.attributes, labels, event, with_call, &mut origins)?;
        let action = self.actions.get(&event.action).ok_or(Unjudgeable::Entity)?;
        let entities = cast.entities.into_iter().chain([action.clone()]);
        let entities = Entities::from_entities(entities, None).map_err(|_| Unjudgeable::Entity)?;
        let origins = match &mut origins {
            Some(origins) => origins.context(labels, event.call)?,
            None => Vec::new(),
        };
        let context = context(event, cast.call, origins)?;
        let request = Request::new(cast.principal, action.uid(), cast.resource, context, None)
            .map_err(|_| Unjudgeable::Entity)?;
        let response = self.authorizer.is_authorized(&request, slice, &entities);
        let errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| format!("policy `{}` could not be evaluated", error_id(error)))
            .collect();
        let forbids: Vec<&Determining> = response
            .diagnostics()
            .reason()
            .filter_map(|id| self.says.get(AsRef::<str>::as_ref(id)))
            .collect();
        if response.decision() == CedarDecision::Allow && errors.is_empty() {
            return Ok(Decision::default());
        }
        Ok(decided(event, &forbids, errors))
    }
}

/// The actions as entities; their groups need not be entities themselves.
fn actions(schema: &Schema) -> Option<BTreeMap<Action, Entity>> {
    let entities = schema.action_entities().ok()?;
    let named = entities
        .iter()
        .filter_map(|entity| Some((Action::parse(entity.uid().id().unescaped())?, entity.clone())));
    let actions: BTreeMap<Action, Entity> = named.collect();
    (actions.len() == Action::ALL.len()).then_some(actions)
}

fn kind(event: &Event<'_>) -> ResourceKind {
    match event.resource {
        Resource::Model(_) => ResourceKind::Model,
        Resource::Tool(_) => ResourceKind::Tool,
    }
}

fn error_id(error: &cedar_policy::AuthorizationError) -> String {
    match error {
        cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
            error.policy_id().to_string()
        }
    }
}

fn blocked(why: &str) -> Decision {
    Decision { verdict: Verdict::Block, errors: vec![why.to_owned()], ..Decision::default() }
}

/// What the policies that forbid come to.
fn decided(event: &Event<'_>, forbids: &[&Determining], mut errors: Vec<String>) -> Decision {
    let mut policies: Vec<Determining> = forbids.iter().map(|says| (*says).clone()).collect();
    policies.sort_by(|a, b| (b.response, &a.id).cmp(&(a.response, &b.id)));
    if policies.is_empty() && errors.is_empty() {
        errors.push("denied without a policy that says so".to_owned());
    }
    let mut redact = Vec::new();
    for policy in policies.iter().filter(|policy| policy.response == Verdict::Redact) {
        let before = redact.len();
        for (number, finding) in event.findings.iter().enumerate() {
            if policy.redact.iter().any(|category| **category == *finding.category) {
                redact.push(number);
            }
        }
        if redact.len() == before {
            // It forbade the text as it is and names nothing to take out of it.
            errors.push(format!("policy `{}` redacts categories that were not found", policy.id));
        }
    }
    redact.sort_unstable();
    redact.dedup();
    let strongest = policies.iter().map(|policy| policy.response).max().unwrap_or(Verdict::Block);
    let verdict = if errors.is_empty() { strongest } else { Verdict::Block };
    Decision { verdict, policies, redact, errors }
}

#[cfg(test)]
mod tests;
