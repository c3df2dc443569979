//! The engine: one sequencer thread that makes groups of records durable and
//! signed, and one builder thread that makes tiles of them afterwards.

mod builder;
mod config;
mod erase;
mod error;
mod exchanges;
mod heads;
mod pending;
mod publish;
mod receipts;
mod recovery;
mod sequencer;
mod shared;
mod signers;
mod start;
mod tail;

use std::sync::Arc;
use std::thread::JoinHandle;

pub use config::LogConfig;
pub use erase::{Erase, EraseError, Erased, Erasures};
pub use error::{AppendError, BlobError, CloseError, OpenError, PublishError, ReceiptError};
pub use heads::{HeadError, PublishHeadError, Publishing, SignedHead};
pub use pending::{Pending, Sealed};
pub use publish::Published;
pub use receipts::ExchangeEntry;

use crate::clock::Clock;
use crate::commit::Committer;
use crate::disk::{self, Disk, RealDisk};
use crate::hash::{Digest, Hash};
use crate::keys::VerifierKey;
use crate::receipt::Receipt;
use crate::record::Record;
use crate::vault::VaultError;

use shared::{Phase, Shared, lock};

/// How a log is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Durable, signed records.
    pub size: u64,
    /// Records under the public checkpoint.
    pub published_size: u64,
    /// Records that wait to be made durable.
    pub queue_depth: usize,
    /// Exchanges whose intent has no outcome yet.
    pub open_exchanges: usize,
    /// Why the log refuses records, when it does.
    pub failed: Option<String>,
    /// Why tiles or the public checkpoint lag behind, when they do; records
    /// are still taken, for as long as memory holds what is not in tiles.
    pub lag: Option<String>,
}

/// An open log. Cheap to clone; the last clone that is dropped stops the
/// threads, without the `close` record that [`Log::close`] writes.
#[derive(Debug, Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

/// What ends with the last [`Log`].
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
    /// Held for as long as the log is open.
    _lock: Option<std::fs::File>,
}

