//! Why a decision came out as it did, and what would have changed it.
//!
//! Every statement is a decision that was really made: one thing is taken out of
//! the event (a finding, a label, an argument), the event is judged again, and
//! what comes out otherwise is told. Labels that a finding gave go with it.

mod world;

use serde::Serialize;

pub use self::world::Part;
use self::world::World;
use crate::{
    bundle::Bundle,
    decision::{Decision, Verdict},
    event::{Action, Call, Event, Principal, Resource},
    finding::{Finding, Severity, Skip, View},
    limits,
    segment::Segment,
    trace::Trace,
};

/// Texts to look at, and what to ask about them.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is about to happen.
    pub action: Action,
    /// Who does it.
    pub principal: &'a Principal,
    /// To what.
    pub resource: Resource<'a>,
    /// The texts, each with the scores that a classifier gave it.
    pub segments: &'a [(Segment<'a>, Vec<(String, u32)>)],
    /// The call, for `CallTool`.
    pub call: Option<Call<'a>>,
    /// What the conversation has been through before these texts.
    pub trace: &'a Trace,
}

/// A decision with its reasons. It names places, never text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The bundle's name.
    pub bundle: String,
    /// SHA-256 of the bundle, in hexadecimal.
    pub digest: String,
    /// What was about to happen.
    pub action: &'static str,
    /// To what.
    pub resource: String,
    /// Who did it.
    pub principal: String,
    /// The labels that policies saw.
    pub labels: Vec<String>,
    /// What was found.
    pub findings: Vec<Found>,
    /// What was not looked at.
    pub skipped: Vec<Skip>,
    /// The policies whose scope fits, whether they applied or not.
    pub considered: Vec<Considered>,
    /// What was decided, and by which of them.
    pub decision: Decision,
    /// For each determining policy, what it went by.
    pub reasons: Vec<Reason>,
    /// What else would have been decided, had one thing been different.
    pub changes: Vec<Change>,
    /// The fewest things without which it would have been allowed, or where
    /// nothing allows it, the mildest verdict: none of them can be left out.
    pub least: Option<Least>,
    /// Whether everything was taken away that can be; past a bound, the rest is
    /// not tried.
    pub complete: bool,
}

/// A finding, as an explanation gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The detector.
    pub detector: String,
    /// Its category.
    pub category: String,
    /// Its severity.
    pub severity: Severity,
    /// How sure it is, in parts per million.
    pub score_ppm: u32,
    /// The segment's number.
    pub segment: u32,
    /// Where it begins, in bytes of the segment.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The view that it was seen in.
    pub view: View,
}

/// A policy that the event met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Its `@id`.
    pub id: String,
    /// Its `@response`.
    pub response: Verdict,
    /// Whether it determined the decision.
    pub applies: bool,
    /// What it asks for first and the event does not have: `the label
    /// `untrusted``. Empty for one that applies, and for one that fails at
    /// conditions of another kind.
    pub lacks: Vec<String>,
}

/// What a determining policy went by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The policy's `@id`.
    pub policy: String,
    /// Where it stands.
    pub place: String,
    /// Without any of these alone it would not have applied.
    pub by: Vec<Part>,
}

/// One thing that could have been different, and what then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is different, such as "without the label `untrusted`".
    pub what: String,
    /// The verdict that it gives.
    pub verdict: Verdict,
    /// The policies that determine that one.
    pub policies: Vec<String>,
}

/// The smallest change to a milder verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Least {
    /// What has to go.
    pub without: Vec<Part>,
    /// The verdict that it gives.
    pub verdict: Verdict,
}

impl Bundle {
    /// Explains the decision about an event.
    #[must_use]
    pub fn explain(&self, event: &Event<'_>) -> Explanation {
        self.told(&World::of_event(self, event))
    }

    /// Screens texts, labels them, and explains the decision about them.
    #[must_use]
    pub fn explain_text(&self, question: &Question<'_>) -> Explanation {
        let (world, skipped) = World::of_texts(self, question);
        let mut explanation = self.told(&world);
        explanation.skipped = skipped;
        explanation
    }

    /// Screens texts, labels them, and decides about them.
    pub(crate) fn answer(&self, question: &Question<'_>) -> (Vec<Finding>, Decision) {
        let (world, _) = World::of_texts(self, question);
        let state = world.without(&[]);
        let decision = world.judge(&state);
        (state.findings, decision)
    }

