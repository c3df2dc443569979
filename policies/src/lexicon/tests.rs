//! Large lists against the plainest search there is, and the bounds.

#![expect(clippy::string_slice, reason = "positions come from the text itself")]

use std::collections::BTreeSet;

use super::*;
use crate::{
    diagnostic::{Faults, FileText},
    viewbuf::{At, ViewBuf},
};

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    fn text(&mut self, letters: &[char], most: usize) -> String {
        let length = 1 + self.below(most);
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }
}

/// Every term at every place, by looking.
fn plainly(terms: &[Term], text: &str) -> BTreeSet<(usize, usize)> {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut all = BTreeSet::new();
    for term in terms {
        let term = term.as_str();
        for (start, _) in text.match_indices(term).chain(
            // `match_indices` leaves out what overlaps.
            (0..text.len())
                .filter(|at| text.is_char_boundary(*at))
                .filter_map(|at| text[at..].starts_with(term).then_some((at, ""))),
        ) {
            let end = start + term.len();
            let (before, after) = (text[..start].chars().last(), text[end..].chars().next());
            let cut = (word(term.chars().next()) && word(before))
                || (word(term.chars().last()) && word(after));
            if !cut {
                all.insert((start, end));
            }
        }
    }
    all
}

fn scan(lexicon: &Lexicon, pieces: &[&str]) -> BTreeSet<(usize, usize)> {
    let (mut view, mut cursor, mut all) = (ViewBuf::default(), Cursor::default(), BTreeSet::new());
    let mut at = 0;
    for piece in pieces {
        view.push(piece.as_bytes(), At::Same(at));
        at += piece.len();
        let text = Text { decoded: false, ended: false };
        cursor.advance(lexicon, &view, text, |_, span| {
            all.insert((span.start, span.end));
        });
    }
    let text = Text { decoded: false, ended: true };
    cursor.advance(lexicon, &view, text, |_, span| {
        all.insert((span.start, span.end));
    });
    assert_eq!(cursor.start(), view.end());
    all
}

/// Enough letters that the root has more children than are looked through, and
/// few enough that terms are found.
const LETTERS: &[char] = &[
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', '-', '.', '赌', '博', '网', '站', '平', '台',
    '毒', '品', '枪', '支', 'ж', '한',
];

/// Where terms of one letter are among them nothing is passed over at a start,
/// so each length is the shortest once.
#[test]
fn five_thousand_terms_are_found_as_by_looking() {
    for (shortest, least) in [(1, 1000), (2, 100), (3, 10), (4, 0)] {
        let mut dice = Dice(7);
        let terms: Vec<Term> = (0..5000)
            .map(|_| dice.text(LETTERS, 8))
            .filter(|text| text.chars().count() >= shortest)
            .map(|text| Term::parse(&text).unwrap())
            .collect();
        let lexicon = Lexicon::new([(0, true, terms.as_slice())]).unwrap();
        let mut found = 0;
        for number in 0..200 {
            let mut text = dice.text(LETTERS, 60);
            // Long terms are not met by chance.
            text.push_str(terms[number * 7].as_str());
            text.push_str(&dice.text(LETTERS, 6));
            let expected = plainly(&terms, &text);
            assert_eq!(scan(&lexicon, &[&text]), expected, "{text}");
            let letters: Vec<&str> = text.split_inclusive(|_| true).collect();
            assert_eq!(scan(&lexicon, &letters), expected, "{text} by letters");
            found += expected.len();
        }
        assert!(found > least + 30, "{found} found: the test looks for something");
    }
}

/// White space: a space of a term is one to four characters of it in the text.
#[test]
fn terms_with_spaces_are_found_as_by_looking() {
    let mut dice = Dice(11);
    let letters: Vec<char> = "ab c 赌博".chars().collect();
    let terms: Vec<Term> = (0..400)
        .filter_map(|_| Term::parse(&dice.text(&letters, 16)).ok())
        .filter(|term| term.as_str().chars().count() > 3)
        .collect();
    let lexicon = Lexicon::new([(0, true, terms.as_slice())]).unwrap();
    let text: Vec<char> = "abc  \n\t 赌博".chars().collect();
    let mut found = 0;
    for _ in 0..1000 {
        let spread = terms[dice.below(terms.len())].as_str().replace(' ', " \n ");
        let text = format!("{}{spread}{}", dice.text(&text, 60), dice.text(&text, 10));
        let mut expected = BTreeSet::new();
        for (start, _) in text.char_indices() {
            expected.extend(terms.iter().filter_map(|term| {
                let end = start + spaced(term.as_str(), &text[start..])?;
                let edge = |inside: Option<char>, outside: Option<char>| {
                    let word = |c: char| c.is_ascii_alphanumeric();
                    inside.is_some_and(word) && outside.is_some_and(word)
                };
                let cut = edge(text[start..].chars().next(), text[..start].chars().last())
                    || edge(text[..end].chars().last(), text[end..].chars().next());
                (!cut).then_some((start, end))
            }));
        }
        assert_eq!(scan(&lexicon, &[&text]), expected, "{text:?}");
        let pieces: Vec<&str> = text.split_inclusive(|_| true).collect();
        assert_eq!(scan(&lexicon, &pieces), expected, "{text:?} by letters");
        found += expected.len();
    }
    assert!(found > 1000, "{found} found: the test looks for something");
}

