//! The auditor: from a log's files, a trust policy and nothing else to a
//! report of what holds.
//!
//! Entries are read once, in order, in memory that does not grow with the log.
//! Every file that speaks of them is held against them: hash tiles, bundles,
//! the segments of the write-ahead log, blobs, and each signed head.

mod ahead;
mod audit;
mod bundle;
mod cache;
mod report;
mod semantics;
mod source;
mod tree;

use std::time::Duration;

pub use cache::CachedSource;
pub use report::{Fault, FaultKind, Follows, Report};
pub use source::{DirectorySource, LogSource, Withheld};

use crate::trust::TrustPolicy;

pub(crate) use bundle::{Compared, compare_tile};
pub(crate) use tree::{Made, Tree};

use ahead::Ahead;
use audit::Audit;

/// How a log is verified.
///
/// # Defaults
/// `longest_exchange` is one hour; `listed_faults` 100; `stop_at_first` false;
/// `threads` as many as there are cores; `fresh_since` and
/// `follows` none.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// An intent without outcome is open for this long, and a fault after.
    pub longest_exchange: Duration,
    /// Faults that are listed; the rest are counted.
    pub listed_faults: usize,
    /// End at the first fault.
    pub stop_at_first: bool,
    /// Threads that read and hash entries; the report is the same for any
    /// number of them.
    pub threads: usize,
    /// Unix microseconds. A log of which nothing is newer is stale: the quorum
    /// must have cosigned its checkpoint since, or, where the policy asks for
    /// no witness, its last record must be as young.
    pub fresh_since: Option<u64>,
    /// The report on a log that has ended: this one must go on from there.
    pub follows: Option<Box<Report>>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            longest_exchange: Duration::from_secs(3600),
            listed_faults: 100,
            stop_at_first: false,
            fresh_since: None,
            follows: None,
            threads: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries that were read.
    pub done: u64,
    /// Entries that are expected; grows while a log does.
    pub total: u64,
}

/// Verifies a log against a policy.
///
/// Memory does not grow with the log: each thread reads one bundle (16 MiB at
/// most, 100 KiB as a rule), and a few that were read wait in a compact form.
pub fn verify(
    log: &dyn LogSource,
    policy: &TrustPolicy,
    options: &VerifyOptions,
    mut progress: impl FnMut(Progress),
) -> Report {
    let mut audit = Audit::new(policy, options);
    let bundles = loop {
        if let Some(bundles) = audit.bundles() {
            break bundles;
        }
        if !audit.step(log) {
            return audit.finish();
        }
    };
    let mut follow = |ahead: Option<&Ahead>| {
        while audit.step_ahead(log, ahead) {
            progress(audit.progress());
        }
    };
    let threads = options.threads.min(MAX_THREADS);
    // A thread for a few bundles costs more than it saves.
    if threads < 2 || bundles.end.saturating_sub(bundles.start) < 8 {
        follow(None);
    } else {
        Ahead::run(log, bundles, threads, |ahead| follow(Some(ahead)));
    }
    audit.finish()
}

/// More than these wait for the one that follows the rules between records.
const MAX_THREADS: usize = 16;

#[cfg(test)]
mod tests;
