//! Bundles that compile, and what is said of those that do not.

mod lexicon;

use serde::Deserialize;

use crate::*;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// A fault: files laid over a good bundle, and what must be said of them.
#[derive(Deserialize)]
struct Case {
    name: String,
    files: std::collections::BTreeMap<String, String>,
    says: Vec<String>,
}

fn good() -> Source {
    let mut source = Source::new();
    let mut add = |path: &str, text: &str| source.insert(path, text.as_bytes().to_vec());
    add(
        "bundle.toml",
        "version = 1\nname = \"t\"\nrelease = \"1\"\n[attributes]\nlimit = \"number\"\n",
    );
    add(
        "detectors/d.toml",
        "version = 1\n[[detector]]\nid = \"d\"\ncategory = \"secret\"\nseverity = \"high\"\n\
         surfaces = [\"user_prompt\"]\npatterns = ['secret[0-9]{3}']\n",
    );
    add(
        "labels.toml",
        "version = 1\n[[label]]\nid = \"untrusted\"\n[[group]]\nid = \"egress\"\ntools = [\"send_*\"]\n",
    );
    add(
        "policies/p.cedar",
        "@id(\"p\") @response(\"block\")\nforbid (principal, action, resource) \
         when { context.findings has secret };\n",
    );
    source
}

#[test]
fn the_good_bundle_is_good() {
    let compiled = Bundle::compile(&good()).unwrap();
    assert!(compiled.warnings.is_empty());
    assert_eq!((compiled.bundle.name(), compiled.bundle.version()), ("t", "1"));
}

