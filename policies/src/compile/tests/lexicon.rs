//! The starter lexicon, and counts of terms by class.

use super::*;

fn starter() -> Source {
    Source::builtin("builtin:lexicon").unwrap()
}

fn counts(bundle: &Bundle) -> std::collections::BTreeMap<&'static str, usize> {
    let all = bundle.term_counts().classes.iter();
    all.map(|one| (one.class.id(), one.count)).collect()
}

#[test]
fn the_starter_lexicon_is_good_and_only_flags() {
    let compiled = Bundle::compile(&starter()).unwrap();
    assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
    let report = compiled.bundle.test();
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.faults.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let of = |verdict| report.cases.iter().filter(|case| case.expected == verdict).count();
    let (flagged, allowed) = (of(Verdict::Flag), of(Verdict::Allow));
    assert!(allowed >= flagged && flagged >= 60, "{allowed} benign, {flagged} attacks");
    assert_eq!(flagged + allowed, report.cases.len(), "nothing is more than flagged");
}

/// A few hundred of each theme, in each language.
#[test]
fn the_starter_lexicon_has_hundreds_of_terms_for_each_theme_in_each_language() {
    let source = starter();
    let mut lists = 0;
    for (path, bytes) in source.files().filter(|(path, _)| path.starts_with("lexicons/")) {
        let text = std::str::from_utf8(bytes).unwrap();
        let terms: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let (english, chinese): (Vec<&str>, Vec<&str>) =
            terms.iter().partition(|term| term.is_ascii());
        assert!(english.len() >= 300 && chinese.len() >= 300, "{path}");
        // A single common English word would be found in ordinary text.
        let single = english.iter().filter(|term| !term.contains([' ', '-'])).count();
        assert!(single * 50 < english.len(), "{path}: {single} single words");
        lists += 1;
    }
    assert_eq!(lists, 7);
}

/// Whatever an example says, its stream says the same however it is cut.
#[test]
fn the_starter_lexicon_streams_as_it_screens() {
    let bundle = Bundle::compile(&starter()).unwrap().bundle;
    for text in example_texts(&starter()) {
        let segment = Segment {
            index: 0,
            pointer: "",
            channel: Channel::User,
            origin: Origin::User,
            tool: None,
            text: &text,
        };
        let whole = bundle.screen(&segment);
        for size in [1, 3, 10] {
            let mut hold = bundle.hold(Channel::User);
            let chars: Vec<char> = text.chars().collect();
            let mut findings = Vec::new();
            for piece in chars.chunks(size) {
                findings.extend(hold.push(&piece.iter().collect::<String>()).findings);
            }
            findings.extend(hold.finish().findings);
            assert_eq!(findings, whole.findings, "{size} {text}");
        }
    }
}

/// Every class that a term or a detector declares is in `[covers]`.
#[test]
fn the_starter_lexicon_covers_what_it_says() {
    let bundle = Bundle::compile(&starter()).unwrap().bundle;
    let covered: Vec<&str> = bundle.covers().risks.iter().map(String::as_str).collect();
    let counted = counts(&bundle);
    for (class, count) in &counted {
        assert_eq!(*count > 0, covered.contains(class), "{class}: {count} terms");
    }
    for class in Class::all().filter(|class| class.is_risk()) {
        let id = class.id();
        let gap = bundle.covers().gaps.iter().any(|gap| gap == id);
        assert_ne!(gap, covered.contains(&id), "{id} is covered or a gap");
    }
    assert_eq!(bundle.term_counts().unclassed, 0);
}

