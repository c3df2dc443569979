//! What a log stores: records, and the frames and segments that they lie in.

use std::fmt::Write as _;

use crate::checkpoint::MAX_SIZE;
use crate::json::Json;
use crate::record::{Encoded, ExchangeKey, Facts, MAX_RECORD_BYTES, Record, Stored};
use crate::wal::{Bytes, Frame, FrameBuilder, OpenIntent, Reader, SegmentHeader, SegmentName};

use super::Choices;

/// Records: one spelling, the same to the fast reader and to the slow one, and
/// whatever the log would write of it can be read back.
pub fn record(bytes: &[u8]) -> bool {
    let stored = Stored::parse(bytes);
    let facts = Facts::of(bytes);
    if let Some(scanned) = Facts::scanned(bytes) {
        assert_eq!(facts.as_ref(), Ok(&scanned));
    }
    assert_eq!(facts, stored.clone().map(Facts::from));
    let Ok(stored) = stored else { return false };
    assert!(bytes.len() <= MAX_RECORD_BYTES);
    let json = Stored::json(bytes).unwrap();
    assert_eq!(emitted(&json).as_bytes(), bytes);
    let Json::Map(fields) = &json else { return false };
    assert_eq!(fields.get("kind"), Some(&Json::Text(stored.kind.clone())));
    assert_eq!(fields.get("time"), Some(&Json::Number(stored.time)));
    assert_eq!(fields.get("v"), Some(&Json::Number(stored.v)));
    if let Some(record) = stored.record {
        assert_eq!(record.kind(), stored.kind);
        let commits = record.commitments().len();
        rewritten(record, stored.time, commits);
    }
    true
}

/// The log cuts what is too long and computes what only it may say; the rest of
/// a record that it takes is as it was.
fn rewritten(record: Record, time: u64, commits: usize) {
    let Ok(encoded) = Encoded::new(record) else { return };
    let mut again = Vec::new();
    encoded.stamp(time, &mut again);
    assert!(again.len() <= MAX_RECORD_BYTES);
    let stored = Stored::parse(&again).expect("what the log writes is a record");
    assert_eq!(stored.time, time);
    let record = stored.record.expect("of the same kind");
    assert_eq!(record.commitments().len(), commits);
    if let Record::Outcome(outcome) = &record {
        assert_eq!(outcome.coverage_complete, outcome.covers());
    }
}

/// Canonical JSON by the rules of RFC 8785, without serde.
fn emitted(json: &Json) -> String {
    fn text(value: &str, out: &mut String) {
        out.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).unwrap(),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    fn value(json: &Json, out: &mut String) {
        match json {
            Json::Bool(is) => write!(out, "{is}").unwrap(),
            Json::Number(number) => {
                assert!(*number < 1 << 53);
                write!(out, "{number}").unwrap();
            }
            Json::Text(string) => text(string, out),
            Json::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    value(item, out);
                }
                out.push(']');
            }
            Json::Map(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                out.push('{');
                for (place, (name, field)) in sorted.into_iter().enumerate() {
                    assert!(name.is_ascii());
                    out.push_str(if place > 0 { "," } else { "" });
                    text(name, out);
                    out.push(':');
                    value(field, out);
                }
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    value(json, &mut out);
    out
}

/// Frames and segments. The first byte chooses: the rest is a frame, a frame
/// whose checksums are made to hold, a segment, or how to write a segment and
/// what then happens to it.
pub fn frame(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    match choices.byte() % 4 {
        0 => one_frame(choices.0.to_vec()),
        1 => one_frame(with_checksums(choices.0.to_vec())),
        2 => any_segment(choices.0),
        _ => damaged_segment(&mut choices),
    }
}

/// A frame that parses holds nothing but its parts, and is what the engine
/// would have written of them.
fn one_frame(bytes: Vec<u8>) -> bool {
    let Ok(frame) = Frame::parse(bytes.clone()) else { return false };
    assert_eq!(frame.bytes(), bytes);
    let entries: Vec<&[u8]> = frame.entries().collect();
    let count = u64::try_from(entries.len()).unwrap();
    assert_eq!(frame.first().checked_add(count), Some(frame.end()));
    assert!(frame.end() <= MAX_SIZE);
    for (index, entry) in (frame.first()..frame.end()).zip(&entries) {
        assert_eq!(frame.entry(index), Some(*entry));
    }
    assert_eq!(frame.entry(frame.end()), None);
    let held: usize = entries.iter().map(|entry| entry.len() + 2).sum();
    assert_eq!(bytes.len(), 32 + 32 + held + frame.note().len() + 4);
    let mut builder = FrameBuilder::new(frame.first(), frame.previous().unwrap(), 0);
    for entry in entries {
        let pushed = builder.push(|out| out.extend_from_slice(entry));
        if pushed != Some(entry) {
            assert!(entry.len() > MAX_RECORD_BYTES);
            return true;
        }
    }
    let Ok(note) = std::str::from_utf8(frame.note()) else { return true };
    let again = builder.finish(note).unwrap();
    assert_eq!((again.bytes(), again.link()), (bytes.as_slice(), frame.link()));
    true
}

/// The same bytes with the magic, the length and both checksums of a frame, so
/// that what stands between them is reached.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < 32 {
        bytes.resize(32, 0);
    }
    let payload = bytes.split_off(32);
    let length = u32::try_from(payload.len()).unwrap();
    bytes[..4].copy_from_slice(b"TFRM");
    bytes[4..8].copy_from_slice(&length.to_be_bytes());
    bytes[24..28].copy_from_slice(&crc32c::crc32c(&payload).to_be_bytes());
    let header = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&header.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// How reading a segment ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Clean,
    Torn,
    Fault,
}

