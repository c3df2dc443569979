//! What must hold for any bytes at all: the properties that the fuzz targets of
//! `tests/fuzz` hunt for counterexamples to, and that plain `cargo test` replays
//! over the inputs which fuzzing found worth keeping.
//!
//! Each function panics when its property fails, and otherwise tells whether
//! the bytes were accepted as what it is named for: a corpus in which nothing is
//! accepted tests only the refusals. It is not there in any other build.

#![expect(
    clippy::unwrap_used,
    reason = "a property that fails must panic: that is how a fuzzer hears of it"
)]

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::json;

use crate::{judge::oracle::Oracle, *};

/// A property, with the name of its target and of its corpus.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const TARGETS: [Target; 3] = [("bundle", bundle), ("cedar", cedar), ("views", views)];

/// The inputs of a corpus's file: each is its length (u32 big-endian) and its
/// bytes. Nothing when the file is not whole.
#[must_use]
pub fn unpack(mut corpus: &[u8]) -> Option<Vec<&[u8]>> {
    let mut inputs = Vec::new();
    while !corpus.is_empty() {
        let (length, rest) = corpus.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (input, rest) = rest.split_at_checked(length)?;
        inputs.push(input);
        corpus = rest;
    }
    Some(inputs)
}

/// Patterns of every kind that the views and the hold-back tell apart: short and
/// long, bounded by words, with validators, from lists, looked for in encodings.
static SCREENING: LazyLock<Bundle> = LazyLock::new(|| {
    let mut source = good();
    source.insert("detectors/d.toml", DETECTORS.as_bytes().to_vec());
    source.insert("lexicons/l.txt", "ab\nabc\nslot machine\n赌博\n赌博网站\n".as_bytes().to_vec());
    Bundle::compile(&source).unwrap().bundle
});

const DETECTORS: &str = r#"version = 1
[[detector]]
id = "secret"
category = "secret"
severity = "high"
surfaces = ["user_prompt"]
patterns = ['(?-u:\b)key-[a-z0-9]{4,12}(?-u:\b)', 'AKIA[0-9A-Z]{8}', 'a{2,5}b?', '^begin', 'end$']
[[detector]]
id = "card"
category = "pii"
severity = "high"
surfaces = ["user_prompt"]
patterns = ['[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}']
validators = ["luhn"]
[[detector]]
id = "injection"
category = "injection"
severity = "high"
surfaces = ["user_prompt"]
patterns = ['ignore all previous instructions', '忽略以上(所有)?指令']
[[detector]]
id = "lexicon"
category = "gambling"
severity = "low"
surfaces = ["user_prompt"]
lexicon = "l.txt"
"#;

/// A small bundle that compiles.
fn good() -> Source {
    let mut source = Source::new();
    for (path, text) in [
        (
            "bundle.toml",
            "version = 1\nname = \"t\"\nrelease = \"1\"\n[attributes]\nlimit = \"number\"\n\
             recipients = \"strings\"\nvip = \"boolean\"\nregion = \"string\"\n",
        ),
        (
            "detectors/d.toml",
            "version = 1\n[[detector]]\nid = \"d\"\ncategory = \"secret\"\nseverity = \"high\"\n\
             surfaces = [\"user_prompt\"]\npatterns = ['secret[0-9]{3}']\n\
             [[detector]]\nid = \"e\"\ncategory = \"pii\"\nseverity = \"low\"\n\
             surfaces = [\"user_prompt\"]\npatterns = ['person']\n",
        ),
        (
            "labels.toml",
            "version = 1\n[[label]]\nid = \"untrusted\"\n[[label]]\nid = \"seen\"\n\
             [[group]]\nid = \"egress\"\ntools = [\"send_*\"]\n",
        ),
        (
            "policies/p.cedar",
            "@id(\"p\") @response(\"block\")\nforbid (principal, action, resource) \
             when { context.findings has secret };\n",
        ),
    ] {
        source.insert(path, text.as_bytes().to_vec());
    }
    source
}

/// Whatever the text, and however it is cut: a stream finds what the whole text
/// holds, reports each finding before anything of it is released, and releases
/// everything in the end. Of the bytes the first eight say how it is cut.
pub fn views(bytes: &[u8]) -> bool {
    let (cuts, rest) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
    let text = String::from_utf8_lossy(rest);
    let segment = Segment {
        index: 0,
        pointer: "",
        channel: Channel::User,
        origin: Origin::User,
        tool: None,
        text: &text,
    };
    let whole = SCREENING.screen(&segment);
    for finding in &whole.findings {
        assert!(finding.span.start < finding.span.end && finding.span.end <= text.len());
        assert!(text.get(finding.span.clone()).is_some(), "a span is of whole characters");
    }
    let mut hold = SCREENING.hold(Channel::User);
    let (mut at, mut released, mut findings) = (0usize, 0usize, Vec::new());
    let mut step = |cleared: Cleared, end: usize, findings: &mut Vec<Finding>| {
        assert!(cleared.upto >= released && cleared.upto <= end, "what is released stays so");
        assert!(text.is_char_boundary(cleared.upto));
        for finding in &cleared.findings {
            assert!(finding.span.start >= released, "nothing of a finding was released");
            assert!(finding.span.end <= cleared.upto, "a finding is decided as a whole");
        }
        released = cleared.upto;
        findings.extend(cleared.findings);
    };
    for cut in cuts.iter().cycle() {
        if at == text.len() {
            break;
        }
        let mut next = (at + usize::from(*cut) % 40 + 1).min(text.len());
        while !text.is_char_boundary(next) {
            next += 1;
        }
        let cleared = hold.push(text.get(at..next).unwrap());
        step(cleared, next, &mut findings);
        at = next;
    }
    step(hold.finish(), text.len(), &mut findings);
    assert_eq!(released, text.len(), "all of it is released in the end");
    assert_eq!(findings, whole.findings, "a stream finds what the whole text holds");
    !whole.findings.is_empty()
}

