//! How near is the engine to the disk? 64 producers that wait for each record,
//! against a bare loop that appends the same bytes and syncs once a group.
//!
//! `cargo bench -p troth-attest` prints both, side by side; wall time on a
//! shared machine is never asserted.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use troth_attest::{
    Boot, Config, ConfigInForce, ConfigOf, DirectorySource, Intent, Log, LogConfig, Outcome,
    Record, RecordVerdict, Signer, SystemClock, TrustPolicy, VerifyOptions, verify,
};

fn main() {
    let root = std::env::var_os("TROTH_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let directory = root.join(format!("troth-bench-{}", std::process::id()));
    let done = run(&directory);
    let _ = std::fs::remove_dir_all(&directory);
    if let Err(fault) = done {
        let _ = writeln!(io::stderr(), "{fault}");
    }
}

fn run(directory: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout();
    writeln!(out, "| producers | records/s | median wait | 99% wait |")?;
    writeln!(out, "|---|---|---|---|")?;
    let mut last = None;
    for producers in [1_u64, 8, 64, 256] {
        let path = directory.join(producers.to_string());
        let (rate, waits) = engine(&path, producers, Duration::from_secs(3))?;
        let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
        writeln!(out, "| {producers} | {rate} | {:?} | {:?} |", at(50), at(99))?;
        last = Some(path);
    }
    let group = 64 * 400;
    let (rate, median) = bare(&directory.join("bare"), group, Duration::from_secs(2))?;
    writeln!(
        out,
        "\nbare loop, 64 records of 400 bytes a sync: {rate} records/s, {median:?} a sync"
    )?;
    if let Some(path) = last {
        let start = now();
        let policy = TrustPolicy::for_log(&signer()?.verifier());
        let source = DirectorySource::new(path);
        let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
        let seconds = start.elapsed().as_secs_f64();
        writeln!(out, "verify: {} records in {seconds:.2} s, {}", report.size, report.status)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn signer() -> Result<Signer, troth_attest::KeyError> {
    Signer::generate("example.com/bench", [7; 32])
}

/// Producers that write an intent, wait, write its outcome, wait.
fn engine(
    path: &std::path::Path,
    producers: u64,
    span: Duration,
) -> Result<(u64, Vec<Duration>), Box<dyn std::error::Error>> {
    let config = LogConfig::new(path, "example.com/bench", signer()?);
    let log = Log::open(config, Arc::new(SystemClock))?;
    log.append(Record::Boot(Boot::default()))?.wait()?;
    let policy = Config { of: ConfigOf::Policy, ..Config::default() };
    log.append(Record::Config(policy))?.wait()?;
    log.append(Record::Config(Config::default()))?.wait()?;
    let start = now();
    let mut waits = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|producer| {
                let log = log.clone();
                scope.spawn(move || produce(&log, producer, start, span).unwrap_or_default())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let rate = u64::try_from(waits.len())? * 1000 / u64::try_from(start.elapsed().as_millis())?;
    log.close()?;
    waits.sort_unstable();
    Ok((rate, waits))
}

fn produce(
    log: &Log,
    producer: u64,
    start: Instant,
    span: Duration,
) -> Result<Vec<Duration>, troth_attest::AppendError> {
    let mut waits = Vec::new();
    let mut n = 0_u64;
    while start.elapsed() < span {
        n += 1;
        let exchange = format!("019aabcd-0000-7000-8{producer:03x}-{n:012x}");
        let intent = Intent {
            action: "prompt".to_owned(),
            config: ConfigInForce { model: None, policy: 1, settings: 2 },
            dialect: "openai-chat".to_owned(),
            exchange: exchange.clone(),
            model: Some("gpt-test".to_owned()),
            principal: "cHJpbmNpcGFsLXBzZXVkbw".to_owned(),
            route: "chat".to_owned(),
            tenant: "dGVuYW50LXBzZXVkb255bQ".to_owned(),
            upstream: "127.0.0.1:9000".to_owned(),
            ..Intent::default()
        };
        let before = now();
        let sealed = log.append(Record::Intent(intent))?.wait()?;
        waits.push(before.elapsed());
        let outcome = Outcome {
            exchange,
            intent: sealed.index,
            policies: vec!["no-injection".to_owned()],
            verdict: RecordVerdict::Allow,
            ..Outcome::default()
        };
        let before = now();
        log.append(Record::Outcome(Box::new(outcome)))?.wait()?;
        waits.push(before.elapsed());
    }
    Ok(waits)
}

/// Appends a group of bytes and syncs, again and again.
fn bare(path: &std::path::Path, group: usize, span: Duration) -> io::Result<(u64, Duration)> {
    let mut file = File::create(path)?;
    let bytes = vec![b'x'; group];
    let (start, mut waits) = (now(), Vec::new());
    while start.elapsed() < span {
        let before = now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        waits.push(before.elapsed());
    }
    let groups = u64::try_from(waits.len()).unwrap_or(u64::MAX);
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    waits.sort_unstable();
    Ok((groups * 64 * 1000 / millis, waits.get(waits.len() / 2).copied().unwrap_or_default()))
}
