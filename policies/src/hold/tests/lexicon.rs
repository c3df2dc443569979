//! Terms against the same oracle: a list is the alternation of its terms.

use super::*;
use crate::lexicon::{Lexicon, Term};

/// A list as a pattern: what is documented of words and white space.
fn pattern(terms: &[&str]) -> String {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let edge = |word| if word { r"(?-u:\b)" } else { "" };
    let terms: Vec<String> = terms
        .iter()
        .map(|term| {
            let (first, last) = (edge(word(term.chars().next())), edge(word(term.chars().last())));
            let letters = regex_syntax::escape(term).replace(' ', r"[ \t\n\r\x0b\x0c]{1,4}");
            format!("{first}{letters}{last}")
        })
        .collect();
    format!("(?i:{})", terms.join("|"))
}

fn engine_of(patterns: &[&str], lists: &[&[&str]]) -> Arc<Engine> {
    let lists: Vec<Vec<Term>> = lists
        .iter()
        .map(|terms| terms.iter().map(|term| Term::parse(term).unwrap()).collect())
        .collect();
    let first = u32::try_from(patterns.len()).unwrap();
    let lexicon =
        Lexicon::new((first..).zip(&lists).map(|(number, terms)| (number, true, terms.as_slice())));
    // The lists' labels stand behind the patterns'.
    let names: Vec<String> = (0..lists.len()).map(|number| format!("list {number}")).collect();
    let names: Vec<&str> =
        patterns.iter().copied().chain(names.iter().map(String::as_str)).collect();
    let mut engine = Arc::into_inner(engine(patterns)).unwrap();
    engine.labels = names
        .iter()
        .map(|name| Label {
            id: (*name).into(),
            category: "test".into(),
            severity: Severity::Low,
            score_ppm: 1_000_000,
        })
        .collect();
    Arc::new(engine.with_lexicon(&Arc::new(lexicon.unwrap())).unwrap())
}

/// Alphabet, length of texts, patterns beside the lists, lists.
type Case = (&'static str, usize, &'static [&'static str], &'static [&'static [&'static str]]);

const LEXICA: &[Case] = &[
    ("ab-", 5, &[], &[&["ab"]]),
    ("ab-", 5, &[], &[&["a", "ab", "aba"]]),
    ("ab-", 5, &[], &[&["a-", "-b", "--"]]),
    ("ab-", 5, &[], &[&["-ab", "-abb-"]]),
    ("ab-", 5, &[], &[&["a-b", "b-a-"], &["-b", "a"]]),
    ("ab-", 5, &["b?a-"], &[&["ab", "a-b"]]),
    ("ab-", 5, &["^b", "a$"], &[&["-", "bb"]]),
    ("ab ", 5, &[], &[&["a b"]]),
    ("ab ", 6, &[], &[&["a b", "b a b", "a a"]]),
    ("a \n", 6, &[], &[&["a a"]]),
    ("aB-", 5, &[], &[&["AB", "b-A"]]),
    ("赌博a", 4, &[], &[&["赌博", "博赌"], &["博a"]]),
    ("赌博a", 4, &[], &[&["赌"], &["赌博博"]]),
];

fn parts(case: &Case) -> (Arc<Engine>, Oracle) {
    let (alphabet, _, patterns, lists) = case;
    let lists_as_patterns: Vec<String> = lists.iter().map(|terms| pattern(terms)).collect();
    let all: Vec<&str> =
        patterns.iter().copied().chain(lists_as_patterns.iter().map(String::as_str)).collect();
    (engine_of(patterns, lists), Oracle::new(&all, alphabet))
}

#[test]
fn terms_hold_exactly_as_the_oracle_does() {
    for case in LEXICA {
        let (engine, oracle) = parts(case);
        for text in texts(case.0, case.1) {
            let frontier = oracle.frontier(&text, oracle.longest.min(4));
            let mut hold = Hold::new(Some(Arc::clone(&engine)));
            assert_eq!(hold.push(&text).upto, oracle.upto(&text, frontier), "{case:?} {text:?}");
        }
    }
}

#[test]
fn terms_are_found_as_the_oracle_finds_them() {
    for case in LEXICA {
        let (engine, oracle) = parts(case);
        for text in texts(case.0, case.1) {
            let number = |id: &str| engine.labels.iter().position(|label| &*label.id == id);
            let found: BTreeSet<_> = screen(&engine, &text, 0)
                .findings
                .iter()
                .map(|one| (one.span.start, one.span.end, number(&one.detector).unwrap()))
                .collect();
            assert_eq!(found, oracle.findings(&text), "{case:?} {text:?}");
        }
    }
}

#[test]
fn terms_are_the_same_however_a_text_is_cut() {
    for case in LEXICA {
        let (engine, _) = parts(case);
        texts(case.0, 4).iter().for_each(|text| same_however_cut(&engine, text));
    }
}

#[test]
fn terms_are_found_in_every_view_however_it_is_cut() {
    let engine =
        engine_of(LIFELIKE, &[&["online casino bonus", "网络赌博平台", "résumé mill", "порно"]]);
    for (text, view) in [
        ("the Online  Casino\n bonus today", View::Raw),
        ("最大的网络赌博平台。", View::Raw),
        ("onl\u{200b}ine cаsino bonus", View::Folded),
        ("ｏnline casino bonus", View::Folded),
        ("网\u{200d}络赌博平台", View::Folded),
        ("RE\u{301}SUMÉ mill", View::Folded),
        ("ПОРНО", View::Folded),
        ("%6fnline casino bonus", View::Unescaped),
        ("&#x7f51;络赌博平台", View::Unescaped),
        ("b25saW5lIGNhc2lubyBib251cw==", View::Base64),
        ("572R57uc6LWM5Y2a5bmz5Y+w", View::Base64),
        ("6f6e6c696e6520636173696e6f20626f6e7573", View::Hex),
    ] {
        let found = screen(&engine, text, 0).findings;
        assert_eq!((found.len(), found.first().map(|one| one.view)), (1, Some(view)), "{text}");
        same_however_cut(&engine, text);
    }
    for text in ["xonline casino bonus", "online casino bonuses", "online     casino bonus"] {
        assert_eq!(screen(&engine, text, 0).findings, [], "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_terms_beside_any_pattern_hold_as_the_oracle_does(
        one in prop::collection::vec("[ab-]([ab -]{0,2}[ab-])?", 1..5),
        two in prop::collection::vec("[ab-]{1,3}", 1..3),
        beside in small_pattern(),
        text in "[ab -]{0,6}",
    ) {
        prop_assume!(Pattern::parse(&beside, false, 5).is_ok());
        let plain = |list: Vec<String>| -> Vec<String> {
            list.iter().map(|term| Term::parse(term).unwrap().as_str().to_owned()).collect()
        };
        let (one, two) = (plain(one), plain(two));
        let lists: [Vec<&str>; 2] =
            [one.iter().map(String::as_str).collect(), two.iter().map(String::as_str).collect()];
        let patterns = [beside.clone(), pattern(&lists[0]), pattern(&lists[1])];
        let oracle = Oracle::new(&patterns.each_ref().map(String::as_str), "ab -");
        let engine = engine_of(&[&beside], &[&lists[0], &lists[1]]);
        let expected = oracle.upto(&text, oracle.frontier(&text, oracle.longest.min(4)));
        let mut hold = Hold::new(Some(engine));
        prop_assert_eq!(hold.push(&text).upto, expected, "{:?} in {:?}", patterns, text);
    }
}
