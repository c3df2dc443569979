//! Whether a shared library is whole, before the dynamic linker maps it.
//!
//! The linker maps what the headers promise, and touches it: of a torn file (a copy
//! cut short, a full disk) that is a SIGBUS, which no error handling survives.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Why `path` cannot be a whole library, if something shows that.
///
/// Only 64-bit little-endian ELF is looked into (Linux on x86_64 and aarch64); of
/// anything else the linker's own answer is good enough.
pub(crate) fn torn(path: &Path) -> Option<&'static str> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut header = Vec::new();
    file.by_ref().take(HEADER_BYTES).read_to_end(&mut header).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    whole(&mut file, &header, length)
        .is_none()
        .then_some("the file is shorter than its own headers say")
}

const HEADER_BYTES: u64 = 64;
const SEGMENT_BYTES: u64 = 56;

fn whole(file: &mut File, header: &[u8], length: u64) -> Option<()> {
    // e_phoff, e_phnum and e_phentsize; e_shoff, e_shnum and e_shentsize: the section
    // headers come last in a library, so that almost any cut shows there.
    let (segments, count) = (number(header, 32, 8)?, number(header, 56, 2)?);
    let sections = number(header, 60, 2)?.checked_mul(number(header, 58, 2)?)?;
    (number(header, 40, 8)?.checked_add(sections)? <= length).then_some(())?;
    (number(header, 54, 2)? == SEGMENT_BYTES).then_some(())?;
    let table = count.checked_mul(SEGMENT_BYTES)?;
    (segments.checked_add(table)? <= length).then_some(())?;
    file.seek(SeekFrom::Start(segments)).ok()?;
    let mut entries = Vec::new();
    file.take(table).read_to_end(&mut entries).ok()?;
    for at in (0..table).step_by(usize::try_from(SEGMENT_BYTES).ok()?) {
        let at = usize::try_from(at).ok()?;
        // p_offset and p_filesz.
        let end = number(&entries, at.checked_add(8)?, 8)?.checked_add(number(
            &entries,
            at.checked_add(32)?,
            8,
        )?)?;
        (end <= length).then_some(())?;
    }
    Some(())
}

/// The little-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(field.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}