/// Terms that are the same however they are spelled count once; a term counts
/// in its own classes, or else in its detector's.
#[test]
fn terms_are_counted_once_and_by_class() {
    let mut source = good();
    let mut add = |path: &str, text: &str| source.insert(path, text.as_bytes().to_vec());
    add("lexicons/a.txt", "One Term\none  term\nｏｎｅ ｔｅｒｍ\n第二\tA.2.e,A.1.a\n");
    add("lexicons/b.txt", "第二\n第三\n");
    add(
        "detectors/l.toml",
        "version = 1\n[[detector]]\nid = \"a\"\ncategory = \"words\"\nseverity = \"low\"\n\
         surfaces = [\"user_prompt\"]\nclasses = [\"A.1.f\", \"LLM07:2026\"]\nlexicon = \"a.txt\"\n\
         [[detector]]\nid = \"b\"\ncategory = \"words\"\nseverity = \"low\"\n\
         surfaces = [\"model_output\"]\nlexicon = \"b.txt\"\n",
    );
    let bundle = Bundle::compile(&source).unwrap().bundle;
    let all = bundle.term_counts();
    assert_eq!((all.total, all.unclassed, all.is_met()), (3, 1, false));
    let counted: Vec<_> = counts(&bundle).into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("A.1.a", 1), ("A.1.f", 1), ("A.2.e", 1), ("LLM07:2026", 1)]);
    let classes: Vec<&str> = bundle
        .detectors()
        .filter(|detector| &*detector.id == "a")
        .flat_map(|detector| detector.classes)
        .map(Class::id)
        .collect();
    assert_eq!(classes, ["A.1.f", "LLM07:2026"]);
}

/// One term fewer in one class, or in all, and the yardstick is not met.
#[test]
fn the_yardstick_is_met_at_its_numbers_and_not_below() {
    let library = |spare: usize, leave_out: &str| {
        let mut text = String::new();
        for class in Class::all() {
            let count = class.least_terms() - usize::from(class.id() == leave_out);
            for number in 0..count {
                text.push_str(&format!("词{}第{number}号\t{}\n", class.id(), class.id()));
            }
        }
        (0..spare).for_each(|number| text.push_str(&format!("另外{number}号\n")));
        let mut source = good();
        source.insert("lexicons/l.txt", text.into_bytes());
        source.insert(
            "detectors/l.toml",
            b"version = 1\n[[detector]]\nid = \"l\"\ncategory = \"words\"\nseverity = \"low\"\n\
              surfaces = [\"user_prompt\"]\nlexicon = \"l.txt\"\n"
                .to_vec(),
        );
        Bundle::compile(&source).unwrap().bundle.term_counts().clone()
    };
    let spare = LEAST_TERMS - 8 * 200 - 9 * 100;
    assert!(library(spare, "").is_met());
    assert!(!library(spare - 1, "").is_met(), "9,999 in all");
    for short in ["A.1.a", "A.1.h", "A.2.a", "A.2.i"] {
        let counts = library(spare + 1, short);
        assert_eq!(counts.total, LEAST_TERMS);
        assert!(!counts.is_met(), "one too few of {short}");
        let unmet = counts.classes.iter().filter(|one| !one.is_met());
        assert_eq!(unmet.map(|one| one.class.id()).collect::<Vec<_>>(), [short]);
    }
}

/// More terms than one surface may have are refused together, with the reason.
#[test]
fn too_many_terms_together_are_refused_with_the_surface() {
    let mut source = good();
    for list in ["a", "b"] {
        let text: String = (0..130_000).map(|number| format!("{list}{number}\n")).collect();
        source.insert(format!("lexicons/{list}.txt"), text.into_bytes());
        let detector = format!(
            "version = 1\n[[detector]]\nid = \"{list}\"\ncategory = \"words\"\nseverity = \"low\"\n\
             surfaces = [\"user_prompt\"]\nlexicon = \"{list}.txt\"\n"
        );
        source.insert(format!("detectors/{list}.toml"), detector.into_bytes());
    }
    let said = Bundle::compile(&source).unwrap_err().to_string();
    assert!(said.contains("the terms of `user_prompt` are too many together"), "{said}");
    source.insert("lexicons/b.txt", b"only one\n".to_vec());
    assert!(Bundle::compile(&source).is_ok());
}
