//! Which record belongs to an exchange: derived data, kept so that a receipt
//! can be asked for by id. Nothing is proven from it: what it points at is read
//! and compared, and it can be made again from the entries.
//!
//! What is in the write-ahead log is known in memory. When a segment goes, its
//! outcomes are written to a sorted file:
//!
//! ```text
//! "TROTHIX1" | first u64 | end u64 | count u32 | crc32c(all but this) u32
//! | (key 16 | outcome u64 | intent u64)*, sorted
//! ```

use std::collections::HashMap;
use std::io;

use crate::disk::{self, Disk};
use crate::record::{ExchangeKey, Record, Stored};
use crate::tile::{Entries, TILE_WIDTH};

use super::shared::{missing, read_bundle};

/// Where the records of an exchange are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) intent: u64,
    pub(super) outcome: Option<u64>,
}

/// One file of the index, without its rows.
#[derive(Debug, Clone)]
struct IndexFile {
    first: u64,
    end: u64,
    low: ExchangeKey,
    high: ExchangeKey,
}

/// One row: an exchange, its outcome, its intent.
type Row = (ExchangeKey, u64, u64);

/// The index by exchange.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    recent: HashMap<ExchangeKey, Known>,
    files: Vec<IndexFile>,
}

impl Exchanges {
    pub(super) fn intent(&mut self, key: ExchangeKey, index: u64) {
        self.recent.insert(key, Known { intent: index, outcome: None });
    }

    pub(super) fn outcome(&mut self, key: ExchangeKey, intent: u64, index: u64) {
        self.recent.insert(key, Known { intent, outcome: Some(index) });
    }

    pub(super) fn is_recent(&self, key: &ExchangeKey) -> bool {
        self.recent.contains_key(key)
    }

    /// What memory knows, or else which files may know more.
    pub(super) fn look(&self, key: &ExchangeKey) -> Result<Known, Vec<String>> {
        if let Some(known) = self.recent.get(key) {
            return Ok(*known);
        }
        let may = |file: &&IndexFile| file.low <= *key && *key <= file.high;
        // The newest first: ids of one time are near each other.
        Err(self.files.iter().rev().filter(may).map(IndexFile::path).collect())
    }

    /// The outcomes in `first..end`, which are about to leave memory, sorted.
    pub(super) fn rows(&self, first: u64, end: u64) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .recent
            .iter()
            .filter_map(|(key, known)| Some((*key, known.outcome?, known.intent)))
            .filter(|(_, outcome, _)| (first..end).contains(outcome))
            .collect();
        rows.sort_unstable();
        rows
    }

    /// Whether the outcomes in `first..end` are in a file.
    pub(super) fn has_file(&self, first: u64, end: u64) -> bool {
        self.files.iter().any(|file| file.first == first && file.end == end)
    }

    /// Forgets rows that are in a file now.
    pub(super) fn settle(&mut self, first: u64, end: u64, rows: &[Row]) {
        for (key, ..) in rows {
            self.recent.remove(key);
        }
        if let (Some(low), Some(high)) = (rows.first(), rows.last()) {
            self.files.push(IndexFile { first, end, low: low.0, high: high.0 });
        } else {
            let none = ExchangeKey([0xff; 16]);
            self.files.push(IndexFile { first, end, low: none, high: ExchangeKey([0; 16]) });
        }
    }

    /// Reads the stored index for entries `0..end`, or makes it again where it
    /// is missing or damaged.
    pub(super) fn load(disk: &dyn Disk, end: u64) -> io::Result<Self> {
        let mut files = Vec::new();
        for name in disk.list(DIRECTORY)? {
            let path = format!("{DIRECTORY}/{name}");
            let file = disk.read(&path, MAX_FILE)?.and_then(|bytes| Some(parse(&bytes)?.0));
            // A crash between an index file and the end of its segment leaves
            // one that reaches past the tiles; the segment will make it again.
            match file {
                Some(file) if file.end <= end && file.path() == path => files.push(file),
                _ => disk.remove(&path)?,
            }
        }
        files.sort_by_key(|file| file.first);
        let mut exchanges = Self::default();
        let mut at = 0;
        for file in files {
            // Two that overlap were made by different runs: either will do.
            if file.first < at {
                disk.remove(&file.path())?;
                continue;
            }
            exchanges.rebuild(disk, at, file.first)?;
            at = file.end;
            exchanges.files.push(file);
        }
        exchanges.rebuild(disk, at, end)?;
        Ok(exchanges)
    }

    /// Makes what is missing again, from the entries themselves.
    fn rebuild(&mut self, disk: &dyn Disk, from: u64, end: u64) -> io::Result<()> {
        let mut first = from;
        while first < end {
            let last = end.min(first + REBUILT_ENTRIES);
            let mut rows = Vec::new();
            let mut bundle = first / TILE_WIDTH;
            while bundle * TILE_WIDTH < last {
                let bytes = read_bundle(disk, bundle)?;
                for (index, entry) in (bundle * TILE_WIDTH..).zip(Entries(&bytes)) {
                    let entry = entry.ok_or_else(missing)?;
                    if !(first..last).contains(&index) {
                        continue;
                    }
                    if let Ok(Stored { record: Some(Record::Outcome(outcome)), .. }) =
                        Stored::parse(entry)
                    {
                        rows.push((ExchangeKey::of(&outcome.exchange), index, outcome.intent));
                    }
                }
                bundle += 1;
            }
            rows.sort_unstable();
            write(disk, first, last, &rows)?;
            self.settle(first, last, &rows);
            first = last;
        }
        Ok(())
    }
}

