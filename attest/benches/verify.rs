//! How near is the auditor to the hash? A synthetic export of N records is
//! verified on one thread and on all, beside SHA-256 over the same entries on
//! as many threads, and the most memory that it ever took is told.
//!
//! `TROTH_BENCH_RECORDS=10000000 cargo bench -p troth-attest --bench verify`;
//! wall time on a shared machine is never asserted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use troth_attest::{
    Checkpoint, Digest, DirectorySource, Frontier, Hash, Signer, Tile, TrustPolicy, VerifyOptions,
    verify,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    let root = std::env::var_os("TROTH_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let directory = root.join(format!("troth-bench-verify-{}", std::process::id()));
    let done = run(&directory);
    let _ = std::fs::remove_dir_all(&directory);
    if let Err(fault) = done {
        let _ = writeln!(io::stderr(), "{fault}");
    }
}

fn run(directory: &Path) -> Result<(), Failure> {
    let mut out = io::stdout();
    let records = match std::env::var("TROTH_BENCH_RECORDS") {
        Ok(text) => text.parse::<u64>()?.max(8),
        Err(_) => 1_000_000,
    };
    let start = now();
    let bytes = write_log(directory, records)?;
    let seconds = start.elapsed().as_secs_f64();
    let average = bytes / records;
    writeln!(out, "{records} records of {average} bytes on average, written in {seconds:.1} s")?;
    let cores = std::thread::available_parallelism()?.get();
    writeln!(out, "\n| threads | verify records/s | verify MB/s | SHA-256 MB/s | ratio |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    let policy = TrustPolicy::for_log(&signer()?.verifier());
    let source = DirectorySource::new(directory);
    for threads in [1, cores].into_iter().take(cores.min(2)) {
        let options = VerifyOptions { threads, ..VerifyOptions::default() };
        // The bare hash before and after, so that a noisy neighbour hurts both.
        let before = hash_all(directory, records, threads)?;
        let start = now();
        let report = verify(&source, &policy, &options, |_| {});
        let took = start.elapsed();
        if !report.is_ok() || report.size != records {
            return Err(format!("the log does not verify: {:?}", report.faults.first()).into());
        }
        let after = hash_all(directory, records, threads)?;
        let rate = u128::from(records) * 1000 / took.as_millis().max(1);
        let mbs = u128::from(bytes) / took.as_micros().max(1);
        let hash = u128::from(bytes) * 2 / (before + after).max(1);
        let percent = mbs * 100 / hash.max(1);
        writeln!(out, "| {threads} | {rate} | {mbs} | {hash} | {percent}% |")?;
    }
    writeln!(out, "\npeak memory {}", peak_memory().unwrap_or_else(|| "unknown".to_owned()))?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn signer() -> Result<Signer, troth_attest::KeyError> {
    Signer::generate("example.com/bench", [7; 32])
}

/// Microseconds that SHA-256 over each bundle's bytes takes, reading left out:
/// every thread hashes what it read before its clock starts.
fn hash_all(directory: &Path, records: u64, threads: usize) -> Result<u128, Failure> {
    let next = AtomicU64::new(0);
    let each = || -> Result<u128, Failure> {
        let mut micros = 0;
        loop {
            let index = next.fetch_add(64, Ordering::Relaxed);
            if index * 256 >= records {
                return Ok(micros);
            }
            let mut bundles = Vec::new();
            for index in index..index + 64 {
                let width = records.saturating_sub(index * 256).min(256);
                if width > 0 {
                    let tile = Tile::bundle(index).cut(u16::try_from(width)?);
                    bundles.push(std::fs::read(directory.join(tile.to_string()))?);
                }
            }
            let start = now();
            for bytes in &bundles {
                std::hint::black_box(Sha256::digest(bytes));
            }
            micros += start.elapsed().as_micros();
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(each)).collect();
        let mut total = 0;
        for worker in workers {
            total += worker.join().map_err(|_| "a thread died")??;
        }
        // Side by side they take as long as one of them.
        Ok(total / u128::try_from(threads)?)
    })
}

/// The most memory that this process ever had, from the kernel.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.trim_start_matches("VmHWM:").trim().to_owned())
}

/// Writes a static export of pairs of intents and outcomes, as the engine would
/// have written them, without its write-ahead log. Tells the entries' bytes.
fn write_log(directory: &Path, records: u64) -> Result<u64, Failure> {
    let mut writer = Writer::new(directory)?;
    let mut entry = String::new();
    for record in first_records()? {
        writer.entry(record.as_bytes())?;
    }
    while writer.size < records {
        entry.clear();
        record(writer.size, &mut entry)?;
        writer.entry(entry.as_bytes())?;
    }
    writer.finish()
}

