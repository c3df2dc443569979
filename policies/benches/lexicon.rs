//! What do many terms cost? Bundles with the shipped baseline's patterns and
//! 0, 10,000, 100,000 and 200,000 terms, half English and half Chinese, look at
//! 1 MiB of text: how long they take to build, the memory of the terms, and
//! the time of a pass beside the same bundle without terms, in the same run.
//! The raw pass is the bundle with decoding switched off; the other columns are
//! the whole of `screen`. Beside it stand the libraries that could have been
//! used for the terms (they give no hold-back): the same terms, the same texts,
//! searching alone.
//!
//! `cargo bench -p troth-policies --bench lexicon`. The texts are made of the
//! same words and characters as the terms, so that half of all pairs of them
//! begin a term: worse than what people write. `TROTH_BENCH_TEXT` names a file
//! of real text to look at besides. Wall time on a shared machine is never
//! asserted.

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use daachorse::{CharwiseDoubleArrayAhoCorasick, DoubleArrayAhoCorasick};
use troth_policies::{Bundle, Channel, Origin, Segment, Source};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut out = io::stdout();
    let mut texts = vec![
        ("English".to_owned(), english()),
        ("Chinese".to_owned(), chinese()),
        ("JSON".to_owned(), json()),
    ];
    if let Ok(path) = std::env::var("TROTH_BENCH_TEXT") {
        let mut text = std::fs::read_to_string(&path)?;
        let cut = (0..=BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        texts.push((path, text));
    }
    writeln!(out, "| terms | build | memory of terms | text | raw pass | times | all | times |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut alone: Vec<(Duration, Duration)> = Vec::new();
    let mut bare = 0;
    for count in [0, 10_000, 100_000, 200_000] {
        let terms = terms(count);
        let start = now();
        let whole = bundle(&terms, true)?;
        let built = start.elapsed();
        let raw = bundle(&terms, false)?;
        if count == 0 {
            bare = whole.memory_bytes();
        }
        let memory = whole.memory_bytes().saturating_sub(bare) >> 20;
        for (number, (name, text)) in texts.iter().enumerate() {
            let pass = (fastest(|| screened(&raw, text)), fastest(|| screened(&whole, text)));
            if count == 0 {
                alone.push(pass);
            }
            let Some(before) = alone.get(number) else { continue };
            writeln!(
                out,
                "| {count} | {:.2} s | {memory} MiB | {name} | {} | {:.2} | {} | {:.2} |",
                built.as_secs_f64(),
                speed(text, pass.0),
                ratio(pass.0, before.0),
                speed(text, pass.1),
                ratio(pass.1, before.1),
            )?;
        }
    }
    writeln!(out, "\n| terms | library | build | memory | text | search alone |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for count in [10_000, 100_000, 200_000] {
        libraries(&mut out, &terms(count), &texts)?;
    }
    Ok(())
}

fn libraries(
    out: &mut impl io::Write,
    terms: &[String],
    texts: &[(String, String)],
) -> Result<(), Failure> {
    let count = terms.len();
    let mut tell = |name: &str, built: Duration, bytes: usize, search: &dyn Fn(&str) -> usize| {
        texts.iter().try_for_each(|(text_name, text)| {
            let time = fastest(|| search(text));
            let (built, mib) = (built.as_secs_f64(), bytes >> 20);
            let speed = speed(text, time);
            writeln!(out, "| {count} | {name} | {built:.2} s | {mib} MiB | {text_name} | {speed} |")
        })
    };
    let start = now();
    let automaton = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .ascii_case_insensitive(true)
        .build(terms)?;
    tell("aho-corasick, contiguous NFA", start.elapsed(), automaton.memory_usage(), &|text| {
        automaton.find_overlapping_iter(text).count()
    })?;
    let start = now();
    let automaton = DoubleArrayAhoCorasick::<u32>::new(terms).map_err(|fault| fault.to_string())?;
    tell("daachorse, bytes", start.elapsed(), automaton.heap_bytes(), &|text| {
        automaton.find_overlapping_iter(text).count()
    })?;
    let start = now();
    let automaton =
        CharwiseDoubleArrayAhoCorasick::<u32>::new(terms).map_err(|fault| fault.to_string())?;
    tell("daachorse, characters", start.elapsed(), automaton.heap_bytes(), &|text| {
        automaton.find_overlapping_iter(text).count()
    })?;
    Ok(())
}

/// The baseline's patterns, and the terms as a lexicon of their own.
fn bundle(terms: &[String], decode: bool) -> Result<Bundle, Failure> {
    let mut source = Source::new();
    source.insert(
        "bundle.toml",
        b"version = 1\nname = \"bench\"\nrelease = \"1\"\n[limits]\nmatch_bytes = 8192\n".to_vec(),
    );
    for (path, bytes) in Source::baseline().files() {
        if !path.starts_with("detectors/") {
            continue;
        }
        let mut file: toml::Table = std::str::from_utf8(bytes)?.parse()?;
        let detectors = file.get_mut("detector").and_then(toml::Value::as_array_mut);
        for detector in detectors.into_iter().flatten().filter_map(toml::Value::as_table_mut) {
            if !decode && detector.contains_key("patterns") {
                detector.insert("decode".to_owned(), false.into());
            }
        }
        source.insert(path, file.to_string().into_bytes());
    }
    if !terms.is_empty() {
        source.insert("lexicons/terms.txt", terms.join("\n").into_bytes());
        let detector = format!(
            "version = 1\n[[detector]]\nid = \"terms\"\ncategory = \"terms\"\nseverity = \"low\"\n\
             surfaces = [\"user_prompt\"]\nlexicon = \"terms.txt\"\ndecode = {decode}\n"
        );
        source.insert("detectors/terms.toml", detector.into_bytes());
    }
    Ok(Bundle::compile(&source)?.bundle)
}

fn screened(bundle: &Bundle, text: &str) -> usize {
    let segment = Segment {
        index: 0,
        pointer: "",
        channel: Channel::User,
        origin: Origin::User,
        tool: None,
        text,
    };
    bundle.screen(&segment).findings.len()
}

/// So many different terms: three or four words, or four to six characters.
fn terms(count: usize) -> Vec<String> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut all = std::collections::BTreeSet::new();
    while all.len() < count {
        let english = all.len() % 2 == 0;
        let length = if english { 3 + dice.below(2) } else { 4 + dice.below(3) };
        let parts: Vec<String> = (0..length).map(|_| dice.part(english)).collect();
        all.insert(parts.join(if english { " " } else { "" }));
    }
    all.into_iter().collect()
}

