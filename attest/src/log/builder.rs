//! The builder: tiles, bundles and the public checkpoint, from what the
//! write-ahead log made durable. It may lag, and may be killed at any point:
//! whatever it has not finished is made again from the segments, which it
//! deletes only after reading back what replaces them.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::Mark;
use crate::disk::{self, Disk};
use crate::hash::Hash;
use crate::tile::{Entries, MAX_LEVEL, TILE_WIDTH, Tile, push_entry};
use crate::wal::SegmentName;

use super::Publishing;
use super::exchanges;
use super::shared::{Shared, lock, missing, read_bundle, read_tile};

/// See the module.
#[derive(Debug)]
pub(super) struct Builder {
    shared: Arc<Shared>,
    /// Full bundles that are written.
    built: u64,
    /// Tiles that are written but not synced.
    unsynced: Vec<Tile>,
    /// Directories of tiles whose names are durable, as far as is known.
    directories: HashSet<String>,
    last_publish: Option<Mark>,
}

impl Builder {
    /// A builder that goes on after the first `built` bundles.
    pub(super) fn new(shared: Arc<Shared>, built: u64) -> Self {
        Self {
            shared,
            built,
            unsynced: Vec::new(),
            directories: HashSet::new(),
            last_publish: None,
        }
    }

    /// Runs until the sequencer has ended; the last thing it does is to publish
    /// the final head.
    pub(super) fn run(mut self) {
        loop {
            let stop = self.wait();
            let done = self.work(stop);
            let lag = done.err().map(|fault| format!("cannot write tiles: {}", fault.kind()));
            let failed = lag.is_some();
            *lock(&self.shared.lag) = lag;
            if failed {
                // Tried again after the interval, not at once.
                self.last_publish = Some(Mark::now());
            }
            if stop {
                return;
            }
        }
    }

