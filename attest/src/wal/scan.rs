//! Reading a segment back, and telling a torn write from damage.
//!
//! Only the last frame can be torn: a frame is written after the one before it
//! was durable. A torn write is short, or lacks sectors, which then read as
//! zeros. Anything else that does not hold was whole once, may have been
//! acknowledged, and must not be cut.
//!
//! Zeros that reach to the end of the file are room for frames to come, and
//! read as the end. So a frame that is cut short there ends in zeros, which a
//! whole frame never does.

use std::io;

use thiserror::Error;

use super::frame::{Frame, FrameFault, FrameHeader, HEADER_BYTES, MAGIC, MAX_FRAME_BYTES};
use super::segment::{FIXED_BYTES, SegmentHeader};

/// Where the bytes of a segment come from.
pub(crate) trait Bytes {
    /// Up to `length` bytes from `offset`; fewer only at the end.
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl Bytes for &[u8] {
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        Ok(rest.unwrap_or(&[]).iter().take(length).copied().collect())
    }
}

/// Why a segment cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum ScanFault {
    #[error("a segment's header is damaged")]
    Header,
    #[error(transparent)]
    Frame(#[from] FrameFault),
    #[error("cannot read a segment")]
    Io(#[from] io::Error),
}

/// A write that a crash cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tear {
    /// Where the torn bytes begin.
    pub(crate) offset: u64,
}

/// Where reading stands in a segment. It holds no bytes, so that a verifier can
/// stop, be copied and go on.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    offset: u64,
    torn: Option<Tear>,
}