fn english() -> String {
    text(Dice(3), true, |text, dice| text.push_str(if dice.below(12) == 0 { ". " } else { " " }))
}

fn chinese() -> String {
    text(Dice(5), false, |text, dice| {
        if dice.below(15) == 0 {
            text.push('，');
        }
    })
}

fn json() -> String {
    let mut number = 0;
    text(Dice(7), true, |text, dice| {
        number += 1;
        if dice.below(8) == 0 {
            let _ = write!(text, "\", \"id\": {number}}},\n    {{\"note\": \"");
        } else {
            text.push(' ');
        }
    })
}

fn text(mut dice: Dice, english: bool, mut after: impl FnMut(&mut String, &mut Dice)) -> String {
    let mut text = String::with_capacity(BYTES);
    while text.len() < BYTES - 64 {
        text.push_str(&dice.part(english));
        after(&mut text, &mut dice);
    }
    text
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most
    }

    /// A word made of syllables, one of 512; or one of 400 characters.
    fn part(&mut self, english: bool) -> String {
        if !english {
            let code = 0x4e00 + u32::try_from(self.below(400)).unwrap_or(0) * 23;
            return char::from_u32(code).unwrap_or('一').to_string();
        }
        let number = self.below(512);
        let syllables = ["ba", "con", "de", "ter", "in", "ra", "sol", "mu"];
        [number / 64, number / 8 % 8, number % 8]
            .into_iter()
            .take(1 + number % 3)
            .chain([number % 8])
            .filter_map(|at| syllables.get(at))
            .copied()
            .collect()
    }
}

fn fastest(mut pass: impl FnMut() -> usize) -> Duration {
    let time = |pass: &mut dyn FnMut() -> usize| {
        let start = now();
        black_box(pass());
        start.elapsed()
    };
    (0..5).map(|_| time(&mut pass)).min().unwrap_or_default()
}

fn speed(text: &str, time: Duration) -> String {
    let bytes = u32::try_from(text.len()).map_or(0.0, f64::from);
    format!("{:.0} MB/s", bytes / time.as_secs_f64() / 1e6)
}

fn ratio(with: Duration, without: Duration) -> f64 {
    with.as_secs_f64() / without.as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures wall time")]
fn now() -> Instant {
    Instant::now()
}

const BYTES: usize = 1 << 20;
