//! How near is the engine to the disk? 64 producers that wait for each record,
//! against a bare loop that appends the same bytes and syncs once a group.
//!
//! Producers are tasks of a runtime, as the proxy's exchanges are; the same
//! with a thread for each producer is beside it, since there a group costs 64
//! switches of context, which on few cores is more than a fast disk's sync.
//!
//! The loop has nobody to wake. What any log can reach whose producers wait is
//! between: a queue that appends what it was given, syncs and answers, with no
//! hash, signature, tile or rule.
//!
//! `cargo bench -p troth-attest` prints both, side by side; wall time on a
//! shared machine is never asserted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use troth_attest::{
    Boot, Commitment, Config, ConfigInForce, ConfigOf, DirectorySource, Intent, Log, LogConfig,
    Outcome, Record, RecordVerdict, Sealed, Signer, SystemClock, TrustPolicy, VerifyOptions,
    verify,
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
    std::fs::create_dir_all(directory)?;
    writeln!(out, "| producers | records/s | bytes each | a group | median wait | 99% wait |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for producers in [1_u64, 8, 256] {
        let path = directory.join(producers.to_string());
        let run = engine(&path, producers, Duration::from_secs(3), As::Tasks)?;
        writeln!(out, "{}", run.row(producers))?;
    }
    let threads = engine(&directory.join("threads"), 64, Duration::from_secs(3), As::Threads)?;
    writeln!(out, "{}", threads.row("64, a thread each"))?;
    // The loop before and after each run of the engine, so that a neighbour who
    // is noisy for a while hurts both.
    let (mut rates, mut waits, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_queue = Vec::new();
    let mut before = bare(&directory.join("bare"), 64, 400, Duration::from_secs(3))?;
    for round in 0..5 {
        let path = directory.join(format!("64-{round}"));
        let run = engine(&path, 64, Duration::from_secs(3), As::Tasks)?;
        let queue = queue(&directory.join("queue"), 64, run.bytes, Duration::from_secs(3))?;
        let after = bare(&directory.join("bare"), 64, run.bytes, Duration::from_secs(3))?;
        let bare_rate = f64::midpoint(before.0, after.0);
        let bare_wait = f64::midpoint(before.1.as_secs_f64(), after.1.as_secs_f64());
        rates.push(run.rate / bare_rate);
        waits.push(run.wait(50).as_secs_f64() / bare_wait);
        of_queue.push(run.rate / queue.rate);
        rows.push(format!(
            "{} | {bare_rate:.0} | {:.0} µs | {:.0} | {:.0} | {:?} |",
            run.row(64),
            bare_wait * 1e6,
            queue.rate,
            queue.group,
            queue.wait(50),
        ));
        before = after;
        if round == 4 {
            audit(&path, &mut out)?;
        }
    }
    writeln!(
        out,
        "\nthe bare loop appends 64 records of the same size and calls fdatasync, once a group; the bare queue\n\
         appends what the same producers give it, syncs and answers, and does nothing else\n\n\
         | producers | records/s | bytes each | a group | median wait | 99% wait \
         | bare loop: records/s | bare loop: median sync \
         | bare queue: records/s | bare queue: a group | bare queue: median wait |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        writeln!(out, "{row}")?;
    }
    writeln!(
        out,
        "\nof five rounds: {} of the loop's rate, {} of the queue's; median wait {} of the loop's sync",
        spread(rates),
        spread(of_queue),
        spread(waits),
    )?;
    Ok(())
}

/// The median, and from what to what.
fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let at = |place: usize| ratios.get(place).copied().unwrap_or_default();
    let last = ratios.len().saturating_sub(1);
    format!("{:.2} (from {:.2} to {:.2})", at(last / 2), at(0), at(last))
}

/// What was written holds.
fn audit(
    path: &std::path::Path,
    out: &mut impl io::Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let start = now();
    let policy = TrustPolicy::for_log(&signer()?.verifier());
    let source = DirectorySource::new(path);
    let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
    let seconds = start.elapsed().as_secs_f64();
    writeln!(out, "\nverify: {} records in {seconds:.2} s, {}", report.size, report.status)?;
    Ok(())
}

/// One run of the engine.
#[derive(Debug)]
struct Run {
    rate: f64,
    /// Of a record, on average.
    bytes: usize,
    /// Records of a group, on average.
    group: f64,
    waits: Vec<Duration>,
}

