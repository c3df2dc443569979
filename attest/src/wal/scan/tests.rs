use crate::record::ExchangeKey;
use crate::wal::{FrameBuilder, OpenIntent, SegmentName};

use super::*;

fn frame(first: u64, entries: &[&[u8]], previous: &[u8; 32]) -> Vec<u8> {
    let mut builder = FrameBuilder::new(first, previous, 0);
    for entry in entries {
        builder.push(|out| out.extend_from_slice(entry)).unwrap();
    }
    builder.finish("note\n").unwrap().bytes().to_vec()
}

fn header() -> SegmentHeader {
    SegmentHeader {
        name: SegmentName { generation: 3, first: 7 },
        time: 1,
        intents: 2,
        outcomes: 3,
        previous: [4; 32],
        open: vec![OpenIntent { index: 5, key: ExchangeKey([6; 16]) }],
    }
}

/// A segment of three frames, and where the last one begins.
fn segment() -> (Vec<u8>, usize) {
    let mut bytes = header().to_bytes();
    bytes.extend(frame(7, &[b"one", b"two"], &[4; 32]));
    bytes.extend(frame(9, &[&[b'x'; 1500]], &[5; 32]));
    let last = bytes.len();
    bytes.extend(frame(10, &[&[b'y'; 700], b"", b"z"], &[6; 32]));
    (bytes, last)
}

/// How many frames are read, and how it ended.
fn scan(bytes: &[u8]) -> (usize, &'static str) {
    let mut source = bytes;
    let (_, mut reader) = match Reader::open(&mut source) {
        Ok(Some(opened)) => opened,
        Ok(None) => return (0, "torn header"),
        Err(_) => return (0, "bad header"),
    };
    let mut count = 0;
    loop {
        match reader.next(&mut source) {
            Ok(Some(_)) => count += 1,
            Ok(None) if reader.torn().is_some() => return (count, "torn"),
            Ok(None) => return (count, "end"),
            Err(_) => return (count, "bad"),
        }
    }
}

#[test]
fn a_segment_reads_back() {
    let (bytes, _) = segment();
    assert_eq!(scan(&bytes), (3, "end"));
    let mut source = bytes.as_slice();
    let (read, mut reader) = Reader::open(&mut source).unwrap().unwrap();
    assert_eq!(read, header());
    let first = reader.next(&mut source).unwrap().unwrap();
    assert_eq!((first.first(), first.end(), first.note()), (7, 9, b"note\n".as_slice()));
    assert_eq!(first.entry(8), Some(b"two".as_slice()));
    assert_eq!((first.entry(6), first.entry(9)), (None, None));
}

#[test]
fn a_short_last_frame_is_torn_at_every_length() {
    let (bytes, last) = segment();
    for length in last..=bytes.len() {
        let expected = match length {
            _ if length == last => (2, "end"),
            _ if length == bytes.len() => (3, "end"),
            _ => (2, "torn"),
        };
        assert_eq!(scan(&bytes[..length]), expected, "{length}");
    }
    // Within the header nothing was acknowledged yet.
    for length in 0..header().to_bytes().len() {
        assert_eq!(scan(&bytes[..length]), (0, "torn header"), "{length}");
    }
}

/// A file whose length arrived before its bytes.
#[test]
fn a_header_that_ends_in_zeros_is_torn_at_every_length() {
    let whole = header().to_bytes();
    for room in [0, 1, 4096] {
        for arrived in 0..whole.len() {
            let mut bytes = whole[..arrived].to_vec();
            bytes.resize(whole.len() + room, 0);
            assert_eq!(scan(&bytes), (0, "torn header"), "{arrived} bytes, {room} after");
        }
    }
}

#[test]
fn every_changed_byte_is_damage() {
    let (bytes, last) = segment();
    for at in 0..bytes.len() {
        for change in [1_u8, 0x80, bytes[at]] {
            if change == 0 {
                continue;
            }
            let mut bad = bytes.clone();
            bad[at] ^= change;
            let (count, how) = scan(&bad);
            assert!(count < 3, "byte {at}");
            let torn = how.starts_with("torn");
            // Only a last byte that becomes zero looks like one that never arrived.
            let edge = at == bytes.len() - 1 && bad[at] == 0;
            assert!(!torn || edge, "byte {at} of {} ({how}), last frame at {last}", bytes.len());
        }
    }
}

#[test]
fn zeroed_sectors_of_the_last_frame_are_torn_and_of_others_are_damage() {
    let (bytes, last) = segment();
    for sector in 0..bytes.len().div_ceil(512) {
        let (from, to) = (sector * 512, ((sector + 1) * 512).min(bytes.len()));
        // What was durable before the last frame cannot be torn with it.
        let mut torn = bytes.clone();
        torn[from.max(last).min(to)..to].fill(0);
        let expected = if to > last { (2, "torn") } else { (3, "end") };
        assert_eq!(scan(&torn), expected, "sector {sector}");
        let mut bad = bytes.clone();
        bad[from..to].fill(0);
        if from < last {
            assert!(scan(&bad).0 < 3 && scan(&bad).1 != "end", "sector {sector}");
        }
    }
    // Zeros to the end of the file: a size that was written before the bytes.
    let mut grown = bytes[..last].to_vec();
    grown.resize(bytes.len(), 0);
    assert_eq!(scan(&grown), (2, "end"));
    // A lost header before a frame that holds is no torn tail.
    let mut middle = bytes.clone();
    let second = header().to_bytes().len() + frame(7, &[b"one", b"two"], &[4; 32]).len();
    middle[second..second + 1200].fill(0);
    assert_eq!(scan(&middle), (1, "bad"));
}

#[test]
fn room_after_the_last_frame_is_the_end_and_what_is_cut_short_in_it_is_torn() {
    let (bytes, last) = segment();
    for room in [1, 31, 32, 511, 4096, 256 * 1024] {
        let mut whole = bytes.clone();
        whole.resize(bytes.len() + room, 0);
        assert_eq!(scan(&whole), (3, "end"), "{room}");
        for length in last..bytes.len() {
            let mut cut = bytes[..length].to_vec();
            cut.resize(bytes.len() + room, 0);
            // A frame's header may itself have zeros at its end.
            let none = bytes[last..length].iter().all(|byte| *byte == 0);
            let expected = if none { (2, "end") } else { (2, "torn") };
            assert_eq!(scan(&cut), expected, "{length} of {}, {room}", bytes.len());
        }
        // A frame that does not hold, and is whole, is damage, room or not.
        let mut bad = whole.clone();
        bad[last + 100] ^= 1;
        assert_eq!(scan(&bad), (2, "bad"), "{room}");
    }
    // Nobody makes so much room.
    let mut vast = bytes[..last].to_vec();
    vast.resize(last + MAX_SPAN + PIECE_BYTES + 1, 0);
    assert_eq!(scan(&vast), (2, "bad"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), keep in 0_usize..2000) {
        let _ = scan(&bytes);
        let (segment, _) = segment();
        let mut mixed = segment.get(..keep.min(segment.len())).unwrap_or_default().to_vec();
        mixed.extend(bytes);
        let _ = scan(&mixed);
    }
}
