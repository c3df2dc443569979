//! `policies/*.cedar`: reading, validating and understanding what people wrote.

use std::{collections::BTreeSet, ops::Range};

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};

use crate::{
    decision::{Determining, Verdict},
    diagnostic::{Diagnostic, Faults, FileText},
    labels::Labels,
    limits,
    manifest::{ID_RULE, is_id},
    tomlfile::cut,
};

/// A policy that compiled, and what it says of itself.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) policy: Policy,
    pub(crate) says: Determining,
}

/// What policies may refer to.
#[derive(Debug)]
pub(crate) struct Known<'k> {
    pub(crate) schema: &'k Schema,
    pub(crate) categories: &'k BTreeSet<String>,
    pub(crate) labels: &'k Labels,
}

/// Reads one file.
pub(crate) fn read(
    file: &FileText,
    known: &Known<'_>,
    ids: &mut BTreeSet<String>,
    rules: &mut Vec<Rule>,
    faults: &mut Faults,
) {
    let set = match file.text.parse::<PolicySet>() {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                faults.push(cedar_fault(file, error).such_as(EXAMPLE));
            }
            return;
        }
    };
    for template in set.templates() {
        let fault = file.fault(0..0, format!("`{}` is a template", cut(template.id().as_ref())));
        faults.push(fault.expect("policies without slots (`?principal`, `?resource`)"));
    }
    let mut policies: Vec<&Policy> = set.policies().collect();
    // Cedar numbers the policies of a text `policy0`, `policy1`, ...
    policies.sort_by_key(|policy| {
        policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX)
    });
    let places = places(&file.text);
    let validated = Validator::new(known.schema.clone()).validate(&set, ValidationMode::Strict);
    for error in validated.validation_errors() {
        faults.push(cedar_fault(file, error));
    }
    for warning in validated.validation_warnings() {
        let fault = cedar_fault(file, warning);
        // A policy that can never forbid is a gap that looks like a rule.
        let gap = matches!(warning, ValidationWarning::ImpossiblePolicy(_));
        faults.push(if gap { fault } else { fault.into_warning() });
    }
    for (number, policy) in policies.into_iter().enumerate() {
        let place = places.get(number).cloned().unwrap_or(0..0);
        let says = annotations(file, policy, &place, known, ids, faults);
        references(file, policy, &place, known, faults);
        if rules.len() >= limits::POLICIES {
            faults.push(file.fault(place, format!("more than {} policies", limits::POLICIES)));
            return;
        }
        if let Some(says) = says {
            rules.push(Rule { policy: policy.new_id(PolicyId::new(&says.id)), says });
        }
    }
}

/// The spans of policies in a text: from after one `;` to the next, strings
/// and comments passed over. For placing faults only.
fn places(text: &str) -> Vec<Range<usize>> {
    let (mut all, mut start) = (Vec::new(), None);
    let (mut quoted, mut comment, mut escaped) = (false, false, false);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if comment {
            comment = c != '\n';
        } else if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '/' && before == '/' {
            comment = true;
            start = start.filter(|from| at.saturating_sub(1) != *from);
        } else if c == ';' {
            all.push(start.take().unwrap_or(at)..at.saturating_add(1));
        } else {
            quoted = c == '"';
            if start.is_none() && !c.is_whitespace() {
                start = Some(at);
            }
        }
        before = c;
    }
    all
}

fn annotations(
    file: &FileText,
    policy: &Policy,
    place: &Range<usize>,
    known: &Known<'_>,
    ids: &mut BTreeSet<String>,
    faults: &mut Faults,
) -> Option<Determining> {
    let fault = |message: String| file.fault(place.clone(), message);
    if policy.effect() == Effect::Permit {
        let fault = fault("a bundle's policies only forbid".to_owned());
        faults.push(
            fault.expect("`forbid`: what nothing forbids is allowed already").such_as(EXAMPLE),
        );
    }
    let mut says = Determining {
        id: String::new(),
        response: Verdict::Block,
        commitments: Vec::new(),
        severity: None,
        message: None,
        redact: Vec::new(),
    };
    let mut response = None;
    for (name, value) in policy.annotations() {
        match name {
            "id" => says.id = value.to_owned(),
            "response" => response = Some(value.to_owned()),
            "message" => says.message = Some(value.chars().take(MESSAGE_CHARS).collect()),
            "severity" => says.severity = Some(value.to_owned()),
            "commitment" => says.commitments = list(value),
            "redact" => says.redact = list(value),
            other => {
                let fault = fault(format!("unknown annotation `@{}`", cut(other)));
                faults.push(fault.expect(
                    "`@id`, `@response`, `@redact`, `@commitment`, `@severity` or `@message`",
                ));
            }
        }
    }
    let mut good = true;
    let mut wrong = |fault: Diagnostic| {
        good = false;
        faults.push(fault);
    };
    if !is_id(&says.id) {
        wrong(fault("the policy has no good `@id`".to_owned()).expect(ID_RULE).such_as(EXAMPLE));
    } else if says.id == BASE || !ids.insert(says.id.clone()) {
        let message = format!("two policies are `{}`", cut(&says.id));
        wrong(fault(message).expect("an `@id` of its own for each policy"));
    }
    match response.as_deref().and_then(Verdict::parse) {
        Some(verdict) if verdict != Verdict::Allow => says.response = verdict,
        _ => wrong(
            fault("the policy does not say what happens".to_owned())
                .expect("`@response` with \"block\", \"approve\", \"redact\" or \"flag\"")
                .such_as(EXAMPLE),
        ),
    }
    if (says.response == Verdict::Redact) == says.redact.is_empty() {
        wrong(
            fault("`@redact` and `@response(\"redact\")` go together".to_owned())
                .expect("the categories whose spans are replaced, with commas between them")
                .such_as("@response(\"redact\") @redact(\"secret, pii\")"),
        );
    }
    for category in says.redact.iter().filter(|category| !known.categories.contains(*category)) {
        let message = format!("no detector has the category `{}`", cut(category));
        wrong(fault(message).expect("a category of a detector of this bundle"));
    }
    let severities = ["low", "medium", "high", "critical"];
    if says.severity.as_deref().is_some_and(|severity| !severities.contains(&severity)) {
        let message = "unknown `@severity`".to_owned();
        wrong(fault(message).expect("\"low\", \"medium\", \"high\" or \"critical\""));
    }
    for commitment in says.commitments.iter().filter(|text| !is_commitment(text)) {
        let message = format!("`{}` does not name a commitment", cut(commitment));
        wrong(
            fault(message)
                .expect("`framework/id`, several with commas between them")
                .such_as("@commitment(\"TC260-PG-20266A/PG-8g\")"),
        );
    }
    good.then_some(says)
}

