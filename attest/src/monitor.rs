//! The monitor: follows a log from head to head, believes none that does not
//! extend all before it, and keeps the two signed heads that prove a fork.
//!
//! What it decides in one round is a function of what it remembers, of the
//! log's files and of the time; [`Monitor`] adds the directory that remembers.

mod growth;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::checkpoint::{Checkpoint, VerifiedCheckpoint};
use crate::clock::rfc3339;
use crate::hash::Hash;
use crate::note::MAX_NOTE_BYTES;
use crate::trust::TrustPolicy;
use crate::verify::{Fault, FaultKind, LogSource, Progress};

pub use state::{Monitor, MonitorError};

use growth::{Grown, Halt, grow};

/// What one look at a log found; serialises to the object that `--json` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// `ok`, or the gravest kind of fault.
    pub status: String,
    /// The exit code that belongs to it.
    pub exit_code: u8,
    /// When, in UTC.
    pub time: String,
    /// The log's origin, as far as it is known.
    pub origin: String,
    /// The size of the newest head that extends all before it.
    pub size: u64,
    /// The root over it, in base64; empty when there is no such head yet.
    pub root: String,
    /// The size that this was before the round; none: there was no head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_size: Option<u64>,
    /// The witnesses that cosigned the head, with Unix seconds.
    pub witnesses: BTreeMap<String, u64>,
    /// Entries that were read in this round and are those that the tree holds.
    pub entries: u64,
    /// Entries of this round of which only the hash was read: the log does not
    /// publish them.
    pub withheld: u64,
    /// What does not hold.
    pub faults: Vec<Fault>,
    /// The directory in which the proof of a fork or rollback is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Round {
    fn add(&mut self, index: Option<u64>, kind: FaultKind, what: impl Into<String>) {
        self.faults.push(Fault { index, kind, what: what.into() });
    }

    /// Whether the head, or anything that is wrong, is not what it was.
    #[must_use]
    pub fn differs_from(&self, last: &Self) -> bool {
        (self.size, &self.root, &self.faults) != (last.size, &last.root, &last.faults)
    }
}

/// A signed head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    note: Vec<u8>,
    verified: VerifiedCheckpoint,
}

impl Head {
    fn read(note: Vec<u8>, policy: &TrustPolicy) -> Result<Self, crate::CheckpointError> {
        let verified = Checkpoint::verify(&note, policy)?;
        Ok(Self { note, verified })
    }

    fn checkpoint(&self) -> &Checkpoint {
        &self.verified.checkpoint
    }

    fn size(&self) -> u64 {
        self.verified.checkpoint.size
    }

    fn root(&self) -> Hash {
        self.verified.checkpoint.root
    }
}

/// What is known of a log between two looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Memory {
    /// The newest head that extends all before it.
    head: Option<Head>,
    /// Signed heads that were seen and could not be checked yet, because tiles
    /// or entries were missing: whoever signed them is held to them too.
    unproven: Vec<Head>,
    /// When the head last grew, as this monitor saw it; Unix microseconds.
    since: u64,
}

impl Memory {
    fn heads(&self) -> impl Iterator<Item = &Head> {
        self.head.iter().chain(&self.unproven)
    }

    fn origin(&self) -> Option<&str> {
        self.heads().next().map(|head| head.checkpoint().origin.as_str())
    }
}

/// Two signed heads that no honest log signs both.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contradiction {
    kind: Kind,
    earlier: Head,
    served: Head,
    /// The root that the served tree has at the earlier size, with the proof.
    prefix: Option<(Hash, Vec<Hash>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fork,
    Rollback,
}

impl Contradiction {
    fn what(&self) -> String {
        let (old, new) = (self.earlier.size(), self.served.size());
        match self.kind {
            Kind::Fork if old == new => {
                format!("a fork: the log has signed two roots for the size {new}")
            }
            Kind::Fork => format!(
                "a fork: the log has signed size {new}, which does not extend the size {old} \
                 that it had signed before"
            ),
            Kind::Rollback => {
                format!("a rollback: the log had signed size {old} and now serves size {new}")
            }
        }
    }
}

/// A look at the log, and what is known after it.
#[derive(Debug)]
struct Look {
    round: Round,
    memory: Memory,
    contradiction: Option<Contradiction>,
}

/// The log serves another log's checkpoint than it did.
#[derive(Debug)]
struct OtherLog(String);

