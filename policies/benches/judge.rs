//! What does a decision cost, and how does it grow with the bundle? Events are
//! judged by bundles of 20, 200 and 2,000 policies, of which none, few or all
//! apply. `one` is the usual case: the scope of every policy fits, and one finds
//! what it looks for.
//!
//! `cargo bench -p troth-policies --bench judge`. Wall time on a shared machine is
//! never asserted; the aim for 200 policies is 20 microseconds at the median.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::Instant,
};

use serde_json::{Value, json};
use troth_policies::{
    Action, Bundle, Call, Event, Finding, Principal, Resource, Severity, Source, Trace, View,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut out = io::stdout();
    writeln!(
        out,
        "| policies | event | apply | median, us | 99%, us |\n|---:|---|---:|---:|---:|"
    )?;
    for size in [20, 200, 2_000] {
        for scene in scenes() {
            let bundle = bundle(size, &scene)?;
            let (apply, median, high) = measure(&bundle, &scene);
            writeln!(out, "| {size} | {} | {apply} | {median:.1} | {high:.1} |", scene.name)?;
        }
    }
    let baseline = Bundle::compile(&Source::baseline())?.bundle;
    for scene in scenes() {
        let (apply, median, high) = measure(&baseline, &scene);
        let count = baseline.policy_count();
        writeln!(
            out,
            "| {count}, baseline | {} | {apply} | {median:.1} | {high:.1} |",
            scene.name
        )?;
    }
    Ok(())
}

/// An event, and the policies that it is judged by.
struct Scene {
    name: &'static str,
    action: Action,
    resource: Resource<'static>,
    findings: Vec<Finding>,
    labels: &'static [&'static str],
    arguments: Value,
    /// The n-th policy: its scope and its condition.
    policy: fn(usize) -> (String, String),
}

fn scenes() -> Vec<Scene> {
    let found = |count: usize| (0..count).map(finding).collect();
    let prompt = |name, findings, policy| Scene {
        name,
        action: Action::Prompt,
        resource: Resource::Model("gpt"),
        findings,
        labels: &[],
        arguments: Value::Null,
        policy,
    };
    let call = |name, policy| Scene {
        name,
        action: Action::CallTool,
        resource: Resource::Tool("send_mail"),
        findings: Vec::new(),
        labels: &["untrusted"],
        arguments: json!({
            "to": ["bob@example.com", "eve@example.com"], "subject": "Figures",
            "body": "The figures of the last quarter are in the usual folder.",
            "attachments": [{ "name": "figures.pdf", "bytes": 1200 }],
        }),
        policy,
    };
    vec![
        prompt("prompt, nothing found", Vec::new(), of_category),
        prompt("prompt, one category found", found(1), of_category),
        prompt("prompt, all apply, by findings", found(1), of_score),
        prompt("prompt, all apply, evaluated", found(1), of_limit),
        prompt("prompt, none applies, evaluated", found(1), of_no_limit),
        call("call, another tool or argument", of_tool),
        call("call, a few of its arguments", of_argument),
    ]
}

/// 32 categories, as a large bundle has them: one in 32 policies is about each.
fn of_category(n: usize) -> (String, String) {
    let category = n % CATEGORIES;
    let condition = format!(
        "context.findings has c{category} && context.findings.c{category}.severity >= {}",
        n % 3 + 1
    );
    ("principal, action in Action::\"Input\", resource".to_owned(), condition)
}

fn of_score(n: usize) -> (String, String) {
    let condition = format!("context.findings has c0 && context.findings.c0.score > {n}");
    ("principal, action, resource".to_owned(), condition)
}

fn of_limit(n: usize) -> (String, String) {
    let condition =
        format!("context.findings has c0 && context.findings.c0.score > principal.limit - {n}");
    ("principal, action, resource".to_owned(), condition)
}

fn of_no_limit(n: usize) -> (String, String) {
    let condition =
        format!("context.findings has c0 && context.findings.c0.score < principal.limit - {n}");
    ("principal, action, resource".to_owned(), condition)
}

