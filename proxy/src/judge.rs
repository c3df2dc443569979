//! Findings to verdicts, one question for each thing that is about to happen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use troth_attest::Commitment;
use troth_policies::Channel;
use troth_policies::{
    Action, Bundle, Call, Determining, Event, Finding, Principal, Resource, Trace, Verdict,
};

use crate::{
    approval::{NotApproved, Pass},
    dialect::{Decoded, Piece, ToolCall},
};

/// What was decided, and by which policies.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    /// The strongest verdict.
    pub(crate) verdict: Verdict,
    /// What determined it and every weaker one.
    pub(crate) policies: Vec<Arc<Determining>>,
    /// Indexes of the findings whose spans are replaced.
    pub(crate) redact: BTreeSet<usize>,
    /// Policies whose evaluation failed: a block.
    pub(crate) errors: Vec<String>,
    /// Choices of the answer that are blocked.
    pub(crate) blocked_choices: BTreeSet<u32>,
    /// What becomes of each tool call of the answer, by its place.
    pub(crate) calls: Vec<(usize, CallVerdict)>,
    /// Tool calls, by their places, that only a person's approval is missing
    /// for: nothing else keeps their choice from passing. Each with its own
    /// judgement.
    pub(crate) held: Vec<(usize, Judgement)>,
    /// Calls that no approver has let pass.
    pub(crate) not_approved: Vec<NotApproved>,
}

/// What a person's answer, or the want of one, means for a held call.
pub(crate) type Rulings = BTreeMap<usize, Result<Pass, NotApproved>>;

/// What becomes of one tool call, and by which policies.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallVerdict {
    /// The verdict.
    pub(crate) verdict: Option<Verdict>,
    /// Ids of the policies that determined it.
    pub(crate) policies: Vec<String>,
    /// The id under which it was held for a person.
    pub(crate) approval: Option<String>,
    /// What was approved, where it passes with that.
    pub(crate) approved: Option<Commitment>,
}

impl CallVerdict {
    /// What `judgement` says of the call that it is about.
    pub(crate) fn of(judgement: &Judgement) -> Self {
        let policies = judgement.policies.iter().map(|policy| policy.id.clone()).collect();
        Self { verdict: Some(judgement.verdict), policies, approval: None, approved: None }
    }

    /// What a person's answer makes of a call that was held, and of the
    /// judgement that held it.
    pub(crate) fn ruled(judgement: &mut Judgement, ruling: &Result<Pass, NotApproved>) -> Self {
        match ruling {
            Ok(pass) => {
                judgement.approve();
                Self {
                    approval: Some(pass.id.to_string()),
                    approved: Some(pass.call),
                    ..Self::of(judgement)
                }
            }
            Err(refused) => {
                judgement.raise(refused.verdict());
                judgement.not_approved.push(refused.clone());
                let approval = refused.id.as_ref().map(ToString::to_string);
                Self { approval, ..Self::of(judgement) }
            }
        }
    }

    /// It goes with the choice that makes it.
    fn goes_with(&mut self, whole: &Judgement) {
        let approval = self.approval.take();
        *self = Self { approval, ..Self::of(whole) };
    }
}

impl Default for Judgement {
    fn default() -> Self {
        Self {
            verdict: Verdict::Allow,
            policies: Vec::new(),
            redact: BTreeSet::new(),
            errors: Vec::new(),
            blocked_choices: BTreeSet::new(),
            calls: Vec::new(),
            held: Vec::new(),
            not_approved: Vec::new(),
        }
    }
}

impl Judgement {
    /// At least `verdict`.
    pub(crate) fn raise(&mut self, verdict: Verdict) {
        self.verdict = self.verdict.max(verdict);
    }

    /// Adds a later judgement of the same exchange.
    pub(crate) fn merge(&mut self, other: Self) {
        self.raise(other.verdict);
        for policy in other.policies {
            self.policy(policy);
        }
        self.errors.extend(other.errors);
        self.blocked_choices.extend(other.blocked_choices);
        self.calls.extend(other.calls);
        self.held.extend(other.held);
        self.not_approved.extend(other.not_approved);
    }