#[test]
fn every_fault_is_told_where_it_stands() {
    let cases: Cases = toml::from_str(include_str!("../../testdata/faults.toml")).unwrap();
    assert!(cases.case.len() >= 30);
    let mut wrong = Vec::new();
    for case in cases.case {
        let mut source = good();
        for (path, text) in &case.files {
            source.insert(path.clone(), text.as_bytes().to_vec());
        }
        let said = match Bundle::compile(&source) {
            Ok(compiled) => {
                compiled.warnings.iter().map(|fault| format!("warning {fault}")).collect()
            }
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        let same = said.len() == case.says.len()
            && said.iter().zip(&case.says).all(|(said, says)| said.starts_with(says.as_str()));
        if !same {
            wrong.push(format!("{}: {said:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cedar recurses over the links of a chain: the longest that compiles is also
/// judged, and a longer one is refused before Cedar sees it.
#[test]
fn a_policy_is_bounded_in_words() {
    let compile = |links: usize| {
        let chain = "principal.limit < 5 && ".repeat(links);
        let mut source = good();
        let text = format!(
            "@id(\"p\") @response(\"block\")\nforbid (principal, action, resource) \
             when {{ {chain}true }};\n"
        );
        source.insert("policies/p.cedar", text.into_bytes());
        Bundle::compile(&source)
    };
    // Seven words a link: `principal`, `.`, `limit`, `<`, `5`, `&`, `&`.
    let longest = (crate::limits::POLICY_WORDS - 30) / 7;
    let bundle = compile(longest).unwrap().bundle;
    let decision = bundle.judge(&Event {
        action: Action::Prompt,
        principal: &Principal::anonymous(),
        resource: Resource::Model("m"),
        findings: &[],
        call: None,
        trace: &Trace::default(),
    });
    // Where nothing is optimised, a thread of the usual size is too small for
    // the longest one: Cedar says so itself, and that blocks like any error.
    assert_eq!(decision.verdict, Verdict::Block);
    let faults = compile(longest + 4).unwrap_err();
    assert!(faults.to_string().contains("the policy is too large"), "{faults}");
}

/// The shipped bundles compile without a warning, pass their own examples, and
/// show as many texts that only look like attacks as attacks.
#[test]
fn every_shipped_bundle_is_good_and_its_examples_pass() {
    for name in Source::builtins() {
        let compiled = Bundle::compile(&Source::builtin(name).unwrap()).unwrap();
        assert!(compiled.warnings.is_empty(), "{name} {:?}", compiled.warnings);
        let report = compiled.bundle.test();
        let failed: Vec<_> = report.cases.iter().filter(|case| !case.faults.is_empty()).collect();
        assert!(failed.is_empty(), "{name} {failed:#?}");
        let count = |test: fn(Verdict) -> bool| {
            report.cases.iter().filter(|case| test(case.expected)).count()
        };
        let (let_through, stopped) =
            (count(|verdict| verdict <= Verdict::Flag), count(|verdict| verdict > Verdict::Flag));
        assert!(let_through >= stopped, "{name}: {let_through} benign, {stopped} attacks");
        assert!(report.cases.len() >= 60, "{name} has few examples");
    }
}

/// All of them together are one bundle: no two things have one name.
#[test]
fn the_shipped_bundles_go_together() {
    let mut source = Source::new();
    let names: Vec<String> = Source::builtins().map(|name| format!("\"{name}\"")).collect();
    let manifest =
        format!("version = 1\nname = \"all\"\nrelease = \"1\"\nimports = [{}]\n", names.join(", "));
    source.insert("bundle.toml", manifest.into_bytes());
    let compiled = Bundle::compile(&source).unwrap();
    assert!(compiled.bundle.pattern_count() > 500);
}

/// Whatever an example says, its stream says the same however it is cut.
#[test]
fn the_baseline_streams_as_it_screens() {
    let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
    for channel in [Channel::User, Channel::ToolResult, Channel::Assistant] {
        for text in example_texts(&Source::baseline()) {
            let segment = Segment {
                index: 0,
                pointer: "",
                channel,
                origin: Origin::User,
                tool: None,
                text: &text,
            };
            let whole = bundle.screen(&segment);
            for size in [1, 2, 3, 7, 40] {
                let mut hold = bundle.hold(channel);
                let chars: Vec<char> = text.chars().collect();
                let mut findings = Vec::new();
                for piece in chars.chunks(size) {
                    findings.extend(hold.push(&piece.iter().collect::<String>()).findings);
                }
                let last = hold.finish();
                findings.extend(last.findings);
                assert_eq!(findings, whole.findings, "{channel:?} {size} {text}");
                assert_eq!(last.upto, text.len());
            }
        }
    }
}

fn example_texts(source: &Source) -> Vec<String> {
    let mut texts = Vec::new();
    for (path, bytes) in source.files().filter(|(path, _)| path.starts_with("examples/")) {
        let table: toml::Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
        let examples = table.get("example").and_then(toml::Value::as_array).unwrap();
        texts.extend(examples.iter().filter_map(|example| {
            example.get("text").and_then(toml::Value::as_str).map(str::to_owned)
        }));
        assert!(!examples.is_empty(), "{path}");
    }
    texts
}

#[test]
fn a_digest_names_the_files_and_nothing_else() {
    let source = good();
    assert_eq!(source.digest(), good().digest());
    let mut other = good();
    other.insert("bundle.toml", b"version = 1\nname = \"t\"\nrelease = \"2\"\n".to_vec());
    assert_ne!(source.digest(), other.digest());
    let manifest: serde_json::Value = serde_json::from_str(&source.manifest()).unwrap();
    assert_eq!(manifest["files"].as_array().unwrap().len(), source.files().count());
    assert!(Source::is_part("detectors/a.toml") && !Source::is_part("detectors/.a.toml"));
    assert!(!Source::is_part("README.md") && !Source::is_part("detectors/deep/a.toml"));
}

#[test]
fn a_lexicon_finds_each_of_its_terms() {
    let mut source = good();
    source.insert(
        "lexicons/l.txt",
        "# both\nab\nabc\n赌博\n赌博网站\nSlot machine\n".as_bytes().to_vec(),
    );
    source.insert(
        "detectors/l.toml",
        b"version = 1\n[[detector]]\nid = \"l\"\ncategory = \"gambling\"\nseverity = \"low\"\n\
          surfaces = [\"user_prompt\"]\nlexicon = \"l.txt\"\n"
            .to_vec(),
    );
    let bundle = Bundle::compile(&source).unwrap().bundle;
    for (text, expected) in [
        ("ab", Some((0, 2))),
        ("abc", Some((0, 3))),
        ("xab abd", None),
        ("最好的赌博网站。", Some((9, 21))),
        ("赌博", Some((0, 6))),
        ("a SLOT MACHINE here", Some((2, 14))),
        ("ｓlot machine", Some((0, 14))),
    ] {
        let segment = Segment {
            index: 0,
            pointer: "",
            channel: Channel::User,
            origin: Origin::User,
            tool: None,
            text,
        };
        let findings = bundle.screen(&segment).findings;
        assert!(findings.len() <= 1, "{text}");
        let span = findings.first().map(|finding| (finding.span.start, finding.span.end));
        assert_eq!(span, expected, "{text}");
    }
}

#[test]
fn an_imported_bundle_counts_as_ones_own() {
    let mut source = good();
    let alone = source.digest();
    source.insert(
        "bundle.toml",
        b"version = 1\nname = \"t\"\nrelease = \"1\"\nimports = [\"builtin:baseline\"]\n\
          [attributes]\nlimit = \"number\"\n"
            .to_vec(),
    );
    // The label and the group are the baseline's now.
    source.insert("labels.toml", b"version = 1\n".to_vec());
    let bundle = Bundle::compile(&source).unwrap().bundle;
    let baseline = Bundle::compile(&Source::baseline()).unwrap().bundle;
    assert_eq!(bundle.policy_count(), baseline.policy_count() + 1);
    assert_eq!(bundle.pattern_count(), baseline.pattern_count() + 1);
    assert_ne!(source.digest(), alone);
    assert!(source.manifest().contains(&hex::encode(Source::baseline().digest())));
    source.insert(
        "bundle.toml",
        b"version = 1\nname = \"t\"\nrelease = \"1\"\n\
          imports = [\"builtin:baseline\", \"../other\", \"builtin:baseline\"]\n"
            .to_vec(),
    );
    let faults = Bundle::compile(&source).unwrap_err();
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said.iter().filter(|said| said.contains("cannot import")).count(), 2, "{said:#?}");
}