/// All frames that a segment gives, or nothing when it has no header. They lie
/// one after another in its bytes.
fn read(bytes: &[u8]) -> Option<(Vec<Frame>, End)> {
    let mut source = bytes;
    let (header, mut reader) = match Reader::open(&mut source) {
        Ok(Some(opened)) => opened,
        Ok(None) => return None,
        Err(_) => return Some((Vec::new(), End::Fault)),
    };
    let written = header.to_bytes();
    assert!(bytes.starts_with(&written));
    let mut at = written.len();
    let mut frames = Vec::new();
    loop {
        assert_eq!(reader.offset(), u64::try_from(at).unwrap());
        match reader.next(&mut source) {
            Ok(Some(frame)) => {
                assert!(!frame.bytes().is_empty() && bytes[at..].starts_with(frame.bytes()));
                at += frame.bytes().len();
                frames.push(frame);
            }
            Ok(None) => {
                let end = if reader.torn().is_some() { End::Torn } else { End::Clean };
                // What follows is nothing, or room for frames to come.
                let room = bytes[at..].iter().all(|byte| *byte == 0);
                assert_eq!(end == End::Clean, room);
                assert!(reader.next(&mut source).unwrap().is_none());
                return Some((frames, end));
            }
            Err(_) => return Some((frames, End::Fault)),
        }
    }
}

fn any_segment(bytes: &[u8]) -> bool {
    let mut source = bytes;
    let short = source.read_at(u64::MAX, usize::MAX).unwrap();
    assert!(short.is_empty());
    matches!(read(bytes), Some((frames, _)) if !frames.is_empty())
}

/// A segment that is cut, overwritten or zeroed somewhere never gives a frame
/// that was not written to it; and a mere cut is never taken for damage.
fn damaged_segment(choices: &mut Choices<'_>) -> bool {
    let (mut bytes, frames) = written_segment(choices);
    let whole = bytes.clone();
    let mut cut_only = true;
    // Too few edits to write a frame with them, checksums and all.
    for _ in 0..6 {
        if choices.0.is_empty() {
            break;
        }
        let at = choices.below(bytes.len() + 1);
        match choices.byte() % 4 {
            0 => bytes.truncate(at),
            // Cut short in room that was made for it.
            1 if choices.byte().is_multiple_of(2) => {
                bytes[at..].fill(0);
                // No room is made before the header is durable.
                cut_only &= at >= whole.len() - frames.iter().map(Vec::len).sum::<usize>();
            }
            1 => {
                let sector = at / 512 * 512;
                let to = (sector + 512).min(bytes.len());
                cut_only &= sector >= to;
                bytes.get_mut(sector..to).unwrap_or_default().fill(0);
            }
            2 if at < bytes.len() => {
                bytes[at] = bytes[at].wrapping_add(choices.byte());
                cut_only = false;
            }
            _ => {
                bytes.extend(choices.bytes(40).iter().map(|byte| byte & 0x1f));
                cut_only = false;
            }
        }
    }
    let Some((got, end)) = read(&bytes) else { return false };
    assert!(got.len() <= frames.len());
    for (got, written) in got.iter().zip(&frames) {
        assert_eq!(got.bytes(), written);
    }
    if bytes == whole {
        assert_eq!((got.len(), end), (frames.len(), End::Clean));
    } else if cut_only {
        assert_ne!(end, End::Fault);
    }
    true
}

/// A segment as the engine writes one, and its frames.
fn written_segment(choices: &mut Choices<'_>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let open = |n: u8| OpenIntent { index: u64::from(n), key: ExchangeKey([n; 16]) };
    let header = SegmentHeader {
        name: SegmentName { generation: 3, first: choices.u64() >> 3 },
        time: choices.u64(),
        intents: 2,
        outcomes: 1,
        previous: choices.take(),
        open: (0..choices.byte() % 8).map(open).collect(),
    };
    let (mut bytes, mut previous, mut next) =
        (header.to_bytes(), header.previous, header.name.first);
    let mut frames = Vec::new();
    for _ in 0..choices.byte() % 5 {
        let mut builder = FrameBuilder::new(next, &previous, 0);
        for _ in 0..choices.byte() % 6 {
            let (length, fill) = (choices.below(1200), choices.byte());
            builder.push(|out| out.resize(out.len() + length, fill)).unwrap();
        }
        let frame = builder.finish("note\n").unwrap();
        bytes.extend_from_slice(frame.bytes());
        (previous, next) = (frame.link(), frame.end());
        frames.push(frame.bytes().to_vec());
    }
    (bytes, frames)
}
