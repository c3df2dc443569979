//! `policies/*.cedar`: reading, validating and understanding what people wrote.

use std::{collections::BTreeSet, ops::Range};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use crate::{
    decision::{Determining, Verdict},
    diagnostic::{Diagnostic, Faults, FileText},
    judge::advice::{doubtful, invalid, unread},
    labels::Labels,
    limits,
    manifest::{ID_RULE, is_id},
    nearest::or_nearest,
    tomlfile::cut,
};

/// A policy that compiled, and what it says of itself.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) policy: Policy,
    pub(crate) says: Determining,
    /// As its author wrote it.
    pub(crate) text: String,
}

/// What policies may refer to.
#[derive(Debug)]
pub(crate) struct Known<'k> {
    pub(crate) schema: &'k Schema,
    pub(crate) categories: &'k BTreeSet<String>,
    pub(crate) labels: &'k Labels,
}

impl Known<'_> {
    /// What was expected instead of a category that nobody has.
    fn category(&self, typed: &str) -> String {
        let names = self.categories.iter().map(String::as_str);
        or_nearest("a category of a detector of this bundle", typed, names)
    }
}

/// Reads one file.
pub(crate) fn read(
    file: &FileText,
    known: &Known<'_>,
    ids: &mut BTreeSet<String>,
    rules: &mut Vec<Rule>,
    faults: &mut Faults,
) {
    if let Some((at, most)) = too_large(&file.text) {
        let fault = file.fault(at..at.saturating_add(1), "the policy is too large");
        faults.push(fault.expect(most));
        return;
    }
    let set = match file.text.parse::<PolicySet>() {
        Ok(set) => set,
        Err(errors) => {
            errors.iter().for_each(|error| faults.push(unread(file, error, EXAMPLE)));
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
    validate(file, &set, known.schema, faults);
    for (number, policy) in policies.into_iter().enumerate() {
        let place = places.get(number).cloned().unwrap_or(0..0);
        if rules.len() >= limits::POLICIES {
            faults.push(file.fault(place, format!("more than {} policies", limits::POLICIES)));
            return;
        }
        let says = annotations(file, policy, &place, known, ids, faults);
        references(file, policy, &place, known, faults);
        if let Some(says) = says {
            let text = file.text.get(place).unwrap_or_default().to_owned();
            rules.push(Rule { policy: policy.new_id(PolicyId::new(&says.id)), says, text });
        }
    }
}

/// Strict validation, which is asked once for each type of principal: what it
/// says of several at one place is one fault.
fn validate(file: &FileText, set: &PolicySet, schema: &Schema, faults: &mut Faults) {
    let validated = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    let (mut told, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for error in validated.validation_errors() {
        let fault = invalid(file, error);
        let general = PRINCIPALS
            .iter()
            .fold(fault.message().to_owned(), |said, kind| said.replace(kind, "`principal`"));
        wrong.insert(error.policy_id().to_string());
        if told.insert((fault.line(), fault.column(), general)) {
            faults.push(fault);
        }
    }
    for warning in validated.validation_warnings() {
        let fault = doubtful(file, warning);
        // Why a policy can never apply is said once, and what is wrong with it
        // is the better reason.
        if fault.is_warning() || wrong.insert(warning.policy_id().to_string()) {
            faults.push(fault);
        }
    }
}

/// Where a policy becomes larger or deeper than can be given to Cedar, whose
/// parser, validator and evaluator recurse: on brackets, on operators before an
/// operand, and on every link of a chain (`a && b && c`, `a.b.c`).
fn too_large(text: &str) -> Option<(usize, String)> {
    let (mut depth, mut signs, mut words) = (0usize, 0usize, 0usize);
    let (mut reader, mut in_word) = (Reader::default(), false);
    for (at, c) in text.char_indices() {
        if !reader.is_code(c) {
            in_word = false;
            continue;
        }
        match c {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ';' => words = 0,
            _ => {}
        }
        signs = match c {
            '!' | '-' => signs.saturating_add(1),
            _ if c.is_whitespace() => signs,
            _ => 0,
        };
        let word = c.is_alphanumeric() || c == '_';
        if !(word && in_word || c.is_whitespace() || matches!(c, ',' | ':')) {
            words = words.saturating_add(1);
        }
        in_word = word;
        if depth > limits::POLICY_NEST || signs > limits::POLICY_NEST {
            return Some((at, format!("at most {} levels", limits::POLICY_NEST)));
        }
        if words > limits::POLICY_WORDS {
            let most =
                format!("at most {} words and operators, strings apart", limits::POLICY_WORDS);
            return Some((at, format!("{most}: tool groups and attributes hold long lists")));
        }
    }
    None
}

/// Follows a text's strings and comments.
#[derive(Debug, Default)]
struct Reader {
    quoted: bool,
    comment: bool,
    escaped: bool,
    slash: bool,
}

impl Reader {
    /// Whether the next character is neither in a string nor in a comment.
    fn is_code(&mut self, c: char) -> bool {
        let slash = std::mem::take(&mut self.slash);
        if self.comment {
            self.comment = c != '\n';
        } else if self.quoted {
            self.quoted = self.escaped || c != '"';
            self.escaped = !self.escaped && c == '\\';
        } else if c == '/' && slash {
            self.comment = true;
        } else {
            self.slash = c == '/';
            self.quoted = c == '"';
            return !self.quoted;
        }
        false
    }
}

/// The spans of policies in a text: from after one `;` to the next, strings
/// and comments passed over. For placing faults only.
fn places(text: &str) -> Vec<Range<usize>> {
    let (mut all, mut start): (Vec<Range<usize>>, Option<usize>) = (Vec::new(), None);
    let mut reader = Reader::default();
    for (at, c) in text.char_indices() {
        let code = reader.is_code(c);
        if reader.comment {
            // The slash before the one that makes it a comment is no policy's.
            start = start.filter(|from| at.saturating_sub(1) != *from);
        } else if code && c == ';' {
            all.push(start.take().unwrap_or(at)..at.saturating_add(1));
        } else if code && start.is_none() && !c.is_whitespace() {
            start = Some(at);
        }
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
        place: fault(String::new()).place(),
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
                let all = "`@id`, `@response`, `@redact`, `@commitment`, `@severity` or `@message`";
                faults.push(fault.expect(or_nearest(all, other, ANNOTATIONS)));
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
        wrong(fault(message).expect(known.category(category)));
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
            let expected = "a group that a `[[group]]` of `labels.toml` declares";
            faults.push(fault.expect(or_nearest(expected, id, known.labels.group_names())));
        }
    }
    let Ok(json) = policy.to_json() else { return };
    let mut named = Names::default();
    named.walk(&json);
    for name in named.categories.iter().filter(|name| !known.categories.contains(*name)) {
        let fault = file.fault(near(name), format!("no detector has the category `{}`", cut(name)));
        faults.push(fault.expect(known.category(name)));
    }
    for name in named.labels.iter().filter(|name| !known.labels.declared.contains(*name)) {
        let fault = file.fault(near(name), format!("no label `{}`", cut(name)));
        let expected = "a label that a `[[label]]` of `labels.toml` declares";
        let declared = known.labels.declared.iter().map(String::as_str);
        faults.push(fault.expect(or_nearest(expected, name, declared)));
    }
}

/// What a policy asks `context.labels` and `context.findings` for.
#[derive(Debug, Default)]
struct Names {
    labels: Vec<String>,
    categories: Vec<String>,
}

impl Names {
    /// The category in what `has` asks for: a name, or several in one another.
    fn category(&mut self, has: &serde_json::Value, place: usize) {
        let attr = has.get("attr");
        let one = attr.filter(|_| place == 0).and_then(|attr| attr.as_str());
        let nested = attr.and_then(|attr| attr.get(place)).and_then(|attr| attr.as_str());
        self.categories.extend(one.or(nested).map(str::to_owned));
    }

    /// `too_large` bounds how deep a policy nests.
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
                        ("has", Some("findings")) => self.category(operands, 0),
                        // `context has findings.secret`.
                        ("has", None) if first(operands) == Some("findings") => {
                            self.category(operands, 1);
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

fn first(has: &serde_json::Value) -> Option<&str> {
    has.get("attr")?.get(0)?.as_str()
}

fn texts(json: &serde_json::Value, out: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(members) => members.values().for_each(|inner| texts(inner, out)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        serde_json::Value::String(text) => out.push(text.clone()),
        _ => {}
    }
}

/// The policy that allows what nothing forbids.
pub(crate) const BASE: &str = "troth.base";

/// As Cedar's messages name them.
const PRINCIPALS: [&str; 3] = ["`Agent`", "`User`", "`Team`"];

const ANNOTATIONS: [&str; 6] = ["id", "response", "redact", "commitment", "severity", "message"];

/// A message is for a person: a paragraph at most.
const MESSAGE_CHARS: usize = 500;

const EXAMPLE: &str = r#"@id("no-secrets-out")
@response("redact") @redact("secret")
@commitment("OWASP-LLM-2026/LLM02:2026")
forbid (principal, action == Action::"Respond", resource)
when { context.findings has secret };"#;
