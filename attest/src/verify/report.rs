//! What an audit found.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checkpoint::VerifiedCheckpoint;

/// What a fault means for the log, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Something was changed, or contradicts itself.
    Tampered,
    /// Something is missing: entries, outcomes, blobs, dropped records.
    Incomplete,
    /// Too few witnesses.
    Unwitnessed,
    /// Nothing new for too long.
    Stale,
    /// Records that this program cannot judge, or may not read.
    Insufficient,
    /// The files could not be read.
    Unreadable,
}

impl FaultKind {
    /// The exit code of `troth-audit` (attestation, section 5).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Tampered => 1,
            Self::Incomplete => 2,
            Self::Unwitnessed | Self::Stale => 3,
            Self::Insufficient => 5,
            Self::Unreadable => 74,
        }
    }

    /// One word for it.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::Incomplete => "incomplete",
            Self::Unwitnessed => "unwitnessed",
            Self::Stale => "stale",
            Self::Insufficient => "insufficient",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The record that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What it means.
    pub kind: FaultKind,
    /// What it is. Never holds content of a record.
    pub what: String,
}

/// The end of another log, as the first record of this one gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Follows {
    /// The other log.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
    /// Whether the policy lists a key of that log, which has signed this.
    pub verified: bool,
}

/// The result of an audit; serialises to the object that `--json` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ok`, or the gravest kind of fault.
    pub status: String,
    /// The exit code that belongs to it.
    pub exit_code: u8,
    /// The log's origin, from its verified checkpoint.
    pub origin: String,
    /// How many entries were verified.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
    /// The size of the public checkpoint.
    pub published_size: u64,
    /// The witnesses that cosigned it, with Unix seconds.
    pub witnesses: BTreeMap<String, u64>,
    /// Records by kind.
    pub records: BTreeMap<String, u64>,
    /// Outcomes by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Outcomes whose coverage map does not account for everything decoded.
    pub coverage_incomplete: u64,
    /// Intents that have no outcome yet, and are young enough.
    pub open: u64,
    /// Records of a version or kind that this program does not know.
    pub unknown: u64,
    /// Keys of openings that were destroyed, by the `erasure` records.
    pub erased: u64,
    /// The largest size that an `anchor` record shows to have been cosigned by
    /// the quorum.
    pub anchored_size: u64,
    /// Entries of which only the hash was read: the log does not publish them.
    pub withheld: u64,
    /// Time of the first record, Unix microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<u64>,
    /// Time of the last record, Unix microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<u64>,
    /// Whether the last record is a `close`.
    pub closed: bool,
    /// Whether the log has ended for good.
    pub ended: bool,
    /// The log that this one says it goes on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.exit_code == 0
    }
}

/// Faults as they are found: a bounded list and the gravest kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    limit: usize,
    list: Vec<Fault>,
    count: u64,
    gravest: Option<FaultKind>,
}

impl Faults {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn add(&mut self, index: Option<u64>, kind: FaultKind, what: impl Into<String>) {
        self.count += 1;
        // The smallest exit code that applies is the gravest kind.
        self.gravest = Some(self.gravest.map_or(kind, |gravest| gravest.min(kind)));
        if self.list.len() < self.limit {
            self.list.push(Fault { index, kind, what: what.into() });
        }
    }

    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    /// Writes the faults into the report, and what follows from them.
    pub(super) fn conclude(self, report: &mut Report) {
        report.status = self.gravest.map_or("ok", FaultKind::status).to_owned();
        report.exit_code = self.gravest.map_or(0, FaultKind::exit_code);
        report.fault_count = self.count;
        report.faults = self.list;
    }
}

/// Writes what the public checkpoint says into the report.
pub(super) fn describe(head: &VerifiedCheckpoint, report: &mut Report) {
    report.origin.clone_from(&head.checkpoint.origin);
    report.published_size = head.checkpoint.size;
    report.witnesses = head.witnesses.iter().cloned().collect();
}
