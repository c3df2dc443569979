//! Latency of the built-in model on this machine, one thread, by length of text.
//!
//! `cargo run --release --package troth-classifiers --example latency`

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use troth_classifiers::{Classifiers, ModelSource, Options, Runtime};

const ENGLISH: &str = "The ferry leaves at nine, and whoever misses it waits for the next one. ";
const CHINESE: &str = "渡船九点出发，错过的人只能等下一班，请提前到达码头。";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::load(&Runtime::locate(None)?)?;
    let options = Options { workers: 1, ..Options::default() };
    let classifiers = Classifiers::open(&ModelSource::Builtin, &runtime, &options)?;
    let mut out = std::io::stdout();
    writeln!(out, "| text | bytes | tokens | windows | least us | p50 us | p99 us |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (name, unit, characters) in [
        ("English", ENGLISH, 40),
        ("English", ENGLISH, 440),
        ("English", ENGLISH, 4_000),
        ("English", ENGLISH, 32_000),
        ("Chinese", CHINESE, 20),
        ("Chinese", CHINESE, 100),
        ("Chinese", CHINESE, 1_000),
        ("Chinese", CHINESE, 10_000),
    ] {
        let text: String = unit.chars().cycle().take(characters).collect();
        let text: Arc<str> = text.into();
        let rounds = 400_000_usize.checked_div(characters).unwrap_or_default().clamp(50, 2_000);
        let mut micros = Vec::new();
        let mut last = None;
        for _ in 0..rounds {
            let scores = classifiers.score(Arc::clone(&text), Duration::from_secs(60))?.wait()?;
            micros.push(scores.micros);
            last = Some(scores);
        }
        micros.sort_unstable();
        let at = |share: usize| {
            let index = micros.len().saturating_mul(share).checked_div(100).unwrap_or_default();
            micros.get(index).copied().unwrap_or_default()
        };
        if let Some(scores) = last {
            let (bytes, tokens, windows) = (text.len(), scores.tokens, scores.windows);
            let (least, half, most) = (at(0), at(50), at(99));
            writeln!(
                out,
                "| {name} | {bytes} | {tokens} | {windows} | {least} | {half} | {most} |"
            )?;
        }
    }
    classifiers.close();
    Ok(())
}
