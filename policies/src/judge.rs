//! Decisions: an event against the policies of a bundle.
//!
//! Cedar decides by `permit` and `forbid`, and skips a policy whose evaluation
//! errs: a `forbid` that overflows an integer would quietly allow. So there is
//! one `permit` for everything, which is ours and needs no evaluating; a bundle
//! only forbids; any evaluation error blocks, and so does a denial that names no
//! policy. Of the policies that forbid, the strongest `@response` is what happens.
//!
//! An event meets only the policies whose action, principal, resource and leading
//! conditions fit it (`facts.rs`). That is an index and never a decision: the
//! tests hold it against Cedar's own authorizer over all policies.

mod advice;
pub(crate) mod entities;
pub(crate) mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityUid, EvalResult, Expression, Policy, Request,
    ResourceConstraint, Schema, eval_expression,
};

use self::{
    entities::{
        Arguments, Cast, Making, Touches, Types, Unjudgeable, Weight, context, fits, weights,
    },
    facts::{Fact, FactId, Facts, Held, Needs, Seen},
    origin::Origins,
    policy::Rule,
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
    attributes: BTreeMap<String, AttributeKind>,
    /// The strongest response first, then by id: the order of a decision.
    policies: Vec<Sentence>,
    facts: Facts,
    slices: BTreeMap<(Action, ResourceKind), Slice>,
    /// Whether some policy asks where arguments come from.
    asks_origins: bool,
    /// Each action with the groups that it is in.
    actions: BTreeMap<Action, Entity>,
    #[cfg(any(test, fuzzing))]
    oracle: oracle::Oracle,
}

/// A policy, taken apart.
#[derive(Debug)]
struct Sentence {
    says: Arc<Determining>,
    text: String,
    /// Without all of these it cannot apply.
    scope: Vec<FactId>,
    conditions: Vec<FactId>,
    /// What Cedar evaluates; nothing where the facts are all that it says.
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    expression: Expression,
    touches: Touches,
}

/// The policies that can apply to an action on a kind of resource.
#[derive(Debug, Default)]
struct Slice {
    /// Those that need no fact.
    always: Vec<usize>,
    /// The others, each under one of the facts that it needs.
    by_fact: BTreeMap<FactId, Vec<usize>>,
}

impl Judge {
    /// Puts validated policies together; `None` where Cedar disagrees with
    /// itself, which the caller reports as a fault of the bundle.
    pub(crate) fn new(
        schema: &Schema,
        attributes: BTreeMap<String, AttributeKind>,
        mut rules: Vec<Rule>,
    ) -> Option<Judge> {
        #[cfg(any(test, fuzzing))]
        let oracle = oracle::Oracle::new(&rules);
        rules.sort_by(|a, b| (b.says.response, &a.says.id).cmp(&(a.says.response, &b.says.id)));
        // A policy that cannot be read again is taken to ask.
        let asks_origins =
            rules.iter().any(|rule| rule.policy.to_json().map_or(true, |json| origin::asks(&json)));
        let mut facts = Facts::default();
        let mut policies = Vec::with_capacity(rules.len());
        for rule in &rules {
            policies.push(Sentence::new(rule, &mut facts)?);
        }
        let mut uses: BTreeMap<FactId, usize> = BTreeMap::new();
        for fact in policies.iter().flat_map(Sentence::needs) {
            let count = uses.entry(fact).or_default();
            *count = count.saturating_add(1);
        }
        let mut slices: BTreeMap<(Action, ResourceKind), Slice> = BTreeMap::new();
        for action in Action::ALL {
            for resource in applies_to(action) {
                slices.insert((action, *resource), Slice::default());
            }
        }
        for (number, (rule, sentence)) in rules.iter().zip(&policies).enumerate() {
            // The fact that the fewest policies need tells most.
            let rarest = sentence.needs().min_by_key(|fact| uses.get(fact));
            for place in places(&rule.policy) {
                let slice = slices.get_mut(&place)?;
                match rarest {
                    Some(fact) => slice.by_fact.entry(fact).or_default().push(number),
                    None => slice.always.push(number),
                }
            }
        }
        Some(Judge {
            types: Types::new()?,
            attributes,
            policies,
            facts,
            slices,
            asks_origins,
            actions: actions(schema)?,
            #[cfg(any(test, fuzzing))]
            oracle,
        })
    }

    /// Decides. There is no way to no decision.
    pub(crate) fn judge(&self, labels: &Labels, event: &Event<'_>) -> Decision {
        match self.ask(labels, event) {
            Ok(decision) => decision,
            Err(why) => blocked(why.as_str()),
        }
    }

    /// How many policies there are.
    pub(crate) fn len(&self) -> usize {
        self.policies.len()
    }

