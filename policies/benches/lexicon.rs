//! What do many terms cost? Bundles with the patterns of the shipped ones and
//! 0, 10,000, 100,000 and 200,000 terms, half English and half Chinese, look at
//! 1 MiB of text: how long they take to build, the memory of the terms, and
//! the time of a pass beside the same bundle without terms, in the same run.
//! The raw pass is the bundle with its raw view alone; the other columns are
//! the whole of `screen`. Beside it stand the libraries that could have been
//! used for the terms (they give no hold-back): the same terms, the same texts,
//! searching alone.
//!
//! `cargo bench -p troth-policies --bench lexicon`. Terms are three or four words,
//! or four to six characters, drawn from the texts, so that most words of a text
//! begin many terms: worse than a real lexicon. The texts are made of words and
//! characters that are equally frequent; `TROTH_BENCH_TEXT` names a file of real
//! text instead (its ASCII lines are the English, the others the Chinese). Wall
//! time on a shared machine is never asserted.

use std::{
    hint::black_box,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use daachorse::{CharwiseDoubleArrayAhoCorasick, DoubleArrayAhoCorasick};
use troth_policies::{Bundle, Channel, Origin, Segment, Source};

mod shipped;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut out = io::stdout();
    let words = Words::read()?;
    let texts = [("English", words.text(true)), ("Chinese", words.text(false))];
    writeln!(out, "| terms | build | memory of terms | text | raw pass | times | all | times |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut alone: Vec<(Duration, Duration)> = Vec::new();
    let mut bare = 0;
    for count in [0, 10_000, 100_000, 200_000] {
        let terms = words.terms(count);
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
        libraries(&mut out, &words.terms(count), &texts)?;
    }
    Ok(())
}

fn libraries(
    out: &mut impl io::Write,
    terms: &[String],
    texts: &[(&str, String)],
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

/// The patterns of the shipped bundles, and the terms as a lexicon of their own;
/// in the raw view alone, or in all that each asks for.
fn bundle(terms: &[String], all: bool) -> Result<Bundle, Failure> {
    let mut source = Source::new();
    source.insert(
        "bundle.toml",
        b"version = 1\nname = \"bench\"\nrelease = \"1\"\n[limits]\nmatch_bytes = 16384\n".to_vec(),
    );
    for (number, mut detector) in shipped::detectors()?.into_iter().enumerate() {
        if !all {
            detector.remove("decode");
            detector.insert("views".to_owned(), Vec::<String>::new().into());
        }
        let mut file = toml::Table::new();
        file.insert("version".to_owned(), 1.into());
        file.insert("detector".to_owned(), vec![detector].into());
        source.insert(format!("detectors/d{number}.toml"), file.to_string().into_bytes());
    }
    if !terms.is_empty() {
        source.insert("lexicons/terms.txt", terms.join("\n").into_bytes());
        let detector = format!(
            "version = 1\n[[detector]]\nid = \"terms\"\ncategory = \"terms\"\nseverity = \"low\"\n\
             surfaces = [\"user_prompt\"]\nlexicon = \"terms.txt\"\ndecode = {all}\n"
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

/// What texts and terms are made of.
struct Words {
    english: Vec<String>,
    chinese: Vec<String>,
    /// Real texts, where there are.
    real: Option<(String, String)>,
}

impl Words {
    fn read() -> Result<Words, Failure> {
        let Ok(path) = std::env::var("TROTH_BENCH_TEXT") else {
            let syllables = ["ba", "con", "de", "ter", "in", "ra", "sol", "mu"];
            let word = |number: usize| {
                let places = [number / 64 % 8, number / 8 % 8, number % 8];
                places.into_iter().filter_map(|at| syllables.get(at)).copied().collect()
            };
            let chinese = (0x4e00u32..0x9fa5).step_by(23).filter_map(char::from_u32);
            return Ok(Words {
                english: (0..512).map(word).collect(),
                chinese: chinese.map(String::from).collect(),
                real: None,
            });
        };
        let (mut english, mut chinese) = (String::new(), String::new());
        for line in std::fs::read_to_string(path)?.lines() {
            let text = if line.is_ascii() { &mut english } else { &mut chinese };
            if text.len() < BYTES {
                text.push_str(line);
                text.push('\n');
            }
        }
        let letters = chinese.chars().filter(|c| ('\u{4e00}'..'\u{9fff}').contains(c));
        Ok(Words {
            english: english.split_whitespace().map(str::to_owned).collect(),
            chinese: letters.map(String::from).collect(),
            real: Some((english, chinese)),
        })
    }

    fn part(&self, dice: &mut Dice, english: bool) -> &str {
        let all = if english { &self.english } else { &self.chinese };
        all.get(dice.below(all.len().max(1))).map_or("x", String::as_str)
    }

    /// So many different terms, half of each language.
    fn terms(&self, count: usize) -> Vec<String> {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut all = std::collections::BTreeSet::new();
        while all.len() < count {
            let english = all.len() % 2 == 0;
            let length = if english { 3 + dice.below(2) } else { 4 + dice.below(3) };
            let parts: Vec<&str> = (0..length).map(|_| self.part(&mut dice, english)).collect();
            all.insert(parts.join(if english { " " } else { "" }));
        }
        all.into_iter().collect()
    }

    fn text(&self, english: bool) -> String {
        if let Some((one, two)) = &self.real {
            return if english { one.clone() } else { two.clone() };
        }
        let mut dice = Dice(3);
        let mut text = String::with_capacity(BYTES);
        while text.len() < BYTES - 64 {
            text.push_str(self.part(&mut dice, english));
            match (english, dice.below(13)) {
                (true, 0) => text.push_str(". "),
                (true, _) => text.push(' '),
                (false, 0) => text.push('，'),
                (false, _) => {}
            }
        }
        text
    }
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
