//! For policies and events of any kind: the index never changes a decision, an
//! evaluation error never lets anything pass, a denial always blocks or says
//! which policy it goes by, and the strongest response wins in whatever order.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use cedar_policy::{Policy, PolicyId, Schema};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{finding, trace};
use crate::{
    decision::Determining,
    diagnostic::{Faults, FileText},
    judge::{
        Judge,
        oracle::Oracle,
        policy::{self, Known, Rule},
        schema,
    },
    labels::Labels,
    *,
};

/// What every case shares: the schema and what `labels.toml` declares.
struct Ground {
    schema: Schema,
    attributes: BTreeMap<String, AttributeKind>,
    categories: BTreeSet<String>,
    labels: Labels,
}

impl Ground {
    fn new() -> Ground {
        let attributes: BTreeMap<String, AttributeKind> = [
            ("limit", AttributeKind::Number),
            ("vip", AttributeKind::Boolean),
            ("region", AttributeKind::String),
            ("recipients", AttributeKind::Strings),
        ]
        .map(|(name, kind)| (name.to_owned(), kind))
        .into();
        let categories: BTreeSet<String> = ["pii", "secret"].map(str::to_owned).into();
        let text = "version = 1\n[[label]]\nid = \"untrusted\"\n[[label]]\nid = \"seen\"\n\
                    [[group]]\nid = \"g\"\ntools = [\"send_*\"]\n";
        let (mut labels, mut faults) = (Labels::default(), Faults::default());
        labels.read(&FileText::new("labels.toml", text), &categories, &mut faults);
        assert!(!faults.any());
        let text = schema::text(&attributes, &categories, &BTreeSet::new());
        let (schema, _) = Schema::from_cedarschema_str(&text).unwrap();
        Ground { schema, attributes, categories, labels }
    }

    /// The policies that compile; each is a file of its own, so that one that
    /// does not says nothing of the others.
    fn rules(&self, texts: &[String]) -> Vec<Rule> {
        let known =
            Known { schema: &self.schema, categories: &self.categories, labels: &self.labels };
        let mut rules = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let text = text.replace("@id", &format!("@id(\"p{number}\")"));
            let file = FileText::new("policies/p.cedar", &text);
            let (mut faults, mut ids, mut own) = (Faults::default(), BTreeSet::new(), Vec::new());
            policy::read(&file, &known, &mut ids, &mut own, &mut faults);
            if !faults.any() {
                rules.append(&mut own);
            }
        }
        rules
    }

    fn judge(&self, rules: Vec<Rule>) -> Judge {
        Judge::new(&self.schema, self.attributes.clone(), rules).unwrap()
    }
}

thread_local! {
    static GROUND: Ground = Ground::new();
    static COUNTS: RefCell<BTreeMap<&'static str, usize>> = RefCell::default();
    static CASES: Cell<usize> = const { Cell::new(0) };
}

fn count(what: &'static str) {
    COUNTS.with(|counts| *counts.borrow_mut().entry(what).or_default() += 1);
}

