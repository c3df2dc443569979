//! The auditor: from a log's files, a trust policy and nothing else to a
//! report of what holds.
//!
//! Entries are read once, in order, in memory that does not grow with the log.
//! Every file that speaks of them is held against them: hash tiles, bundles,
//! the segments of the write-ahead log, blobs, and each signed head.

mod audit;
mod report;
mod semantics;
mod source;
mod tree;

use std::time::Duration;

pub use report::{Fault, FaultKind, Report};
pub use source::{DirectorySource, LogSource};

use crate::trust::TrustPolicy;

pub(crate) use tree::{Made, Tree};

use audit::Audit;

/// How a log is verified.
///
/// # Defaults
/// `longest_exchange` is one hour; `listed_faults` 100; `stop_at_first` false.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// An intent without outcome is open for this long, and a fault after.
    pub longest_exchange: Duration,
    /// Faults that are listed; the rest are counted.
    pub listed_faults: usize,
    /// End at the first fault.
    pub stop_at_first: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            longest_exchange: Duration::from_secs(3600),
            listed_faults: 100,
            stop_at_first: false,
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
pub fn verify(
    log: &dyn LogSource,
    policy: &TrustPolicy,
    options: &VerifyOptions,
    mut progress: impl FnMut(Progress),
) -> Report {
    let mut audit = Audit::new(policy, options);
    while audit.step(log) {
        progress(audit.progress());
    }
    audit.finish()
}

#[cfg(test)]
mod tests;
