//! What the threads of a log share.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::hash::Hash;
use crate::record::{EncodeError, Encoded, Record};
use crate::tile::{Entries, MAX_BUNDLE_BYTES, TILE_WIDTH, Tile, split_hashes, tile_root};
use crate::vault::Vault;
use crate::wal::SegmentName;

use super::exchanges::Exchanges;
use super::signers::Signers;
use super::tail::{Head, Tail};
use super::{AppendError, LogConfig, LogStatus, Pending, Publishing, Sealed};

/// A record that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) encoded: Encoded,
    pub(super) waiter: oneshot::Sender<Result<Sealed, AppendError>>,
}

/// Whether records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// What waits is written, then the `close` record.
    Closing,
    /// The same, and the log ends with it.
    Ending,
    /// What waits is written, and nothing else.
    Stopping,
    Failed,
}

#[derive(Debug)]
struct Queue {
    jobs: Vec<Job>,
    phase: Phase,
}

/// What the builder is told.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// The size at which it wants to be woken.
    pub(super) wake_at: u64,
    pub(super) size: u64,
    pub(super) stop: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) origin: String,
    pub(super) replica: String,
    pub(super) publish_entries: bool,
    pub(super) publishing_by: Publishing,
    pub(super) publish_interval: std::time::Duration,
    pub(super) max_clock_step: u64,
    pub(super) segment_bytes: u64,
    queue_records: usize,
    /// The last checkpoint of the log that this one follows, until a boot has
    /// said so.
    follows: Mutex<Option<String>>,
    pub(super) signers: Signers,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) vault: Vault,
    queue: Mutex<Queue>,
    ready: Condvar,
    pub(super) tail: RwLock<Tail>,
    pub(super) exchanges: Mutex<Exchanges>,
    pub(super) published: Mutex<Head>,
    /// Held while the public checkpoint is written.
    pub(super) publishing: Mutex<()>,
    /// The segments that exist, the current one last.
    pub(super) segments: Mutex<VecDeque<SegmentName>>,
    pub(super) bell: Mutex<Bell>,
    pub(super) rung: Condvar,
    failed: OnceLock<String>,
    /// Why tiles or the public checkpoint lag behind, if they do.
    pub(super) lag: Mutex<Option<String>>,
    pub(super) open: AtomicUsize,
    held: AtomicUsize,
}

/// Takes a lock; a thread that panicked while it held one left plain data.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What recovery hands over.
pub(super) struct Parts {
    pub(super) tail: Tail,
    pub(super) exchanges: Exchanges,
    pub(super) published: Head,
    pub(super) segment: SegmentName,
    pub(super) vault: Vault,
    pub(super) signers: Signers,
}

impl Shared {
    pub(super) fn new(
        config: LogConfig,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        parts: Parts,
    ) -> Self {
        let held = AtomicUsize::new(parts.tail.bytes());
        Self {
            origin: config.origin,
            replica: config.replica,
            publish_entries: config.publish_entries,
            publishing_by: config.publish,
            publish_interval: config.publish_interval,
            max_clock_step: u64::try_from(config.max_clock_step.as_micros()).unwrap_or(u64::MAX),
            segment_bytes: config.segment_bytes,
            queue_records: config.queue_records,
            // Only a log that is new goes on from another.
            follows: Mutex::new(config.follows.filter(|_| parts.tail.head().size == 0)),
            signers: parts.signers,
            clock,
            disk,
            vault: parts.vault,
            queue: Mutex::new(Queue { jobs: Vec::new(), phase: Phase::Running }),
            ready: Condvar::new(),
            tail: RwLock::new(parts.tail),
            exchanges: Mutex::new(parts.exchanges),
            published: Mutex::new(parts.published),
            publishing: Mutex::new(()),
            segments: Mutex::new(VecDeque::from([parts.segment])),
            bell: Mutex::default(),
            rung: Condvar::new(),
            failed: OnceLock::new(),
            lag: Mutex::new(None),
            open: AtomicUsize::new(0),
            held,
        }
    }

