//! Why a decision came out as it did, and what would have changed it.

use serde::Serialize;

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
    /// The policies that could apply, whether they did or not.
    pub considered: Vec<String>,
    /// What was decided, and by which of them.
    pub decision: Decision,
    /// What else would have been decided, had one thing been different.
    pub changes: Vec<Change>,
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

impl Bundle {
    /// Explains the decision about an event.
    #[must_use]
    pub fn explain(&self, event: &Event<'_>) -> Explanation {
        let decision = self.judge(event);
        let changes = self.changes(event, &decision);
        let (Resource::Model(resource) | Resource::Tool(resource)) = event.resource;
        Explanation {
            bundle: self.name().to_owned(),
            digest: hex::encode(self.digest()),
            action: event.action.as_str(),
            resource: resource.to_owned(),
            principal: event.principal.id.clone(),
            labels: event.trace.labels().map(str::to_owned).collect(),
            findings: event.findings.iter().map(found).collect(),
            skipped: Vec::new(),
            considered: self.inner().judge.considered(event),
            decision,
            changes,
        }
    }

    /// Screens texts, labels them, and explains the decision about them.
    #[must_use]
    pub fn explain_text(&self, question: &Question<'_>) -> Explanation {
        let mut trace = question.trace.clone();
        let (mut findings, mut skipped) = (Vec::new(), Vec::new());
        for (segment, scores) in question.segments {
            let mut screened = self.screen(segment);
            screened.findings.extend(self.weigh(segment, scores));
            self.observe(&mut trace, segment, &screened.findings);
            findings.append(&mut screened.findings);
            skipped.append(&mut screened.skipped);
        }
        let mut explanation = self.explain(&Event {
            action: question.action,
            principal: question.principal,
            resource: question.resource,
            findings: &findings,
            call: question.call,
            trace: &trace,
        });
        explanation.skipped = skipped;
        explanation
    }

    /// Takes away each category, each detector and each label in turn, adds
    /// each label that is missing, and keeps what comes out otherwise.
    fn changes(&self, event: &Event<'_>, decision: &Decision) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut consider = |what: String, findings: &[Finding], trace: &Trace| {
            if changes.len() >= limits::CHANGES {
                return;
            }
            let other = self.judge(&Event { findings, trace, ..*event });
            if other.verdict != decision.verdict {
                changes.push(Change {
                    what,
                    verdict: other.verdict,
                    policies: other.policies.into_iter().map(|policy| policy.id).collect(),
                });
            }
        };
        for (kind, name) in names(event.findings) {
            let rest: Vec<Finding> = event
                .findings
                .iter()
                .filter(|finding| match kind {
                    "category" => *finding.category != *name,
                    _ => *finding.detector != *name,
                })
                .cloned()
                .collect();
            consider(format!("without the {kind} `{name}`"), &rest, event.trace);
        }
        for label in event.trace.labels() {
            let trace = event.trace.without(label);
            consider(format!("without the label `{label}`"), event.findings, &trace);
        }
        for label in &self.inner().labels.declared {
            if !event.trace.carries(label) {
                let mut trace = event.trace.clone();
                trace.add(label);
                consider(format!("with the label `{label}`"), event.findings, &trace);
            }
        }
        changes
    }
}

/// The categories and the detectors of findings, each once.
fn names(findings: &[Finding]) -> Vec<(&'static str, String)> {
    let mut names: Vec<(&'static str, String)> = findings
        .iter()
        .flat_map(|finding| {
            [("category", finding.category.to_string()), ("detector", finding.detector.to_string())]
        })
        .collect();
    names.sort();
    names.dedup();
    names
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
