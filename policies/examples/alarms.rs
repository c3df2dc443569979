//! What bundles say of texts whose answer is known.
//!
//! ```text
//! alarms DIRECTORY BUNDLE... [--worst N] [--as SURFACE] [--attacks] [--missed N]
//! ```
//!
//! Reads the `*.jsonl` files of a directory (`id`, `text`, `label`, `category`,
//! `lang`, `source`, `surface`), screens and judges every row that is labelled
//! `benign`, and prints how many were blocked, redacted and flagged, by source
//! and category and by detector, and the worst rows with what was found in
//! them. `--attacks` prints the share that is caught of the rows labelled
//! `injection`, `jailbreak` or `harmful` as well, and `--missed` the first N of
//! those that nothing stopped, blocked or flagged. `--as` puts every row on
//! another surface: source code as the argument of a tool that writes files is
//! what agents really send.
//!
//! A bundle is `builtin:NAME` or a directory. Several are compiled apart, and a
//! row's verdict is the strongest. The examples of each are run first.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use troth_policies::{
    Action, Bundle, Call, Event, Finding, Principal, Resource, Segment, Source, Surface, Trace,
    Verdict,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    label: String,
    category: String,
    #[serde(default)]
    lang: String,
    source: String,
    surface: String,
}

/// Verdicts of a group of rows.
#[derive(Default)]
struct Tally {
    rows: u32,
    blocked: u32,
    changed: u32,
    flagged: u32,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        self.rows += 1;
        match verdict {
            Verdict::Block => self.blocked += 1,
            Verdict::Redact | Verdict::Approve => self.changed += 1,
            Verdict::Flag => self.flagged += 1,
            _ => {}
        }
    }

    fn quiet(&self) -> bool {
        self.blocked + self.changed + self.flagged == 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |count: u32| 100.0 * f64::from(count) / f64::from(self.rows.max(1));
        write!(
            f,
            "{:>7} rows  blocked {:>5} ({:.3}%)  changed {:>5} ({:.3}%)  flagged {:>5} ({:.3}%)",
            self.rows,
            self.blocked,
            share(self.blocked),
            self.changed,
            share(self.changed),
            self.flagged,
            share(self.flagged),
        )
    }
}

struct Options {
    data: PathBuf,
    bundles: Vec<String>,
    worst: usize,
    surface: Option<Surface>,
    attacks: bool,
    missed: usize,
}

impl Options {
    fn parse() -> Result<Options> {
        let mut words = std::env::args().skip(1);
        let mut options = Options {
            data: words.next().ok_or(USAGE)?.into(),
            bundles: Vec::new(),
            worst: 50,
            surface: None,
            attacks: false,
            missed: 0,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--worst" => options.worst = words.next().ok_or(USAGE)?.parse()?,
                "--as" => {
                    let name = words.next().ok_or(USAGE)?;
                    options.surface = Some(Surface::parse(&name).ok_or(USAGE)?);
                }
                "--attacks" => options.attacks = true,
                "--missed" => options.missed = words.next().ok_or(USAGE)?.parse()?,
                _ => options.bundles.push(word),
            }
        }
        if options.bundles.is_empty() { Err(USAGE.into()) } else { Ok(options) }
    }
}