/// How much of a text a term is, if it begins there.
fn spaced(term: &str, text: &str) -> Option<usize> {
    let mut rest = text;
    for letter in term.chars() {
        if letter == ' ' {
            let end = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            if !(1..=4).contains(&end) {
                return None;
            }
            rest = &rest[end..];
        } else {
            rest = rest.strip_prefix(letter)?;
        }
    }
    Some(text.len() - rest.len())
}

#[test]
fn each_list_has_its_own_findings() {
    let list = |terms: &[&str]| -> Vec<Term> {
        terms.iter().map(|term| Term::parse(term).unwrap()).collect()
    };
    let (one, two) = (list(&["赌博", "abc"]), list(&["赌博", "赌博网"]));
    let lexicon = Lexicon::new([(5, true, one.as_slice()), (9, false, two.as_slice())]).unwrap();
    assert_eq!((lexicon.detectors(), lexicon.shortest_decoded()), (&[5, 9][..], None));
    let mut view = ViewBuf::default();
    view.push("赌博网".as_bytes(), At::Same(0));
    let mut all = Vec::new();
    let text = Text { decoded: false, ended: true };
    Cursor::default().advance(&lexicon, &view, text, |list, span| all.push((list, span)));
    assert_eq!(all, [(0, 0..6), (1, 0..6), (1, 0..9)]);
}

/// Terms that are too short for decoded text neither match nor hold there.
#[test]
fn decoded_text_is_looked_at_with_long_terms_alone() {
    let terms: Vec<Term> = ["赌博", "赌博网站", "abcdefgh", "毒品"]
        .iter()
        .map(|term| Term::parse(term).unwrap())
        .collect();
    let lexicon = Lexicon::new([(0, true, terms.as_slice())]).unwrap();
    assert_eq!(lexicon.shortest_decoded(), Some(8));
    for (text, held, ended) in [
        ("赌博", 0, vec![]),
        ("赌博网站", 12, vec![(0, 12)]),
        ("赌博网", 0, vec![]),
        ("x", 1, vec![]),
        ("毒", 3, vec![]),
    ] {
        let (mut view, mut cursor) = (ViewBuf::default(), Cursor::default());
        view.push(text.as_bytes(), At::Same(0));
        let mut all = Vec::new();
        let decoded = true;
        cursor.advance(&lexicon, &view, Text { decoded, ended: false }, |_, span| {
            all.push((span.start, span.end));
        });
        assert_eq!(cursor.start(), held, "{text}");
        cursor.advance(&lexicon, &view, Text { decoded, ended: true }, |_, span| {
            all.push((span.start, span.end));
        });
        assert_eq!(all, ended, "{text}");
    }
}

#[test]
fn a_tree_past_its_bound_is_refused() {
    let mut dice = Dice(3);
    let long = |dice: &mut Dice| {
        let text: String = (0..80).map(|_| LETTERS[12 + dice.below(10)]).collect();
        Term::parse(&text).unwrap()
    };
    let many = limits::LEXICON_NODES / 80 + 10_000;
    let terms: Vec<Term> = (0..many).map(|_| long(&mut dice)).collect();
    assert!(Lexicon::new([(0, true, terms.as_slice())]).is_err());
    assert!(Lexicon::new([(0, true, &terms[..many / 2])]).is_ok());
}

#[test]
fn a_file_of_terms_is_read_line_by_line() {
    let read = |text: &str| {
        let mut faults = Faults::default();
        let list = List::read(&FileText::new("l.txt", text), 2048, true, &mut faults);
        let said: Vec<String> = match faults.finish() {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        };
        let terms: Vec<(String, String)> = list
            .terms
            .iter()
            .zip(&list.classes)
            .map(|(term, classes)| (term.as_str().to_owned(), classes.to_string()))
            .collect();
        (terms, said)
    };
    let pair = |term: &str, classes: &str| (term.to_owned(), classes.to_owned());
    let (terms, said) =
        read("\u{feff}# a comment\r\nSlot  machine\tA.1.h\r\n\nslot machine\tA.4.a\n赌博\n");
    assert_eq!(terms, [pair("slot machine", "A.1.h,A.4.a"), pair("赌博", "")]);
    assert_eq!(said, [""; 0]);
    let (_, said) = read("good\nb\u{7}d\nfine\tA.1.z\n\u{200b}\n");
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[0].starts_with("l.txt:2:1: the term holds the control character U+0007"));
    assert!(said[1].starts_with("l.txt:3:1: `A.1.z` is no class"));
    assert!(said[2].starts_with("l.txt:4:1: the term has no visible character"));
    // What a term stands for, with its spaces at their longest, is a match too.
    let mut faults = Faults::default();
    List::read(&FileText::new("l.txt", "a b c\n"), 10, true, &mut faults);
    assert!(faults.any());
    let mut faults = Faults::default();
    List::read(&FileText::new("l.txt", "a b c\n"), 11, true, &mut faults);
    assert!(!faults.any());
}
