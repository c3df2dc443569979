//! Decisions, and that there is no way to an allowed event round a `forbid`.

mod properties;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::*;

fn bundle(policies: &str) -> Bundle {
    let mut source = Source::new();
    let mut add = |path: &str, text: &str| source.insert(path, text.as_bytes().to_vec());
    add(
        "bundle.toml",
        "version = 1\nname = \"t\"\nrelease = \"1\"\n[attributes]\nrecipients = \"strings\"\n\
         limit = \"number\"\nvip = \"boolean\"\nregion = \"string\"\n",
    );
    let detector = |id: &str| {
        format!(
            "[[detector]]\nid = \"{id}\"\ncategory = \"{id}\"\nseverity = \"high\"\n\
             surfaces = [\"user_prompt\"]\npatterns = ['{id}']\n"
        )
    };
    add("detectors/d.toml", &format!("version = 1\n{}{}", detector("secret"), detector("pii")));
    add(
        "labels.toml",
        "version = 1\n[[label]]\nid = \"untrusted\"\n[[label]]\nid = \"pii\"\n\
         [[source]]\nlabel = \"untrusted\"\nchannels = [\"tool_result\"]\ntools = [\"*\"]\n\
         except = [\"calc*\"]\n[[source]]\nlabel = \"pii\"\ncategories = [\"pii\"]\n\
         [[group]]\nid = \"egress\"\ntools = [\"send_*\"]\nexcept = [\"send_nothing\"]\n",
    );
    add("policies/p.cedar", policies);
    Bundle::compile(&source).unwrap().bundle
}

fn finding(category: &str, severity: Severity) -> Finding {
    Finding {
        detector: category.into(),
        category: category.into(),
        severity,
        score_ppm: 700_000,
        segment: 0,
        span: 0..1,
        view: View::Raw,
    }
}

fn trace(labels: &[&str]) -> Trace {
    Trace::labelled(labels.iter().copied()).unwrap()
}

fn principal(attributes: Value) -> Principal {
    Principal {
        attributes: attributes.as_object().unwrap().clone(),
        kind: PrincipalKind::Agent,
        ..Principal::anonymous()
    }
}

fn prompt(bundle: &Bundle, findings: &[Finding]) -> Decision {
    bundle.judge(&Event {
        action: Action::Prompt,
        principal: &Principal::anonymous(),
        resource: Resource::Model("m"),
        findings,
        call: None,
        trace: &Trace::default(),
    })
}

fn call(
    bundle: &Bundle,
    who: &Principal,
    tool: &str,
    arguments: &Value,
    trace: &Trace,
) -> Decision {
    bundle.judge(&Event {
        action: Action::CallTool,
        principal: who,
        resource: Resource::Tool(tool),
        findings: &[],
        call: Some(Call { name: tool, arguments }),
        trace,
    })
}

#[test]
fn what_nothing_forbids_is_allowed() {
    let bundle = bundle("");
    assert_eq!(prompt(&bundle, &[finding("secret", Severity::Critical)]), Decision::default());
}