    pub(super) fn append(&self, mut record: Record) -> Result<Pending, AppendError> {
        match &mut record {
            Record::Close(_) => return Err(AppendError::Reserved),
            Record::Boot(boot) => {
                boot.log_key = self.signers.verifier().to_string();
                boot.replica.clone_from(&self.replica);
                boot.follows = lock(&self.follows).take();
            }
            // Only what an auditor will believe goes in.
            _ => self.check_signed(&record)?,
        }
        // Serialised here, in the producer's thread: the sequencer only copies.
        let encoded = encode(record)?;
        let (waiter, receiver) = oneshot::channel();
        {
            let mut queue = lock(&self.queue);
            match queue.phase {
                Phase::Running => {}
                Phase::Failed => {
                    return Err(AppendError::Failed(self.failure().unwrap_or_default()));
                }
                Phase::Closing | Phase::Ending | Phase::Stopping => {
                    return Err(AppendError::Closed);
                }
            }
            if queue.jobs.len() >= self.queue_records
                || self.held.load(Ordering::Relaxed) > MAX_HELD_BYTES
            {
                return Err(AppendError::QueueFull);
            }
            queue.jobs.push(Job { encoded, waiter });
        }
        self.ready.notify_one();
        Ok(Pending::new(receiver))
    }

    /// What somebody signed holds for this log, and now.
    fn check_signed(&self, record: &Record) -> Result<(), AppendError> {
        if let Record::Approval(approval) = record {
            approval.check(&self.origin)?;
            return Ok(approval.check_time(self.clock.now_micros(), 0)?);
        }
        let Some((kind, statement)) = record.statement() else { return Ok(()) };
        statement.check(kind, &self.origin)?;
        let size = self.read_tail(|tail| tail.head().size);
        Ok(statement.check_place(size, self.clock.now_micros(), STATEMENT_TOLERANCE)?)
    }

