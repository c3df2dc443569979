//! What a monitor keeps: the head, and each proof that a log broke its word.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::disk::{self, Disk, RealDisk};
use crate::hash::Digest;
use crate::note::NoteError;
use crate::trust::TrustPolicy;
use crate::verify::{LogSource, Progress};

use super::{Contradiction, Head, Kind, Look, Memory, Round, look};

/// Why a monitor cannot go on.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// Another process uses its directory.
    #[error("another monitor has the state directory")]
    Locked,
    /// It cannot be known what was seen before.
    #[error(
        "the stored state is damaged: restore `{STATE}`, or begin anew in another directory, which \
         forgets what was seen"
    )]
    Damaged,
    /// What is stored was signed by no key of the policy.
    #[error(
        "the state is of the log `{0}`, whose key the policy does not list: where the log has \
         another key now, list the one that it had, too"
    )]
    Untrusted(String),
    /// The log at the address is another one than before.
    #[error(
        "the state is of the log `{kept}`, and here is `{served}`: give each log a state \
         directory of its own"
    )]
    OtherLog {
        /// The origin of the log that was followed.
        kept: String,
        /// The origin of the log that is served now.
        served: String,
    },
    /// The file system.
    #[error("cannot read or write the state directory")]
    Io(#[from] io::Error),
}

/// Follows one log. One process at a time owns its directory.
///
/// Before a round is told, what it has found is durable: the head that the next
/// one must extend, and below `evidence/` the two heads that contradict each
/// other. Nothing below `evidence/` is ever written twice.
#[derive(Debug)]
pub struct Monitor {
    policy: TrustPolicy,
    max_age: Option<Duration>,
    disk: Arc<dyn Disk>,
    pub(super) memory: Memory,
    _lock: Option<std::fs::File>,
}

/// The stored form. The heads prove themselves: they are signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    origin: String,
    head: Option<String>,
    unproven: Vec<String>,
    since: u64,
}

impl Monitor {
    /// A monitor that keeps its state in `directory`, which is made when it does
    /// not exist. With `max_age`, a log without news for so long is stale.
    ///
    /// # Errors
    /// Another monitor, a state that is damaged or of a log that the policy does
    /// not list, or the file system.
    pub fn open(
        policy: TrustPolicy,
        max_age: Option<Duration>,
        directory: &Path,
    ) -> Result<Self, MonitorError> {
        std::fs::create_dir_all(directory)?;
        let lock = disk::take_lock(directory)?.ok_or(MonitorError::Locked)?;
        let disk = Arc::new(RealDisk::new(directory.to_owned()));
        Self::on(policy, max_age, disk, Some(lock))
    }

    pub(super) fn on(
        policy: TrustPolicy,
        max_age: Option<Duration>,
        disk: Arc<dyn Disk>,
        lock: Option<std::fs::File>,
    ) -> Result<Self, MonitorError> {
        let memory = load(disk.as_ref(), &policy)?;
        Ok(Self { policy, max_age, disk, memory, _lock: lock })
    }

    /// Looks at the log at this time (Unix microseconds).
    ///
    /// # Errors
    /// The log is another one than before, or the state cannot be written: what
    /// was found is then not told, and the next look finds it again.
    pub fn round(
        &mut self,
        log: &dyn LogSource,
        now: u64,
        mut progress: impl FnMut(Progress),
    ) -> Result<Round, MonitorError> {
        let looked = look(log, &self.policy, &self.memory, now, self.max_age, &mut progress);
        let Look { mut round, memory, contradiction } = looked.map_err(|other| {
            let kept = self.memory.origin().unwrap_or_default().to_owned();
            MonitorError::OtherLog { kept, served: other.0 }
        })?;
        if let Some(found) = contradiction {
            round.evidence = self.keep_evidence(&found)?;
        }
        if memory != self.memory {
            store(self.disk.as_ref(), &memory)?;
            self.memory = memory;
        }
        Ok(round)
    }