#[test]
fn the_strongest_response_wins_and_all_are_named() {
    let bundle = bundle(
        "@id(\"f\") @response(\"flag\") @commitment(\"A/1, B/2\")\n\
         forbid (principal, action, resource) when { context.findings has secret };\n\
         @id(\"r\") @response(\"redact\") @redact(\"secret\") @commitment(\"A/1\") @message(\"no\")\n\
         forbid (principal, action in Action::\"Input\", resource)\n\
         when { context.findings has secret && context.findings.secret.severity >= 3 };\n\
         @id(\"a\") @response(\"approve\") @severity(\"low\")\n\
         forbid (principal, action, resource)\n\
         when { context.findings has secret && context.findings.secret.count > 1 };\n\
         @id(\"b\") @response(\"block\")\n\
         forbid (principal, action, resource)\n\
         when { context.findings has secret && context.findings has pii\n\
                && context.findings.pii.score > 600000 };\n",
    );
    let ids = |decision: &Decision| -> Vec<String> {
        decision.policies.iter().map(|policy| policy.id.clone()).collect()
    };
    let (low, high) = (finding("secret", Severity::Low), finding("secret", Severity::High));
    let pii = finding("pii", Severity::Low);
    let decision = prompt(&bundle, std::slice::from_ref(&low));
    assert_eq!((decision.verdict, ids(&decision)), (Verdict::Flag, vec!["f".to_owned()]));
    assert_eq!(decision.commitments(), ["A/1", "B/2"]);
    let decision = prompt(&bundle, &[pii.clone(), high.clone()]);
    assert_eq!(decision.verdict, Verdict::Block);
    let decision = prompt(&bundle, std::slice::from_ref(&high));
    assert_eq!((decision.verdict, ids(&decision)), (Verdict::Redact, vec!["r".into(), "f".into()]));
    assert_eq!((decision.redact, decision.policies[0].message.as_deref()), (vec![0], Some("no")));
    let decision = prompt(&bundle, &[low, high.clone()]);
    assert_eq!(decision.verdict, Verdict::Approve);
    assert_eq!(ids(&decision), ["a", "r", "f"]);
    assert_eq!(decision.redact, [0, 1]);
    let decision = prompt(&bundle, &[pii, high]);
    assert_eq!(ids(&decision), ["b", "r", "f"]);
}

/// Cedar skips a policy that errs: the overflow must not allow.
#[test]
fn an_evaluation_error_blocks() {
    let bundle = bundle(
        "@id(\"o\") @response(\"flag\")\n\
         forbid (principal, action, resource) when { principal.limit + 9223372036854775807 > 5 };\n",
    );
    let decide = |limit: i64| {
        let who = principal(json!({ "limit": limit }));
        call(&bundle, &who, "t", &json!({}), &Trace::default())
    };
    assert_eq!(decide(0).verdict, Verdict::Flag);
    let decision = decide(1);
    assert_eq!(decision.verdict, Verdict::Block);
    assert_eq!(decision.errors, ["policy `o` could not be evaluated"]);
}

#[test]
fn a_redaction_of_nothing_blocks() {
    let bundle = bundle(
        "@id(\"r\") @response(\"redact\") @redact(\"pii\")\n\
         forbid (principal, action, resource) when { context.findings has secret };\n",
    );
    let decision = prompt(&bundle, &[finding("secret", Severity::Low)]);
    assert_eq!((decision.verdict, decision.errors.len()), (Verdict::Block, 1));
}

#[test]
fn an_event_that_cannot_be_put_blocks() {
    let bundle = bundle("");
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
    let nobody = Principal::anonymous();
    assert_eq!(call(&bundle, &nobody, "t", &deep, &Trace::default()).verdict, Verdict::Block);
    let wrong = principal(json!({ "recipients": "bob" }));
    assert_eq!(call(&bundle, &wrong, "t", &json!({}), &Trace::default()).verdict, Verdict::Block);
    assert_eq!(bundle.check_principal(&wrong).unwrap_err().0, "recipients");
    assert!(bundle.check_principal(&nobody).is_ok());
    let event = Event {
        action: Action::CallTool,
        principal: &nobody,
        resource: Resource::Model("m"),
        findings: &[],
        call: None,
        trace: &Trace::default(),
    };
    assert_eq!(bundle.judge(&event).verdict, Verdict::Block);
}

const FLOW: &str = "@id(\"x\") @response(\"block\")\n\
    forbid (principal, action == Action::\"CallTool\", resource in ToolGroup::\"egress\")\n\
    when { context.labels.contains(\"untrusted\")\n\
           && !(context.call.hasTag(\"to\")\n\
                && principal.recipients.containsAll(context.call.getTag(\"to\").all)) };\n";