/// Looks at a log at this time (Unix microseconds).
fn look(
    log: &dyn LogSource,
    policy: &TrustPolicy,
    memory: &Memory,
    now: u64,
    max_age: Option<Duration>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Look, OtherLog> {
    let mut look = Look { round: Round::default(), memory: memory.clone(), contradiction: None };
    look.round.time = rfc3339(now);
    look.round.previous_size = memory.head.as_ref().map(Head::size);
    if let Some(head) = served(log, policy, &mut look.round) {
        if memory.origin().is_some_and(|own| own != head.checkpoint().origin) {
            return Err(OtherLog(head.checkpoint().origin.clone()));
        }
        judge(log, memory, head, now, &mut look, progress);
    }
    judge_age(policy, now, max_age, &mut look);
    conclude(&mut look);
    Ok(look)
}

/// The head that the log serves, if the policy believes its signature.
fn served(log: &dyn LogSource, policy: &TrustPolicy, round: &mut Round) -> Option<Head> {
    let limit = u64::try_from(MAX_NOTE_BYTES).unwrap_or(u64::MAX);
    let note = match log.read("checkpoint", limit) {
        Ok(Some(note)) => note,
        Ok(None) => {
            round.add(None, FaultKind::Unreadable, "no log here: there is no `checkpoint`");
            return None;
        }
        Err(fault) => {
            let (kind, what) = unreadable(&fault);
            round.add(None, kind, what);
            return None;
        }
    };
    match Head::read(note, policy) {
        Ok(head) => Some(head),
        Err(fault) => {
            round.add(None, FaultKind::Tampered, format!("the checkpoint: {fault}"));
            None
        }
    }
}

/// Holds a head to what was signed before.
fn judge(
    log: &dyn LogSource,
    memory: &Memory,
    head: Head,
    now: u64,
    look: &mut Look,
    progress: &mut dyn FnMut(Progress),
) {
    if !head.verified.quorum {
        let what = crate::CheckpointError::Quorum.to_string();
        look.round.add(None, FaultKind::Unwitnessed, what);
    }
    let found = contradiction(memory, &head).map_or_else(
        || grow(log, memory, &head, progress),
        |found| Err(Halt::Contradiction(Box::new(found))),
    );
    match found {
        Ok(Grown { entries, withheld }) => {
            (look.round.entries, look.round.withheld) = (entries, withheld);
            look.memory.keep(head, now);
        }
        Err(Halt::Contradiction(found)) => {
            look.round.add(None, FaultKind::Tampered, found.what());
            look.contradiction = Some(*found);
        }
        Err(Halt::Fault(kind, index, what)) => {
            look.round.add(index, kind, what);
            look.memory.remember(head);
        }
    }
}

/// What shows without any tile: two roots at one size, or a tree that shrinks.
fn contradiction(memory: &Memory, head: &Head) -> Option<Contradiction> {
    let (size, root) = (head.size(), head.root());
    let earlier = |kind: Kind, found: &Head| Contradiction {
        kind,
        earlier: found.clone(),
        served: head.clone(),
        prefix: None,
    };
    let mut heads = memory.heads();
    // A fork proves more than a rollback.
    heads
        .find(|known| known.size() == size && known.root() != root)
        .map(|known| earlier(Kind::Fork, known))
        .or_else(|| {
            let larger = memory.heads().find(|known| known.size() > size);
            larger.map(|known| earlier(Kind::Rollback, known))
        })
}

impl Memory {
    /// A head that extends all before it.
    fn keep(&mut self, head: Head, now: u64) {
        self.unproven.clear();
        match &self.head {
            // The same head: the newer cosignatures are of use, fewer are not.
            Some(kept) if kept.size() == head.size() => {
                if head.verified.quorum || !kept.verified.quorum {
                    self.head = Some(head);
                }
            }
            _ => {
                self.head = Some(head);
                self.since = now;
            }
        }
    }

    /// A head of which it is not known whether it extends all before it.
    fn remember(&mut self, head: Head) {
        let known = self.heads().any(|known| known.size() == head.size());
        if !known && self.unproven.len() < MAX_UNPROVEN {
            self.unproven.push(head);
        }
    }
}

/// Whether there was anything new for so long.
fn judge_age(policy: &TrustPolicy, now: u64, max_age: Option<Duration>, look: &mut Look) {
    let (Some(max_age), Some(head)) = (max_age, &look.memory.head) else { return };
    let age = u64::try_from(max_age.as_micros()).unwrap_or(u64::MAX);
    let since = now.saturating_sub(age);
    if !policy.asks_for_witnesses() {
        if look.memory.since < since {
            let what = format!("nothing new for more than {} s", max_age.as_secs());
            look.round.add(None, FaultKind::Stale, what);
        }
    } else if !policy.satisfied_since(&head.verified.witnesses, since / 1_000_000) {
        let what = format!("the quorum cosigned nothing for more than {} s", max_age.as_secs());
        look.round.add(None, FaultKind::Stale, what);
    }
}

fn conclude(look: &mut Look) {
    let round = &mut look.round;
    look.memory.origin().unwrap_or_default().clone_into(&mut round.origin);
    if let Some(head) = &look.memory.head {
        round.size = head.size();
        round.root = head.root().to_string();
        round.witnesses = head.verified.witnesses.iter().cloned().collect();
    }
    let gravest = round.faults.iter().map(|fault| fault.kind).min();
    round.status = gravest.map_or("ok", FaultKind::status).to_owned();
    round.exit_code = gravest.map_or(0, FaultKind::exit_code);
}

/// What it means that a file cannot be read.
fn unreadable(fault: &io::Error) -> (FaultKind, String) {
    if fault.kind() == io::ErrorKind::FileTooLarge {
        // Nothing honest is longer than the formats allow.
        (FaultKind::Tampered, format!("a file is longer than any of its kind: {fault}"))
    } else {
        (FaultKind::Unreadable, format!("the log cannot be read: {fault}"))
    }
}

/// Heads that are remembered although nothing could be checked. Whoever serves
/// more than these without their tiles is told to be incomplete each time.
const MAX_UNPROVEN: usize = 16;

#[cfg(test)]
mod tests;
