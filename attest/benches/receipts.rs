//! What does a long log cost, and how soon does it answer? A log of N records
//! of about 400 bytes is written by the engine; then the bytes of its files are
//! told beside those of its records and hashes, and receipts of exchanges all
//! over it are timed.
//!
//! `TROTH_BENCH_RECORDS=10000000 cargo bench -p troth-attest --bench receipts`;
//! `TROTH_BENCH_DIR` names a directory on the file system that is to be
//! measured. Wall time on a shared machine is never asserted.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use troth_attest::{
    AppendError, Boot, Commitment, Config, ConfigInForce, ConfigOf, Intent, Log, LogConfig,
    Outcome, Pending, Record, RecordVerdict, Signer, SystemClock, TrustPolicy, verify_receipt,
};

type Failure = Box<dyn std::error::Error>;

fn main() {
    let root = std::env::var_os("TROTH_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let directory = root.join(format!("troth-bench-receipts-{}", std::process::id()));
    let done = run(&directory);
    let _ = std::fs::remove_dir_all(&directory);
    if let Err(fault) = done {
        let _ = writeln!(io::stderr(), "{fault}");
    }
}

fn run(directory: &Path) -> Result<(), Failure> {
    let mut out = io::stdout();
    let records = match std::env::var("TROTH_BENCH_RECORDS") {
        Ok(text) => text.parse::<u64>()?.max(1000),
        Err(_) => 1_000_000,
    };
    let signer = Signer::generate("example.com/bench", [7; 32])?;
    let policy = TrustPolicy::for_log(&signer.verifier());
    let config = LogConfig::new(directory, "example.com/bench", signer);
    let log = Log::open(config.clone(), Arc::new(SystemClock))?;
    let start = now();
    write_log(&log, records)?;
    log.close()?;
    drop(log);
    let seconds = start.elapsed().as_secs_f64();
    writeln!(out, "{records} records written in {seconds:.1} s")?;
    let files = Files::of(directory)?;
    // In full bundles each record has two bytes for its length.
    let bytes = files.bundles;
    // Every level of tiles above the first is a 256th of the one below.
    let hashes = records * 32;
    writeln!(
        out,
        "\n| records' bytes | hashes' bytes | all files, bytes | ratio | partial tiles |\n|---|---|---|---|---|\n\
         | {bytes} | {hashes} | {} | {:.3} | {} |",
        files.all,
        ratio(files.all, bytes + hashes),
        files.partial,
    )?;

    let log = Log::open(config, Arc::new(SystemClock))?;
    let exchanges = records / 2 - 8;
    // A generator of its own: the places are the same in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut place = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % exchanges
    };
    writeln!(out, "\n| 10,000 receipts | median | 99% | largest |\n|---|---|---|---|")?;
    for pass in ["cold", "warm"] {
        let mut waits = Vec::with_capacity(10_000);
        let mut receipts = Vec::with_capacity(10_000);
        for _ in 0..10_000 {
            let exchange = exchange(place());
            let before = now();
            receipts.push(log.receipt(&exchange, false)?);
            waits.push(before.elapsed());
        }
        for receipt in receipts.iter().step_by(10) {
            verify_receipt(receipt.as_str().as_bytes(), &policy, None)?;
        }
        waits.sort_unstable();
        let at = |part: usize| waits.get((waits.len() * part / 100).min(9_999)).copied();
        let at = |part| at(part).unwrap_or(Duration::ZERO);
        writeln!(out, "| {pass} | {:?} | {:?} | {:?} |", at(50), at(99), at(100))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// The n-th exchange's id: ids of version 7 rise with time.
fn exchange(n: u64) -> String {
    let millis = 1_795_000_000_000 + n;
    let (high, low) = (millis >> 16, millis & 0xffff);
    format!("{high:08x}-{low:04x}-7000-8000-{n:012x}")
}

/// Exchanges in groups as large as the queue; nothing waits for each of them.
fn write_log(log: &Log, records: u64) -> Result<(), Failure> {
    log.append(Record::Boot(Boot::default()))?.wait()?;
    log.append(Record::Config(Config { of: ConfigOf::Policy, ..Config::default() }))?.wait()?;
    log.append(Record::Config(Config::default()))?.wait()?;
    let mut next = 0;
    while log.status().size + 1 < records {
        let left = (records - log.status().size - 1) / 2;
        let group = next..next + left.clamp(1, 8192);
        next = group.end;
        let mut intents = Vec::new();
        for n in group {
            intents.push((n, append(log, || Record::Intent(intent(n)))?));
        }
        let mut outcomes = Vec::new();
        for (n, pending) in intents {
            let index = pending.wait()?.index;
            outcomes.push(append(log, || Record::Outcome(Box::new(outcome(n, index))))?);
        }
        for pending in outcomes {
            pending.wait()?;
        }
    }
    Ok(())
}

/// Waits for the tiles where they have fallen behind: a log refuses then.
fn append(log: &Log, record: impl Fn() -> Record) -> Result<Pending, AppendError> {
    loop {
        match log.append(record()) {
            Err(AppendError::QueueFull) => std::thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

fn intent(n: u64) -> Intent {
    Intent {
        action: "prompt".to_owned(),
        config: ConfigInForce { model: None, policy: 1, settings: 2 },
        dialect: "openai-chat".to_owned(),
        exchange: exchange(n),
        model: Some("gpt-test-of-some-size".to_owned()),
        principal: "cHJpbmNpcGFsLXBzZXVkbw".to_owned(),
        request: Some(Commitment([7; 32])),
        route: "chat".to_owned(),
        tenant: "dGVuYW50LXBzZXVkb255bQ".to_owned(),
        upstream: "models.example.com:443".to_owned(),
        ..Intent::default()
    }
}

fn outcome(n: u64, intent: u64) -> Outcome {
    Outcome {
        exchange: exchange(n),
        intent,
        policies: vec!["no-injection".to_owned()],
        request: Some(Commitment([7; 32])),
        response_released: Some(Commitment([8; 32])),
        verdict: RecordVerdict::Allow,
        ..Outcome::default()
    }
}

/// The files of a log, in bytes.
#[derive(Debug, Default)]
struct Files {
    all: u64,
    bundles: u64,
    partial: u64,
}

impl Files {
    fn of(root: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        files.add(root, "")?;
        Ok(files)
    }

    fn add(&mut self, directory: &Path, below: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{below}/{name}");
            if entry.file_type()?.is_dir() {
                self.partial += u64::from(name.ends_with(".p"));
                self.add(&entry.path(), &path)?;
            } else {
                let length = entry.metadata()?.len();
                self.all += length;
                if path.starts_with("/tile/entries/") {
                    self.bundles += length;
                }
            }
        }
        Ok(())
    }
}