#[test]
fn labels_groups_and_arguments_decide_a_call() {
    let bundle = bundle(FLOW);
    let agent = principal(json!({ "recipients": ["bob@x", "eve@x"], "teams": ["billing"] }));
    let (clean, tainted) = (Trace::default(), trace(&["untrusted"]));
    for (tool, arguments, trace, verdict) in [
        ("send_mail", json!({ "to": "mal@x" }), &clean, Verdict::Allow),
        ("send_mail", json!({ "to": "mal@x" }), &tainted, Verdict::Block),
        ("send_mail", json!({ "to": "bob@x" }), &tainted, Verdict::Allow),
        ("send_mail", json!({ "to": ["bob@x", "eve@x"] }), &tainted, Verdict::Allow),
        ("send_mail", json!({ "to": ["bob@x", "mal@x"] }), &tainted, Verdict::Block),
        ("send_mail", json!({ "to": [["mal@x"]] }), &tainted, Verdict::Block),
        ("send_mail", json!({ "to": { "a": "bob@x" } }), &tainted, Verdict::Allow),
        ("send_mail", json!({ "to": ["bob@x", ["mal@x"]] }), &tainted, Verdict::Block),
        ("send_mail", json!({ "to": ["bob@x", { "a": "mal@x" }] }), &tainted, Verdict::Block),
        ("send_mail", json!({}), &tainted, Verdict::Block),
        ("SEND_mail", json!({}), &tainted, Verdict::Block),
        ("send_nothing", json!({}), &tainted, Verdict::Allow),
        ("read", json!({}), &tainted, Verdict::Allow),
    ] {
        let decision = call(&bundle, &agent, tool, &arguments, trace);
        assert_eq!(decision.verdict, verdict, "{tool} {arguments}");
    }
}

/// `principal.recipients.containsAll([])` is true of anybody.
#[test]
fn an_empty_list_of_recipients_is_nobodys_leave() {
    let bundle = bundle(FLOW);
    let nobody = Principal::anonymous();
    let decision =
        call(&bundle, &nobody, "send_mail", &json!({ "to": [] }), &trace(&["untrusted"]));
    assert_eq!(decision.verdict, Verdict::Block);
}

#[test]
fn teams_and_patterns_on_arguments() {
    let bundle = bundle(
        "@id(\"t\") @response(\"approve\")\n\
         forbid (principal in Team::\"billing\", action == Action::\"CallTool\", resource)\n\
         when { context.call.hasTag(\"amount\") && context.call.getTag(\"amount\") has number\n\
                && context.call.getTag(\"amount\").number > 100 };\n\
         @id(\"p\") @response(\"block\")\n\
         forbid (principal, action == Action::\"CallTool\", resource == Tool::\"read\")\n\
         when { context.call.hasTag(\"path\") && context.call.getTag(\"path\") has text\n\
                && context.call.getTag(\"path\").text like \"*/.ssh/*\" };\n",
    );
    let (agent, none) = (principal(json!({ "teams": ["billing"] })), Trace::default());
    let decide = |who: &Principal, tool: &str, arguments: Value| {
        call(&bundle, who, tool, &arguments, &none).verdict
    };
    assert_eq!(decide(&agent, "pay", json!({ "amount": 101 })), Verdict::Approve);
    assert_eq!(decide(&agent, "pay", json!({ "amount": 100 })), Verdict::Allow);
    assert_eq!(decide(&agent, "pay", json!({ "amount": "101" })), Verdict::Allow);
    assert_eq!(decide(&Principal::anonymous(), "pay", json!({ "amount": 101 })), Verdict::Allow);
    assert_eq!(decide(&agent, "read", json!({ "path": ["/a", "/h/.ssh/id"] })), Verdict::Block);
    assert_eq!(decide(&agent, "read", json!({ "path": "/a" })), Verdict::Allow);
}

/// A limit on `number` alone is passed by a fraction, a text and a list.
#[test]
fn a_limit_on_the_greatest_number_holds_however_it_is_written() {
    let bundle = bundle(
        "@id(\"m\") @response(\"block\")\n\
         forbid (principal, action == Action::\"CallTool\", resource)\n\
         when { context.call.hasTag(\"amount\") && context.call.getTag(\"amount\") has most\n\
                && context.call.getTag(\"amount\").most > 100 };\n",
    );
    let (who, none) = (Principal::anonymous(), Trace::default());
    for (amount, verdict) in [
        (json!(100), Verdict::Allow),
        (json!(100.5), Verdict::Block),
        (json!("101"), Verdict::Block),
        (json!("1e9"), Verdict::Block),
        (json!([1, [5000], 2]), Verdict::Block),
        (json!({ "value": 101, "unit": "EUR" }), Verdict::Block),
        (json!(["100", 99.5]), Verdict::Allow),
    ] {
        let decision = call(&bundle, &who, "pay", &json!({ "amount": amount }), &none);
        assert_eq!(decision.verdict, verdict, "{amount}");
    }
}