impl Reader {
    /// Opens a segment. `None` when not even its header arrived, which is no
    /// loss: nothing is acknowledged before the header is durable.
    pub(crate) fn open(bytes: &mut impl Bytes) -> Result<Option<(SegmentHeader, Self)>, ScanFault> {
        let start = bytes.read_at(0, FIXED_BYTES)?;
        let Some(length) = SegmentHeader::length(&start) else {
            return torn_header(bytes, &start, FIXED_BYTES);
        };
        let whole = bytes.read_at(0, length)?;
        let Some(header) = SegmentHeader::parse(&whole) else {
            return torn_header(bytes, &whole, length);
        };
        let offset = u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Some((header, Self { offset, torn: None })))
    }

    /// The tear at which reading ended, if it did at one.
    pub(crate) fn torn(&self) -> Option<Tear> {
        self.torn
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at a tear once more: a log that is being written may have ended
    /// the frame meanwhile.
    pub(crate) fn retry(&mut self) {
        self.torn = None;
    }

    /// The next frame, or nothing at the end or at a tear.
    pub(crate) fn next(&mut self, bytes: &mut impl Bytes) -> Result<Option<Frame>, ScanFault> {
        if self.torn.is_some() {
            return Ok(None);
        }
        let head = bytes.read_at(self.offset, HEADER_BYTES)?;
        if head.is_empty() {
            return Ok(None);
        }
        if is_zero(&head) && zeros_follow(bytes, self.offset)? {
            return Ok(None);
        }
        let Some(header) = head.first_chunk() else { return Ok(self.tear()) };
        let header = match FrameHeader::parse(header) {
            Ok(header) => header,
            Err(fault) => return self.lost_header(bytes, fault),
        };
        let length = HEADER_BYTES + header.payload;
        let frame = bytes.read_at(self.offset, length)?;
        if frame.len() < length {
            return Ok(self.tear());
        }
        let zeroed = has_zeroed_sector(&frame, self.offset) || frame.last() == Some(&0);
        let next = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        match Frame::parse(frame) {
            Ok(frame) => {
                self.offset = next;
                Ok(Some(frame))
            }
            Err(_) if zeroed && zeros_follow(bytes, next)? => Ok(self.tear()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn tear(&mut self) -> Option<Frame> {
        self.torn = Some(Tear { offset: self.offset });
        None
    }

    /// The header's own sector may be the one that never arrived; then the
    /// frame's length is unknown, and no good frame may follow.
    fn lost_header(
        &mut self,
        bytes: &mut impl Bytes,
        fault: FrameFault,
    ) -> Result<Option<Frame>, ScanFault> {
        let after = self.offset.saturating_add(u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX));
        if zeros_follow(bytes, after)? {
            return Ok(self.tear());
        }
        let mut rest = bytes.read_at(self.offset, MAX_SPAN + 1)?;
        if rest.len() > MAX_SPAN {
            return Err(fault.into());
        }
        while rest.last() == Some(&0) {
            rest.pop();
        }
        // The whole of each sector that the header touches.
        let into = usize::try_from(self.offset % SECTOR).unwrap_or(0);
        let reach = (into + HEADER_BYTES).next_multiple_of(SECTOR_BYTES) - into;
        let head = rest.get(..reach).unwrap_or(&rest);
        if !has_zeroed_sector(head, self.offset)
            || rest.len() > MAX_FRAME_BYTES
            || holds_good_frame(&rest)
        {
            return Err(fault.into());
        }
        Ok(self.tear())
    }
}

/// A segment's header that is short, ends in zeros or lacks sectors was torn,
/// unless a frame follows it, which was written after it was durable; any other
/// was damaged.
fn torn_header<T>(
    bytes: &mut impl Bytes,
    header: &[u8],
    expected: usize,
) -> Result<Option<T>, ScanFault> {
    if header.len() < expected {
        return Ok(None);
    }
    // Its length arrived before its bytes: from its last one on all are zero.
    if zeros_follow(bytes, u64::try_from(expected.saturating_sub(1)).unwrap_or(u64::MAX))? {
        return Ok(None);
    }
    let rest = bytes.read_at(0, MAX_FRAME_BYTES)?;
    let first_sectors = rest.get(..expected.next_multiple_of(SECTOR_BYTES)).unwrap_or(&rest);
    if has_zeroed_sector(first_sectors, 0) && !holds_good_frame(&rest) {
        Ok(None)
    } else {
        Err(ScanFault::Header)
    }
}

/// Whether the bytes, which lie at `offset` of a file, hold nothing but zeros
/// in one of the file's sectors.
fn has_zeroed_sector(bytes: &[u8], offset: u64) -> bool {
    let into = usize::try_from(offset % SECTOR).unwrap_or(0);
    let first = (SECTOR_BYTES - into).min(bytes.len());
    let (head, rest) = bytes.split_at_checked(first).unwrap_or((bytes, &[]));
    let zeroed = |piece: &[u8]| !piece.is_empty() && is_zero(piece);
    zeroed(head) || rest.chunks(SECTOR_BYTES).any(zeroed)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether nothing but zeros follows, and no more than a frame and the room
/// after it can be.
fn zeros_follow(bytes: &mut impl Bytes, from: u64) -> io::Result<bool> {
    let mut at = from;
    while at.saturating_sub(from) <= u64::try_from(MAX_SPAN).unwrap_or(u64::MAX) {
        let piece = bytes.read_at(at, PIECE_BYTES)?;
        if piece.is_empty() {
            return Ok(true);
        }
        if !is_zero(&piece) {
            return Ok(false);
        }
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(false)
}

/// Whether a frame that holds begins anywhere in these bytes.
fn holds_good_frame(bytes: &[u8]) -> bool {
    bytes.windows(MAGIC.len()).enumerate().any(|(at, window)| {
        window == MAGIC
            && bytes
                .get(at..)
                .and_then(|rest| Some((rest, rest.first_chunk()?)))
                .and_then(|(rest, head)| {
                    let header = FrameHeader::parse(head).ok()?;
                    rest.get(..HEADER_BYTES + header.payload)
                })
                .is_some_and(|frame| Frame::parse(frame.to_vec()).is_ok())
    })
}

/// The largest frame, and more room after it than is ever made.
const MAX_SPAN: usize = MAX_FRAME_BYTES + 1024 * 1024;
const PIECE_BYTES: usize = 64 * 1024;
const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;

#[cfg(test)]
mod tests;