    /// Writes what proves a contradiction, where it is not kept already.
    fn keep_evidence(&self, found: &Contradiction) -> io::Result<Option<String>> {
        let (earlier, served) = (&found.earlier, &found.served);
        let kind = match found.kind {
            Kind::Fork => "fork",
            Kind::Rollback => "rollback",
        };
        // By what was signed: cosignatures differ from round to round.
        let both = format!("{}\n{}", earlier.checkpoint(), served.checkpoint());
        let digest = Digest::of(both.as_bytes()).to_string();
        let id = digest.get(..12).unwrap_or_default();
        let name = format!("{kind}-{}-{}-{id}", earlier.size(), served.size());
        let kept = self.disk.list(EVIDENCE)?;
        if !kept.contains(&name) && kept.len() >= MAX_EVIDENCE {
            return Ok(None);
        }
        let directory = format!("{EVIDENCE}/{name}");
        disk::ensure_directory(self.disk.as_ref(), &directory)?;
        let mut files = vec![
            ("earlier.checkpoint", earlier.note.clone()),
            ("served.checkpoint", served.note.clone()),
        ];
        if let Some((root, proof)) = &found.prefix {
            let mut text = format!("{}\n{}\n{root}\n", earlier.size(), served.size());
            for hash in proof {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{hash}");
            }
            files.push(("served.prefix", text.into_bytes()));
        }
        for (file, bytes) in files {
            let path = format!("{directory}/{file}");
            if self.disk.read(&path, u64::MAX)?.is_none() {
                disk::write_durably(self.disk.as_ref(), &path, &bytes)?;
            }
        }
        Ok(Some(directory))
    }
}

fn store(disk: &dyn Disk, memory: &Memory) -> io::Result<()> {
    let text = |head: &Head| String::from_utf8_lossy(&head.note).into_owned();
    let stored = Stored {
        format: FORMAT.to_owned(),
        origin: memory.origin().unwrap_or_default().to_owned(),
        head: memory.head.as_ref().map(text),
        unproven: memory.unproven.iter().map(text).collect(),
        since: memory.since,
    };
    let bytes = serde_json::to_vec(&stored).map_err(io::Error::other)?;
    disk::write_durably(disk, STATE, &bytes)
}

fn load(disk: &dyn Disk, policy: &TrustPolicy) -> Result<Memory, MonitorError> {
    let bytes = match disk.read(STATE, MAX_STATE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Memory::default()),
        Err(fault) if fault.kind() == io::ErrorKind::FileTooLarge => {
            return Err(MonitorError::Damaged);
        }
        Err(fault) => return Err(fault.into()),
    };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| MonitorError::Damaged)?;
    if stored.format != FORMAT {
        return Err(MonitorError::Damaged);
    }
    if !policy.logs().iter().any(|key| key.name() == stored.origin) {
        return Err(MonitorError::Untrusted(stored.origin));
    }
    let head = |note: String| {
        let head = Head::read(note.into_bytes(), policy).map_err(|fault| match fault {
            // The policy lists a key of this name, and it is not the one.
            CheckpointError::Note(NoteError::NoKnownKey) => {
                MonitorError::Untrusted(stored.origin.clone())
            }
            _ => MonitorError::Damaged,
        })?;
        let own = head.checkpoint().origin == stored.origin;
        if own { Ok(head) } else { Err(MonitorError::Damaged) }
    };
    let unproven = stored.unproven.into_iter().map(head).collect::<Result<_, _>>()?;
    let head = stored.head.map(head).transpose()?;
    Ok(Memory { head, unproven, since: stored.since })
}

const FORMAT: &str = "troth-monitor-state@v1";
const STATE: &str = "state.json";
const EVIDENCE: &str = "evidence";
/// Seventeen notes of the largest size, each character escaped.
const MAX_STATE: u64 = 64 * 1024 * 1024;
/// Whoever forks a log at each look cannot fill a disk.
const MAX_EVIDENCE: usize = 64;
