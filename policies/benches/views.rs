//! What does each view cost, and all of them together? One mebibyte of English,
//! Chinese, code and JSON, screened with the patterns of the shipped bundles:
//! in bytes a second for the raw view alone, with each other view, and with all
//! that the detectors ask for; next to `regex`'s `RegexSet` of the same
//! patterns, which says only whether each matches somewhere, and to copying.
//! Then the hold: how much it holds, and what a delta costs.
//!
//! `cargo bench -p troth-policies --bench views`. Ratios are of one run; wall
//! time on a shared machine is never asserted. With names, only those rows and
//! texts: `cargo bench -p troth-policies --bench views -- all code`.

use std::{
    collections::HashMap,
    hint::black_box,
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use regex::{RegexSet, RegexSetBuilder};
use toml::{Table, Value};
use troth_policies::{Bundle, Channel, Origin, Segment, Source};

mod shipped;

type Failure = Box<dyn std::error::Error>;

fn main() {
    if let Err(fault) = run() {
        let _ = writeln!(io::stderr(), "{fault}");
    }
}

fn run() -> Result<(), Failure> {
    let mut out = io::stdout();
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |names: &[&str], name: &str| {
        let asked: Vec<&String> = only.iter().filter(|one| names.contains(&one.as_str())).collect();
        asked.is_empty() || asked.iter().any(|one| *one == name)
    };
    let detectors = shipped::detectors()?;
    writeln!(out, "{} detectors with patterns\n", detectors.len())?;
    let mut texts = texts()?;
    texts.retain(|(name, _)| wanted(&["English", "Chinese", "code", "JSON"], name));
    let raw = bundle(&detectors, Some(&[]))?;
    let all = bundle(&detectors, None)?;
    writeln!(out, "| bytes a second | {} |", names(&texts))?;
    writeln!(out, "|---|{}", "---:|".repeat(texts.len()))?;
    let mut rates = Vec::new();
    let mut row = |name: &str, rate: &dyn Fn(&str) -> f64| -> Result<Vec<f64>, Failure> {
        if !name.contains("Set") && !wanted(ROWS, name.trim_start_matches("raw, ")) {
            return Ok(Vec::new());
        }
        let measured: Vec<f64> = texts.iter().map(|(_, text)| rate(text)).collect();
        let cells: Vec<String> =
            measured.iter().map(|rate| format!("{:.1} MB/s", rate / 1e6)).collect();
        writeln!(out, "| {name} | {} |", cells.join(" | "))?;
        Ok(measured)
    };
    row("copy", &|text| {
        rate(text, |text| {
            black_box(text.to_owned());
        })
    })?;
    match wanted(ROWS, "set").then(|| regex_set(&detectors)).transpose() {
        Ok(None) => {}
        Ok(Some(set)) => {
            // Seen before, and then as it comes: its states do not fit into its
            // cache, and it makes them again and again.
            row("`RegexSet`, 16 KiB again", &|text| {
                rate(beginning(text, 16 << 10), |text| {
                    black_box(set.matches(text).iter().count());
                })
            })?;
            row("`RegexSet`, 256 KiB once", &|text| {
                let text = beginning(text, 256 << 10);
                let start = now();
                black_box(set.matches(text).iter().count());
                f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX))
                    / start.elapsed().as_secs_f64()
            })?;
        }
        Err(fault) => {
            row(&format!("`RegexSet`: {fault}"), &|_| 0.0)?;
        }
    }
    rates.push(row("raw", &|text| screened(&raw, Channel::User, text))?);
    for view in ["decoded", "leet", "spelled", "rot13", "reversed"] {
        if !wanted(ROWS, view) {
            continue;
        }
        let one = bundle(&detectors, Some(&[view]))?;
        row(&format!("raw, {view}"), &|text| screened(&one, Channel::User, text))?;
    }
    rates.push(row("all", &|text| screened(&all, Channel::User, text))?);
    row("all, of a tool's argument", &|text| screened(&all, Channel::ToolCall, text))?;
    if let [raw, all] = rates.as_slice()
        && raw.len() == all.len()
    {
        let ratios: Vec<String> =
            raw.iter().zip(all).map(|(raw, all)| format!("{:.2}", raw / all)).collect();
        writeln!(out, "| raw / all | {} |", ratios.join(" | "))?;
    }
    if !wanted(ROWS, "hold") {
        return Ok(());
    }
    writeln!(out, "\n| hold, deltas of 4 characters | held on average | at most | a delta |")?;
    writeln!(out, "|---|---:|---:|---:|")?;
    for (name, text) in &texts {
        let (average, most, delta) = held(&all, text);
        writeln!(out, "| {name} | {average:.2} bytes | {most} bytes | {delta:.0} ns |")?;
    }
    Ok(())
}

