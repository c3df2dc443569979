//! What the bundles that ship promise of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
};

use serde::Deserialize;

use super::Source;
use crate::{bundle::Bundle, decision::Verdict, segment::Channel};

#[derive(Deserialize)]
struct DetectorFile {
    detector: Vec<Detector>,
}

#[derive(Deserialize)]
struct Detector {
    id: String,
    description: String,
    severity: String,
    #[serde(default)]
    validators: Vec<String>,
}

#[derive(Deserialize)]
struct ExampleFile {
    example: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    id: String,
    verdict: Verdict,
    #[serde(default)]
    detectors: Vec<String>,
}

/// The bundles whose formats are listed for people in `FORMATS.md`.
const LISTED: [&str; 3] = ["builtin:secrets", "builtin:pii-cn", "builtin:pii-intl"];

fn read<T: for<'de> Deserialize<'de>>(name: &str, folder: &str) -> BTreeMap<String, T> {
    let source = Source::builtin(name).unwrap();
    source
        .folder(folder, ".toml")
        .map(|(path, bytes)| {
            let text = std::str::from_utf8(bytes).unwrap();
            let file = path.rsplit('/').next().unwrap().trim_end_matches(".toml");
            (file.to_owned(), toml::from_str(text).unwrap())
        })
        .collect()
}

#[test]
fn every_bundle_compiles_without_warnings_and_passes_its_examples() {
    for name in Source::builtins() {
        let compiled = Bundle::compile(&Source::builtin(name).unwrap()).unwrap();
        assert!(compiled.warnings.is_empty(), "{name}: {:?}", compiled.warnings);
        let report = compiled.bundle.test();
        let failed: Vec<_> = report.cases.iter().filter(|case| !case.faults.is_empty()).collect();
        assert!(failed.is_empty(), "{name}: {failed:#?}");
        let stopped = report.cases.iter().filter(|case| case.expected > Verdict::Flag).count();
        let passed = report.cases.iter().filter(|case| case.expected == Verdict::Allow).count();
        assert!(passed >= stopped && passed > 0, "{name}: {passed} pass, {stopped} are stopped");
        assert!(!compiled.bundle.covers().gaps.is_empty(), "{name} does not say what it lacks");
    }
}

#[test]
fn all_bundles_can_be_imported_together() {
    let imports: Vec<String> = Source::builtins().map(|name| format!("\"{name}\"")).collect();
    let mut source = Source::new();
    let manifest = format!(
        "version = 1\nname = \"all\"\nrelease = \"1\"\nimports = [{}]\n",
        imports.join(", ")
    );
    source.insert("bundle.toml", manifest.into_bytes());
    let all = Bundle::compile(&source).unwrap().bundle;
    let written: usize = Source::builtins()
        .map(|name| Source::builtin(name).unwrap())
        .map(|source| {
            let texts = source.folder("policies", ".cedar");
            // At the beginning of a line: a comment may show how one is written.
            let written = |bytes: &[u8]| {
                bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"@id(")).count()
            };
            texts.map(|(_, bytes)| written(bytes)).sum::<usize>()
        })
        .sum();
    assert_eq!(all.policy_count(), written);
}

#[test]
fn every_format_is_shown_and_has_a_look_alike() {
    for name in LISTED {
        let detectors: BTreeSet<String> = read::<DetectorFile>(name, "detectors")
            .into_values()
            .flat_map(|file| file.detector)
            .map(|detector| detector.id)
            .collect();
        let bundle = name.trim_start_matches("builtin:");
        let (mut shown, mut alike) = (BTreeSet::new(), BTreeSet::new());
        let (mut found, mut passed) = (0u32, 0u32);
        for example in read::<ExampleFile>(name, "examples").into_values().flat_map(|f| f.example) {
            if example.verdict == Verdict::Allow {
                passed += 1;
                let of = example.id.split(".not").next().unwrap();
                alike.insert(format!("{bundle}.{of}"));
            } else {
                found += 1;
                shown.extend(example.detectors);
            }
        }
        let missing: Vec<_> = detectors.difference(&shown).collect();
        assert!(missing.is_empty(), "{name}: no example finds {missing:?}");
        let missing: Vec<_> = detectors.difference(&alike).collect();
        assert!(missing.is_empty(), "{name}: nothing only looks like {missing:?}");
        assert!(passed >= found, "{name}: {found} examples, but only {passed} look-alikes");
    }
}