    /// A person has approved what waited for one: the rest of the judgement
    /// stands, and the policies that asked are noted as such.
    pub(crate) fn approve(&mut self) {
        for policy in &mut self.policies {
            if policy.response == Verdict::Approve {
                Arc::make_mut(policy).response = Verdict::Flag;
            }
        }
        let rest = self.policies.iter().map(|policy| policy.response).max();
        self.verdict = rest.unwrap_or_default().max(Verdict::Flag);
    }

    fn policy(&mut self, policy: Arc<Determining>) {
        if !self.policies.iter().any(|known| known.id == policy.id) {
            self.policies.push(policy);
        }
    }

    /// The policy that the client is told of: the strongest one.
    pub(crate) fn strongest(&self) -> Option<&Determining> {
        let mut best: Option<&Determining> = None;
        for policy in &self.policies {
            if best.is_none_or(|best| policy.response > best.response) {
                best = Some(policy);
            }
        }
        best
    }
}

/// Who asks whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Court<'a> {
    /// The policies.
    pub(crate) bundle: &'a Bundle,
    /// Who asks.
    pub(crate) principal: &'a Principal,
    /// Which model.
    pub(crate) model: &'a str,
}

impl Court<'_> {
    /// What the request's history says, before anybody judges.
    pub(crate) fn trace(&self, pieces: &[Piece], findings: &[Finding]) -> Trace {
        let mut trace = Trace::default();
        let mut rest = findings;
        for (index, piece) in pieces.iter().enumerate() {
            let segment = piece.segment(index);
            let own = rest.partition_point(|finding| finding.segment <= segment.index);
            let (here, later) = rest.split_at_checked(own).unwrap_or((rest, &[]));
            self.bundle.observe(&mut trace, &segment, here);
            rest = later;
        }
        trace
    }

    /// A request: the prompt, each tool's result, each tool that is offered.
    pub(crate) fn request(
        &self,
        decoded: &Decoded,
        findings: &[Finding],
        trace: &Trace,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        let of = |finding: &Finding| decoded.pieces.get(finding.segment as usize);
        let own = |channels: &[Channel], tool: Option<&str>| -> Vec<usize> {
            let matches = |piece: &Piece| {
                channels.contains(&piece.channel)
                    && tool.is_none_or(|tool| piece.tool.as_deref().unwrap_or_default() == tool)
            };
            let numbered = findings.iter().enumerate();
            numbered.filter(|(_, f)| of(f).is_some_and(matches)).map(|(index, _)| index).collect()
        };
        let not_prompt = [Channel::ToolResult, Channel::ToolDefinition];
        let prompt: Vec<usize> = findings
            .iter()
            .enumerate()
            .filter(|(_, f)| of(f).is_some_and(|piece| !not_prompt.contains(&piece.channel)))
            .map(|(index, _)| index)
            .collect();
        let model = Resource::Model(self.model);
        self.ask(&mut judgement, Action::Prompt, model, findings, &prompt, trace);
        for (action, channel, tools) in [
            (Action::ReturnToolResult, Channel::ToolResult, &decoded.results),
            (Action::OfferTool, Channel::ToolDefinition, &decoded.offers),
        ] {
            let names: BTreeSet<&str> = tools.iter().map(String::as_str).collect();
            for name in names {
                let own = own(&[channel], Some(name));
                self.ask(&mut judgement, action, Resource::Tool(name), findings, &own, trace);
            }
        }
        // Definitions that name no tool (`response_format`) belong to the prompt.
        let unnamed = own(&[Channel::ToolDefinition], Some(""));
        if !unnamed.is_empty() {
            self.ask(&mut judgement, Action::Prompt, model, findings, &unnamed, trace);
        }
        judgement
    }

    /// A whole answer, choice by choice: what it says, and each call it makes;
    /// `rulings` are what became of the calls that an earlier judgement of it
    /// held.
    pub(crate) fn answer(
        &self,
        decoded: &Decoded,
        findings: &[Finding],
        trace: &Trace,
        rulings: &Rulings,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        let mut choices: BTreeSet<Option<u32>> =
            decoded.pieces.iter().map(|piece| piece.choice).collect();
        choices.extend(decoded.calls.iter().map(|call| Some(call.choice)));
        choices.insert(None);
        for choice in choices {
            let of_choice = |finding: &Finding, calls: bool| {
                decoded.pieces.get(finding.segment as usize).is_some_and(|piece| {
                    piece.choice == choice && (piece.channel == Channel::ToolCall) == calls
                })
            };
            let own = |calls: bool| -> Vec<usize> {
                let numbered = findings.iter().enumerate();
                numbered.filter(|(_, f)| of_choice(f, calls)).map(|(index, _)| index).collect()
            };
            let mut verdict = Judgement::default();
            let model = Resource::Model(self.model);
            self.ask(&mut verdict, Action::Respond, model, findings, &own(false), trace);
            let mut held = Vec::new();
            let says = verdict.verdict;
            let of_calls = own(true);
            let calls = decoded.calls.iter().enumerate();
            for (place, call) in calls.filter(|(_, call)| Some(call.choice) == choice) {
                let mut one = Judgement::default();
                self.call(&mut one, call, findings, &of_calls, trace);
                let waits = one.verdict == Verdict::Approve;
                let became = match rulings.get(&place).filter(|_| waits) {
                    Some(ruling) => CallVerdict::ruled(&mut one, ruling),
                    None => CallVerdict::of(&one),
                };
                if waits && !rulings.contains_key(&place) {
                    held.push((place, one.clone()));
                }
                verdict.calls.push((place, became));
                verdict.redact.extend(std::mem::take(&mut one.redact));
                verdict.merge(one);
            }
            if verdict.verdict >= Verdict::Approve {
                // A call goes with the choice that makes it.
                let mut calls = std::mem::take(&mut verdict.calls);
                calls.iter_mut().for_each(|(_, call)| call.goes_with(&verdict));
                verdict.calls = calls;
            }
            if verdict.verdict == Verdict::Approve && says < Verdict::Approve {
                verdict.held = held;
            }
            let redact = std::mem::take(&mut verdict.redact);
            if verdict.verdict >= Verdict::Approve {
                match choice {
                    Some(choice) => drop(verdict.blocked_choices.insert(choice)),
                    // Text beside the choices is the whole answer's.
                    None => {
                        let all = decoded.pieces.iter().filter_map(|piece| piece.choice);
                        verdict.blocked_choices.extend(all);
                        verdict.blocked_choices.insert(u32::MAX);
                    }
                }
            } else {
                judgement.redact.extend(redact);
            }
            judgement.merge(verdict);
        }
        judgement
    }

    /// One tool call.
    pub(crate) fn call(
        &self,
        judgement: &mut Judgement,
        call: &ToolCall,
        findings: &[Finding],
        own: &[usize],
        trace: &Trace,
    ) {
        let made = Call { name: &call.name, arguments: &call.arguments };
        let event = Event {
            action: Action::CallTool,
            principal: self.principal,
            resource: Resource::Tool(&call.name),
            findings: &[],
            call: Some(made),
            trace,
        };
        self.decide(judgement, event, findings, own);
        if call.ambiguous {
            // Two parsers would run two different calls: no policy can have
            // judged the right one.
            judgement.raise(Verdict::Block);
            judgement
                .errors
                .push("tool arguments that two parsers would read differently".to_owned());
        }
    }

    /// One question without a call.
    pub(crate) fn ask(
        &self,
        judgement: &mut Judgement,
        action: Action,
        resource: Resource<'_>,
        findings: &[Finding],
        own: &[usize],
        trace: &Trace,
    ) {
        let event =
            Event { action, principal: self.principal, resource, findings: &[], call: None, trace };
        self.decide(judgement, event, findings, own);
    }

    fn decide(
        &self,
        judgement: &mut Judgement,
        event: Event<'_>,
        findings: &[Finding],
        own: &[usize],
    ) {
        let subset: Vec<Finding> =
            own.iter().filter_map(|index| findings.get(*index).cloned()).collect();
        let decision = self.bundle.judge(&Event { findings: &subset, ..event });
        judgement.raise(decision.verdict);
        for policy in decision.policies {
            judgement.policy(policy);
        }
        judgement.errors.extend(decision.errors);
        let chosen = decision.redact.iter().filter_map(|index| own.get(*index));
        judgement.redact.extend(chosen);
    }
}