/// `boot`, two configurations and a heartbeat: then intents have even indexes.
fn first_records() -> Result<Vec<String>, Failure> {
    let digest = serde_json::to_string(&Digest::of(b"bench"))?;
    let key = signer()?.verifier();
    let config = |of: &str, time: u64| {
        format!(
            r#"{{"digest":{digest},"kind":"config","name":"bench","of":"{of}","time":{time},"v":1,"version":"1"}}"#
        )
    };
    Ok(vec![
        format!(
            r#"{{"configuration":{digest},"kind":"boot","log_key":"{key}","program":{digest},"replica":"bench","time":{START},"v":1,"version":"0.1.0"}}"#
        ),
        config("policy", START),
        config("settings", START),
        format!(r#"{{"kind":"heartbeat","queue_depth":0,"time":{START},"v":1}}"#),
    ])
}

/// An intent at an even index, its outcome at the next.
fn record(index: u64, out: &mut String) -> Result<(), Failure> {
    let (time, pair) = (START + index * 100, index / 2 * 2);
    let exchange = format!("019aabcd-0000-7000-8000-{pair:012x}");
    if index.is_multiple_of(2) {
        write!(
            out,
            r#"{{"action":"prompt","config":{{"policy":1,"settings":2}},"dialect":"openai-chat","exchange":"{exchange}","kind":"intent","model":"gpt-test","principal":"cHJpbmNpcGFsLXBzZXVkbw","request":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","route":"chat","tenant":"dGVuYW50LXBzZXVkb255bQ","time":{time},"upstream":"127.0.0.1:9000","v":1}}"#
        )?;
    } else {
        write!(
            out,
            r#"{{"coverage":[{{"bytes":120,"channel":"user","detector":"patterns","segments":2}}],"coverage_complete":true,"decoded":[{{"bytes":120,"channel":"user","segments":2}}],"enforcement":"enforced","exchange":"{exchange}","intent":{pair},"kind":"outcome","policies":["no-injection"],"released_after":512,"released_before":0,"request":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","time":{time},"timings_us":{{"screen":431}},"upstream_status":200,"v":1,"verdict":"allow"}}"#
        )?;
    }
    Ok(())
}

struct Writer<'a> {
    directory: &'a Path,
    size: u64,
    bytes: u64,
    bundle: Vec<u8>,
    /// Hashes of the tile that is being filled, level by level.
    levels: Vec<Vec<Hash>>,
    tree: Frontier,
}

impl<'a> Writer<'a> {
    fn new(directory: &'a Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self {
            directory,
            size: 0,
            bytes: 0,
            bundle: Vec::new(),
            levels: vec![Vec::new(); 5],
            tree: Frontier::new(),
        })
    }

    fn entry(&mut self, entry: &[u8]) -> Result<(), Failure> {
        self.bundle.extend_from_slice(&u16::try_from(entry.len())?.to_be_bytes());
        self.bundle.extend_from_slice(entry);
        self.bytes += u64::try_from(entry.len())?;
        self.size += 1;
        let mut hash = Hash::leaf(entry);
        self.tree.push(hash);
        if self.size.is_multiple_of(256) {
            let bundle = std::mem::take(&mut self.bundle);
            self.put(Tile::bundle(self.size / 256 - 1), &bundle)?;
        }
        let mut count = self.size;
        for level in 0..self.levels.len() {
            let Some(hashes) = self.levels.get_mut(level) else { break };
            hashes.push(hash);
            if !count.is_multiple_of(256) {
                break;
            }
            count /= 256;
            let full = std::mem::take(hashes);
            let mut root = Frontier::new();
            full.iter().for_each(|hash| root.push(*hash));
            hash = root.root();
            self.put(Tile::hashes(u8::try_from(level)?, count - 1), &flat(&full))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Failure> {
        let width = u16::try_from(self.size % 256)?;
        if width > 0 {
            let bundle = std::mem::take(&mut self.bundle);
            self.put(Tile::bundle(self.size / 256).cut(width), &bundle)?;
        }
        let mut count = self.size;
        for (level, hashes) in (0..).zip(&self.levels) {
            if !hashes.is_empty() {
                let tile = Tile::hashes(level, count / 256).cut(u16::try_from(hashes.len())?);
                self.put(tile, &flat(hashes))?;
            }
            count /= 256;
        }
        let (origin, root) = ("example.com/bench".to_owned(), self.tree.root());
        let note = Checkpoint { origin, size: self.size, root }.sign(&signer()?);
        std::fs::write(self.directory.join("checkpoint"), note)?;
        Ok(self.bytes)
    }

    fn put(&self, tile: Tile, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(tile.to_string());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)
    }
}

fn flat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

const START: u64 = 1_795_000_000_000_000;
