//! What is caught plain is caught evaded: every attack of every shipped bundle's
//! examples, through the rows of the evasion matrix, alone and in pairs, whole
//! and streamed in random pieces.
//!
//! `make test` takes a sample by a seed; `make evasion` runs all of it and
//! prints the share that is caught by row. An evaded attack counts as caught
//! when its verdict is at least as strong as the plain one's.

mod random;
mod rows;

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use serde::Deserialize;

use self::{
    random::Random,
    rows::{Kind, ROWS, Row},
};
use super::*;
use crate::{
    event::Event,
    finding::{Finding, Severity, View},
    segment::Channel,
};

/// What the texts of a category are. One that can block and is not listed here
/// fails the tests; `None` is what is itself an evasion.
const KINDS: &[(&str, Option<Kind>)] = &[
    ("account", Some(Kind::Exact)),
    ("credentials", Some(Kind::Code)),
    ("deserialisation", Some(Kind::Code)),
    ("destructive", Some(Kind::Code)),
    ("execution", Some(Kind::Code)),
    ("exfiltration", Some(Kind::Address)),
    ("extraction", Some(Kind::Words)),
    ("hidden", None),
    ("injection", Some(Kind::Words)),
    ("jailbreak", Some(Kind::Words)),
    ("persistence", Some(Kind::Code)),
    ("pii", Some(Kind::Exact)),
    ("secret", Some(Kind::Exact)),
    ("secret_suspected", Some(Kind::Exact)),
    ("seed_phrase", Some(Kind::Exact)),
    ("sql", Some(Kind::Code)),
    ("ssrf", Some(Kind::Code)),
    ("tampering", Some(Kind::Code)),
    ("template", Some(Kind::Code)),
    ("tool_instructions", Some(Kind::Words)),
    ("traversal", Some(Kind::Code)),
    ("wallet", Some(Kind::Exact)),
];

/// Detectors whose texts are not what those of their category are: marks that a
/// chat template's tokens are made of, and addresses with a place for data.
const OF_DETECTOR: &[(&str, Kind)] = &[
    ("exfiltration.template", Kind::Address),
    ("markup.role", Kind::Code),
    ("markup.tokens", Kind::Code),
];

/// An attack that a bundle catches.
struct Attack<'b> {
    bundle: &'b Bundle,
    example: &'b Example,
    kind: Kind,
    plain: Verdict,
    trace: Trace,
}

impl Attack<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.bundle.name(), self.example.raw.id.get_ref())
    }

    /// Whether the text is caught whole, and streamed in random pieces.
    fn caught(&self, text: &str, random: &mut Random) -> [bool; 2] {
        let raw = &self.example.raw;
        let segment = segment(0, raw.surface, raw.tool.as_deref(), text);
        let whole = self.bundle.screen(&segment).findings;
        let streamed = streamed(self.bundle, segment.channel, text, random);
        [whole, streamed].map(|findings| {
            verdict(self.bundle, self.example, &self.trace, &segment, &findings) >= self.plain
        })
    }
}

fn streamed(bundle: &Bundle, channel: Channel, text: &str, random: &mut Random) -> Vec<Finding> {
    let mut hold = bundle.hold(channel);
    let (mut findings, mut piece) = (Vec::new(), String::new());
    let mut left = 1 + random.below(12);
    for c in text.chars() {
        piece.push(c);
        left -= 1;
        if left == 0 {
            findings.extend(hold.push(&piece).findings);
            piece.clear();
            left = 1 + random.below(12);
        }
    }
    findings.extend(hold.push(&piece).findings);
    findings.extend(hold.finish().findings);
    findings
}

fn verdict(
    bundle: &Bundle,
    example: &Example,
    trace: &Trace,
    segment: &Segment<'_>,
    findings: &[Finding],
) -> Verdict {
    let raw = &example.raw;
    let mut trace = trace.clone();
    bundle.observe(&mut trace, segment, findings);
    let action = raw.action.unwrap_or_else(|| usual_action(raw.surface));
    let tool = raw.tool.as_deref().unwrap_or("");
    let arguments = raw.arguments.clone().unwrap_or(Value::Object(Map::new()));
    let on_tool = matches!(action, Action::CallTool | Action::OfferTool | Action::ReturnToolResult)
        || (raw.tool.is_some() && !matches!(action, Action::Prompt | Action::Respond));
    let event = Event {
        action,
        principal: &example.principal,
        resource: if on_tool { Resource::Tool(tool) } else { Resource::Model("example") },
        findings,
        call: (action == Action::CallTool).then_some(Call { name: tool, arguments: &arguments }),
        trace: &trace,
    };
    bundle.judge(&event).verdict
}

fn shipped() -> Vec<Bundle> {
    Source::builtins()
        .filter_map(Source::builtin)
        .map(|source| Bundle::compile(&source).unwrap().bundle)
        .collect()
}