/// A bundle of these detectors; with these views, where the detector can have them.
fn bundle(detectors: &[Table], views: Option<&[&str]>) -> Result<Bundle, Failure> {
    let mut chosen = detectors.to_vec();
    if let Some(views) = views {
        for detector in &mut chosen {
            detector.remove("decode");
            let list = views.iter().map(|view| Value::from(*view)).collect();
            detector.insert("views".to_owned(), Value::Array(list));
        }
    }
    loop {
        let faults = match Bundle::compile(&source(&chosen)?) {
            Ok(compiled) => return Ok(compiled.bundle),
            Err(faults) => faults,
        };
        // A detector that cannot have a view does without, and its file says which.
        let mut changed = false;
        for fault in faults.iter() {
            let number = fault.path().trim_start_matches("detectors/d").trim_end_matches(".toml");
            let detector = number.parse().ok().and_then(|at: usize| chosen.get_mut(at));
            if let Some(detector) = detector {
                let none = Value::Array(Vec::new());
                let before = detector.insert("views".to_owned(), none.clone());
                changed |= before.is_some_and(|before| before != none);
            }
        }
        if !changed {
            return Err(faults.into());
        }
    }
}

/// Each detector in a file of its own.
fn source(detectors: &[Table]) -> Result<Source, Failure> {
    let mut source = Source::new();
    source.insert("bundle.toml", BUNDLE.as_bytes().to_vec());
    for (number, detector) in detectors.iter().enumerate() {
        let mut file = Table::new();
        file.insert("version".to_owned(), Value::Integer(1));
        file.insert("detector".to_owned(), Value::Array(vec![Value::Table(detector.clone())]));
        let path = format!("detectors/d{number}.toml");
        source.insert(path, toml::to_string(&file)?.into_bytes());
    }
    Ok(source)
}

fn regex_set(detectors: &[Table]) -> Result<RegexSet, Failure> {
    let mut patterns = Vec::new();
    for detector in detectors {
        let exact = detector.get("case").and_then(Value::as_str) == Some("exact");
        let listed = detector.get("patterns").and_then(Value::as_array).into_iter().flatten();
        for pattern in listed.filter_map(Value::as_str) {
            patterns.push(if exact { pattern.to_owned() } else { format!("(?i:{pattern})") });
        }
    }
    Ok(RegexSetBuilder::new(patterns).size_limit(1 << 30).dfa_size_limit(64 << 20).build()?)
}

fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The best of some runs, in bytes a second.
fn rate(text: &str, mut once: impl FnMut(&str)) -> f64 {
    once(text);
    let (mut best, mut spent) = (Duration::MAX, Duration::ZERO);
    for _ in 0..50 {
        let start = now();
        once(text);
        let took = start.elapsed();
        best = best.min(took);
        spent += took;
        if spent > Duration::from_secs(1) {
            break;
        }
    }
    f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)) / best.as_secs_f64()
}

fn screened(bundle: &Bundle, channel: Channel, text: &str) -> f64 {
    rate(text, |text| {
        let segment =
            Segment { index: 0, pointer: "", channel, origin: Origin::User, tool: None, text };
        black_box(bundle.screen(&segment));
    })
}

/// Bytes held on average and at most, and nanoseconds for a delta.
fn held(bundle: &Bundle, text: &str) -> (f64, usize, f64) {
    let mut deltas = Vec::new();
    let mut rest = text.get(..text.len().min(1 << 18)).unwrap_or(text);
    while !rest.is_empty() {
        let at = rest.char_indices().nth(4).map_or(rest.len(), |(at, _)| at);
        let (delta, after) = rest.split_at(at);
        deltas.push(delta);
        rest = after;
    }
    let mut hold = bundle.hold(Channel::User);
    let (mut sum, mut most) = (0usize, 0usize);
    let start = now();
    for delta in &deltas {
        black_box(hold.push(delta));
        sum += hold.held_bytes();
        most = most.max(hold.held_bytes());
    }
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
    let count = f64::from(u32::try_from(deltas.len()).unwrap_or(u32::MAX));
    (f64::from(u32::try_from(sum).unwrap_or(u32::MAX)) / count, most, nanoseconds / count)
}