    /// Waits until there is something to build or to publish. `true`: stop.
    fn wait(&self) -> bool {
        let external = self.shared.publishing_by == Publishing::External;
        let published = if external { u64::MAX } else { lock(&self.shared.published).size };
        let failed = lock(&self.shared.lag).is_some();
        let next_tile = (self.built + 1) * TILE_WIDTH;
        // What fails is tried again, but not in a tight loop.
        let interval = self.shared.publish_interval;
        let pause = if failed { interval.max(RETRY_PAUSE) } else { interval };
        let mut bell = lock(&self.shared.bell);
        loop {
            let left = self.last_publish.map(|mark| mark.left_of(pause));
            let due = left.is_none_or(|left| left.is_zero());
            let unpublished = bell.size > published;
            let buildable = bell.size >= next_tile && !failed;
            if bell.stop || buildable || (due && (unpublished || failed)) {
                return bell.stop;
            }
            bell = if unpublished || failed {
                bell.wake_at = next_tile;
                let left = left.unwrap_or_default();
                let waited = self.shared.rung.wait_timeout(bell, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                bell.wake_at = next_tile.min(published.saturating_add(1));
                self.shared.rung.wait(bell).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn work(&mut self, stop: bool) -> io::Result<()> {
        // What the bell told, not what the tail holds already: by then the segment
        // that follows a full one is known, and the full one can go.
        let size = lock(&self.shared.bell).size;
        while (self.built + 1) * TILE_WIDTH <= size {
            self.build(self.built)?;
            self.built += 1;
        }
        self.retire()?;
        if self.shared.publishing_by == Publishing::External {
            return Ok(());
        }
        let due = self
            .last_publish
            .is_none_or(|mark| mark.left_of(self.shared.publish_interval).is_zero());
        if due || stop {
            self.publish()?;
        }
        Ok(())
    }

    /// Writes one bundle and every tile that it completes. Nothing is synced
    /// here: until the segment goes, the write-ahead log has it all.
    fn build(&mut self, bundle: u64) -> io::Result<()> {
        let first = bundle * TILE_WIDTH;
        let mut bytes = Vec::new();
        for index in first..first + TILE_WIDTH {
            let whole = push_entry(&mut bytes, &self.shared.entry(index)?);
            if !whole {
                return Err(missing());
            }
        }
        self.put(Tile::bundle(bundle), &bytes)?;
        let mut end = first + TILE_WIDTH;
        for level in 0..=MAX_LEVEL {
            if !end.is_multiple_of(TILE_WIDTH) {
                break;
            }
            let hashes = self.shared.read_tail(|tail| tail.hashes(level, end - TILE_WIDTH, end));
            let hashes = hashes.ok_or_else(missing)?;
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            self.put(Tile::hashes(level, end / TILE_WIDTH - 1), &bytes)?;
            end /= TILE_WIDTH;
        }
        Ok(())
    }

    /// Puts a tile in its place at once, so that no reader sees half of it.
    fn put(&mut self, tile: Tile, bytes: &[u8]) -> io::Result<()> {
        let disk = self.shared.disk.as_ref();
        let path = tile.to_string();
        let beside = format!("{path}.tmp");
        // A directory that is there may have been made by an attempt that failed
        // before its name was durable.
        if !self.directories.contains(disk::parent(&path)) {
            disk::ensure_directory(disk, disk::parent(&path))?;
            self.directories.insert(disk::parent(&path).to_owned());
        }
        let mut file = disk.create(&beside)?;
        file.append(bytes)?;
        drop(file);
        disk.rename(&beside, &path)?;
        self.unsynced.push(tile);
        Ok(())
    }

    /// Deletes the segments whose entries are all in full tiles, once those are
    /// durable and were read back and hashed again.
    fn retire(&mut self) -> io::Result<()> {
        let durable = self.built * TILE_WIDTH;
        loop {
            let (name, end) = {
                let segments = lock(&self.shared.segments);
                match (segments.front(), segments.get(1)) {
                    (Some(name), Some(next)) if next.first <= durable => (*name, next.first),
                    _ => return Ok(()),
                }
            };
            self.settle()?;
            self.check(name, end)?;
            self.index(name.first, end)?;
            let disk = self.shared.disk.as_ref();
            match disk.remove(&name.path()) {
                // An attempt before this one failed after its work was done.
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            // Segments come back in order or not at all: one that came back
            // before a gap could not be read.
            disk::sync_directory(disk, crate::wal::DIRECTORY)?;
            lock(&self.shared.segments).pop_front();
            self.shared.write_tail(|tail| tail.trim(end, end));
        }
    }

    /// Makes every tile written so far durable, then their names.
    fn settle(&mut self) -> io::Result<()> {
        let disk = self.shared.disk.as_ref();
        let mut directories = BTreeSet::new();
        for tile in &self.unsynced {
            let path = tile.to_string();
            disk::or_abort(disk, "tile", disk.sync_file(&path))?;
            directories.insert(disk::parent(&path).to_owned());
        }
        for directory in directories {
            disk::sync_directory(disk, &directory)?;
        }
        self.unsynced.clear();
        Ok(())
    }

    /// Reads back what replaces a segment: every entry is hashed again, and the
    /// hashes are those that were signed.
    fn check(&self, name: SegmentName, end: u64) -> io::Result<()> {
        let disk = self.shared.disk.as_ref();
        for bundle in name.first / TILE_WIDTH..end.div_ceil(TILE_WIDTH) {
            if !reads_back(disk, bundle)? {
                return Err(missing());
            }
            let (from, to) = (bundle * TILE_WIDTH, (bundle + 1) * TILE_WIDTH);
            let signed = self.shared.read_tail(|tail| tail.hashes(0, from, to));
            if signed.is_some_and(|signed| read_tile(disk, 0, bundle).ok() != Some(signed)) {
                return Err(missing());
            }
        }
        for level in 1..=MAX_LEVEL {
            let shift = 8 * u32::from(level);
            let (from, to) = ((name.first >> shift) / TILE_WIDTH, (end >> shift) / TILE_WIDTH);
            for index in from..to {
                let (low, high) = (index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
                let signed = self.shared.read_tail(|tail| tail.hashes(level, low, high));
                let stored = read_tile(disk, level, index)?;
                if signed.is_some_and(|signed| signed != stored) {
                    return Err(missing());
                }
            }
        }
        Ok(())
    }

    /// Writes the exchanges that end in the segment to the derived index.
    fn index(&self, first: u64, end: u64) -> io::Result<()> {
        // An attempt that failed later has done this, and memory knows the rows no more.
        if lock(&self.shared.exchanges).has_file(first, end) {
            return Ok(());
        }
        let rows = lock(&self.shared.exchanges).rows(first, end);
        exchanges::write(self.shared.disk.as_ref(), first, end, &rows)?;
        lock(&self.shared.exchanges).settle(first, end, &rows);
        Ok(())
    }

    /// Moves the public checkpoint to the newest durable head.
    fn publish(&mut self) -> io::Result<()> {
        let head = self.shared.read_tail(|tail| tail.head().clone());
        let _one = lock(&self.shared.publishing);
        if head.size > lock(&self.shared.published).size {
            disk::write_durably(self.shared.disk.as_ref(), CHECKPOINT, &head.note)?;
            *lock(&self.shared.published) = head;
        }
        self.last_publish = Some(Mark::now());
        Ok(())
    }
}

/// Whether a stored bundle hashes to its stored tile.
fn reads_back(disk: &dyn Disk, bundle: u64) -> io::Result<bool> {
    let bytes = read_bundle(disk, bundle)?;
    let hashes: Option<Vec<Hash>> = Entries(&bytes).map(|entry| entry.map(Hash::leaf)).collect();
    Ok(hashes.is_some_and(|hashes| read_tile(disk, 0, bundle).is_ok_and(|tile| tile == hashes)))
}

/// Between two attempts at writing tiles that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The public checkpoint's path.
pub(super) const CHECKPOINT: &str = "checkpoint";