/// A condition that any action can be asked.
fn atom() -> impl Strategy<Value = String> {
    let number = || select(vec!["0", "1", "3", "700000", "9223372036854775807", "(-5)"]);
    let category = || select(vec!["secret", "pii"]);
    let field = select(vec!["score", "severity", "count"]);
    let way = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        4 => category().prop_map(|name| format!("context.findings has {name}")),
        4 => (category(), field.clone(), way(), number()).prop_map(|(name, field, way, number)| format!(
            "context.findings has {name} && context.findings.{name}.{field} {way} {number}"
        )),
        2 => (category(), field, way(), number()).prop_map(|(name, field, way, number)| format!(
            "context.findings has {name} && {number} {way} context.findings.{name}.{field}"
        )),
        4 => select(vec![
            "context.labels.contains(\"untrusted\")",
            "context.labels.containsAll([\"untrusted\", \"seen\"])",
            "context.labels.containsAny([\"untrusted\", \"seen\"])",
            "context.labels.containsAny([\"seen\"])",
            "context.labels.isEmpty()",
        ]).prop_map(str::to_owned),
        // Overflows of an integer.
        8 => (select(vec!["+", "-", "*"]), number(), way(), number()).prop_map(|(op, a, way, b)| {
            format!("principal.limit {op} {a} {way} {b}")
        }),
        2 => (category(), number()).prop_map(|(name, number)| format!(
            "context.findings has {name} && context.findings.{name}.score * {number} > 5"
        )),
        // An entity that is in no request has no attributes: an error.
        3 => select(vec!["Agent::\"ghost\".limit > 0", "User::\"u\".vip"]).prop_map(str::to_owned),
        3 => select(vec![
            "principal.vip",
            "principal.limit < 5",
            "principal.region == \"eu\"",
            "principal.recipients.contains(\"a\")",
            "principal.id == \"u\"",
            "principal in Team::\"t\"",
            "principal is Agent",
            "principal is User in Team::\"t\"",
            "resource in ToolGroup::\"g\"",
            "resource is Tool",
            "resource.name like \"send_*\"",
            "action in Action::\"Input\"",
            "action == Action::\"CallTool\"",
            "context has call",
            "true",
            "false",
        ]).prop_map(str::to_owned),
    ]
}

/// A condition that only a call can be asked.
fn call_atom() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "context.call.hasTag(\"to\")",
            "context.call.hasTag(\"n\")",
            "context.call.hasTag(\"to[]\")",
            "context.call.name == \"send_x\"",
            "context.call.hasTag(\"to\") && principal.recipients.containsAll(context.call.getTag(\"to\").all)",
            "context.call.hasTag(\"to\") && context.call.getTag(\"to\").all.contains(\"mal\")",
            "context.call.hasTag(\"to\") && context.call.getTag(\"to\") has text && context.call.getTag(\"to\").text like \"*mal*\"",
            "context.call.hasTag(\"n\") && context.call.getTag(\"n\") has number && context.call.getTag(\"n\").number * 3 > 5",
            "context.call.hasTag(\"n\") && context.call.getTag(\"n\") has most && context.call.getTag(\"n\").most > 100",
        ]).prop_map(str::to_owned),
        atom(),
    ]
}

fn expression(of: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    of.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            2 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("if {a} then {b} else {c}")),
        ]
    })
}

/// A policy's text; `@id` stands for its annotation.
fn policy() -> impl Strategy<Value = String> {
    let response = select(vec![
        "@response(\"flag\")",
        "@response(\"approve\")",
        "@response(\"block\")",
        "@response(\"redact\") @redact(\"secret\")",
    ]);
    let principal = prop_oneof![
        3 => Just("principal"),
        2 => select(vec![
            "principal == User::\"u\"",
            "principal == Team::\"t\"",
            "principal in Team::\"t\"",
            "principal in User::\"u\"",
            "principal is Agent",
            "principal is Agent in Team::\"t\"",
        ]),
    ];
    let resource = prop_oneof![
        3 => Just("resource"),
        2 => select(vec![
            "resource == Tool::\"t\"",
            "resource == Model::\"t\"",
            "resource in ToolGroup::\"g\"",
            "resource in Tool::\"t\"",
            "resource is Tool",
            "resource is Model",
            "resource is Tool in ToolGroup::\"g\"",
        ]),
    ];
    let any = select(vec![
        "action",
        "action in Action::\"Input\"",
        "action in Action::\"Output\"",
        "action in [Action::\"Prompt\", Action::\"CallTool\"]",
        "action == Action::\"Prompt\"",
        "action == Action::\"ReadResource\"",
    ]);
    let clauses = |of: BoxedStrategy<String>| {
        let clause = (prop::bool::weighted(0.8), expression(of)).prop_map(|(when, body)| {
            format!("{} {{ {body} }}", if when { "when" } else { "unless" })
        });
        prop::collection::vec(clause, 0..3)
    };
    let general = (any, clauses(atom().boxed())).prop_map(|(action, body)| (action, body));
    let of_call =
        clauses(call_atom().boxed()).prop_map(|body| ("action == Action::\"CallTool\"", body));
    (response, principal, resource, prop_oneof![general, of_call]).prop_map(
        |(response, principal, resource, (action, clauses))| {
            let clauses = clauses.join("\n");
            format!("@id {response}\nforbid ({principal}, {action}, {resource})\n{clauses};")
        },
    )
}