/// The attacks that are caught for what their text holds.
fn attacks(bundles: &[Bundle]) -> Vec<Attack<'_>> {
    let mut all = Vec::new();
    for bundle in bundles {
        for example in &bundle.inner().examples {
            all.extend(attack(bundle, example));
        }
    }
    all
}

fn attack<'b>(bundle: &'b Bundle, example: &'b Example) -> Option<Attack<'b>> {
    let raw = &example.raw;
    let mut trace = Trace::default();
    raw.labels.iter().for_each(|label| trace.add(label.get_ref()));
    for (step, index) in raw.history.iter().zip(0u32..) {
        let segment = segment(index, step.surface, step.tool.as_deref(), &step.text);
        let findings = bundle.screen(&segment).findings;
        bundle.observe(&mut trace, &segment, &findings);
    }
    let last = segment(0, raw.surface, raw.tool.as_deref(), &raw.text);
    let findings = bundle.screen(&last).findings;
    let plain = verdict(bundle, example, &trace, &last, &findings);
    let without = verdict(bundle, example, &trace, &last, &[]);
    // Not the text's doing, or evaded already: a third encoding is past the bound.
    let evaded = findings
        .iter()
        .any(|found| !matches!(found.view, View::Raw | View::Folded | View::Shell | View::Url));
    if plain < Verdict::Redact || without >= plain || !raw.scores.is_empty() || evaded {
        return None;
    }
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Low);
    let found: Vec<_> =
        findings.iter().filter(|finding| finding.severity == worst).map(kind).collect();
    // The strictest of its kinds: what a machine reads is no sentence.
    let strict = [Kind::Exact, Kind::Address, Kind::Code, Kind::Words];
    if found.contains(&None) {
        return None;
    }
    let kind = strict.into_iter().find(|kind| found.contains(&Some(*kind)))?;
    Some(Attack { bundle, example, kind, plain, trace })
}

fn kind(finding: &Finding) -> Option<Kind> {
    let own = OF_DETECTOR.iter().find(|(id, _)| *id == &*finding.detector);
    let category = &*finding.category;
    let usual = || {
        let found = KINDS.iter().find(|(name, _)| *name == category);
        found.unwrap_or_else(|| panic!("say in KINDS what the texts of `{category}` are")).1
    };
    own.map_or_else(usual, |(_, kind)| Some(*kind))
}

/// One way to evade: a row, or two in order. The encoding comes last.
type Way = Vec<&'static Row>;

fn ways(kind: Kind) -> Vec<Way> {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.kinds.contains(&kind)).collect();
    let mut ways: Vec<Way> = rows.iter().map(|row| vec![*row]).collect();
    for (first, one) in rows.iter().enumerate() {
        for (second, two) in rows.iter().enumerate() {
            let ordered = match (one.encodes, two.encodes) {
                (false, false) => first < second,
                (one, two) => two || !one,
            };
            // Letters stand apart once: what is between them makes no other row.
            let twice = [one, two].iter().all(|row| matches!(row.name, "spaced" | "dotted"));
            if ordered && !twice {
                ways.push(vec![*one, *two]);
            }
        }
    }
    ways
}

fn evade(text: &str, way: &Way, random: &mut Random) -> String {
    way.iter().fold(text.to_owned(), |text, row| (row.apply)(&text, random))
}

/// Runs and catches, whole and streamed.
#[derive(Clone, Copy, Default)]
struct Share {
    runs: u32,
    caught: [u32; 2],
}

impl Share {
    fn add(&mut self, caught: [bool; 2]) {
        self.runs += 1;
        for (sum, one) in self.caught.iter_mut().zip(caught) {
            *sum += u32::from(one);
        }
    }

    fn join(&mut self, other: Share) {
        self.runs += other.runs;
        for (sum, one) in self.caught.iter_mut().zip(other.caught) {
            *sum += one;
        }
    }

    fn percent(&self) -> [f64; 2] {
        self.caught.map(|caught| 100.0 * f64::from(caught) / f64::from(self.runs.max(1)))
    }
}