/// Texts between commas.
fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The framework is one word; an id may hold a slash (`AIA-72/73`).
fn is_commitment(text: &str) -> bool {
    text.len() <= limits::NAME_BYTES
        && text.split_once('/').is_some_and(|(framework, id)| {
            !framework.is_empty() && !id.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
        })
}

/// What Cedar does not check: labels are plain texts to it, a tool group that
/// nobody declared is just an entity without members, and `has` may ask for what
/// is never there.
fn references(
    file: &FileText,
    policy: &Policy,
    place: &Range<usize>,
    known: &Known<'_>,
    faults: &mut Faults,
) {
    let near = |text: &str| {
        let written = file.text.get(place.clone()).unwrap_or_default();
        [format!("\"{text}\""), format!("has {text}")]
            .iter()
            .find_map(|way| {
                let from = place.start.saturating_add(written.find(way)?);
                Some(from..from.saturating_add(way.len()))
            })
            .unwrap_or_else(|| place.clone())
    };
    for literal in policy.entity_literals() {
        let id: &str = literal.id().unescaped();
        if literal.type_name().to_string() == "ToolGroup" && !known.labels.has_group(id) {
            let fault = file.fault(near(id), format!("no tool group `{}`", cut(id)));
            faults.push(fault.expect("a group that a `[[group]]` of `labels.toml` declares"));
        }
    }
    let Ok(json) = policy.to_json() else { return };
    let mut named = Names::default();
    named.walk(&json);
    for name in named.categories.iter().filter(|name| !known.categories.contains(*name)) {
        let fault = file.fault(near(name), format!("no detector has the category `{}`", cut(name)));
        faults.push(fault.expect("a category of a detector of this bundle"));
    }
    for name in named.labels.iter().filter(|name| !known.labels.declared.contains(*name)) {
        let fault = file.fault(near(name), format!("no label `{}`", cut(name)));
        faults.push(fault.expect("a label that a `[[label]]` of `labels.toml` declares"));
    }
}

/// What a policy asks `context.labels` and `context.findings` for.
#[derive(Debug, Default)]
struct Names {
    labels: Vec<String>,
    categories: Vec<String>,
}

impl Names {
    /// Cedar's own parser bounds how deep a policy nests.
    fn walk(&mut self, json: &serde_json::Value) {
        match json {
            serde_json::Value::Object(members) => {
                for (operator, operands) in members {
                    let asked = operands.pointer("/left/./attr").and_then(|attr| attr.as_str());
                    match (operator.as_str(), asked) {
                        (
                            "contains" | "containsAll" | "containsAny",
                            Some("labels" | "carries"),
                        ) => {
                            let right = operands.get("right");
                            texts(right.unwrap_or(&serde_json::Value::Null), &mut self.labels);
                        }
                        ("has", Some("findings")) => {
                            let attr = operands.get("attr").and_then(|attr| attr.as_str());
                            self.categories.extend(attr.map(str::to_owned));
                        }
                        _ => {}
                    }
                    self.walk(operands);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }
}

fn texts(json: &serde_json::Value, out: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(members) => members.values().for_each(|inner| texts(inner, out)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        serde_json::Value::String(text) => out.push(text.clone()),
        _ => {}
    }
}

/// A fault that Cedar found, where Cedar says that it is.
fn cedar_fault(file: &FileText, error: &(impl miette::Diagnostic + ?Sized)) -> Diagnostic {
    let span = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map_or(0..0, |label| label.offset()..label.offset().saturating_add(label.len()));
    let message: String = error.to_string().lines().next().unwrap_or_default().to_owned();
    // Cedar begins with "for policy `policy0`, ", by a number nobody wrote.
    let message = match message.split_once("`, ") {
        Some((start, rest)) if start.starts_with("for policy `policy") => rest.to_owned(),
        _ => message,
    };
    let fault = file.fault(span, message);
    match error.help() {
        Some(help) => fault.expect(help.to_string()),
        None => fault,
    }
}

/// The policy that allows what nothing forbids.
pub(crate) const BASE: &str = "troth.base";

/// A message is for a person: a paragraph at most.
const MESSAGE_CHARS: usize = 500;

const EXAMPLE: &str = r#"@id("no-secrets-out")
@response("redact") @redact("secret")
@commitment("OWASP-LLM-2026/LLM02:2026")
forbid (principal, action == Action::"Respond", resource)
when { context.findings has secret };"#;