#[test]
fn labels_come_from_their_sources() {
    let bundle = bundle("");
    let mut trace = Trace::default();
    let mut see = |channel, tool, text: &str| -> Vec<String> {
        let segment = Segment { index: 0, pointer: "", channel, origin: Origin::Tool, tool, text };
        let findings = bundle.screen(&segment).findings;
        bundle.observe(&mut trace, &segment, &findings);
        trace.labels().map(str::to_owned).collect()
    };
    assert!(see(Channel::ToolResult, Some("calculator"), "5").is_empty());
    assert!(see(Channel::User, None, "hello").is_empty());
    assert_eq!(see(Channel::ToolResult, None, "5"), ["untrusted"]);
    assert_eq!(see(Channel::User, None, "my pii"), ["pii", "untrusted"]);
    assert_eq!(Trace::from_bytes(&trace.to_bytes()).unwrap(), trace);
    let many: Vec<String> = (0..=crate::limits::LABELS).map(|n| format!("l{n}")).collect();
    assert!(Trace::labelled(many.iter().map(String::as_str)).is_err());
}

#[test]
fn scores_count_from_their_threshold() {
    let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
    let segment = |channel| Segment {
        index: 3,
        pointer: "",
        channel,
        origin: Origin::User,
        tool: None,
        text: "text",
    };
    assert!(bundle.wants_scores(Channel::User) && !bundle.wants_scores(Channel::Assistant));
    let weigh =
        |channel, score| bundle.weigh(&segment(channel), &[("injection".to_owned(), score)]);
    assert!(weigh(Channel::User, 964_999).is_empty());
    assert!(weigh(Channel::Assistant, 1_000_000).is_empty());
    let findings = weigh(Channel::ToolResult, 965_000);
    assert_eq!((findings.len(), findings[0].span.clone(), findings[0].segment), (1, 0..4, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A `forbid` of everything that can err is never passed, whatever the event.
    #[test]
    fn no_event_slips_past(
        limit in any::<i64>(),
        amount in any::<i64>(),
        labels in prop::collection::vec(prop_oneof![Just("untrusted"), Just("pii")], 0..3),
        action in 0usize..10,
        tool in any::<bool>(),
        categories in prop::collection::vec(prop_oneof![Just("secret"), Just("pii")], 0..3),
    ) {
        thread_local!(static BUNDLE: Bundle = bundle(
            "@id(\"a\") @response(\"flag\")\n\
             forbid (principal, action, resource) when { principal.limit * 2 > 0 };\n\
             @id(\"b\") @response(\"flag\")\n\
             forbid (principal, action, resource) when { principal.limit <= 0 };\n"
        ));
        let bundle = BUNDLE.with(Clone::clone);
        let who = principal(json!({ "limit": limit }));
        let arguments = json!({ "amount": amount });
        let findings: Vec<Finding> = categories.iter().map(|c| finding(c, Severity::High)).collect();
        let decision = bundle.judge(&Event {
            action: Action::ALL[action],
            principal: &who,
            resource: if tool { Resource::Tool("t") } else { Resource::Model("t") },
            findings: &findings,
            call: Some(Call { name: "t", arguments: &arguments }),
            trace: &trace(&labels),
        });
        prop_assert!(decision.verdict > Verdict::Allow);
        prop_assert!(!decision.policies.is_empty() || !decision.errors.is_empty());
        if !decision.errors.is_empty() {
            prop_assert_eq!(decision.verdict, Verdict::Block);
        }
    }
}

#[test]
fn a_bundle_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Bundle>();
    shared::<Arc<Source>>();
    fn sent<T: Send + 'static>() {}
    sent::<Hold>();
    sent::<Trace>();
}