fn names(texts: &[(&'static str, String)]) -> String {
    texts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ")
}

/// A mebibyte of each kind: what others wrote, in prose and in code, and what a
/// chat and a service would. None repeats itself, since a text that
/// does shows how fast what was just seen is seen again.
fn texts() -> Result<Vec<(&'static str, String)>, Failure> {
    let mut dice = Dice(7);
    let (prose, code) = written()?;
    let sentences: Vec<&str> = CHINESE.split_inclusive(['，', '。', '：', '；', '\n']).collect();
    let mut json = String::new();
    for number in 0..12_000 {
        json.push_str(&format!(
            "{{\"id\":\"ord_{number:06}\",\"created_at\":\"2026-03-{:02}T{:02}:15:00Z\",\
             \"customer\":{{\"name\":\"Ada Byron {number}\",\"email\":\"ada{number}@example.com\"}},\
             \"items\":[{{\"sku\":\"A-{number}\",\"qty\":{},\"price\":{}.50}}],\"paid\":true}},\n",
            number % 28 + 1,
            number % 24,
            number % 7,
            number % 900
        ));
    }
    let all = [
        ("English", chained(&prose, &mut dice)),
        ("Chinese", std::iter::repeat_with(|| dice.one_of(&sentences)).take(100_000).collect()),
        ("code", code),
        ("JSON", json),
    ];
    all.into_iter().map(|(name, text)| Ok((name, mebibyte(&text)?))).collect()
}

/// Prose (documents and comments) and code that others wrote: what this
/// repository says is about attacks and encodings, and no ordinary text.
fn written() -> Result<(String, String), Failure> {
    let (mut prose, mut code) = (String::new(), String::new());
    let mut open = packages()?;
    while let Some(path) = open.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !["tests", "benches"].contains(&&*name) {
                    open.push(path);
                }
            } else if name.ends_with(".md") {
                prose.push_str(&std::fs::read_to_string(path)?);
            } else if name.ends_with(".rs") {
                for line in std::fs::read_to_string(path)?.lines() {
                    let line = line.trim_start();
                    match line.strip_prefix("//") {
                        Some(comment) => prose.push_str(comment.trim_start_matches(['/', '!'])),
                        None => code.push_str(line),
                    }
                    let text = if line.starts_with("//") { &mut prose } else { &mut code };
                    text.push('\n');
                }
            }
        }
    }
    Ok((prose, code))
}

/// Where the sources of some dependencies of the workspace are.
fn packages() -> Result<Vec<PathBuf>, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Those of other platforms need not be here.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).into());
    }
    let told: serde_json::Value = serde_json::from_slice(&told.stdout)?;
    let all = told.get("packages").and_then(|all| all.as_array()).ok_or("no packages")?;
    let text = |package: &serde_json::Value, key: &str| {
        package.get(key).and_then(|value| value.as_str()).map(str::to_owned)
    };
    let mut found: Vec<PathBuf> = all
        .iter()
        .filter(|package| text(package, "name").is_some_and(|name| WRITTEN.contains(&&*name)))
        .filter_map(|package| Some(PathBuf::from(text(package, "manifest_path")?).parent()?.into()))
        .collect();
    found.sort();
    if found.len() < WRITTEN.len() {
        return Err(format!("of {WRITTEN:?} only {found:?} are here").into());
    }
    Ok(found)
}

/// The text, and then more of its kind: each word follows the one before as it
/// does somewhere in the text.
fn chained(text: &str, dice: &mut Dice) -> String {
    let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
    let mut after: HashMap<&str, Vec<&str>> = HashMap::new();
    for pair in words.windows(2) {
        if let [one, two] = pair {
            after.entry(one).or_default().push(two);
        }
    }
    let mut more = text.to_owned();
    let mut last = "";
    while more.len() < MEBIBYTE {
        last = match after.get(last) {
            Some(next) => dice.one_of(next),
            None => dice.one_of(&words),
        };
        more.push_str(last);
    }
    more
}

fn mebibyte(text: &str) -> Result<String, Failure> {
    let at = (0..=MEBIBYTE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Ok(text.get(..at).ok_or("a text is too short")?.to_owned())
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        let place = usize::try_from(self.0 % count).unwrap_or(0);
        all.get(place).copied().unwrap_or_default()
    }
}

/// What can be asked for alone, `set` being `RegexSet`.
const ROWS: &[&str] = &[
    "copy",
    "set",
    "raw",
    "decoded",
    "leet",
    "spelled",
    "rot13",
    "reversed",
    "all",
    "all, of a tool's argument",
    "hold",
];
/// Whose sources are ordinary English and code.
const WRITTEN: &[&str] = &["clap_builder", "futures-util", "hyper", "rustls", "tokio"];

const MEBIBYTE: usize = 1 << 20;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

const BUNDLE: &str = "version = 1\nname = \"bench\"\nrelease = \"1\"\n\
                      [limits]\nmatch_bytes = 16384\n";

const CHINESE: &str = "\
今天下午三点在二楼会议室开例会，请各部门负责人准时参加，并带上本月的销售数据。\
这道菜的做法并不难：先把豆腐切成小块，用热水焯一下，再放进锅里用小火慢慢煎到两面金黄。\
他在信里说，北方的秋天来得很早，院子里的银杏已经黄了，风一吹就落满一地。\
请帮我把下面这段话翻译成英文，语气要正式一些，适合写在给客户的邮件里。\
根据公司的规定，员工每年享有十五天带薪年假，未休完的部分可以顺延到次年三月。\
如果你想学习编程，可以从简单的项目开始，比如写一个记账的小程序，边做边学。\
医生建议他每天至少走六千步，少吃油腻的食物，晚上十一点以前睡觉。\
这篇论文讨论了城市交通拥堵的成因，并提出了基于实时数据的信号灯调度方法。\n";
