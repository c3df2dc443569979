//! What must hold for any bytes that an upstream streams: the property that the
//! fuzz target `sse` of `tests/fuzz` hunts for counterexamples to, and that plain
//! `cargo test` replays over the inputs which fuzzing found worth keeping.
//!
//! It panics when it fails, and otherwise tells whether the bytes were a stream
//! that says something. It is not there in any other build.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a property that fails must panic: that is how a fuzzer hears of it"
)]

use std::collections::BTreeMap;

use crate::{
    dialect::openai::{Lane, chunk},
    json,
    sse::{self, Event, Parser, StreamFault},
};

/// Server-sent events and the texts that they carry: however the bytes are cut
/// into packets, the events are those of the standard read by itself, no byte is
/// lost, and each fragment of a text stands where it is said to stand. The first
/// four bytes say how the rest is cut.
pub fn sse(bytes: &[u8]) -> bool {
    let (cuts, stream) = bytes.split_at_checked(4).unwrap_or((bytes, &[]));
    let whole = read(std::iter::once(stream));
    let mut packets = Vec::new();
    let (mut rest, mut sizes) = (stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| usize::from(*size) % 50 + 1);
        let (packet, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        packets.push(packet);
        rest = after;
    }
    let pieces = read(packets.into_iter());
    let (events, pieces) = match (whole, pieces) {
        (Ok(events), Ok(pieces)) => (events, pieces),
        (whole, pieces) => {
            assert_eq!(whole, pieces, "packets may end anywhere");
            return false;
        }
    };
    // An event that ends in CR does not wait for the LF that may follow: that
    // goes out with the next one, or at the end as one that says nothing.
    let said = |events: &[Event]| -> Vec<(Option<String>, Vec<String>)> {
        let each = events.iter().map(|event| (event.data.clone(), event.other.clone()));
        each.filter(|(data, other)| data.is_some() || !other.is_empty()).collect()
    };
    assert_eq!(said(&events), said(&pieces), "packets may end anywhere");
    for events in [&events, &pieces] {
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
        assert_eq!(raw, stream, "no byte is lost");
    }
    let data: Vec<&str> = events.iter().filter_map(|event| event.data.as_deref()).collect();
    assert_eq!(data, by_the_standard(stream), "the data of the standard");
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for event in &events {
        if let Some(data) = &event.data {
            assemble(data, &mut texts);
            rewritten(event, data);
        }
    }
    texts.values().any(|text| !text.is_empty())
}

fn read<'p>(packets: impl Iterator<Item = &'p [u8]>) -> Result<Vec<Event>, StreamFault> {
    let mut parser = Parser::new(1 << 20);
    let mut events = Vec::new();
    for packet in packets {
        events.extend(parser.push(packet)?);
    }
    events.extend(parser.finish()?);
    Ok(events)
}

/// WHATWG HTML, section 9.2.6, by lines; and as the last event what no blank
/// line ends.
fn by_the_standard(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let plain = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut all, mut data): (Vec<String>, Option<Vec<&str>>) = (Vec::new(), None);
    for line in plain.split('\n') {
        if line.is_empty() {
            all.extend(data.take().map(|lines| lines.join("\n")));
        } else if line == "data" {
            data.get_or_insert_default().push("");
        } else if let Some(value) = line.strip_prefix("data:") {
            data.get_or_insert_default().push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    all.extend(data.take().map(|lines| lines.join("\n")));
    all
}

/// Adds an event's fragments to the texts that they continue.
fn assemble(data: &str, texts: &mut BTreeMap<String, String>) {
    let Ok(root) = json::parse(data.as_bytes(), json::Limits::default()) else { return };
    let Ok(chunk) = chunk(&root) else { return };
    for fragment in chunk.fragments {
        if let Some(span) = fragment.literal {
            let literal = data.get(span).unwrap();
            let said: String = serde_json::from_str(literal).unwrap();
            assert_eq!(said, fragment.text, "a fragment stands where it is said to");
        }
        assert!(!fragment.text.is_empty() || matches!(fragment.lane, Lane::Tokens { .. }));
        texts.entry(format!("{:?}", fragment.lane)).or_default().push_str(&fragment.text);
    }
}

/// An event whose data is replaced by itself says the same.
fn rewritten(event: &Event, data: &str) {
    // A line end inside a line of data cannot be written otherwise.
    let again = sse::rewrite(&event.raw, data);
    let events = read(std::iter::once(again.as_slice())).unwrap();
    let [one] = events.as_slice() else { panic!("one event is rewritten as one") };
    assert_eq!(one.data.as_deref(), Some(data));
    assert_eq!(one.other, event.other);
}

#[cfg(test)]
mod tests;