#[test]
fn there_are_formats_of_at_least_120_services() {
    let files = read::<DetectorFile>("builtin:secrets", "detectors");
    let of_services = files
        .iter()
        .filter(|(file, _)| !["generic", "keys"].contains(&file.as_str()))
        .map(|(_, file)| file.detector.len())
        .sum::<usize>();
    assert!(of_services >= 120, "{of_services}");
}

/// Ordinary prose flows although it is full of words that stand before secrets
/// and numbers: nothing waits for long to see whether one follows.
#[test]
fn prose_flows() {
    for name in LISTED {
        let bundle = Bundle::compile(&Source::builtin(name).unwrap()).unwrap().bundle;
        let mut hold = bundle.hold(Channel::Assistant);
        let (mut given, mut held, mut longest, mut steps) = (0usize, 0usize, 0usize, 0usize);
        for c in PROSE.chars() {
            given += c.len_utf8();
            let upto = hold.push(c.encode_utf8(&mut [0; 4])).upto;
            held += given - upto;
            longest = longest.max(given - upto);
            steps += 1;
        }
        assert!(longest <= 64, "{name} held {longest} bytes");
        assert!(held / steps <= 8, "{name} held {} bytes on average", held / steps);
    }
}

#[test]
fn the_list_of_formats_is_current() {
    let mut list = String::from(HEAD);
    for name in LISTED {
        let files = read::<DetectorFile>(name, "detectors");
        let count: usize = files.values().map(|file| file.detector.len()).sum();
        writeln!(list, "\n# `{name}`: {count}").unwrap();
        for (file, DetectorFile { detector }) in files {
            writeln!(list, "\n## {file}\n\n| id | what | severity | checks |\n|---|---|---|---|")
                .unwrap();
            for Detector { id, description, severity, validators } in detector {
                let checks: Vec<String> =
                    validators.iter().map(|name| format!("`{name}`")).collect();
                let checks = checks.join(" ");
                writeln!(list, "| `{id}` | {description} | {severity} | {checks} |").unwrap();
            }
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bundles/FORMATS.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != list {
        let fresh = std::env::temp_dir().join("FORMATS.md");
        std::fs::write(&fresh, list).unwrap();
        panic!("{} is stale: copy {} over it", path.display(), fresh.display());
    }
}

const PROSE: &str = "\
The server at this address keeps the password of each user, and a token that the client sends with \
every call. To contact the host, call the phone of the account or write to the bank; your passport \
and driver's licence stay with you. A secret is a key that nobody else has: rotate the API key and \
the access token of the cloud, say AWS or Google, once a year. My birthday is in spring. Order 12 \
New Books, 3 Old Maps and 40 Blue Pens for the office in New York. The card was declined, and the \
tax form asks for a routing number. In line with the terms, the tunnel opens at nine.\n\
北京是中国的首都，上海的电话区号是多少？请输入密码和手机号码，身份证由公安机关签发。微信可以支付，\
护照办理需要十个工作日，银行卡丢了要挂失。广东省的省会是广州，深圳离香港很近，坐高铁去杭州很快。\n";

const HEAD: &str = "\
<!-- Made from detectors/*.toml by a test, which fails when this file is stale. -->

What the bundles of credentials and personal data look for. A format without a
mark of its own is found by the name before it. A check is what a match must
pass beside its pattern: a check digit or checksum, or (`genuine`) not to be a
manual's placeholder. Each has an example and a look-alike in the bundle's
`examples/`.
";
