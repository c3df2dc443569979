//! A witness: signs only what extends everything that it has signed before.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use super::{AddCheckpoint, is_of, last_cosigned_path};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::disk::{self, Disk, RealDisk};
use crate::hash::Hash;
use crate::keys::{Signer, VerifierKey};
use crate::note::{Note, NoteError};
use crate::proof::verify_consistency;
use crate::trust::TrustPolicy;

/// Why a witness cannot work.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// It follows no log.
    #[error("a witness needs the key of a log to follow")]
    NoLogs,
    /// Another process uses its directory.
    #[error("another process has the witness's directory")]
    Locked,
    /// What it has stored is not its own, or damaged: it cannot know what it
    /// has signed.
    #[error(
        "the stored checkpoint of `{0}` is damaged: restore it, or give this witness a new key"
    )]
    Damaged(String),
    /// The file system.
    #[error("cannot read or write the witness's directory")]
    Io(#[from] io::Error),
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// The status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl WitnessReply {
    fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// See the module. One process at a time owns its directory.
#[derive(Debug)]
pub struct Witness {
    signer: Signer,
    logs: Vec<VerifierKey>,
    disk: Arc<dyn Disk>,
    /// Held from reading the last checkpoint until the next one is durable.
    one: Mutex<()>,
    _lock: Option<std::fs::File>,
}

impl Witness {
    /// A witness that keeps its state in `directory` and follows the logs with
    /// these keys.
    ///
    /// # Errors
    /// No logs, another process, a damaged state, or the file system.
    pub fn open(
        signer: Signer,
        logs: Vec<VerifierKey>,
        directory: &Path,
    ) -> Result<Self, WitnessError> {
        std::fs::create_dir_all(directory)?;
        let lock = disk::take_lock(directory)?.ok_or(WitnessError::Locked)?;
        let disk = Arc::new(RealDisk::new(directory.to_owned()));
        Self::on(signer, logs, disk, Some(lock))
    }

    pub(super) fn on(
        signer: Signer,
        logs: Vec<VerifierKey>,
        disk: Arc<dyn Disk>,
        lock: Option<std::fs::File>,
    ) -> Result<Self, WitnessError> {
        if logs.is_empty() {
            return Err(WitnessError::NoLogs);
        }
        let witness = Self { signer, logs, disk, one: Mutex::new(()), _lock: lock };
        for log in &witness.logs {
            witness.last(log.name())?;
        }
        Ok(witness)
    }

    /// The key that verifies its cosignatures.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        self.signer.witness_verifier()
    }

    /// Answers `POST <prefix>/add-checkpoint` at this time (Unix seconds).
    ///
    /// The checks come in the specification's order. What it signs is durable
    /// before anybody sees the signature.
    #[must_use]
    pub fn add_checkpoint(&self, body: &[u8], time: u64) -> WitnessReply {
        let Some(request) = AddCheckpoint::parse(body) else {
            return WitnessReply::text(400, "not an add-checkpoint request\n");
        };
        let Ok(claimed) = Checkpoint::claimed(&request.note) else {
            return WitnessReply::text(400, "not a checkpoint\n");
        };
        let known: Vec<&VerifierKey> =
            self.logs.iter().filter(|key| is_of(key, &claimed.origin)).collect();
        if known.is_empty() {
            return WitnessReply::text(404, "this witness does not follow that log\n");
        }
        let signed = known.iter().any(|key| {
            let policy = TrustPolicy::for_log(key);
            Checkpoint::verify(&request.note, &policy).is_ok()
        });
        let forged = known.iter().any(|key| {
            let policy = TrustPolicy::for_log(key);
            let read = Checkpoint::verify(&request.note, &policy);
            matches!(read, Err(CheckpointError::Note(NoteError::BadSignature)))
        });
        if !signed || forged {
            return WitnessReply::text(403, "no valid signature of that log\n");
        }
        if request.old > claimed.size {
            return WitnessReply::text(400, "the old size is larger than the checkpoint's\n");
        }
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let last = match self.last(&claimed.origin) {
            Ok(last) => last,
            Err(fault) => return WitnessReply::text(500, format!("{fault}\n")),
        };
        self.extend(&request, &claimed, last.as_ref(), time)
    }

    fn extend(
        &self,
        request: &AddCheckpoint,
        claimed: &Checkpoint,
        last: Option<&(Checkpoint, u64)>,
        now: u64,
    ) -> WitnessReply {
        let (size, root, before) = match last {
            Some((last, time)) => (last.size, last.root, *time),
            None => (0, Hash::empty_root(), 0),
        };
        // A clock that runs back must not make a later view look older.
        let time = now.max(before);
        if request.old != size {
            let content_type = "text/x.tlog.size";
            let body = format!("{size}\n").into_bytes();
            return WitnessReply { status: 409, content_type, body };
        }
        if size == claimed.size && root != claimed.root {
            return WitnessReply::text(409, "another root at the same size\n");
        }
        // From nothing, everything follows, without a proof.
        let consistent = if size == 0 {
            request.proof.is_empty()
        } else {
            verify_consistency(size, claimed.size, &request.proof, &root, &claimed.root).is_ok()
        };
        if !consistent {
            return WitnessReply::text(422, "the consistency proof does not hold\n");
        }
        let line = self.signer.cosignature_line(&claimed.to_string(), time);
        // Nothing of strangers is kept: a line in this witness's own name that it
        // never signed would make its state unreadable.
        let Ok(note) = Note::parse(&request.note) else {
            return WitnessReply::text(400, "not a checkpoint\n");
        };
        let own = note.signed_by(&self.logs);
        let note = [own.as_bytes(), line.as_bytes()].concat();
        match self.store(&claimed.origin, &note) {
            Ok(()) => WitnessReply::text(200, line),
            Err(_) => WitnessReply::text(500, "the checkpoint cannot be stored\n"),
        }
    }

    /// Answers `GET <prefix>/<hex SHA-256 of the origin>/checkpoint`: the last
    /// checkpoint that it has cosigned for that log.
    #[must_use]
    pub fn checkpoint(&self, path: &str) -> WitnessReply {
        let origin =
            self.logs.iter().map(VerifierKey::name).find(|name| last_cosigned_path(name) == path);
        match origin.map(|origin| self.stored(origin)) {
            None | Some(Ok(None)) => WitnessReply::text(404, "nothing cosigned for that log\n"),
            Some(Ok(Some(note))) => WitnessReply::text(200, note),
            Some(Err(fault)) => WitnessReply::text(500, format!("{fault}\n")),
        }
    }

    /// The last checkpoint that it has cosigned for a log, and when.
    pub(super) fn last(&self, origin: &str) -> Result<Option<(Checkpoint, u64)>, WitnessError> {
        let Some(note) = self.stored(origin)? else { return Ok(None) };
        // Its own cosignature says that it is what it stored.
        let damaged = || WitnessError::Damaged(origin.to_owned());
        let own = [self.verifier()];
        let read = crate::note::Note::parse(&note).map_err(|_| damaged())?;
        let cosigned = read.cosigned(&own).map_err(|_| damaged())?;
        let (_, time) = cosigned.first().ok_or_else(damaged)?;
        let checkpoint = Checkpoint::claimed(&note).map_err(|_| damaged())?;
        if checkpoint.origin != origin {
            return Err(damaged());
        }
        Ok(Some((checkpoint, *time)))
    }

    fn stored(&self, origin: &str) -> Result<Option<Vec<u8>>, WitnessError> {
        Ok(self.disk.read(&last_cosigned_path(origin), MAX_STORED)?)
    }

    fn store(&self, origin: &str, note: &[u8]) -> io::Result<()> {
        let path = last_cosigned_path(origin);
        disk::ensure_directory(self.disk.as_ref(), disk::parent(&path))?;
        disk::write_durably(self.disk.as_ref(), &path, note)
    }
}

const MAX_STORED: u64 = 512 * 1024;