    /// What each policy says of itself, and its text.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (&Determining, &str)> {
        self.policies.iter().map(|sentence| (&*sentence.says, sentence.text.as_str()))
    }

    /// Whether some policy asks where a call's arguments come from.
    pub(crate) fn asks_origins(&self) -> bool {
        self.asks_origins
    }

    /// The attributes that principals have in policies.
    pub(crate) fn attributes(&self) -> &BTreeMap<String, AttributeKind> {
        &self.attributes
    }

    /// The policies whose scope fits an event, in the order of a decision, each
    /// with the facts of its conditions that the event lacks.
    pub(crate) fn considered(
        &self,
        labels: &Labels,
        event: &Event<'_>,
    ) -> Vec<(&Determining, Vec<String>)> {
        let Ok(hearing) = self.hear(event) else { return Vec::new() };
        let Some(slice) = self.slices.get(&(event.action, kind(event))) else { return Vec::new() };
        let held = self.facts.held(labels, hearing.seen(event));
        let all: BTreeSet<&usize> =
            slice.always.iter().chain(slice.by_fact.values().flatten()).collect();
        let sentences = all.into_iter().filter_map(|number| self.policies.get(*number));
        sentences
            .filter(|sentence| held.has_all(&sentence.scope))
            .map(|sentence| {
                let lacking = sentence.conditions.iter().filter(|fact| !held.has(**fact));
                let names = lacking.filter_map(|fact| self.facts.fact(*fact));
                (&*sentence.says, names.map(ToString::to_string).collect())
            })
            .collect()
    }

    fn ask(&self, labels: &Labels, event: &Event<'_>) -> Result<Decision, Unjudgeable> {
        let hearing = self.hear(event)?;
        let slice = self.slices.get(&(event.action, kind(event))).ok_or(Unjudgeable::Entity)?;
        let held = self.facts.held(labels, hearing.seen(event));
        let sentences = self.met(slice, &held);
        let mut forbids: Vec<&Arc<Determining>> = Vec::new();
        let mut errors = Vec::new();
        let rests = sentences.iter().filter_map(|sentence| sentence.rest.as_ref());
        let touches = rests.map(|rest| rest.touches).reduce(Touches::and);
        let question = match touches {
            Some(touches) => Some(self.question(labels, event, &hearing, touches)?),
            None => None,
        };
        for sentence in sentences {
            let answer = match (&sentence.rest, &question) {
                (Some(rest), Some((request, entities))) => {
                    eval_expression(request, entities, &rest.expression).ok()
                }
                (None, _) => Some(EvalResult::Bool(true)),
                (Some(_), None) => None,
            };
            match answer {
                Some(EvalResult::Bool(true)) => forbids.push(&sentence.says),
                Some(EvalResult::Bool(false)) => {}
                _ => errors.push(could_not(&sentence.says.id)),
            }
        }
        Ok(decided(event, &forbids, errors))
    }

    /// What everything else needs to know of an event.
    fn hear<'e>(&self, event: &'e Event<'_>) -> Result<Hearing<'e>, Unjudgeable> {
        fits(&self.attributes, event.principal).map_err(|_| Unjudgeable::Attribute)?;
        let arguments = match event.call.filter(|_| event.action == Action::CallTool) {
            Some(call) => Some(Arguments::of(call.arguments).ok_or(Unjudgeable::Arguments)?),
            None => None,
        };
        Ok(Hearing { weights: weights(event.findings), arguments })
    }

    /// The policies of a slice all of whose facts are so, strongest first.
    fn met(&self, slice: &Slice, held: &Held) -> Vec<&Sentence> {
        let by_fact = held.each.iter().filter_map(|fact| slice.by_fact.get(fact));
        let mut numbers: Vec<usize> =
            slice.always.iter().chain(by_fact.flatten()).copied().collect();
        numbers.sort_unstable();
        let sentences = numbers.into_iter().filter_map(|number| self.policies.get(number));
        sentences
            .filter(|sentence| held.has_all(&sentence.scope) && held.has_all(&sentence.conditions))
            .collect()
    }

    /// Where a call's arguments come from, if some policy asks.
    fn origins<'e>(&self, event: &Event<'e>) -> Option<Origins<'e>> {
        let asked = self.asks_origins && event.action == Action::CallTool;
        asked.then(|| Origins::new(event.trace.flow()))
    }

    /// The event as Cedar sees it.
    fn question(
        &self,
        labels: &Labels,
        event: &Event<'_>,
        hearing: &Hearing<'_>,
        touches: Touches,
    ) -> Result<(Request, Entities), Unjudgeable> {
        let action = self.actions.get(&event.action).ok_or(Unjudgeable::Entity)?;
        let cast = Cast::of(&self.types, event);
        let making = Making { types: &self.types, attributes: &self.attributes, labels, action };
        let mut origins = self.origins(event);
        let arguments = hearing.arguments.as_ref();
        let entities = making.entities(event, &cast, arguments, touches, &mut origins)?;
        let origins = match &mut origins {
            Some(origins) => origins.context(labels, event.call)?,
            None => Vec::new(),
        };
        let context = context(event, &hearing.weights, cast.call, origins)?;
        let request = Request::new(cast.principal, action.uid(), cast.resource, context, None);
        Ok((request.map_err(|_| Unjudgeable::Entity)?, entities))
    }
}

