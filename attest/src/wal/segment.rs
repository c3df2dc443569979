//! Segments: their names and headers.

use std::fmt;

use crate::record::ExchangeKey;

use super::frame::Cursor;

/// An intent that has no outcome yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenIntent {
    pub(crate) index: u64,
    pub(crate) key: ExchangeKey,
}

/// `<generation>-<first index>.wal`.
///
/// Each start of the engine rewrites what the last one left into a segment of
/// a new generation: only the newest generation counts, and what is left of
/// older ones is waiting to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    pub(crate) generation: u64,
    pub(crate) first: u64,
}

impl SegmentName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (generation, first) = name.strip_suffix(".wal")?.split_once('-')?;
        let number = |text: &str| {
            let plain = text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit());
            if plain { text.parse().ok() } else { None }
        };
        Some(Self { generation: number(generation)?, first: number(first)? })
    }

    /// The segments of the newest generation, in order.
    pub(crate) fn newest(names: &[String]) -> Vec<Self> {
        let mut all: Vec<Self> = names.iter().filter_map(|name| Self::parse(name)).collect();
        let newest = all.iter().map(|name| name.generation).max();
        all.retain(|name| Some(name.generation) == newest);
        all.sort_unstable();
        all
    }

    pub(crate) fn path(self) -> String {
        format!("{}/{self}", super::DIRECTORY)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:020}.wal", self.generation, self.first)
    }
}

/// What stands before a segment's first frame: the state that its frames go on
/// from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) name: SegmentName,
    /// The time of the last record before the segment.
    pub(crate) time: u64,
    /// Intents and outcomes in the log before the segment.
    pub(crate) intents: u64,
    pub(crate) outcomes: u64,
    /// The hash of the frame before the segment's first.
    pub(crate) previous: [u8; 32],
    /// The intents that had no outcome before the segment.
    pub(crate) open: Vec<OpenIntent>,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let open = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&open.to_be_bytes());
        bytes.extend_from_slice(&self.name.generation.to_be_bytes());
        bytes.extend_from_slice(&self.name.first.to_be_bytes());
        bytes.extend_from_slice(&self.time.to_be_bytes());
        bytes.extend_from_slice(&self.intents.to_be_bytes());
        bytes.extend_from_slice(&self.outcomes.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        for intent in &self.open {
            bytes.extend_from_slice(&intent.index.to_be_bytes());
            bytes.extend_from_slice(&intent.key.0);
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// How long the header is, by its fixed part, whose own checksum must hold:
    /// a damaged length must not pass for a torn tail.
    pub(crate) fn length(start: &[u8]) -> Option<usize> {
        let (fixed, crc) = start.first_chunk::<FIXED_BYTES>()?.split_last_chunk::<4>()?;
        if crc32c::crc32c(fixed) != u32::from_be_bytes(*crc) {
            return None;
        }
        let mut reader = Cursor(fixed);
        if reader.take::<8>()? != *MAGIC {
            return None;
        }
        let open = usize::try_from(reader.u32()?).ok().filter(|open| *open <= MAX_OPEN)?;
        Some(FIXED_BYTES + open * 24 + 4)
    }

    /// Reads exactly one header.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if Self::length(bytes)? != bytes.len() {
            return None;
        }
        let (head, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(head) != u32::from_be_bytes(*crc) {
            return None;
        }
        let mut reader = Cursor(head);
        reader.take::<8>()?;
        let count = reader.u32()?;
        let name = SegmentName { generation: reader.u64()?, first: reader.u64()? };
        let (time, intents, outcomes) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let previous = reader.take()?;
        reader.u32()?;
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(OpenIntent { index: reader.u64()?, key: ExchangeKey(reader.take()?) });
        }
        Some(Self { name, time, intents, outcomes, previous, open })
    }
}

const MAGIC: &[u8; 8] = b"TROTHWL1";
/// Bytes before the list of open intents, their checksum included.
pub(super) const FIXED_BYTES: usize = 8 + 4 + 5 * 8 + 32 + 4;
/// Intents that may be open at once; one more is refused by the sequencer.
pub(crate) const MAX_OPEN: usize = 1 << 20;
