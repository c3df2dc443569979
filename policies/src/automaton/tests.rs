use regex_syntax::Parser;

use super::*;

fn automaton(patterns: &[&str]) -> Automaton {
    let hirs: Vec<Hir> = patterns.iter().map(|p| Parser::new().parse(p).unwrap()).collect();
    Automaton::new(&hirs.iter().collect::<Vec<_>>(), 1 << 20).unwrap()
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
                let (mut fast, mut slow) = (Vec::new(), Vec::new());
                automaton.scan(&mut scratch, text, at, ended, |p, end| fast.push((p, end)));
                let scan = automaton
                    .scan_slowly(&mut scratch, text, at, ended, |p, end| slow.push((p, end)));
                fast.sort_unstable();
                slow.sort_unstable();
                assert_eq!(fast, slow, "{at} {ended}");
                assert!(!ended || scan == Scan::Dead);
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
        for (at, pair) in text.windows(2).enumerate() {
            let mut found = false;
            automaton.scan(&mut scratch, text, at, true, |_, _| found = true);
            assert!(
                !found
                    || automaton.begins_with(
                        at.checked_sub(1).map(|before| text[before]),
                        pair[0],
                        pair[1]
                    )
            );
            assert!(!found || automaton.begins(pair[0]));
        }
    }
}

#[test]
fn a_set_past_its_limit_is_refused() {
    let hir = Parser::new().parse(r"(?:\w{1,50} ){1,50}").unwrap();
    assert!(Automaton::new(&[&hir], 1 << 20).is_err());
}