/// What is worked out of an event once.
#[derive(Debug)]
struct Hearing<'e> {
    weights: BTreeMap<&'e str, Weight>,
    arguments: Option<Arguments>,
}

impl<'e> Hearing<'e> {
    fn seen(&'e self, event: &'e Event<'e>) -> Seen<'e> {
        Seen { event, weights: &self.weights, arguments: self.arguments.as_ref() }
    }
}

impl Sentence {
    fn new(rule: &Rule, facts: &mut Facts) -> Option<Sentence> {
        let json = rule.policy.to_json().ok()?;
        let needs = Needs::of(&rule.policy, &json);
        let mut numbers = |all: &[Fact]| -> Vec<FactId> {
            let numbers: BTreeSet<FactId> = all.iter().map(|fact| facts.number(fact)).collect();
            numbers.into_iter().collect()
        };
        let rest = match needs.whole {
            true => None,
            false => Some(Rest {
                expression: expression(&rule.policy, &json)?,
                touches: Touches::of(json.get("conditions")?),
            }),
        };
        Some(Sentence {
            says: Arc::new(rule.says.clone()),
            text: rule.text.clone(),
            scope: numbers(&needs.scope),
            conditions: numbers(&needs.conditions),
            rest,
        })
    }

    fn needs(&self) -> impl Iterator<Item = FactId> {
        self.scope.iter().chain(&self.conditions).copied()
    }
}

/// The conditions of a policy as one expression, without the places in the text
/// that it was read from: each value of an evaluation would carry them along.
fn expression(policy: &Policy, json: &serde_json::Value) -> Option<Expression> {
    let plain = Policy::from_json(None, json.clone()).ok()?;
    let (plain, written) = (plain.as_ref(), policy.as_ref());
    let conditions = plain.non_scope_constraints();
    // Cedar read its own writing back as something else.
    if conditions != written.non_scope_constraints() {
        return None;
    }
    Some(conditions.map_or_else(|| Expression::new_bool(true), |one| one.clone().into()))
}

/// The slices that a policy's scope is about. Not those in which the validator
/// says that it can apply: where it cannot, its evaluation can still err.
fn places(policy: &Policy) -> BTreeSet<(Action, ResourceKind)> {
    let named = |id: &EntityUid, action: Action| {
        let name: &str = id.id().unescaped();
        name == action.as_str() || name == schema::groups(action)
    };
    let acts = policy.action_constraint();
    let on = policy.resource_constraint();
    let mut places = BTreeSet::new();
    for action in Action::ALL {
        let applies = match &acts {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(id) => id.id().unescaped() == action.as_str(),
            ActionConstraint::In(ids) => ids.iter().any(|id| named(id, action)),
        };
        for kind in applies_to(action).iter().filter(|_| applies) {
            let of = |name: String| match kind {
                ResourceKind::Model => name == "Model",
                ResourceKind::Tool => name == "Tool" || name == "ToolGroup",
            };
            let fits = match &on {
                ResourceConstraint::Any => true,
                ResourceConstraint::Is(name) => name.to_string() == kind.as_str(),
                ResourceConstraint::Eq(id) | ResourceConstraint::In(id) => {
                    of(id.type_name().to_string())
                }
                ResourceConstraint::IsIn(name, id) => {
                    name.to_string() == kind.as_str() && of(id.type_name().to_string())
                }
            };
            if fits {
                places.insert((action, *kind));
            }
        }
    }
    places
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

fn could_not(id: &str) -> String {
    format!("policy `{id}` could not be evaluated")
}

fn blocked(why: &str) -> Decision {
    Decision { verdict: Verdict::Block, errors: vec![why.to_owned()], ..Decision::default() }
}

/// What the policies that forbid come to; they are in the order of a decision.
fn decided(event: &Event<'_>, forbids: &[&Arc<Determining>], mut errors: Vec<String>) -> Decision {
    let mut redact = Vec::new();
    for policy in forbids.iter().filter(|policy| policy.response == Verdict::Redact) {
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
    let strongest = forbids.first().map_or(Verdict::Allow, |policy| policy.response);
    let verdict = if errors.is_empty() { strongest } else { Verdict::Block };
    let policies = forbids.iter().map(|says| Arc::clone(says)).collect();
    Decision { verdict, policies, redact, errors }
}

#[cfg(test)]
mod tests;
