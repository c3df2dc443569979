use proptest::prelude::*;

use super::*;

fn read(packets: &[&[u8]]) -> Vec<Event> {
    let mut parser = Parser::new(1 << 16);
    let mut events = Vec::new();
    for packet in packets {
        events.extend(parser.push(packet).unwrap());
    }
    events.extend(parser.finish().unwrap());
    events
}

fn data(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.data.as_deref()).collect()
}

#[test]
fn framing() {
    for (stream, expected) in [
        ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
        ("data: a\r\rdata:b\r\r", vec!["a", "b"]),
        ("data: a\ndata: b\n\n", vec!["a\nb"]),
        ("data\n\n", vec![""]),
        (": keepalive\n\ndata:  a\n\n", vec![" a"]),
        ("\u{feff}data: a\n\n", vec!["a"]),
        ("event: x\nid: 1\ndata: a\n\n", vec!["a"]),
        ("data: a\n\ndata: tail", vec!["a", "tail"]),
        ("data: 你好\n\n", vec!["你好"]),
        ("data: [DONE]\n\n", vec!["[DONE]"]),
    ] {
        assert_eq!(data(&read(&[stream.as_bytes()])), expected, "{stream:?}");
    }
}

#[test]
fn every_split_gives_the_same_events_and_bytes() {
    let stream =
        "\u{feff}: c\r\n\r\ndata: 你好😀\r\ndata: b\r\n\r\nevent: e\rdata: x\r\rdata: y\n\ndata: z";
    let bytes = stream.as_bytes();
    let whole = data(&read(&[bytes])).into_iter().map(str::to_owned).collect::<Vec<_>>();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let events = read(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
            assert_eq!(data(&events), whole, "{first} {second}");
            let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
            assert_eq!(raw, bytes, "{first} {second}");
        }
    }
}

#[test]
fn an_event_is_bounded() {
    let mut parser = Parser::new(8);
    assert_eq!(parser.push(b"data: a\n").unwrap(), vec![]);
    assert!(parser.push(b"\n").is_err());
    let mut parser = Parser::new(9);
    assert_eq!(parser.push(b"data: a\n\n").unwrap().len(), 1);
    assert_eq!(parser.push(b"0123456789"), Err(StreamFault::TooLarge { limit: 9 }));
}

#[test]
fn a_field_that_no_standard_names_is_refused() {
    for stream in [
        "\u{feff}\u{feff}data: a\n\n",
        "data: a\n\n\u{feff}data: b\n\n",
        "Data: a\n\n",
        " data: a\n\n",
        "data : a\n\n",
        "dat",
        "x\n\n",
    ] {
        let mut parser = Parser::new(64);
        let read = parser.push(stream.as_bytes()).and_then(|_| parser.finish());
        assert_eq!(read, Err(StreamFault::UnknownField), "{stream:?}");
    }
    assert!(Parser::new(64).push(b"event: a\nid\nretry: 1\n: c\n:\ndata: b\n\n").is_ok());
}

#[test]
fn a_packet_of_many_events_leaves_what_follows_them() {
    let mut parser = Parser::new(16);
    let events = parser.push(&b"data: a\n\n".repeat(1000)).unwrap();
    assert_eq!(events.len(), 1000);
    assert_eq!(parser.push(b"data: b\r").unwrap(), vec![]);
    let events = parser.push(b"\n\ndata: c\n\ndata: ").unwrap();
    assert_eq!(data(&events), ["b", "c"]);
    assert_eq!(data(&[parser.finish().unwrap().unwrap()]), [""]);
}

#[test]
fn what_is_not_utf8_is_refused() {
    assert_eq!(Parser::new(64).push(b"data: \xff\n\n"), Err(StreamFault::NotUtf8));
}

#[test]
fn rewriting_keeps_the_other_lines() {
    let raw = b"event: e\r\ndata: a\r\ndata: b\r\nid: 7\r\n\r\n";
    assert_eq!(rewrite(raw, "c\nd"), b"event: e\ndata: c\ndata: d\nid: 7\n\n");
    assert_eq!(event("[DONE]"), b"data: [DONE]\n\n");
}

proptest! {
    #[test]
    fn no_byte_is_lost(stream in "(data: ?[a-z你]{0,5}|:c|\r|\n|\r\n|id:1){0,24}", cut in 0usize..64) {
        let bytes = stream.as_bytes();
        let cut = cut.min(bytes.len());
        let events = read(&[&bytes[..cut], &bytes[cut..]]);
        let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
        prop_assert_eq!(raw, bytes);
    }
}