/// The parts of an event.
#[derive(Clone, Debug)]
struct Parts {
    action: Action,
    principal: Principal,
    tool: bool,
    name: &'static str,
    findings: Vec<(&'static str, Severity)>,
    labels: Vec<&'static str>,
    arguments: Value,
}

impl Parts {
    fn with<T>(&self, then: impl FnOnce(&Event<'_>) -> T) -> T {
        let findings: Vec<Finding> =
            self.findings.iter().map(|(category, severity)| finding(category, *severity)).collect();
        let resource =
            if self.tool { Resource::Tool(self.name) } else { Resource::Model(self.name) };
        then(&Event {
            action: self.action,
            principal: &self.principal,
            resource,
            findings: &findings,
            call: Some(Call { name: self.name, arguments: &self.arguments }),
            trace: &trace(&self.labels),
        })
    }
}

fn event() -> impl Strategy<Value = Parts> {
    let principal = (
        select(vec![PrincipalKind::Agent, PrincipalKind::User, PrincipalKind::Team]),
        select(vec!["u", "t", "x"]),
        prop::collection::vec(select(vec!["t", "other"]), 0..2),
        select(vec![i64::MIN, i64::MIN + 1, -1, 0, 4, i64::MAX - 1, i64::MAX]),
        any::<bool>(),
        prop::collection::vec(select(vec!["a", "mal"]), 0..3),
    )
        .prop_map(|(kind, id, teams, limit, vip, recipients)| Principal {
            id: id.to_owned(),
            kind,
            attributes: json!({
                "teams": teams, "limit": limit, "vip": vip, "recipients": recipients,
                "region": if vip { "eu" } else { "us" },
            })
            .as_object()
            .unwrap()
            .clone(),
            ..Principal::anonymous()
        });
    let severity = select(vec![Severity::Low, Severity::High, Severity::Critical]);
    let arguments = select(vec![
        json!({}),
        json!({ "to": "a", "n": 1 }),
        json!({ "to": ["a", "mal"], "n": i64::MAX }),
        json!({ "to": [], "n": "5e9" }),
        json!({ "n": i64::MIN }),
    ]);
    (
        select(Action::ALL.to_vec()),
        principal,
        any::<bool>(),
        select(vec!["t", "send_x"]),
        prop::collection::vec((select(vec!["secret", "pii"]), severity), 0..4),
        prop::collection::vec(select(vec!["untrusted", "seen"]), 0..3),
        arguments,
    )
        .prop_map(|(action, principal, tool, name, findings, labels, arguments)| Parts {
            action,
            principal,
            // Most events should be of a kind that is judged at all.
            tool: match action {
                Action::CallTool | Action::OfferTool | Action::ReturnToolResult => true,
                Action::Prompt | Action::Respond => false,
                _ => tool,
            },
            name,
            findings,
            labels,
            arguments,
        })
}

/// What the tests after this one go by.
fn could_not_be_evaluated(decision: &Decision) -> BTreeSet<String> {
    let ids = decision.errors.iter().filter(|error| error.ends_with("could not be evaluated"));
    ids.filter_map(|error| error.split('`').nth(1)).map(str::to_owned).collect()
}

fn holds(ground: &Ground, judge: &Judge, parts: &Parts) -> Result<(), TestCaseError> {
    parts.with(|event| {
        let said = Oracle::ask(judge, &ground.labels, event);
        let decision = judge.judge(&ground.labels, event);
        let ids: BTreeSet<String> =
            decision.policies.iter().map(|policy| policy.id.clone()).collect();
        prop_assert_eq!(&ids, &said.reasons, "determining policies");
        prop_assert_eq!(could_not_be_evaluated(&decision), said.errors.clone(), "errors");
        // No error, and no denial, lets anything pass.
        if !said.errors.is_empty() {
            count("with an error");
            prop_assert_eq!(decision.verdict, Verdict::Block);
        } else if said.allows {
            count("allowed");
            prop_assert_eq!(&decision, &Decision::default());
        } else {
            count("denied");
            prop_assert!(decision.verdict > Verdict::Allow);
            prop_assert!(!decision.policies.is_empty());
            let strongest = decision.policies.iter().map(|policy| policy.response).max();
            let redacts_nothing = !decision.errors.is_empty();
            let expected = if redacts_nothing { Some(Verdict::Block) } else { strongest };
            prop_assert_eq!(Some(decision.verdict), expected);
        }
        // What a policy is said to lack is why it does not apply.
        for (says, lacks) in judge.considered(&ground.labels, event) {
            prop_assert!(lacks.is_empty() || !ids.contains(&says.id), "{} {:?}", says.id, lacks);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Facts and slices are an index and nothing else.
    #[test]
    fn slicing_never_changes_a_decision(
        policies in prop::collection::vec(policy(), 1..8),
        events in prop::collection::vec(event(), 1..12),
        turn in 0usize..8,
    ) {
        GROUND.with(|ground| {
            let rules = ground.rules(&policies);
            count(if rules.is_empty() { "no policy" } else { "some policy" });
            let mut turned = ground.rules(&policies);
            turned.reverse();
            let places = turn % turned.len().max(1);
            turned.rotate_left(places);
            let (judge, other) = (ground.judge(rules), ground.judge(turned));
            for parts in &events {
                holds(ground, &judge, parts)?;
                let both = parts.with(|event| {
                    (judge.judge(&ground.labels, event), other.judge(&ground.labels, event))
                });
                prop_assert_eq!(both.0, both.1, "the order of policies says nothing");
            }
            // So that no part of the property is only ever true of nothing.
            let cases = CASES.with(|cases| cases.replace(cases.get() + 1) + 1);
            if cases == 200 {
                COUNTS.with(|counts| {
                    for what in ["with an error", "allowed", "denied", "some policy"] {
                        let seen = counts.borrow().get(what).copied().unwrap_or_default();
                        prop_assert!(seen > 20, "{} only {} times", what, seen);
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
    }

    /// Also where the validator was wrong: policies that it would refuse, with
    /// attributes and tags that are not there and operands of no such type.
    #[test]
    fn no_error_ever_lets_anything_pass(
        broken in select(vec![
            "context.findings.nope.count > 1",
            "context.call.getTag(\"none\").all.contains(\"x\")",
            "principal.nobody",
            "principal.id + 1 > 2",
            "context.labels < 5",
            "resource.name.tags",
            "principal.limit",
            "context.nothing == 1 || true",
        ]),
        clauses in select(vec!["when { # }", "unless { # }", "when { true } unless { # }"]),
        benign in policy(),
        parts in event(),
    ) {
        GROUND.with(|ground| {
            let clauses = clauses.replace('#', broken);
            let text = format!("forbid (principal, action, resource) {clauses};");
            let policy = Policy::parse(Some(PolicyId::new("broken")), text).unwrap();
            let mut rules = ground.rules(&[benign]);
            let says = Determining {
                id: "broken".to_owned(),
                response: Verdict::Flag,
                commitments: Vec::new(),
                severity: None,
                message: None,
                redact: Vec::new(),
                place: String::new(),
            };
            rules.push(Rule { policy, says, text: String::new() });
            let judge = ground.judge(rules);
            let (said, decision) = parts.with(|event| {
                (Oracle::ask(&judge, &ground.labels, event), judge.judge(&ground.labels, event))
            });
            if said.errors.contains("broken") {
                prop_assert_eq!(decision.verdict, Verdict::Block);
            }
            prop_assert!(said.allows && said.errors.is_empty() || decision.verdict > Verdict::Allow);
            Ok(())
        })?;
    }
}
