//! System calls that fail, or at which the process dies, one after the other: after a restart the
//! log verifies, and every receipt that left the process still holds.
//!
//! `strace` (Debian's package) injects; it counts the calls of each thread by itself, so a fault
//! "at the n-th" call may strike once in each of the program's three threads. All of them are tried
//! with `TROTH_CHAOS`, some of them otherwise.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use troth_attest::{
    DirectorySource, LogView, Signer, TrustPolicy, VerifyOptions, verify, verify_receipt,
};
use troth_tests::{Finished, PATIENCE, program, run};

/// Calls by what they do, as strace's `trace` takes them; architectures differ in their names.
const CALLS: [(&str, &str); 6] = [
    ("openat", "openat"),
    ("write", "write"),
    ("fdatasync", "fdatasync"),
    ("fsync", "fsync"),
    ("rename", "/^rename"),
    ("unlink", "/^unlink"),
];
const FAULTS: [(&str, &str); 3] =
    [("EIO", "error=EIO"), ("ENOSPC", "error=ENOSPC"), ("SIGKILL", "signal=KILL")];
/// Enough for a tile, and for segments to come and go.
const EXCHANGES: &str = "160";

fn append(directory: &Path, exchanges: &str, strace: &[String]) -> Finished {
    let program = program("examples/append");
    let directory = directory.to_str().unwrap();
    if strace.is_empty() {
        return run(&mut Command::new(program), [directory, exchanges], "", PATIENCE);
    }
    let mut arguments: Vec<&str> = strace.iter().map(String::as_str).collect();
    arguments.extend([program.to_str().unwrap(), directory, exchanges]);
    run(&mut Command::new("strace"), &arguments, "", PATIENCE)
}