impl Run {
    fn wait(&self, part: usize) -> Duration {
        self.waits.get(self.waits.len() * part / 100).copied().unwrap_or_default()
    }

    fn row(&self, producers: impl std::fmt::Display) -> String {
        format!(
            "| {producers} | {:.0} | {} | {:.0} | {:?} | {:?} |",
            self.rate,
            self.bytes,
            self.group,
            self.wait(50),
            self.wait(99)
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn signer() -> Result<Signer, troth_attest::KeyError> {
    Signer::generate("example.com/bench", [7; 32])
}

/// How producers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// Futures on a runtime with a worker for each core.
    Tasks,
    /// Threads that park.
    Threads,
}

/// Producers that write an intent, wait, write its outcome, wait.
fn engine(
    path: &std::path::Path,
    producers: u64,
    span: Duration,
    how: As,
) -> Result<Run, Box<dyn std::error::Error>> {
    let config = LogConfig::new(path, "example.com/bench", signer()?);
    let log = Log::open(config, Arc::new(SystemClock))?;
    log.append(Record::Boot(Boot::default()))?.wait()?;
    let policy = Config { of: ConfigOf::Policy, ..Config::default() };
    log.append(Record::Config(policy))?.wait()?;
    log.append(Record::Config(Config::default()))?.wait()?;
    let start = now();
    let told = match how {
        As::Tasks => tasks(&log, producers, start, span)?,
        As::Threads => threads(&log, producers, start, span),
    };
    let seconds = start.elapsed().as_secs_f64();
    log.close()?;
    // Each group has a signed size of its own.
    let groups = told.iter().map(|(_, sealed)| sealed.size).collect::<BTreeSet<_>>().len();
    let mut waits: Vec<Duration> = told.iter().map(|(wait, _)| *wait).collect();
    waits.sort_unstable();
    let count = u32::try_from(waits.len())?;
    Ok(Run {
        rate: f64::from(count) / seconds,
        bytes: record_bytes(path, u64::from(count))?,
        group: f64::from(count) / f64::from(u32::try_from(groups)?),
        waits,
    })
}

/// The bytes of a record on average, from the bundles that hold most of them.
fn record_bytes(path: &std::path::Path, count: u64) -> Result<usize, Box<dyn std::error::Error>> {
    let view = DirectorySource::new(path);
    let view = troth_attest::LogView::open(&view)?;
    let places = (16..count.min(528)).collect::<Vec<_>>();
    let mut bytes = 0;
    for place in &places {
        bytes += view.entry(*place)?.len();
    }
    Ok(bytes / places.len().max(1))
}

type Told = Vec<(Duration, Sealed)>;

fn tasks(log: &Log, producers: u64, start: Instant, span: Duration) -> io::Result<Told> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let tasks: Vec<_> = (0..producers)
        .map(|producer| {
            let log = log.clone();
            runtime.spawn(async move {
                let (mut told, mut n) = (Vec::new(), 0_u64);
                while start.elapsed() < span {
                    n += 1;
                    let exchange = exchange(producer, n);
                    let before = now();
                    let Ok(pending) = log.append(Record::Intent(intent(&exchange))) else { break };
                    let Ok(sealed) = pending.await else { break };
                    told.push((before.elapsed(), sealed));
                    let outcome = outcome(exchange, sealed.index);
                    let before = now();
                    let Ok(pending) = log.append(Record::Outcome(Box::new(outcome))) else { break };
                    let Ok(sealed) = pending.await else { break };
                    told.push((before.elapsed(), sealed));
                }
                told
            })
        })
        .collect();
    Ok(runtime.block_on(async {
        let mut told = Vec::new();
        for task in tasks {
            told.extend(task.await.unwrap_or_default());
        }
        told
    }))
}

fn threads(log: &Log, producers: u64, start: Instant, span: Duration) -> Told {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|producer| {
                let log = log.clone();
                scope.spawn(move || produce(&log, producer, start, span).unwrap_or_default())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn produce(
    log: &Log,
    producer: u64,
    start: Instant,
    span: Duration,
) -> Result<Told, troth_attest::AppendError> {
    let (mut told, mut n) = (Vec::new(), 0_u64);
    while start.elapsed() < span {
        n += 1;
        let exchange = exchange(producer, n);
        let before = now();
        let sealed = log.append(Record::Intent(intent(&exchange)))?.wait()?;
        told.push((before.elapsed(), sealed));
        let outcome = outcome(exchange, sealed.index);
        let before = now();
        let sealed = log.append(Record::Outcome(Box::new(outcome)))?.wait()?;
        told.push((before.elapsed(), sealed));
    }
    Ok(told)
}

fn exchange(producer: u64, n: u64) -> String {
    format!("019aabcd-0000-7000-8{producer:03x}-{n:012x}")
}

fn intent(exchange: &str) -> Intent {
    Intent {
        action: "prompt".to_owned(),
        config: ConfigInForce { model: None, policy: 1, settings: 2 },
        dialect: "openai-chat".to_owned(),
        exchange: exchange.to_owned(),
        model: Some("gpt-test".to_owned()),
        principal: "cHJpbmNpcGFsLXBzZXVkbw".to_owned(),
        request: Some(Commitment([7; 32])),
        route: "chat".to_owned(),
        tenant: "dGVuYW50LXBzZXVkb255bQ".to_owned(),
        upstream: "127.0.0.1:9000".to_owned(),
        ..Intent::default()
    }
}

fn outcome(exchange: String, intent: u64) -> Outcome {
    Outcome {
        exchange,
        intent,
        policies: vec!["no-injection".to_owned()],
        request: Some(Commitment([7; 32])),
        response_released: Some(Commitment([8; 32])),
        verdict: RecordVerdict::Allow,
        ..Outcome::default()
    }
}

/// Appends a group of records and syncs, again and again: its rate, and its
/// median sync.
fn bare(
    path: &std::path::Path,
    group: u32,
    bytes: usize,
    span: Duration,
) -> io::Result<(f64, Duration)> {
    let mut file = File::create(path)?;
    let bytes = vec![b'x'; bytes * usize::try_from(group).unwrap_or(0)];
    let (start, mut waits) = (now(), Vec::new());
    while start.elapsed() < span {
        let before = now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        waits.push(before.elapsed());
    }
    let groups = f64::from(u32::try_from(waits.len()).unwrap_or(u32::MAX));
    let rate = groups * f64::from(group) / start.elapsed().as_secs_f64();
    waits.sort_unstable();
    Ok((rate, waits.get(waits.len() / 2).copied().unwrap_or_default()))
}

/// What waits for its sync: its bytes, and whom to tell its group's number.
type Waiting = (Vec<u8>, oneshot::Sender<u64>);

/// The least that a log with producers who wait must do: a queue of records
/// that one thread appends as a group and syncs.
fn queue(path: &std::path::Path, producers: u64, bytes: usize, span: Duration) -> io::Result<Run> {
    let mut file = File::create(path)?;
    let queue = Arc::new((Mutex::new((Vec::<Waiting>::new(), false)), Condvar::new()));
    let writer = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || -> io::Result<u64> {
            let (mut group, mut frame) = (0, Vec::new());
            loop {
                let mut waiting = queue.0.lock().unwrap_or_else(PoisonError::into_inner);
                while waiting.0.is_empty() && !waiting.1 {
                    waiting = queue.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                let records = std::mem::take(&mut waiting.0);
                drop(waiting);
                if records.is_empty() {
                    return Ok(group);
                }
                frame.clear();
                for (record, _) in &records {
                    frame.extend_from_slice(record);
                }
                file.write_all(&frame)?;
                file.sync_data()?;
                group += 1;
                for (_, told) in records {
                    let _ = told.send(group);
                }
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let start = now();
    let tasks: Vec<_> = (0..producers)
        .map(|_| {
            let queue = Arc::clone(&queue);
            runtime.spawn(async move {
                let mut waits = Vec::new();
                while start.elapsed() < span {
                    let before = now();
                    let (told, done) = oneshot::channel();
                    let record = vec![b'x'; bytes];
                    {
                        let mut waiting = queue.0.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.0.push((record, told));
                    }
                    queue.1.notify_one();
                    if done.await.is_err() {
                        break;
                    }
                    waits.push(before.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = runtime.block_on(async {
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.unwrap_or_default());
        }
        waits
    });
    let seconds = start.elapsed().as_secs_f64();
    queue.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
    queue.1.notify_one();
    let groups = writer.join().unwrap_or(Ok(0))?;
    waits.sort_unstable();
    let count = f64::from(u32::try_from(waits.len()).unwrap_or(u32::MAX));
    let groups = f64::from(u32::try_from(groups).unwrap_or(u32::MAX)).max(1.0);
    Ok(Run { rate: count / seconds, bytes, group: count / groups, waits })
}