/// A sample by a seed, that a failure prints and `TROTH_SEED` sets; with
/// `TROTH_EVASION` all of it, and the shares by row.
#[test]
fn what_is_caught_plain_is_caught_evaded() {
    let bundles = shipped();
    let attacks = attacks(&bundles);
    assert!(attacks.len() > 300, "{} attacks", attacks.len());
    let mut tally = Tally::default();
    if std::env::var_os("TROTH_EVASION").is_some() {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let share = |worker: usize| {
            let mut tally = Tally::default();
            for (number, attack) in attacks.iter().enumerate().skip(worker).step_by(workers) {
                for (index, way) in ways(attack.kind).iter().enumerate() {
                    let mut random = Random::new((number * 1000 + index).try_into().unwrap());
                    tally.run(attack, way, &mut random);
                }
            }
            tally
        };
        std::thread::scope(|scope| {
            let shares: Vec<_> =
                (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
            shares.into_iter().for_each(|share| tally.add(share.join().unwrap()));
        });
        std::io::stdout().write_all(tally.table().as_bytes()).unwrap();
    } else {
        let seed = std::env::var("TROTH_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(SEED);
        let mut random = Random::new(seed);
        let ways: Vec<(Kind, Vec<Way>)> = [Kind::Words, Kind::Code, Kind::Exact, Kind::Address]
            .map(|kind| (kind, ways(kind)))
            .into();
        for _ in 0..SAMPLE {
            let attack = random.choose(&attacks);
            let (_, ways) = ways.iter().find(|(kind, _)| *kind == attack.kind).unwrap();
            let way = random.choose(ways).clone();
            tally.run(attack, &way, &mut random);
        }
        assert_eq!(tally.every.runs, SAMPLE, "seed {seed}");
    }
    let least = tally.every.percent().into_iter().fold(100.0, f64::min);
    assert!(least >= 99.0, "{least:.2}%\n{}", tally.missed.join("\n"));
}

/// What became of the runs.
#[derive(Default)]
struct Tally {
    every: Share,
    by_row: BTreeMap<(&'static str, bool), Share>,
    by_pair: BTreeMap<(&'static str, &'static str), (Share, String)>,
    by_bundle: BTreeMap<String, Share>,
    missed: Vec<String>,
}

impl Tally {
    fn run(&mut self, attack: &Attack<'_>, way: &Way, random: &mut Random) {
        let text = evade(&attack.example.raw.text, way, random);
        let caught = attack.caught(&text, random);
        self.every.add(caught);
        self.by_bundle.entry(attack.bundle.name().to_owned()).or_default().add(caught);
        if caught != [true, true] && (way.len() == 1 || self.missed.len() < 40) {
            let rows: Vec<&str> = way.iter().map(|row| row.name).collect();
            self.missed.push(format!("{} {rows:?} {caught:?}", attack.name()));
        }
        for row in way {
            self.by_row.entry((row.name, way.len() > 1)).or_default().add(caught);
        }
        if let [one, two] = way.as_slice() {
            let entry = self.by_pair.entry((one.name, two.name)).or_default();
            entry.0.add(caught);
            if caught != [true, true] && entry.1.is_empty() {
                entry.1 = attack.name();
            }
        }
    }

    fn add(&mut self, other: Tally) {
        self.every.join(other.every);
        for (row, share) in other.by_row {
            self.by_row.entry(row).or_default().join(share);
        }
        for (pair, (share, example)) in other.by_pair {
            let entry = self.by_pair.entry(pair).or_default();
            entry.0.join(share);
            if entry.1.is_empty() {
                entry.1 = example;
            }
        }
        for (bundle, share) in other.by_bundle {
            self.by_bundle.entry(bundle).or_default().join(share);
        }
        self.missed.extend(other.missed);
    }

    fn table(&self) -> String {
        let mut out = String::from(
            "\nrow              alone: runs  whole stream   in pairs: runs  whole stream\n",
        );
        for row in ROWS {
            let [alone, pairs] = [false, true]
                .map(|pairs| self.by_row.get(&(row.name, pairs)).copied().unwrap_or_default());
            let ([a, b], [c, d]) = (alone.percent(), pairs.percent());
            let _ = writeln!(
                out,
                "{:<16} {:>11} {a:>6.2} {b:>6.2} {:>16} {c:>6.2} {d:>6.2}",
                row.name, alone.runs, pairs.runs
            );
        }
        for ((one, two), (share, example)) in &self.by_pair {
            let [whole, stream] = share.percent();
            if whole.min(stream) < 99.0 {
                let runs = share.runs;
                let _ =
                    writeln!(out, "{one} then {two}: {whole:.2} {stream:.2} of {runs} ({example})");
            }
        }
        for missed in self.missed.iter().filter(|missed| !missed.contains("\", \"")) {
            let _ = writeln!(out, "missed: {missed}");
        }
        for (name, share) in &self.by_bundle {
            let [whole, stream] = share.percent();
            let _ = writeln!(out, "bundle {name}: {whole:.2} {stream:.2} of {}", share.runs);
        }
        let [whole, stream] = self.every.percent();
        let _ = writeln!(out, "all: {whole:.2} {stream:.2} of {}", self.every.runs);
        out
    }
}

#[derive(Deserialize)]
struct Legitimate {
    text: Vec<String>,
}

/// Emoji with joiners, flags, scripts that need joiners, mathematics, code,
/// images in base64, names with diacritics: nothing of it is an attack, in any
/// bundle, on any surface.
#[test]
fn the_legitimate_set_is_left_alone() {
    let set: Legitimate = toml::from_str(include_str!("../../testdata/legitimate.toml")).unwrap();
    assert!(set.text.len() >= 40);
    for bundle in shipped() {
        for text in &set.text {
            for surface in Surface::ALL {
                let findings = bundle.screen(&segment(0, surface, None, text)).findings;
                assert!(findings.is_empty(), "{} {surface:?} {text} {findings:?}", bundle.name());
            }
        }
    }
}

const SAMPLE: u32 = 1_500;
const SEED: u64 = 4;
