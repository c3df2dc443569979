//! Appends exchanges to a log and prints a receipt for each as soon as it has one: the program
//! whose system calls fail, one after the other, in `it/inject.rs`.
//!
//! `append DIRECTORY EXCHANGES`: prints `<exchange> <receipt in base64>` lines. Without exchanges
//! it opens the log, which recovers it, and closes it.

use std::{io::Write, path::Path, process::ExitCode, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use troth_attest::{
    Boot, Clock as _, Config, ConfigInForce, ConfigOf, Intent, Log, LogConfig, Outcome, Record,
    RecordVerdict, Signer, SystemClock,
};

type Fault = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, exchanges] = arguments.as_slice() else { return ExitCode::from(64) };
    let done = exchanges.parse().map_err(Fault::from).and_then(|count| run(directory, count));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // What is injected may hit this line too.
            let _ = writeln!(std::io::stderr(), "append: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(directory: &str, exchanges: u64) -> Result<(), Fault> {
    let signer = Signer::generate("example.com/troth/inject", [7; 32])?;
    let mut config = LogConfig::new(Path::new(directory), signer.name().to_owned(), signer);
    // Small, so that segments, tiles and checkpoints all happen often.
    config.segment_bytes = 16 * 1024;
    config.publish_interval = Duration::from_millis(2);
    let log = Log::open(config, Arc::new(SystemClock))?;
    if exchanges > 0 {
        append(&log, exchanges)?;
    }
    log.close()?;
    Ok(())
}

fn append(log: &Log, exchanges: u64) -> Result<(), Fault> {
    log.append(Record::Boot(Boot::default()))?.wait()?;
    let declare = |of| Record::Config(Config { of, ..Config::default() });
    let policy = log.append(declare(ConfigOf::Policy))?.wait()?.index;
    let settings = log.append(declare(ConfigOf::Settings))?.wait()?.index;
    let in_force = ConfigInForce { model: None, policy, settings };
    log.blob(b"a manifest")?;
    let began = SystemClock.now_micros() / 1000;
    for group in 0..exchanges.div_ceil(GROUP) {
        let ids: Vec<String> = (0..GROUP).map(|place| uuid7(began + group, place)).collect();
        let mut waiting = Vec::new();
        for id in &ids {
            let request = log.committer("acme", id)?.commit("request", id.as_bytes());
            waiting.push(log.append(Record::Intent(Intent {
                exchange: id.clone(),
                tenant: log.pseudonym("tenant", "acme"),
                config: in_force,
                request: Some(request),
                ..Intent::default()
            }))?);
        }
        let mut intents = Vec::new();
        for pending in waiting {
            intents.push(pending.wait()?.index);
        }
        let mut waiting = Vec::new();
        for (id, intent) in ids.iter().zip(intents) {
            waiting.push(log.append(Record::Outcome(Box::new(Outcome {
                exchange: id.clone(),
                intent,
                verdict: RecordVerdict::Allow,
                coverage_complete: true,
                ..Outcome::default()
            })))?);
        }
        let mut lines = String::new();
        for (id, pending) in ids.iter().zip(waiting) {
            pending.wait()?;
            let receipt = STANDARD.encode(log.receipt(id, true)?.into_bytes());
            lines += &format!("{id} {receipt}\n");
        }
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush())?;
    }
    Ok(())
}

/// A UUID of version 7 whose random part is a number.
fn uuid7(millis: u64, place: u64) -> String {
    let (high, low) = (millis >> 16, millis & 0xffff);
    format!("{high:08x}-{low:04x}-7000-8000-{place:012x}")
}

/// Exchanges that are appended at once.
const GROUP: u64 = 16;