impl IndexFile {
    fn path(&self) -> String {
        path(self.first, self.end)
    }
}

fn path(first: u64, end: u64) -> String {
    format!("{DIRECTORY}/{first:020}-{end:020}.idx")
}

/// Writes a file of the index.
pub(super) fn write(disk: &dyn Disk, first: u64, end: u64, rows: &[Row]) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&end.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(rows.len()).map_err(|_| missing())?.to_be_bytes());
    let mut body = Vec::with_capacity(rows.len() * 32);
    for (key, outcome, intent) in rows {
        body.extend_from_slice(&key.0);
        body.extend_from_slice(&outcome.to_be_bytes());
        body.extend_from_slice(&intent.to_be_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &body);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes.extend_from_slice(&body);
    let path = path(first, end);
    let beside = format!("{path}.tmp");
    // Not synced: it is made again where it is missing or damaged, and the
    // segment's end need not wait for it.
    let mut file = match disk.create(&beside) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            disk::ensure_directory(disk, DIRECTORY)?;
            disk.create(&beside)?
        }
        other => other?,
    };
    file.append(&bytes)?;
    drop(file);
    disk.rename(&beside, &path)
}

/// Finds an exchange in a stored file.
pub(super) fn find(disk: &dyn Disk, path: &str, key: &ExchangeKey) -> io::Result<Option<Known>> {
    let Some(bytes) = disk.read(path, MAX_FILE)? else { return Ok(None) };
    let Some((_, rows)) = parse(&bytes) else { return Ok(None) };
    let place = rows.binary_search_by(|row| row.first_chunk::<16>().cmp(&Some(&key.0)));
    let row = place.ok().and_then(|place| rows.get(place));
    Ok(row.and_then(split).map(|(_, outcome, intent)| Known { intent, outcome: Some(outcome) }))
}

fn split(row: &[u8; 32]) -> Option<Row> {
    let (key, numbers) = row.split_first_chunk::<16>()?;
    let (outcome, intent) = numbers.split_first_chunk::<8>()?;
    Some((
        ExchangeKey(*key),
        u64::from_be_bytes(*outcome),
        u64::from_be_bytes(*intent.first_chunk()?),
    ))
}

fn parse(bytes: &[u8]) -> Option<(IndexFile, &[[u8; 32]])> {
    let (head, rest) = bytes.split_at_checked(28)?;
    let (crc, body) = rest.split_first_chunk::<4>()?;
    if crc32c::crc32c_append(crc32c::crc32c(head), body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let numbers = head.strip_prefix(MAGIC)?;
    let (first, numbers) = numbers.split_first_chunk::<8>()?;
    let (end, count) = numbers.split_first_chunk::<8>()?;
    let (rows, rest) = body.as_chunks::<32>();
    let count = usize::try_from(u32::from_be_bytes(*count.first_chunk()?)).ok()?;
    if !rest.is_empty() || count != rows.len() {
        return None;
    }
    let key = |row: Option<&[u8; 32]>| row.and_then(split).map(|row| row.0);
    let file = IndexFile {
        first: u64::from_be_bytes(*first),
        end: u64::from_be_bytes(*end),
        low: key(rows.first()).unwrap_or(ExchangeKey([0xff; 16])),
        high: key(rows.last()).unwrap_or(ExchangeKey([0; 16])),
    };
    Some((file, rows))
}

pub(super) const DIRECTORY: &str = "derived/exchanges";
const MAGIC: &[u8; 8] = b"TROTHIX1";
/// 32 bytes for each of 8 million outcomes: far more than a segment can hold.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// Entries of one file when the index is made again.
const REBUILT_ENTRIES: u64 = 65_536;