/// Each about a tool, a group or an argument of its own; one in eight about the
/// group that the call is of.
fn of_tool(n: usize) -> (String, String) {
    let resource = match n % 8 {
        0 => "resource in ToolGroup::\"egress\"".to_owned(),
        1..=4 => format!("resource == Tool::\"tool_{n}\""),
        _ => "resource".to_owned(),
    };
    let condition = match n % 8 {
        0 => format!("context.labels.contains(\"untrusted\") && context.call.hasTag(\"cc{n}\")"),
        1..=4 => "context.labels.contains(\"untrusted\")".to_owned(),
        _ => format!("context.call.hasTag(\"p{n}\") && context.call.getTag(\"p{n}\") has number"),
    };
    (format!("principal, action == Action::\"CallTool\", {resource}"), condition)
}

/// One in twenty has a look at an argument that is there.
fn of_argument(n: usize) -> (String, String) {
    let path = if n.is_multiple_of(20) { "to".to_owned() } else { format!("p{n}") };
    let condition = format!(
        "context.labels.contains(\"untrusted\") && context.call.hasTag(\"{path}\") && \
         !principal.recipients.containsAll(context.call.getTag(\"{path}\").all)"
    );
    ("principal, action == Action::\"CallTool\", resource".to_owned(), condition)
}

fn bundle(size: usize, scene: &Scene) -> Result<Bundle, Failure> {
    let mut policies = String::new();
    for n in 0..size {
        let (scope, condition) = (scene.policy)(n);
        let response = ["flag", "block", "approve"].get(n % 3).copied().unwrap_or("block");
        writeln!(
            policies,
            "@id(\"p{n}\") @response(\"{response}\") @commitment(\"AIIA-2024/AIIA-3\")\n\
             forbid ({scope}) when {{ {condition} }};"
        )?;
    }
    let mut detectors = String::from("version = 1\n");
    for n in 0..CATEGORIES {
        writeln!(
            detectors,
            "[[detector]]\nid = \"d{n}\"\ncategory = \"c{n}\"\nseverity = \"high\"\n\
             surfaces = [\"user_prompt\"]\npatterns = ['needle{n}']"
        )?;
    }
    let mut source = Source::new();
    let mut add = |path: &str, text: &str| source.insert(path, text.as_bytes().to_vec());
    let attributes = "[attributes]\nrecipients = \"strings\"\nlimit = \"number\"\n";
    let head = "version = 1\nname = \"bench\"\nrelease = \"1\"\n";
    add("bundle.toml", &format!("{head}{attributes}"));
    add("detectors/d.toml", &detectors);
    add(
        "labels.toml",
        "version = 1\n[[label]]\nid = \"untrusted\"\n[[group]]\nid = \"egress\"\n\
         tools = [\"send_*\", \"*_send\", \"post_*\", \"http_*\", \"*upload*\", \"pay_*\"]\n",
    );
    add("policies/p.cedar", &policies);
    Ok(Bundle::compile(&source)?.bundle)
}

/// How many policies apply, and microseconds: the median and the 99th percentile.
fn measure(bundle: &Bundle, scene: &Scene) -> (usize, f64, f64) {
    let attributes = json!({ "recipients": ["bob@example.com"], "limit": 500, "teams": ["mail"] });
    let principal = Principal {
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        ..Principal::anonymous()
    };
    let trace = Trace::labelled(scene.labels.iter().copied()).unwrap_or_default();
    let event = Event {
        action: scene.action,
        principal: &principal,
        resource: scene.resource,
        findings: &scene.findings,
        call: (scene.action == Action::CallTool)
            .then_some(Call { name: "send_mail", arguments: &scene.arguments }),
        trace: &trace,
    };
    let apply = bundle.judge(&event).policies.len();
    let mut waits: Vec<u128> = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + WARM {
        let before = now();
        let decision = std::hint::black_box(bundle.judge(std::hint::black_box(&event)));
        let wait = before.elapsed().as_nanos();
        drop(decision);
        if round >= WARM {
            waits.push(wait);
        }
    }
    waits.sort_unstable();
    let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
    (apply, micros(at(50)), micros(at(99)))
}

fn finding(n: usize) -> Finding {
    Finding {
        detector: format!("d{n}").into(),
        category: format!("c{n}").into(),
        severity: Severity::Critical,
        score_ppm: 900_000,
        segment: 0,
        span: 0..6,
        view: View::Raw,
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn micros(nanos: u128) -> f64 {
    nanos as f64 / 1000.0
}

const CATEGORIES: usize = 32;
const ROUNDS: usize = 5_000;
const WARM: usize = 500;