fn main() -> Result<()> {
    let options = Options::parse()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut bundles = Vec::new();
    for name in &options.bundles {
        let bundle = compile(name)?;
        let report = bundle.test();
        writeln!(
            out,
            "{name}: {} patterns, {} policies, {} of {} examples pass",
            bundle.pattern_count(),
            bundle.policy_count(),
            report.passed(),
            report.cases.len()
        )?;
        for case in report.cases.iter().filter(|case| !case.faults.is_empty()) {
            writeln!(out, "  {} {}: {}", case.file, case.id, case.faults.join("; "))?;
        }
        bundles.push(bundle);
    }
    out.flush()?;
    let mut benign = Report::default();
    let mut attacks = Report::default();
    for path in files(&options.data)? {
        for line in io::BufReader::new(fs::File::open(&path)?).lines() {
            let row: Row = serde_json::from_str(&line?)?;
            let report = match row.label.as_str() {
                "benign" => &mut benign,
                _ if options.attacks => &mut attacks,
                _ => continue,
            };
            let surface = options
                .surface
                .or_else(|| Surface::parse(&row.surface))
                .ok_or("no such surface")?;
            report.add(&row, judged(&bundles, surface, &row.text));
        }
    }
    benign.print(&mut out, "benign", options.worst, false)?;
    if options.attacks {
        attacks.print(&mut out, "attacks", 0, true)?;
        for row in attacks.missed.iter().take(options.missed) {
            writeln!(out, "    {row}")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn compile(name: &str) -> Result<Bundle> {
    let source = if name.starts_with("builtin:") {
        Source::builtin(name).ok_or_else(|| format!("nothing built in is called {name}"))?
    } else {
        let mut source = Source::new();
        read(Path::new(name), "", &mut source)?;
        source
    };
    Ok(Bundle::compile(&source).map_err(|faults| faults.to_string())?.bundle)
}

fn read(directory: &Path, prefix: &str, source: &mut Source) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), source)?;
        } else if Source::is_part(&path) {
            source.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The strongest verdict of all bundles, with its policies, and all findings.
struct Judged {
    verdict: Verdict,
    policies: Vec<String>,
    findings: Vec<Finding>,
}

fn judged(bundles: &[Bundle], surface: Surface, text: &str) -> Judged {
    let (principal, trace) = (Principal::anonymous(), Trace::default());
    let segment = Segment {
        index: 0,
        pointer: "",
        channel: surface.channel(),
        origin: surface.origin(),
        tool: Some(TOOL),
        text,
    };
    let action = match surface {
        Surface::ToolOutput => Action::ReturnToolResult,
        Surface::ToolCall => Action::CallTool,
        Surface::ToolDefinition => Action::OfferTool,
        Surface::ModelOutput => Action::Respond,
        _ => Action::Prompt,
    };
    let resource = match action {
        Action::Prompt | Action::Respond => Resource::Model("any"),
        _ => Resource::Tool(TOOL),
    };
    let arguments = match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => Value::Object(Map::from_iter([("text".to_owned(), Value::from(text))])),
    };
    let mut all = Judged { verdict: Verdict::Allow, policies: Vec::new(), findings: Vec::new() };
    for bundle in bundles {
        let findings = bundle.screen(&segment).findings;
        let decision = bundle.judge(&Event {
            action,
            principal: &principal,
            resource,
            findings: &findings,
            call: (action == Action::CallTool)
                .then_some(Call { name: TOOL, arguments: &arguments }),
            trace: &trace,
        });
        if decision.verdict > all.verdict {
            all.verdict = decision.verdict;
            all.policies = decision.policies.iter().map(|policy| policy.id.clone()).collect();
        }
        all.findings.extend(findings);
    }
    all
}

/// What came of the rows of one kind.
#[derive(Default)]
struct Report {
    all: Tally,
    groups: BTreeMap<String, Tally>,
    detectors: BTreeMap<String, (Verdict, u32)>,
    rows: Vec<(Verdict, String)>,
    missed: Vec<String>,
}

impl Report {
    fn add(&mut self, row: &Row, judged: Judged) {
        self.all.add(judged.verdict);
        let group = format!("{} {} {} {}", row.source, row.label, row.category, row.lang);
        self.groups.entry(group).or_default().add(judged.verdict);
        if judged.verdict == Verdict::Allow {
            if row.label != "benign" {
                let text: String = row.text.chars().take(200).collect();
                let group = (&row.label, &row.category, &row.lang);
                self.missed.push(format!("{} {group:?} {text:?}", row.id));
            }
            return;
        }
        let mut names: Vec<&str> = judged.findings.iter().map(|found| &*found.detector).collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            let entry = self.detectors.entry((*name).to_owned()).or_insert((judged.verdict, 0));
            *entry = (entry.0.max(judged.verdict), entry.1 + 1);
        }
        self.rows.push((
            judged.verdict,
            format!(
                "{} [{}] ({}) {}\n      {}",
                row.id,
                names.join(" "),
                judged.policies.join(" "),
                judged.verdict.as_str(),
                judged
                    .findings
                    .iter()
                    .take(3)
                    .map(|found| around(&row.text, found))
                    .collect::<Vec<_>>()
                    .join("\n      "),
            ),
        ));
    }

    fn print(&mut self, out: &mut impl Write, what: &str, worst: usize, quiet: bool) -> Result<()> {
        writeln!(out, "\n{what}: {}", self.all)?;
        for (name, tally) in self.groups.iter().filter(|(_, tally)| quiet || !tally.quiet()) {
            writeln!(out, "  {tally}  {name}")?;
        }
        let mut detectors: Vec<_> = self.detectors.iter().collect();
        detectors.sort_by_key(|(_, (verdict, rows))| (*verdict, *rows));
        for (name, (verdict, rows)) in detectors.into_iter().rev() {
            writeln!(out, "  {rows:>6} rows, at most {:<7} {name}", verdict.as_str())?;
        }
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.0));
        for (_, row) in self.rows.iter().take(worst) {
            writeln!(out, "    {row}")?;
        }
        Ok(())
    }
}

/// A finding in its surroundings, on one line.
fn around(text: &str, found: &Finding) -> String {
    let mut start = found.span.start.saturating_sub(60);
    let mut end =
        found.span.end.min(found.span.start.saturating_add(240)).saturating_add(60).min(text.len());
    while !text.is_char_boundary(start) {
        start = start.saturating_sub(1);
    }
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(start..end).unwrap_or_default().replace(['\n', '\r'], "\u{23ce}")
}

/// The tool that tool texts belong to.
const TOOL: &str = "any_tool";

const USAGE: &str =
    "usage: alarms DIRECTORY BUNDLE... [--worst N] [--as SURFACE] [--attacks] [--missed N]";