/// How often the busiest thread makes each call.
fn counts(directory: &Path, exchanges: &str) -> BTreeMap<&'static str, u64> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let strace = ["-f", "-qq", "-o", trace.path().to_str().unwrap(), "-e", "trace=all"];
    let _ = append(directory, exchanges, &strace.map(str::to_owned)).exits(0);
    let mut all: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
    for line in std::fs::read_to_string(trace.path()).unwrap().lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start().split('(').next().unwrap();
        let class = CALLS.iter().map(|(class, _)| *class).find(|class| call.starts_with(class));
        if let Some(class) = class {
            *all.entry((class, thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((class, _), count) in all {
        let known = most.entry(class).or_insert(0);
        *known = count.max(*known);
    }
    most
}

/// Receipts that left the process whole.
fn released(done: &Finished) -> Vec<(String, Vec<u8>)> {
    let whole = done.out.rfind('\n').map_or("", |end| done.out.get(..end).unwrap());
    let receipt = |line: &str| {
        let (exchange, receipt) = line.split_once(' ')?;
        Some((exchange.to_owned(), STANDARD.decode(receipt).ok()?))
    };
    whole.lines().filter_map(receipt).collect()
}

/// After a restart without faults everything holds.
fn holds(directory: &Path, receipts: &[(String, Vec<u8>)], what: &str) {
    let again = append(directory, "0", &[]);
    assert_eq!(again.code, Some(0), "{what}: it does not open again: {}", again.err);
    let signer = Signer::generate("example.com/troth/inject", [7; 32]).unwrap();
    let policy = TrustPolicy::for_log(&signer.verifier());
    let source = DirectorySource::new(directory);
    let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
    assert!(report.is_ok(), "{what}: {:?}", report.faults);
    let view = LogView::open(&source).unwrap();
    for (exchange, receipt) in receipts {
        let held = verify_receipt(receipt, &policy, None);
        let held = held.unwrap_or_else(|fault| panic!("{what}: {exchange}: {fault}"));
        assert_eq!(view.entry(held.index).unwrap(), held.entry, "{what}: {exchange} is gone");
    }
}

/// Where a run begins: nothing, or what an unclean stop left.
struct Start {
    name: &'static str,
    left: Option<TempDir>,
    receipts: Vec<(String, Vec<u8>)>,
}

impl Start {
    fn nothing() -> Self {
        Self { name: "new", left: None, receipts: Vec::new() }
    }

    /// Killed at the first sync that comes after a receipt: which one that is depends on how the
    /// threads take turns.
    fn killed() -> Self {
        for at in (5..).step_by(5) {
            let left = tempfile::tempdir().unwrap();
            let inject = format!("inject=fdatasync:signal=KILL:when={at}");
            let kill = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
            let kill: Vec<String> = kill.iter().map(|word| (*word).to_owned()).collect();
            let done = append(&left.path().join("log"), EXCHANGES, &kill);
            let receipts = released(&done);
            assert_ne!(done.code, Some(0), "no run was killed after a receipt");
            if !receipts.is_empty() {
                return Self { name: "killed", left: Some(left), receipts };
            }
        }
        panic!("a run that is not killed ends the loop")
    }

    /// A copy to work on.
    fn begin(&self) -> (TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("log");
        if let Some(left) = &self.left {
            let from = left.path().join("log");
            let arguments = ["-a", from.to_str().unwrap(), log.to_str().unwrap()];
            let _ = run(&mut Command::new("cp"), arguments, "", PATIENCE).exits(0);
        }
        (home, log)
    }
}

#[test]
fn chaos_no_failing_system_call_loses_what_was_promised() {
    let all = std::env::var_os("TROTH_CHAOS").is_some();
    let mut struck = 0;
    let mut tried = 0;
    for start in [Start::nothing(), Start::killed()] {
        let (_home, log) = start.begin();
        for (class, count) in counts(&log, EXCHANGES) {
            assert!(count > 0);
            let trace = CALLS.iter().find(|(name, _)| *name == class).unwrap().1;
            // A sample meets the start, the middle and the end.
            let step = if all { 1 } else { usize::try_from(count.div_ceil(SAMPLE)).unwrap() };
            for (fault, injection) in FAULTS {
                for at in (1..=count).rev().step_by(step) {
                    let what = format!("{} log, {fault} at {class} {at} of {count}", start.name);
                    let (_home, log) = start.begin();
                    let inject = format!("inject={trace}:{injection}:when={at}");
                    let strace =
                        ["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={trace}"), "-e"];
                    let strace = strace.iter().copied().chain([inject.as_str()]);
                    let strace: Vec<String> = strace.map(str::to_owned).collect();
                    let done = append(&log, EXCHANGES, &strace);
                    assert!(!done.err.contains("panicked"), "{what}: {}", done.err);
                    tried += 1;
                    struck += u32::from(done.code != Some(0));
                    let mut receipts = start.receipts.clone();
                    receipts.extend(released(&done));
                    holds(&log, &receipts, &what);
                }
            }
        }
    }
    println!("system calls: {tried} faults injected, {struck} ended the process");
    // A third of them kill; the others end it where nothing else is safe.
    assert!(struck > tried / 3, "{struck} of {tried} faults were noticed");
}

/// Faults of each kind and call in a plain run.
const SAMPLE: u64 = 2;

/// What no simulated disk sees: the names of the directories above the log. Without their syncs a
/// log that was made a moment ago could be gone as a whole.
#[test]
fn the_way_to_a_new_log_is_durable_before_anything_is_told() {
    let home = tempfile::tempdir().unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let log = home.path().join("deep/deeper/log");
    let strace =
        ["-f", "-qq", "-y", "-o", trace.path().to_str().unwrap(), "-e", "trace=fsync,write"];
    let _ = append(&log, "1", &strace.map(str::to_owned)).exits(0);
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let told = trace.find(" write(1<").expect("a receipt was told");
    let before = trace.get(..told).unwrap();
    for directory in ["", "/deep", "/deep/deeper", "/deep/deeper/log", "/deep/deeper/log/wal"] {
        let synced = format!("<{}{directory}>)", home.path().display());
        let found = before.lines().any(|line| line.contains("fsync(") && line.contains(&synced));
        assert!(found, "`{directory}` is not synced in time:\n{before}");
    }
}
