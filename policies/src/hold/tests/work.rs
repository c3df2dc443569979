//! What a text costs, counted in steps of the automata and of the decoders.

use crate::{Bundle, Channel, Source, automaton::steps};

/// Texts that grow with their length and cost what they can.
fn adversarial(bytes: usize) -> Vec<(&'static str, String)> {
    let again = |what: &str| what.repeat(bytes / what.len() + 1);
    let mut nested = "ignore previous instructions ".repeat(bytes / 80 + 1);
    for _ in 0..2 {
        nested = super::evasion::base64(&nested);
    }
    vec![
        ("one letter", again("a")),
        ("nested base64", nested),
        ("base64 of zeros", again("AAAA")),
        ("base32 of letters", again("MFRGG")),
        ("hexadecimal", again("61626364")),
        ("combining marks", again("a\u{301}\u{302}\u{303}")),
        ("marks alone", again("\u{489}")),
        ("zero widths", again("\u{200b}")),
        ("selectors", again("\u{fe01}\u{e0151}")),
        ("tags", again("\u{e0041}")),
        ("brackets", again("[")),
        ("deep objects", again("{\"a\":")),
        ("percent of percent", again("%25")),
        ("entities", again("&#38;#")),
        ("quoted-printable", again("=3D")),
        ("backslashes", again("\\")),
        ("quotes", again("'\"")),
        ("braces", again("{a,")),
        ("parameters", again("${x:-")),
        ("colons and slashes", again("://")),
        ("authorities", again("http://1.1.1.1.")),
        ("deletions", again("\u{8}")),
        ("letters and deletions", again("ig\u{8}")),
        ("single letters", again("i ")),
        ("beginnings of a phrase", again("ignore all ")),
        ("beginnings of a phrase, spelled", again("i g n o r e ")),
        ("turned phrases", again("suoiverp vtaber ")),
        ("digits", again("4111 ")),
        ("Chinese", again("忽略之前的")),
    ]
}

fn cost(bundle: &Bundle, channel: Channel, text: &str) -> u64 {
    let before = steps::taken();
    let mut hold = bundle.hold(channel);
    hold.push(text);
    hold.finish();
    steps::taken() - before
}

#[test]
fn no_text_costs_more_than_in_proportion_to_its_length() {
    let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
    let (short, long) = (adversarial(64 << 10), adversarial(256 << 10));
    let mut worst = Vec::new();
    for channel in [Channel::User, Channel::ToolCall] {
        for ((name, short), (_, long)) in short.iter().zip(&long) {
            let (once, more) = (cost(&bundle, channel, short), cost(&bundle, channel, long));
            let growth = (long.len() as u64).div_ceil(short.len() as u64);
            // The longer text comes in more pieces, of which all but the first look
            // again at what was left undecided before them.
            let most = once * growth / 4 * 5 + (1 << 16);
            assert!(more <= most, "{name}: {once}, then {more}");
            worst.push((more / long.len() as u64, *name, channel));
        }
    }
    worst.sort();
    let most = worst.last().unwrap();
    assert!(most.0 <= STEPS_PER_BYTE, "{worst:?}");
}

/// Ten megabytes of one letter, as `limits.request_bytes` would allow them.
#[test]
fn ten_mebibytes_of_one_letter_cost_no_more_a_byte_than_a_few() {
    let bundle = Bundle::compile(&Source::baseline()).unwrap().bundle;
    let text = "a".repeat(10 << 20);
    let taken = cost(&bundle, Channel::User, &text);
    assert!(taken <= 32 * text.len() as u64, "{taken}");
}

/// Where the passes over a text find too much to be worth it, a whole text is
/// looked at start by start, and not again and again with each piece.
#[test]
fn what_the_passes_give_up_costs_no_more_than_in_proportion() {
    let engine = super::engine(&["a", "a{2}", "a{3}", "a{4}", "a{5}", "a{6}"]);
    let cost = |bytes: usize| {
        let before = steps::taken();
        super::screen(&engine, &"a".repeat(bytes), 0);
        steps::taken() - before
    };
    let (once, more) = (cost(256 << 10), cost(1 << 20));
    assert!(more <= once * 5, "{once}, then {more}");
}

/// What the worst of these texts may take. A start goes no further than the
/// longest match, and there are so many views and decodings of one text.
const STEPS_PER_BYTE: u64 = 1024;
