//! A record as events: what `troth policy explain --record` reads.
//!
//! A record holds what was found and by which detector on which channel, and
//! neither labels nor arguments nor texts. So what it can be explained by is what
//! was found; policies that go by more are told with what they lack.

use serde::Deserialize;
use troth_policies::{
    Action, Bundle, Channel, Event, Explanation, Finding, Principal, Resource, Trace, View,
};

use crate::cli::CliFault;

/// The part of an `outcome` record that speaks of a decision. A record has more.
#[derive(Debug, Deserialize)]
struct Recorded {
    verdict: String,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    detectors: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    category: String,
    channel: Channel,
    count: u64,
    detector: String,
    score_ppm: u32,
}

/// A record, explained.
#[derive(Debug, serde::Serialize)]
pub(super) struct Retold {
    /// The verdict of the record.
    pub(super) verdict: String,
    /// The policies of the record that what was found does not explain: they
    /// went by labels, arguments or who it was, or are of another bundle.
    pub(super) unexplained: Vec<String>,
    /// One for each thing that was about to happen.
    pub(super) events: Vec<Explanation>,
}

/// Explains an `outcome` record by what it says was found.
pub(super) fn explained(bundle: &Bundle, text: &str) -> Result<Retold, CliFault> {
    let recorded: Recorded = serde_json::from_str(text)
        .map_err(|fault| CliFault::Usage(format!("not an `outcome` record: {fault}")))?;
    let mut events = Vec::new();
    for (action, resource) in ACTIONS {
        let rows = recorded.detectors.iter().filter(|row| action_of(row.channel) == action);
        let findings: Vec<Finding> = rows.flat_map(|row| findings(bundle, row)).collect();
        if findings.is_empty() {
            continue;
        }
        events.push(bundle.explain(&Event {
            action,
            principal: &Principal::anonymous(),
            resource,
            findings: &findings,
            call: None,
            trace: &Trace::default(),
        }));
    }
    let explained = |id: &String| {
        let mut all = events.iter().flat_map(|one: &Explanation| &one.decision.policies);
        all.any(|policy| policy.id == *id)
    };
    let unexplained = recorded.policies.iter().filter(|id| !explained(id)).cloned().collect();
    Ok(Retold { verdict: recorded.verdict, unexplained, events })
}

/// What a row stands for. Severities are not in records: they are the bundle's.
fn findings(bundle: &Bundle, row: &Row) -> Vec<Finding> {
    let known = bundle.detectors().find(|one| *one.id == *row.detector);
    let Some(known) = known else { return Vec::new() };
    let one = Finding {
        detector: known.id,
        category: row.category.as_str().into(),
        severity: known.severity,
        score_ppm: row.score_ppm,
        segment: 0,
        span: 0..0,
        view: View::Whole,
    };
    let count = usize::try_from(row.count).unwrap_or(usize::MAX).min(FINDINGS);
    vec![one; count]
}

fn action_of(channel: Channel) -> Action {
    match channel {
        Channel::ToolResult => Action::ReturnToolResult,
        Channel::ToolDefinition => Action::OfferTool,
        Channel::ToolCall => Action::CallTool,
        Channel::Assistant | Channel::Reasoning | Channel::Refusal => Action::Respond,
        _ => Action::Prompt,
    }
}

const ACTIONS: [(Action, Resource<'static>); 5] = [
    (Action::Prompt, Resource::Model("")),
    (Action::ReturnToolResult, Resource::Tool("")),
    (Action::OfferTool, Resource::Tool("")),
    (Action::Respond, Resource::Model("")),
    (Action::CallTool, Resource::Tool("")),
];

/// More findings of one detector than this say nothing more to a policy.
const FINDINGS: usize = 64;

#[cfg(test)]
mod tests {
    use troth_policies::{Source, Verdict};

    use super::*;

    #[test]
    fn a_record_is_explained_by_what_was_found() {
        let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
        let injection = bundle.detectors().find(|one| &*one.category == "injection").unwrap();
        let text = format!(
            "{{\"verdict\": \"block\", \"policies\": [\"injection\", \"no-exfiltration-after-untrusted\"], \
             \"released_before\": 0, \"detectors\": [{{\"category\": \"injection\", \"channel\": \"user\", \
             \"count\": 2, \"detector\": \"{}\", \"score_ppm\": 1000000}}]}}",
            injection.id
        );
        let retold = explained(&bundle, &text).unwrap();
        assert_eq!(retold.unexplained, ["no-exfiltration-after-untrusted"]);
        let [event] = retold.events.as_slice() else { panic!("one action") };
        assert!(event.decision.verdict >= Verdict::Flag && event.action == "Prompt");
        assert!(explained(&bundle, "{}").is_err());
    }
}
