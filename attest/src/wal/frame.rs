//! One frame: written whole by the sequencer, read back by recovery and by
//! verifiers.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::checkpoint::MAX_SIZE;
use crate::record::MAX_RECORD_BYTES;

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 32;

/// No frame is larger.
pub(crate) const MAX_FRAME_BYTES: usize = 8 * 1024 * 1024;

/// What is wrong with a frame. None of it is a torn write: see `scan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FrameFault {
    #[error("a frame's header is damaged")]
    Header,
    #[error("a frame's checksum does not hold")]
    Checksum,
    #[error("a frame's parts do not add up")]
    Layout,
}

/// The header's numbers, its checksum checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) payload: usize,
    first: u64,
    entries: u32,
    note: usize,
    crc: u32,
}

impl FrameHeader {
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameFault> {
        let (head, crc) = bytes.split_last_chunk::<4>().ok_or(FrameFault::Header)?;
        if crc32c::crc32c(head) != u32::from_be_bytes(*crc) {
            return Err(FrameFault::Header);
        }
        let mut reader = Cursor(head);
        let magic = reader.take::<4>().ok_or(FrameFault::Header)?;
        let payload = reader.u32().ok_or(FrameFault::Header)?;
        let first = reader.u64().ok_or(FrameFault::Header)?;
        let entries = reader.u32().ok_or(FrameFault::Header)?;
        let note = reader.u32().ok_or(FrameFault::Header)?;
        let crc = reader.u32().ok_or(FrameFault::Header)?;
        let payload = usize::try_from(payload).map_err(|_| FrameFault::Header)?;
        let note = usize::try_from(note).map_err(|_| FrameFault::Header)?;
        if magic != *MAGIC || payload > MAX_FRAME_BYTES - HEADER_BYTES {
            return Err(FrameFault::Header);
        }
        Ok(Self { payload, first, entries, note, crc })
    }
}

/// A whole frame in memory.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    first: u64,
    entries: Vec<Range<usize>>,
    note: Range<usize>,
    link: [u8; 32],
}

impl Frame {
    /// Reads a frame: header and payload, nothing more.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, FrameFault> {
        let (header, payload) = bytes.split_first_chunk().ok_or(FrameFault::Layout)?;
        let header = FrameHeader::parse(header)?;
        if payload.len() != header.payload || crc32c::crc32c(payload) != header.crc {
            return Err(FrameFault::Checksum);
        }
        // No tree has such indexes; past them an end could not be told.
        if header.first.saturating_add(u64::from(header.entries)) > MAX_SIZE {
            return Err(FrameFault::Layout);
        }
        let end = bytes.len().checked_sub(END.len()).ok_or(FrameFault::Layout)?;
        let note_at = end.checked_sub(header.note).ok_or(FrameFault::Layout)?;
        if bytes.get(end..) != Some(END.as_slice()) {
            return Err(FrameFault::Layout);
        }
        let mut entries =
            Vec::with_capacity(usize::try_from(header.entries).unwrap_or(0).min(65_536));
        let mut at = HEADER_BYTES + 32;
        while at < note_at {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(FrameFault::Layout)?;
            let from = at + 2;
            at = from + usize::from(u16::from_be_bytes(*length));
            entries.push(from..at);
        }
        if at != note_at || u32::try_from(entries.len()) != Ok(header.entries) {
            return Err(FrameFault::Layout);
        }
        let link = Sha256::digest(&bytes).into();
        Ok(Self { bytes, first: header.first, entries, note: note_at..end, link })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The index of its first entry.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The index after its last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// The entry at this log index.
    pub(crate) fn entry(&self, index: u64) -> Option<&[u8]> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.bytes.get(self.entries.get(place)?.clone())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|range| self.bytes.get(range.clone()).unwrap_or(&[]))
    }

    /// The checkpoint over everything up to this frame's end.
    pub(crate) fn note(&self) -> &[u8] {
        self.bytes.get(self.note.clone()).unwrap_or(&[])
    }

    /// The hash of the frame before this one.
    pub(crate) fn previous(&self) -> Option<&[u8; 32]> {
        self.bytes.get(HEADER_BYTES..)?.first_chunk()
    }

    /// This frame's hash, which the next one names.
    pub(crate) fn link(&self) -> [u8; 32] {
        self.link
    }
}

/// What the first frame of a log names as the frame before it.
pub(crate) fn first_link(origin: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"troth write-ahead log\n");
    hasher.update(origin.as_bytes());
    hasher.finalize().into()
}

/// A frame in the making.
#[derive(Debug)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    first: u64,
    entries: Vec<Range<usize>>,
}

impl FrameBuilder {
    pub(crate) fn new(first: u64, previous: &[u8; 32], capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + 1024);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(previous);
        Self { bytes, first, entries: Vec::with_capacity(64) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether one more record of the largest size still fits.
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < MAX_FRAME_ENTRIES
            && self.bytes.len() < MAX_FRAME_BYTES - MAX_RECORD_BYTES - 8192
    }

    /// Adds an entry that `write` appends, and shows it. An entry past the
    /// limit is taken back.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<&[u8]> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        write(&mut self.bytes);
        let from = at + 2;
        let length = self.bytes.len().saturating_sub(from);
        let prefix = u16::try_from(length).ok().filter(|_| length <= MAX_RECORD_BYTES);
        let slot = self.bytes.get_mut(at..from).and_then(|slot| slot.first_chunk_mut::<2>());
        if let (Some(prefix), Some(slot)) = (prefix, slot) {
            *slot = prefix.to_be_bytes();
        } else {
            self.bytes.truncate(at);
            return None;
        }
        self.entries.push(from..self.bytes.len());
        self.bytes.get(from..)
    }

    /// Closes the frame under its signed checkpoint.
    pub(crate) fn finish(mut self, note: &str) -> Option<Arc<Frame>> {
        let note_at = self.bytes.len();
        self.bytes.extend_from_slice(note.as_bytes());
        let end = self.bytes.len();
        self.bytes.extend_from_slice(END);
        let payload = self.bytes.get(HEADER_BYTES..)?;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&u32::try_from(payload.len()).ok()?.to_be_bytes());
        header.extend_from_slice(&self.first.to_be_bytes());
        header.extend_from_slice(&u32::try_from(self.entries.len()).ok()?.to_be_bytes());
        header.extend_from_slice(&u32::try_from(note.len()).ok()?.to_be_bytes());
        header.extend_from_slice(&crc32c::crc32c(payload).to_be_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
        *self.bytes.first_chunk_mut::<HEADER_BYTES>()? = header.try_into().ok()?;
        let link = Sha256::digest(&self.bytes).into();
        let Self { bytes, first, entries } = self;
        Some(Arc::new(Frame { bytes, first, entries, note: note_at..end, link }))
    }
}

/// A reader of big-endian numbers that never reads past the end.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl Cursor<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

pub(super) const MAGIC: &[u8; 4] = b"TFRM";
pub(super) const END: &[u8; 4] = b"MRF\n";
/// Records in one frame: bounds what a crash between two fsyncs can take.
const MAX_FRAME_ENTRIES: usize = 16_384;
