//! What an explanation says, held against judging by hand.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::*;

/// Policies of every shape: by a label, an argument, two findings together, the
/// absence of an argument.
const POLICIES: &str = r#"
@id("flow") @response("block")
forbid (principal, action == Action::"CallTool", resource in ToolGroup::"egress")
when { context.labels.contains("untrusted")
       && !(context.call.hasTag("to")
            && principal.recipients.containsAll(context.call.getTag("to").all)) };
@id("both") @response("block")
forbid (principal, action in Action::"Input", resource)
when { context.findings has secret && context.findings has pii };
@id("many") @response("approve")
forbid (principal, action, resource)
when { context.findings has secret && context.findings.secret.count > 1 };
@id("one") @response("flag")
forbid (principal, action, resource)
when { context.findings has secret };
"#;

fn bundle() -> Bundle {
    let mut source = Source::new();
    let mut add = |path: &str, text: &str| source.insert(path, text.as_bytes().to_vec());
    add(
        "bundle.toml",
        "version = 1\nname = \"t\"\nrelease = \"1\"\n[attributes]\nrecipients = \"strings\"\n",
    );
    let detector = |id: &str, category: &str| {
        format!(
            "[[detector]]\nid = \"{id}\"\ncategory = \"{category}\"\nseverity = \"high\"\n\
             surfaces = [\"user_prompt\", \"tool_call\"]\npatterns = ['{id}']\n"
        )
    };
    let all = [detector("secret", "secret"), detector("token", "secret"), detector("pii", "pii")];
    add("detectors/d.toml", &format!("version = 1\n{}", all.concat()));
    add(
        "labels.toml",
        "version = 1\n[[label]]\nid = \"untrusted\"\n[[label]]\nid = \"pii\"\n\
         [[source]]\nlabel = \"pii\"\ncategories = [\"pii\"]\n\
         [[group]]\nid = \"egress\"\ntools = [\"send_*\"]\n",
    );
    add("policies/p.cedar", POLICIES);
    Bundle::compile(&source).unwrap().bundle
}

fn ask(text: &str, action: Action, arguments: &Value, labels: &[&str]) -> Explanation {
    let call = action == Action::CallTool;
    let segment = Segment {
        index: 0,
        pointer: "",
        channel: if call { Channel::ToolCall } else { Channel::User },
        origin: Origin::User,
        tool: None,
        text,
    };
    let trace = Trace::labelled(labels.iter().copied()).unwrap();
    bundle().explain_text(&Question {
        action,
        principal: &Principal::anonymous(),
        resource: if call { Resource::Tool("send_mail") } else { Resource::Model("m") },
        segments: &[(segment, Vec::new())],
        call: call.then_some(Call { name: "send_mail", arguments }),
        trace: &trace,
    })
}

fn changes(explanation: &Explanation) -> Vec<(&str, Verdict)> {
    explanation.changes.iter().map(|one| (one.what.as_str(), one.verdict)).collect()
}

fn least(explanation: &Explanation) -> Option<(Vec<String>, Verdict)> {
    let least = explanation.least.as_ref()?;
    Some((least.without.iter().map(ToString::to_string).collect(), least.verdict))
}

#[test]
fn a_label_made_the_difference() {
    let explanation =
        ask("", Action::CallTool, &json!({ "to": "mal@x", "body": "b" }), &["untrusted"]);
    assert_eq!(explanation.decision.verdict, Verdict::Block);
    assert_eq!(changes(&explanation), [("without the label `untrusted`", Verdict::Allow)]);
    assert_eq!(least(&explanation), Some((vec!["the label `untrusted`".into()], Verdict::Allow)));
    assert_eq!(explanation.reasons[0].by, [Part::Label("untrusted".into())]);
    assert_eq!(explanation.reasons[0].place, "policies/p.cedar:2");
    assert!(!serde_json::to_string(&explanation).unwrap().contains("mal@x"));
    // And the other way round: what would have stopped what went.
    let explanation = ask("", Action::CallTool, &json!({ "to": "mal@x" }), &[]);
    assert_eq!(changes(&explanation), [("with the label `untrusted`", Verdict::Block)]);
    let considered: Vec<(&str, bool, &[String])> = explanation
        .considered
        .iter()
        .map(|one| (one.id.as_str(), one.applies, one.lacks.as_slice()))
        .collect();
    assert_eq!(
        considered,
        [
            ("flow", false, ["the label `untrusted`".to_owned()].as_slice()),
            (
                "many",
                false,
                [
                    "a finding of the category `secret`".to_owned(),
                    "`secret` of count > 1".to_owned()
                ]
                .as_slice()
            ),
            ("one", false, ["a finding of the category `secret`".to_owned()].as_slice()),
        ]
    );
    assert_eq!(least(&explanation), None);
}

