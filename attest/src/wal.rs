//! The write-ahead log's bytes: segments of frames.
//!
//! A segment is a header and frames; a frame is one group of records, durable
//! by one fdatasync. All integers are big-endian.
//!
//! ```text
//! frame   "TFRM" | payload length u32 | first index u64 | entries u32 | note length u32
//!         | crc32c(payload) u32 | crc32c(the 28 bytes before) u32 | payload
//! payload SHA-256 of the previous frame (32) | (u16 length || entry)* | signed checkpoint | "MRF\n"
//! ```
//!
//! A frame's header has a checksum of its own, so that a damaged length cannot pass
//! for a torn tail; so has the fixed part of a segment's header. A frame begins and
//! ends with bytes that are not zero, so that a run of zeros that reaches one of
//! its edges is a sector that never arrived. The newest segment may end in zeros:
//! room for frames to come, made ahead so that a sync has no new length to write.
//! Size and root stand in the signed checkpoint.

mod frame;
mod scan;
mod segment;

pub(crate) use frame::{Frame, FrameBuilder, first_link};
pub(crate) use scan::{Bytes, Reader, ScanFault};
pub(crate) use segment::{MAX_OPEN, OpenIntent, SegmentHeader, SegmentName};

/// Where the segments are.
pub(crate) const DIRECTORY: &str = "wal";