    /// How many records wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).jobs.len()
    }

    /// Blocks until records wait or the phase changes; what waits is taken
    /// whole: the next group is whatever arrived during the last fsync.
    pub(super) fn next_jobs(&self) -> (Vec<Job>, Phase) {
        // To be woken takes longer than those who were just answered need to be back.
        for _ in 0..LOOKS {
            if !lock(&self.queue).jobs.is_empty() {
                break;
            }
            std::thread::yield_now();
        }
        let mut queue = lock(&self.queue);
        while queue.jobs.is_empty() && queue.phase == Phase::Running {
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (std::mem::take(&mut queue.jobs), queue.phase)
    }

    /// What waits now, without waiting for it.
    pub(super) fn more_jobs(&self) -> Vec<Job> {
        std::mem::take(&mut lock(&self.queue).jobs)
    }

    /// Takes nothing more; `phase` says how the log stops.
    pub(super) fn stop(&self, phase: Phase) {
        {
            let mut queue = lock(&self.queue);
            if queue.phase == Phase::Running {
                queue.phase = phase;
            }
        }
        self.ready.notify_all();
    }

    /// From here on nothing is taken, and whoever waits is told.
    pub(super) fn fail(&self, what: &str) {
        let _ = self.failed.set(what.to_owned());
        let jobs = {
            let mut queue = lock(&self.queue);
            queue.phase = Phase::Failed;
            std::mem::take(&mut queue.jobs)
        };
        self.ready.notify_all();
        for job in jobs {
            let _ = job.waiter.send(Err(AppendError::Failed(what.to_owned())));
        }
    }

    /// The sequencer is gone: an end that nobody asked for is a failure.
    pub(super) fn end(&self) {
        if matches!(lock(&self.queue).phase, Phase::Running | Phase::Failed) {
            self.fail("the sequencer ended");
        }
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failed.get().cloned()
    }

    pub(super) fn read_tail<T>(&self, read: impl FnOnce(&Tail) -> T) -> T {
        read(&self.tail.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write_tail<T>(&self, write: impl FnOnce(&mut Tail) -> T) -> T {
        let mut tail = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        let done = write(&mut tail);
        self.held.store(tail.bytes(), Ordering::Relaxed);
        done
    }

    /// Tells the builder that the log has grown to `size`.
    pub(super) fn ring(&self, size: u64) {
        let mut bell = lock(&self.bell);
        bell.size = size;
        if size >= bell.wake_at {
            self.rung.notify_one();
        }
    }

    pub(super) fn stop_builder(&self) {
        lock(&self.bell).stop = true;
        self.rung.notify_one();
    }

    pub(super) fn status(&self) -> LogStatus {
        let queue_depth = self.waiting();
        LogStatus {
            size: self.read_tail(|tail| tail.head().size),
            published_size: lock(&self.published).size,
            queue_depth,
            open_exchanges: self.open.load(Ordering::Relaxed),
            failed: self.failure(),
            lag: lock(&self.lag).clone(),
        }
    }

    /// The root of the perfect subtree `index` of `1 << level` entries, from
    /// memory or from a stored tile.
    pub(super) fn node(&self, level: u32, index: u64) -> io::Result<Hash> {
        node_with(level, index, |tile_level, from, to| {
            if let Some(hashes) = self.read_tail(|tail| tail.hashes(tile_level, from, to)) {
                return Ok(hashes);
            }
            stored_hashes(self.disk.as_ref(), tile_level, from, to)
        })
    }

    /// The bytes of an entry, from memory or from a stored bundle.
    pub(super) fn entry(&self, index: u64) -> io::Result<Vec<u8>> {
        if let Some(entry) = self.read_tail(|tail| tail.entry(index)) {
            return Ok(entry);
        }
        stored_entry(self.disk.as_ref(), index)
    }
}

/// The bytes of an entry of a stored, full bundle.
pub(super) fn stored_entry(disk: &dyn Disk, index: u64) -> io::Result<Vec<u8>> {
    let bytes = read_bundle(disk, index / TILE_WIDTH)?;
    let place = usize::try_from(index % TILE_WIDTH).map_err(|_| missing())?;
    let entry = Entries(&bytes).nth(place).flatten().ok_or_else(missing)?;
    Ok(entry.to_vec())
}

fn encode(record: Record) -> Result<Encoded, AppendError> {
    Encoded::new(record).map_err(|fault| match fault {
        EncodeError::TooLarge => AppendError::TooLarge,
        EncodeError::Exchange => AppendError::Exchange,
        EncodeError::Value(_) => AppendError::Value,
    })
}

/// The node at `level` (in bits), from the hashes of its tile level.
pub(super) fn node_with(
    level: u32,
    index: u64,
    hashes: impl FnOnce(u8, u64, u64) -> io::Result<Vec<Hash>>,
) -> io::Result<Hash> {
    let tile_level = u8::try_from(level / 8).map_err(|_| missing())?;
    let below = level % 8;
    let hashes = hashes(tile_level, index << below, (index + 1) << below)?;
    tile_root(&hashes).ok_or_else(missing)
}

/// Hashes `from..to` of one stored tile.
pub(super) fn stored_hashes(
    disk: &dyn Disk,
    level: u8,
    from: u64,
    to: u64,
) -> io::Result<Vec<Hash>> {
    let hashes = read_tile(disk, level, from / TILE_WIDTH)?;
    let start = usize::try_from(from % TILE_WIDTH).map_err(|_| missing())?;
    let end = start + usize::try_from(to - from).map_err(|_| missing())?;
    hashes.get(start..end).map(<[Hash]>::to_vec).ok_or_else(missing)
}

/// A stored, full tile.
pub(super) fn read_tile(disk: &dyn Disk, level: u8, index: u64) -> io::Result<Vec<Hash>> {
    let tile = Tile::hashes(level, index);
    let bytes = disk.read(&tile.to_string(), 256 * 32)?.ok_or_else(missing)?;
    split_hashes(&bytes, 256).ok_or_else(missing)
}

/// The bytes of a stored, full bundle.
pub(super) fn read_bundle(disk: &dyn Disk, index: u64) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
    disk.read(&Tile::bundle(index).to_string(), limit)?.ok_or_else(missing)
}

/// What should be stored is not there, or not whole.
pub(super) fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "a stored tile is missing or damaged")
}

/// How often the sequencer looks for records before it sleeps: some 20 us.
const LOOKS: u8 = 64;
/// Bytes of frames held in memory because their entries are not in durable
/// tiles yet; past them records are refused until the builder has caught up.
const MAX_HELD_BYTES: usize = 512 * 1024 * 1024;
/// A statement is signed now, by clocks that differ a little. Half of what a
/// verifier allows, so that none is taken here that does not hold there.
const STATEMENT_TOLERANCE: u64 = 5 * 60 * 1_000_000;
