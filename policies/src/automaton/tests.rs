use regex_syntax::Parser;

use super::*;

fn automaton(patterns: &[&str]) -> Automaton {
    let hirs: Vec<Hir> = patterns.iter().map(|p| Parser::new().parse(p).unwrap()).collect();
    Automaton::new(&hirs.iter().map(|hir| (hir, 1)).collect::<Vec<_>>(), true, 1 << 20).unwrap()
}

/// Were the lazy DFA ever to give up, the slow way must say the same.
#[test]
fn the_slow_scan_says_what_the_fast_one_says() {
    let automaton = automaton(&["a{1,3}b?", r"(?-u:\b)ab(?-u:\b)", "(?m:^)b|a$", "é[ab]{0,2}-"]);
    let mut scratch = automaton.scratch();
    for text in ["aab-", "ab", "b\nab a", "éab-éa", "-a", "aaaab"] {
        let text = text.as_bytes();
        for at in 0..text.len() {
            for ended in [false, true] {
                for pattern in 0..4 {
                    let (mut fast, mut slow) = (Vec::new(), Vec::new());
                    automaton.scan(&mut scratch, pattern, text, at, ended, |end| fast.push(end));
                    let scan =
                        automaton.scan_slowly(&mut scratch, pattern, text, at, ended, |end| {
                            slow.push(end)
                        });
                    assert_eq!(fast, slow, "{pattern} {at} {ended}");
                    assert!(!ended || scan == Scan::Dead);
                }
            }
        }
    }
}

/// The table never passes over a start.
#[test]
fn the_table_of_beginnings_leaves_no_match_out() {
    let automaton = automaton(&["a", "bc", "(?m:^)d{2}", "é", r"(?-u:\b)-(?-u:\B)-"]);
    let mut scratch = automaton.scratch();
    for text in ["a-", "bc", "\ndd", "éa", "x--", "ba"] {
        let text = text.as_bytes();
        for at in 0..text.len() {
            let behind = at.checked_sub(1).map(|before| text[before]);
            for pattern in 0..5 {
                let mut found = false;
                automaton.scan(&mut scratch, pattern, text, at, true, |_| found = true);
                let seconds = [None, text.get(at + 1).copied()];
                let listed = seconds.map(|second| {
                    automaton.beginning_with(behind, text[at], second).contains(&pattern)
                });
                assert!(!found || listed == [true, true], "{pattern} {at}");
                assert!(!found || automaton.begins(pattern, text, at));
            }
        }
    }
}

/// What the passes leave out matches nowhere, whatever the text's length and case.
#[test]
fn the_passes_leave_no_match_out() {
    let patterns = [
        r"(?-u:\b)ignore[ ]{1,3}(?:all|any)",
        "[0-9]{4,20}x",
        "(?i)\u{17f}kip[^x]{0,60}\u{212a}ey",
        "[i1][ .]?[g9][ .]?n[ .]?[o0][ .]?r[ .]?[e3]",
        "q|zebra",
        "é[a-z]{0,30}ü",
    ];
    let automaton = automaton(&patterns);
    let mut scratch = automaton.scratch();
    let words = [
        "ignore  all",
        "IGNORE any",
        "123456789x",
        "SKIP the KEY",
        "\u{17f}kip it, \u{212a}ey",
        "i g n o r e",
        "1.9n0r3",
        "q",
        "zebra",
        "éabcü",
        "nothing",
        " ",
        "ignore",
        "12345",
    ];
    for seed in 0..200usize {
        let text: Vec<&str> =
            (0..40).map(|n| words[(seed * 7919 + n * (seed + 13)) % words.len()]).collect();
        let text = text.join(if seed % 2 == 0 { " " } else { "" });
        let text = text.as_bytes();
        for (from, ended) in [(0, true), (5, true), (0, false), (17, false)] {
            let mut marks = automaton.passes().marks(&mut scratch.pass, text, from, ended, None);
            let mut marked = std::collections::BTreeSet::new();
            let mut at = from;
            while let Some(next) = marks.next(at) {
                marked.extend(marks.here().iter().map(|mark| (next, mark.pattern)));
                at = next + 1;
            }
            for at in from..marks.upto {
                for pattern in 0..6 {
                    let mut found = false;
                    automaton.scan(&mut scratch, pattern, text, at, true, |_| found = true);
                    assert!(!found || marked.contains(&(at, pattern)), "{pattern} {at}");
                }
            }
        }
    }
}

#[test]
fn a_set_past_its_limit_is_refused() {
    let hir = Parser::new().parse(r"(?:\w{1,50} ){1,50}").unwrap();
    assert!(Automaton::new(&[(&hir, 1)], true, 1 << 20).is_err());
}