#[test]
fn what_an_argument_says_made_the_difference() {
    // With no recipients at all, nothing that is said helps; the label does.
    let explanation = ask("", Action::CallTool, &json!({}), &["untrusted"]);
    assert_eq!(changes(&explanation), [("without the label `untrusted`", Verdict::Allow)]);
    let arguments = json!({ "to": ["bob@x", "mal@x"] });
    let bundle = bundle();
    let attributes = json!({ "recipients": ["bob@x"] });
    let bob =
        Principal { attributes: attributes.as_object().unwrap().clone(), ..Principal::anonymous() };
    let trace = Trace::labelled(["untrusted"]).unwrap();
    let explanation = bundle.explain(&Event {
        action: Action::CallTool,
        principal: &bob,
        resource: Resource::Tool("send_mail"),
        findings: &[],
        call: Some(Call { name: "send_mail", arguments: &arguments }),
        trace: &trace,
    });
    assert_eq!(
        changes(&explanation),
        [
            ("without the label `untrusted`", Verdict::Allow),
            ("without the argument `/to/1`", Verdict::Allow),
        ]
    );
}

#[test]
fn two_things_together_and_one_finding_of_two() {
    let explanation = ask("secret token pii", Action::Prompt, &Value::Null, &[]);
    let ids: Vec<&str> = explanation.decision.policies.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((explanation.decision.verdict, ids), (Verdict::Block, vec!["both", "many", "one"]));
    assert_eq!(
        changes(&explanation),
        [
            ("without the category `pii`", Verdict::Approve),
            ("without the category `secret`", Verdict::Allow),
        ]
    );
    assert_eq!(least(&explanation), Some((vec!["the category `secret`".into()], Verdict::Allow)));
    let by = |id: &str| -> Vec<String> {
        let reason = explanation.reasons.iter().find(|reason| reason.policy == id).unwrap();
        reason.by.iter().map(ToString::to_string).collect()
    };
    assert_eq!(by("both"), ["the category `pii`", "the category `secret`"]);
    assert_eq!(
        by("many"),
        ["the category `secret`", "the detector `secret`", "the detector `token`"]
    );
    assert_eq!(by("one"), ["the category `secret`"]);
    // The label that the finding gave goes with it, and is not its own cause.
    assert_eq!(explanation.labels, ["pii"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every change is what judging without the thing says, and the least one
    /// cannot do with less.
    #[test]
    fn nothing_is_said_that_judging_does_not_say(
        words in prop::collection::vec(prop::sample::select(vec!["secret", "token", "pii", "tea"]), 0..6),
        labels in prop::collection::vec(Just("untrusted"), 0..2),
        call in any::<bool>(),
        to in prop::collection::vec(prop::sample::select(vec!["bob@x", "mal@x"]), 0..3),
    ) {
        thread_local!(static BUNDLE: Bundle = bundle());
        BUNDLE.with(|bundle| {
            let action = if call { Action::CallTool } else { Action::Prompt };
            let arguments = json!({ "to": to });
            let explanation = ask(&words.join(" "), action, &arguments, &labels);
            let who = Principal::anonymous();
            // The event again, from what the explanation itself says of it.
            let again = |without: &[Part]| {
                let kept = |number: usize, found: &Found| !without.iter().any(|part| match part {
                    Part::Category(name) => *name == found.category,
                    Part::Detector(name) => *name == found.detector,
                    Part::Finding(one) => *one == number,
                    _ => false,
                });
                let findings: Vec<Finding> = explanation.findings.iter().enumerate()
                    .filter(|(number, found)| kept(*number, found))
                    .map(|(_, found)| Finding {
                        detector: found.detector.as_str().into(),
                        category: found.category.as_str().into(),
                        severity: found.severity,
                        score_ppm: found.score_ppm,
                        segment: found.segment,
                        span: found.start..found.end,
                        view: found.view,
                    })
                    .collect();
                let mut left: Vec<&str> = labels.clone();
                if findings.iter().any(|one| &*one.category == "pii") {
                    left.push("pii");
                }
                left.retain(|label| !without.contains(&Part::Label((*label).to_owned())));
                let mut arguments = arguments.clone();
                let mut items = to.clone();
                for place in (0..items.len()).rev() {
                    if without.contains(&Part::Argument(format!("/to/{place}"))) {
                        items.remove(place);
                        arguments = json!({ "to": items });
                    }
                }
                if without.contains(&Part::Argument("/to".to_owned())) {
                    arguments = json!({});
                }
                let trace = Trace::labelled(left).unwrap();
                bundle.judge(&Event {
                    action,
                    principal: &who,
                    resource: if call { Resource::Tool("send_mail") } else { Resource::Model("m") },
                    findings: &findings,
                    call: call.then_some(Call { name: "send_mail", arguments: &arguments }),
                    trace: &trace,
                })
            };
            prop_assert_eq!(&again(&[]), &explanation.decision);
            for reason in &explanation.reasons {
                for part in &reason.by {
                    let other = again(std::slice::from_ref(part));
                    prop_assert!(other.policies.iter().all(|policy| policy.id != reason.policy));
                }
            }
            if let Some(least) = &explanation.least {
                prop_assert!(least.verdict < explanation.decision.verdict);
                prop_assert_eq!(again(&least.without).verdict, least.verdict);
                for place in 0..least.without.len() {
                    let mut fewer = least.without.clone();
                    fewer.remove(place);
                    prop_assert!(again(&fewer).verdict > least.verdict, "{:?}", least);
                }
            } else {
                prop_assert_eq!(explanation.decision.verdict, Verdict::Allow);
            }
            Ok(())
        })?;
    }
}
