//! An event as a file: what `troth policy explain --event` reads.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use troth_policies::{
    Action, Bundle, Call, Event, Explanation, Finding, Principal, PrincipalKind, Resource,
    Severity, Trace, View,
};

use crate::cli::CliFault;

/// What was about to happen, as policies see it: no text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    action: Action,
    #[serde(default)]
    principal: ToldPrincipal,
    model: Option<String>,
    tool: Option<String>,
    #[serde(default)]
    arguments: Option<Value>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    findings: Vec<ToldFinding>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldPrincipal {
    id: Option<String>,
    tenant: Option<String>,
    kind: Option<PrincipalKind>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldFinding {
    category: String,
    detector: Option<String>,
    severity: Severity,
    #[serde(default = "sure")]
    score_ppm: u32,
}

const fn sure() -> u32 {
    1_000_000
}

/// Explains the event of a JSON text.
pub(super) fn explained(bundle: &Bundle, text: &str) -> Result<Explanation, CliFault> {
    let told: Told = serde_json::from_str(text).map_err(|fault| {
        CliFault::Usage(format!("the event cannot be read: {fault}\nfor example:\n{EXAMPLE}"))
    })?;
    let anonymous = Principal::anonymous();
    let principal = Principal {
        id: told.principal.id.unwrap_or(anonymous.id),
        tenant: told.principal.tenant.unwrap_or(anonymous.tenant),
        kind: told.principal.kind.unwrap_or(anonymous.kind),
        attributes: told.principal.attributes,
    };
    if let Err((name, kind)) = bundle.check_principal(&principal) {
        let kind = json!(kind);
        return Err(CliFault::Usage(format!("the principal's `{name}` is not of its type {kind}")));
    }
    let trace = Trace::labelled(told.labels.iter().map(String::as_str))
        .map_err(|fault| CliFault::Usage(format!("the event's labels: {fault}")))?;
    let findings: Vec<Finding> = told
        .findings
        .into_iter()
        .map(|one| Finding {
            detector: one.detector.as_deref().unwrap_or(&one.category).into(),
            category: one.category.as_str().into(),
            severity: one.severity,
            score_ppm: one.score_ppm,
            segment: 0,
            span: 0..0,
            view: View::Whole,
        })
        .collect();
    let model = told.model.as_deref().unwrap_or_default();
    let resource = told.tool.as_deref().map_or(Resource::Model(model), Resource::Tool);
    let arguments = told.arguments.unwrap_or_else(|| json!({}));
    let name = told.tool.as_deref().unwrap_or_default();
    Ok(bundle.explain(&Event {
        action: told.action,
        principal: &principal,
        resource,
        findings: &findings,
        call: (told.action == Action::CallTool).then_some(Call { name, arguments: &arguments }),
        trace: &trace,
    }))
}

/// An event of every field.
pub(super) const EXAMPLE: &str = r#"{"action": "CallTool", "tool": "send_email",
 "principal": {"id": "billing-agent", "kind": "agent", "attributes": {"recipients": ["bob@example.com"]}},
 "arguments": {"to": ["bob@example.com", "mallory@example.net"]},
 "labels": ["untrusted"],
 "findings": [{"category": "secret", "severity": "high", "score_ppm": 1000000}]}"#;

#[cfg(test)]
mod tests {
    use troth_policies::{Source, Verdict};

    use super::*;

    #[test]
    fn the_example_is_an_event_and_is_explained() {
        let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
        let explanation = explained(&bundle, EXAMPLE).unwrap();
        assert_eq!(explanation.decision.verdict, Verdict::Block);
        assert_eq!((explanation.labels.len(), explanation.findings.len()), (1, 1));
        for wrong in [
            "{}",
            "{\"action\": \"CallTol\"}",
            "{\"action\": \"Prompt\", \"text\": \"x\"}",
            "{\"action\": \"Prompt\", \"principal\": {\"attributes\": {\"recipients\": \"bob\"}}}",
        ] {
            assert!(matches!(explained(&bundle, wrong), Err(CliFault::Usage(_))), "{wrong}");
        }
    }
}