    fn told(&self, world: &World<'_>) -> Explanation {
        let everything = world.without(&[]);
        let event = everything.event(world);
        let decision = self.judge(&event);
        let considered = self.inner().judge.considered(&self.inner().labels, &event);
        let applied = |id: &str| decision.policies.iter().any(|policy| policy.id == id);
        let considered = considered
            .into_iter()
            .map(|(says, lacks)| Considered {
                id: says.id.clone(),
                response: says.response,
                applies: applied(&says.id),
                lacks,
            })
            .collect();
        let (Resource::Model(resource) | Resource::Tool(resource)) = event.resource;
        let search = Search::new(world, &decision);
        let (reasons, changes, least) = (search.reasons(), search.changes(), search.least());
        let complete = search.parts.len() < limits::PARTS;
        Explanation {
            bundle: self.name().to_owned(),
            digest: hex::encode(self.digest()),
            action: event.action.as_str(),
            resource: resource.to_owned(),
            principal: event.principal.id.clone(),
            labels: event.trace.labels().map(str::to_owned).collect(),
            findings: event.findings.iter().map(found).collect(),
            skipped: Vec::new(),
            considered,
            reasons,
            changes,
            least,
            complete,
            decision,
        }
    }
}

/// Judges again and again. `limits::PARTS` and `limits::PAIRED` bound how often.
struct Search<'s> {
    world: &'s World<'s>,
    decision: &'s Decision,
    parts: Vec<Part>,
    /// Without each part alone.
    singles: Vec<Decision>,
}

impl<'s> Search<'s> {
    fn new(world: &'s World<'s>, decision: &'s Decision) -> Search<'s> {
        let parts = world.parts();
        let without = |part| world.judge(&world.without(std::slice::from_ref(part)));
        let singles = parts.iter().map(without).collect();
        Search { world, decision, parts, singles }
    }

    fn verdict(&self, without: &[Part]) -> Verdict {
        self.world.judge(&self.world.without(without)).verdict
    }

    /// What each determining policy cannot do without.
    fn reasons(&self) -> Vec<Reason> {
        let applies =
            |decision: &Decision, id: &str| decision.policies.iter().any(|policy| policy.id == id);
        let policies = self.decision.policies.iter();
        policies
            .map(|policy| Reason {
                policy: policy.id.clone(),
                place: policy.place.clone(),
                by: self
                    .parts
                    .iter()
                    .zip(&self.singles)
                    .filter(|(_, other)| !applies(other, &policy.id))
                    .map(|(part, _)| part.clone())
                    .collect(),
            })
            .collect()
    }

    /// One part less, or one label more.
    fn changes(&self) -> Vec<Change> {
        let change = |what: String, other: &Decision| {
            (other.verdict != self.decision.verdict).then(|| Change {
                what,
                verdict: other.verdict,
                policies: other.policies.iter().map(|policy| policy.id.clone()).collect(),
            })
        };
        let less = self.parts.iter().zip(&self.singles);
        let less = less.filter_map(|(part, other)| change(format!("without {part}"), other));
        let more = self.world.missing_labels().into_iter().filter_map(|label| {
            let other = self.world.judge(&self.world.with_label(&label));
            change(format!("with the label `{label}`"), &other)
        });
        less.chain(more).take(limits::CHANGES).collect()
    }

    /// The fewest parts without which the verdict is as mild as it can become:
    /// one, or two, or else what is left of all of them when parts are put back
    /// one by one for as long as the verdict stays.
    fn least(&self) -> Option<Least> {
        let all = self.verdict(&self.parts);
        let singles = self.parts.iter().zip(self.singles.iter().map(|other| other.verdict));
        let (first, one) = singles.min_by_key(|(_, verdict)| *verdict)?;
        let mildest = all.min(one);
        if mildest >= self.decision.verdict {
            return None;
        }
        let least = |without: Vec<Part>| Some(Least { without, verdict: mildest });
        if one == mildest {
            return least(vec![first.clone()]);
        }
        let paired = self.parts.get(..limits::PAIRED).unwrap_or(&self.parts);
        for (place, part) in paired.iter().enumerate() {
            for other in paired.iter().skip(place.saturating_add(1)) {
                let two = [part.clone(), other.clone()];
                if self.verdict(&two) == mildest {
                    return least(two.into());
                }
            }
        }
        let mut kept = self.parts.clone();
        for part in self.parts.iter().rev() {
            let fewer: Vec<Part> = kept.iter().filter(|one| *one != part).cloned().collect();
            if self.verdict(&fewer) == mildest {
                kept = fewer;
            }
        }
        least(kept)
    }
}

fn found(finding: &Finding) -> Found {
    Found {
        detector: finding.detector.to_string(),
        category: finding.category.to_string(),
        severity: finding.severity,
        score_ppm: finding.score_ppm,
        segment: finding.segment,
        start: finding.span.start,
        end: finding.span.end,
        view: finding.view,
    }
}

#[cfg(test)]
mod tests;