/// Whatever one of a bundle's files says: it compiles or is refused with faults
/// that stand in it, the same each time, and what compiles can be used.
pub fn bundle(bytes: &[u8]) -> bool {
    let (which, content) = bytes.split_first().map_or((0, bytes), |(which, rest)| (*which, rest));
    let path = FILES.get(usize::from(which) % FILES.len()).unwrap();
    let mut source = good();
    source.insert("detectors/l.toml", LEXICON.as_bytes().to_vec());
    source.insert("lexicons/l.txt", b"term\n".to_vec());
    source.insert(*path, content.to_vec());
    assert_eq!(source.digest(), source.clone().digest());
    match Bundle::compile(&source) {
        Ok(compiled) => {
            told(&compiled.warnings, &source);
            let report = compiled.bundle.test();
            assert_eq!(report.passed() + report.failed(), report.cases.len());
            // A compiled bundle can screen what it was written in.
            let text = String::from_utf8_lossy(content);
            let segment = Segment {
                index: 0,
                pointer: "",
                channel: Channel::User,
                origin: Origin::User,
                tool: None,
                text: &text,
            };
            for finding in compiled.bundle.screen(&segment).findings {
                assert!(text.get(finding.span).is_some());
            }
            true
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "a refusal says why");
            told(faults.iter(), &source);
            let again = Bundle::compile(&source).unwrap_err();
            assert_eq!(again.to_string(), faults.to_string());
            false
        }
    }
}

const FILES: [&str; 5] =
    ["bundle.toml", "labels.toml", "detectors/d.toml", "examples/e.toml", "lexicons/l.txt"];

const LEXICON: &str = "version = 1\n[[detector]]\nid = \"l\"\ncategory = \"term\"\n\
    severity = \"low\"\nsurfaces = [\"user_prompt\"]\nlexicon = \"l.txt\"\n";

/// Each fault stands in its file and can be told.
fn told<'f>(faults: impl IntoIterator<Item = &'f Diagnostic>, source: &Source) {
    for fault in faults {
        let file = source.file(fault.path()).unwrap_or_default();
        let lines = String::from_utf8_lossy(file).split('\n').count();
        assert!((1..=lines.max(1)).contains(&fault.line()) && fault.column() >= 1);
        assert!(fault.report().contains(&format!(":{}:{}\n", fault.line(), fault.column())));
        assert!(!fault.message().is_empty());
    }
}

/// Whatever a file of policies says: it compiles or is refused where it is
/// wrong; and what compiles decides as Cedar's own authorizer does over all of
/// its policies, and lets nothing pass that one of them cannot be evaluated for.
pub fn cedar(bytes: &[u8]) -> bool {
    let mut source = good();
    source.insert("policies/p.cedar", bytes.to_vec());
    let bundle = match Bundle::compile(&source) {
        Ok(compiled) => compiled.bundle,
        Err(faults) => {
            assert!(!faults.is_empty(), "a refusal says why");
            told(faults.iter(), &source);
            return false;
        }
    };
    let finding = |category: &str| Finding {
        detector: category.into(),
        category: category.into(),
        severity: Severity::High,
        score_ppm: 700_000,
        segment: 0,
        span: 0..1,
        view: View::Raw,
    };
    let all = [finding("secret"), finding("pii"), finding("secret")];
    let arguments = json!({ "to": ["a", "mal"], "n": i64::MAX, "body": { "text": "x" } });
    for (number, action) in Action::ALL.into_iter().enumerate() {
        let tools = [Resource::Tool("send_x"), Resource::Tool("read")];
        let models = [Resource::Model("m"), Resource::Model("send_x")];
        let resources = match action {
            Action::Prompt | Action::Respond => models,
            _ => tools,
        };
        let limit = [i64::MAX, 0, i64::MIN].get(number % 3).unwrap();
        for (place, resource) in resources.into_iter().enumerate() {
            let attributes = json!({
                "teams": ["t"], "recipients": ["a"], "vip": place == 0, "region": "eu",
                "limit": limit,
            });
            let principal = Principal {
                kind: if place == 0 { PrincipalKind::Agent } else { PrincipalKind::User },
                attributes: attributes.as_object().unwrap().clone(),
                ..Principal::anonymous()
            };
            let labels: &[&str] = if place == 0 { &["untrusted"] } else { &[] };
            let trace = Trace::labelled(labels.iter().copied()).unwrap();
            let event = Event {
                action,
                principal: &principal,
                resource,
                findings: all.get(..number % 4).unwrap(),
                call: Some(Call { name: "send_x", arguments: &arguments }),
                trace: &trace,
            };
            decides_as_cedar(&bundle, &event);
            let explanation = bundle.explain(&event);
            assert_eq!(explanation.decision, bundle.judge(&event));
        }
    }
    bundle.policy_count() > 0
}

fn decides_as_cedar(bundle: &Bundle, event: &Event<'_>) {
    let inner = bundle.inner();
    let said = Oracle::ask(&inner.judge, &inner.labels, event);
    let decision = bundle.judge(event);
    let ids: BTreeSet<String> = decision.policies.iter().map(|says| says.id.clone()).collect();
    assert_eq!(ids, said.reasons);
    if said.errors.is_empty() && said.allows {
        assert_eq!(decision, Decision::default());
    } else {
        assert!(decision.verdict > Verdict::Allow);
        assert!(said.errors.is_empty() || decision.verdict == Verdict::Block);
    }
}

#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;