impl Log {
    /// Opens a log: takes its lock, recovers what the last run left, closes
    /// that run's open intents as `abort` with reason `crash`, and starts the
    /// two threads. A directory that does not exist becomes a new log.
    ///
    /// # Errors
    /// Another process holds the log; its files are damaged where that cannot
    /// be a torn write; its public head is ahead of it or differs from it; its
    /// key or origin is another; the clock is far behind; or the file system.
    pub fn open(config: LogConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        disk::make_home(&config.directory).map_err(OpenError::Io)?;
        let lock = disk::take_lock(&config.directory).map_err(OpenError::Io)?;
        let lock = lock.ok_or(OpenError::Locked)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(config.directory.clone()));
        Self::start(config, clock, disk, Some(lock))
    }

    fn start(
        config: LogConfig,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        lock: Option<std::fs::File>,
    ) -> Result<Self, OpenError> {
        let (shared, threads) = start::start(config, clock, disk)?;
        let log =
            Self { handle: Arc::new(Handle { shared, threads: threads.into(), _lock: lock }) };
        // What a crash interrupted is ended before anything else begins.
        log.shared().finish_erasures().map_err(|fault| OpenError::Erase(Box::new(fault)))?;
        Ok(log)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Gives a record to the sequencer. Never blocks.
    ///
    /// # Errors
    /// The queue is full, the log is closed or has failed, or the record
    /// cannot be written as one. What the sequencer itself refuses (an outcome
    /// without its intent, a clock that ran back) is told by [`Pending`].
    pub fn append(&self, record: Record) -> Result<Pending, AppendError> {
        self.shared().append(record)
    }

    /// Makes commitments for an exchange, under the key of its tenant (the
    /// plain name, not the pseudonym) and of the day in its UUIDv7. The first
    /// of a day writes and syncs a key file.
    ///
    /// # Errors
    /// The id is no UUIDv7, or the vault cannot be read or written.
    pub fn committer(&self, tenant: &str, exchange: &str) -> Result<Committer, VaultError> {
        let shared = self.shared();
        shared.vault.committer(&shared.vault.pseudonym(TENANT, tenant), exchange)
    }

    /// Destroys the keys of tenants' days, durably, and writes a record of each
    /// day's; returns when the records are durable. Everything still verifies
    /// afterwards, and what those days' records commit to can no longer be
    /// confirmed: by nobody who has no copy of the keys or of their openings.
    ///
    /// Blocks on the disk and the log. What a crash interrupts is ended when
    /// the log is opened next. An exchange of such a day that is still under
    /// way keeps the secret of that exchange alone until it ends, and one that
    /// comes later is committed to under a key that nobody keeps.
    ///
    /// # Errors
    /// The days are no past days, there is no such key, or the vault or the
    /// log cannot be written.
    pub fn erase(&self, erase: &Erase) -> Result<Erasures, EraseError> {
        self.shared().erase(erase)
    }

    /// The pseudonym of a value: `kind` is `tenant`, `principal`, `end_user`,
    /// `session` or `parent`. 22 characters, the same for this log forever.
    #[must_use]
    pub fn pseudonym(&self, kind: &str, value: &str) -> String {
        self.shared().vault.pseudonym(kind, value)
    }

    /// Stores a blob beside the tiles, durably, and tells its digest.
    ///
    /// # Errors
    /// It is larger than 16 MiB, or the file system.
    pub fn blob(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        if bytes.len() > MAX_BLOB_BYTES {
            return Err(BlobError::TooLarge);
        }
        let digest = Digest::of(bytes);
        let path = blob_path(&digest);
        let disk = self.shared().disk.as_ref();
        disk::ensure_directory(disk, disk::parent(&path)).map_err(BlobError::Io)?;
        if disk.read(&path, MAX_BLOB_LIMIT).ok().flatten().as_deref() == Some(bytes) {
            // A run that was killed may have put it there a moment ago.
            disk::sync_directory(disk, disk::parent(&path)).map_err(BlobError::Io)?;
            return Ok(digest);
        }
        disk::write_durably(disk, &path, bytes).map_err(BlobError::Io)?;
        Ok(digest)
    }

    /// The receipt of an exchange's outcome under the newest signed head, with
    /// the record itself; with `openings`, also with what opens its
    /// commitments: for the exchange's own principal only.
    ///
    /// # Errors
    /// Nobody knows the exchange, its outcome is not written yet, or the file
    /// system.
    pub fn receipt(&self, exchange: &str, openings: bool) -> Result<Receipt, ReceiptError> {
        self.shared().receipt(exchange, openings)
    }

    /// The same, of what is in memory: nothing where the disk would have to be
    /// read, for whoever must not wait for it. An exchange that has just ended
    /// is in memory, and those of the hours before it for the most part.
    #[must_use]
    pub fn receipt_at_hand(
        &self,
        exchange: &str,
        openings: bool,
    ) -> Option<Result<Receipt, ReceiptError>> {
        self.shared().receipt_at_hand(exchange, openings)
    }

    /// Whose exchange it is, and where its records are; for those the log
    /// still knows by id.
    #[must_use]
    pub fn exchange(&self, exchange: &str) -> Option<ExchangeEntry> {
        self.shared().exchange(exchange)
    }

    /// The receipt of an exchange's outcome under the public checkpoint,
    /// without the record and without openings.
    ///
    /// # Errors
    /// Nobody knows the exchange, its outcome is not under the public
    /// checkpoint yet, or the file system.
    pub fn published_receipt(&self, exchange: &str) -> Result<Receipt, ReceiptError> {
        self.shared().published_receipt(exchange)
    }

    /// A file of the public log by its path without a leading slash:
    /// `checkpoint`, `tile/...`, and where entries are published
    /// `tile/entries/...` and `blobs/sha256/...`. Partial tiles are cut on
    /// demand.
    ///
    /// # Errors
    /// Not found, not published, or the file system.
    pub fn published(&self, path: &str) -> Result<Published, PublishError> {
        self.shared().published(path)
    }

    /// The newest durable head, where it is ahead of the public one: what
    /// witnesses are to cosign.
    #[must_use]
    pub fn candidate(&self) -> Option<SignedHead> {
        self.shared().candidate()
    }

    /// The public head, with the signature lines that it has.
    #[must_use]
    pub fn published_head(&self) -> Option<SignedHead> {
        self.shared().published_head()
    }

    /// A consistency proof between two sizes of the log (RFC 9162, 2.1.4).
    ///
    /// # Errors
    /// The log has not come so far, or the file system.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, HeadError> {
        self.shared().consistency(old, new)
    }

    /// The root over the first `size` records.
    ///
    /// # Errors
    /// The log has not come so far, or the file system.
    pub fn root_at(&self, size: u64) -> Result<Hash, HeadError> {
        self.shared().root_at(size)
    }

    /// Makes a head of this log public: a checkpoint that it has signed, with
    /// as many further signature lines as there are. The public head never
    /// moves back; one of the same size replaces it.
    ///
    /// # Errors
    /// It is not a head of this log, a later one is public, or the file system.
    pub fn publish(&self, note: &[u8]) -> Result<(), PublishHeadError> {
        self.shared().publish(note)
    }

    /// How the log is doing.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        self.shared().status()
    }

    /// The key that verifies this log.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        self.shared().signers.verifier()
    }

    /// Ends the log in order: what waits is written, exchanges still open end
    /// as `abort` with reason `shutdown`, the `close` record follows, the last
    /// checkpoint is published and both threads end. A second call does
    /// nothing.
    ///
    /// # Errors
    /// The log had failed before, so that there is no `close` record.
    pub fn close(&self) -> Result<(), CloseError> {
        self.close_as(Phase::Closing)
    }

    /// Ends the log for good, otherwise like [`Log::close`]: its `close` record
    /// says so, and it is never opened again. Another log may follow it
    /// ([`LogConfig::follows`]).
    ///
    /// # Errors
    /// As [`Log::close`].
    pub fn end(&self) -> Result<(), CloseError> {
        self.close_as(Phase::Ending)
    }

    fn close_as(&self, phase: Phase) -> Result<(), CloseError> {
        self.handle.stop(phase);
        match self.shared().failure() {
            Some(what) => Err(CloseError::Failed(what)),
            None => Ok(()),
        }
    }
}

impl Handle {
    fn stop(&self, phase: Phase) {
        self.shared.stop(phase);
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop(Phase::Stopping);
    }
}

pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

/// The kind under which a tenant's pseudonym is made.
const TENANT: &str = "tenant";
/// No blob is larger.
pub(crate) const MAX_BLOB_BYTES: usize = 16 * 1024 * 1024;
pub(crate) const MAX_BLOB_LIMIT: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
