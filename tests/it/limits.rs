//! Limits hold at the bound and one past it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use troth_tests::{
    Answer, Model, PATIENCE, Request, Settings, Stall, Stopwatch, Troth, Upstream, chat, eventually,
};

fn is_an_error_of_the_dialect(answer: &Answer) {
    assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
}

/// A chat request of exactly `bytes` bytes.
fn request_of(bytes: usize) -> Request {
    let with = |padding: usize| {
        let text = "a ".repeat(padding / 2) + if padding % 2 == 1 { "a" } else { "" };
        json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }).to_string()
    };
    let body = with(bytes - with(0).len());
    assert_eq!(body.len(), bytes);
    Request::post_bytes("/v1/chat/completions", body)
}

/// A whole answer of exactly `bytes` bytes.
fn answer_of(bytes: usize) -> Vec<u8> {
    let with = |padding: usize| {
        let message = json!({ "role": "assistant", "content": "b".repeat(padding) });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        json!({ "object": "chat.completion", "choices": [choice] }).to_string()
    };
    let body = with(bytes - with(0).len());
    assert_eq!(body.len(), bytes);
    body.into_bytes()
}

#[test]
fn a_request_has_a_largest_size() {
    let model = Model::start();
    let settings = Settings::rules().limit("request_bytes = 2000");
    let troth = Troth::start(&settings, &model.address);
    assert_eq!(troth.send(&request_of(2000)).status, 200);
    let refused = troth.send(&request_of(2001)).has_status(413);
    is_an_error_of_the_dialect(&refused);
    // What is announced is refused before it is sent, and what is not announced is counted.
    let announced = chat("hi", false).header("content-length", "999999999");
    assert_eq!(troth.send(&announced).status, 413);
    let mut chunked = b"7d1\r\n".to_vec();
    chunked.extend(vec![b' '; 2001]);
    chunked.extend(b"\r\n0\r\n\r\n");
    let chunked =
        Request::post_bytes("/v1/chat/completions", chunked).header("transfer-encoding", "chunked");
    assert_eq!(troth.send(&chunked).status, 413);
}

#[test]
fn a_whole_answer_has_a_largest_size() {
    for (bytes, status) in [(3000, 200), (3001, 502)] {
        let upstream = Upstream::says(&answer_of(bytes));
        let settings = Settings::rules().limit("response_bytes = 3000");
        let troth = Troth::start(&settings, &upstream.address);
        let answer = troth.chat("hi");
        assert_eq!(answer.status, status, "{bytes}");
        assert!(answer.complete);
        if status != 200 {
            is_an_error_of_the_dialect(&answer);
        }
    }
}

#[test]
fn a_stream_has_a_largest_size() {
    let model = Model::start();
    let settings = Settings::rules().limit("response_bytes = 3000");
    let troth = Troth::start(&settings, &model.address);
    let answer = troth.stream("[[long 20000]]");
    assert!(answer.body.len() < 4000, "{}", answer.body.len());
    assert!(!answer.text().contains("[DONE]") || answer.text().contains("error"));
    let fits = troth.stream("[[say hi]]").has_status(200);
    assert!(fits.complete && fits.text().contains("[DONE]"));
}

#[test]
fn one_event_of_a_stream_has_a_largest_size() {
    let stream = |bytes: usize| {
        let delta = json!({ "content": "c".repeat(bytes) });
        let chunk = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
        format!("data: {chunk}\n\ndata: [DONE]\n\n")
    };
    for (bytes, passes) in [(1000, true), (5000, false)] {
        let upstream = Upstream::streams(stream(bytes).as_bytes(), 512);
        let settings = Settings::rules().limit("event_bytes = 2000");
        let troth = Troth::start(&settings, &upstream.address);
        let answer = troth.stream("hi");
        assert_eq!(answer.text().contains(&"c".repeat(bytes)), passes, "{bytes}");
    }
}

#[test]
fn so_many_exchanges_run_at_a_time() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules().limit("exchanges = 2"), &model.address);
    let mut first = troth.open(&chat("[[slow 100 ms]] [[say one two three]] [[hang]]", true));
    let mut second = troth.open(&chat("[[slow 100 ms]] [[say one two three]] [[hang]]", true));
    first.until("data:");
    second.until("data:");
    let refused = troth.chat("hi").has_status(503);
    is_an_error_of_the_dialect(&refused);
    drop(first);
    // The place is free when the proxy has seen that the client left.
    eventually("a place is free", || (troth.chat("hi").status == 200).then_some(()));
}

#[test]
fn headers_are_bounded() {
    let model = Model::start();
    let settings = Settings::rules().limit("headers = 20").limit("header_bytes = 8192");
    let troth = Troth::start(&settings, &model.address);
    let many = (0..40).fold(chat("hi", false), |r, i| r.header(&format!("x-{i}"), "1"));
    assert!([400, 431].contains(&troth.send(&many).status));
    let large = chat("hi", false).header("x-large", &"a".repeat(20_000));
    assert!([400, 431].contains(&troth.send(&large).status));
    assert_eq!(troth.chat("hi").status, 200);
}

#[test]
fn an_upstream_that_never_answers_is_given_up() {
    let model = Model::start();
    let settings =
        Settings::rules().limit("upstream_timeout_ms = 400").limit("idle_timeout_ms = 400");
    let troth = Troth::start(&settings, &model.address);
    let answer = troth.chat("[[hang]]");
    assert_eq!(answer.status, 504);
    is_an_error_of_the_dialect(&answer);
    let stalled = troth.stream("[[hang]] [[long 2000]]");
    assert!(!stalled.text().contains("[DONE]") || stalled.text().contains("error"));
    assert_eq!(troth.chat("hi").status, 200);
    let (log, _home) = troth.into_log();
    let _ = log.verify().is_clean();
}

#[test]
fn an_answer_that_comes_slowly_is_not_one_that_stopped() {
    // Longer in all than the time between two bytes may be, and never silent for so long.
    let body = br#"{"object":"chat.completion","choices":[]}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let pieces = std::iter::once(head.into_bytes()).chain(body.chunks(6).map(<[u8]>::to_vec));
    let upstream = Upstream::slowly(pieces.collect(), Duration::from_millis(150));
    let settings = Settings::rules().limit("idle_timeout_ms = 600");
    let troth = Troth::start(&settings, &upstream.address);
    assert_eq!(troth.chat("hi").has_status(200).body, body);
    // One that falls silent is given up all the same.
    let silent = Upstream::slowly(
        vec![
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
                .to_vec(),
        ],
        PATIENCE,
    );
    let troth = Troth::start(&settings, &silent.address);
    assert_eq!(troth.chat("hi").status, 504);
}

#[test]
fn a_peer_that_only_begins_to_speak_is_given_up() {
    let model = Model::start();
    let settings = Settings::rules().limit("header_timeout_ms = 300").limit("connections = 1");
    let troth = Troth::start(&settings, &model.address);
    // Beginnings of an HTTP/2 preface, and one that is whole.
    for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nS", "GET", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut peer = TcpStream::connect(&troth.address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(said.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let ended = peer.read_to_end(&mut answer);
        assert!(ended.is_ok(), "`{said}` keeps its place: {ended:?}");
        // Its place is free for whoever speaks.
        assert_eq!(troth.chat("hi").status, 200, "{said}");
    }
}

/// A body that no socket buffer holds and that costs little to read: spaces between tokens.
fn vast(of: &Value) -> Vec<u8> {
    let text = of.to_string();
    let (brace, rest) = text.split_at(1);
    [brace.as_bytes(), &vec![b' '; 60_000], rest.as_bytes()].concat()
}

#[test]
fn a_client_that_stops_reading_is_given_up() {
    let settings = Settings::rules()
        .limit("exchanges = 1")
        .limit("write_timeout_ms = 400")
        .limit("idle_timeout_ms = 600000");
    let choice = json!({ "index": 0, "delta": { "content": "word " }, "finish_reason": null });
    let event = [b"data: ".to_vec(), vast(&json!({ "choices": [choice] })), b"\n\n".to_vec()];
    let stream = event.concat().repeat(400);
    let mut whole = vast(&json!({ "object": "chat.completion", "choices": [] }));
    whole.splice(1..1, vec![b' '; 24 << 20]);
    for (upstream, streamed) in
        [(Upstream::streams(&stream, 60_000), true), (Upstream::says(&whole), false)]
    {
        let troth = Troth::start(&settings, &upstream.address);
        let mut client = TcpStream::connect(&troth.address).unwrap();
        client.write_all(&chat("hi", streamed).bytes("localhost")).unwrap();
        // The head is read, and nothing after it.
        let mut head = [0; 1024];
        let length = client.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..length]).to_ascii_lowercase();
        let exchange = head.lines().find_map(|line| line.strip_prefix("troth-exchange: "));
        let exchange = exchange.expect("every answer names its exchange").trim().to_owned();
        eventually("its place is free", || {
            (troth.send(&Request::get("/v1/models")).status != 503).then_some(())
        });
        let (log, _home) = troth.into_log();
        let _ = log.verify().is_clean();
        let exchanges = log.exchanges();
        let outcome = exchanges[&exchange].iter().find(|e| e.kind() == "outcome").unwrap();
        if streamed {
            assert_eq!(outcome.record["verdict"], "abort", "{}", outcome.record);
            assert_eq!(outcome.record["reason"], "write_timeout", "{}", outcome.record);
        } else {
            // Its outcome was sealed before the first byte left.
            assert_eq!(outcome.record["verdict"], "allow", "{}", outcome.record);
        }
        drop(client);
    }
}

#[test]
fn a_slow_body_is_given_up() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules().limit("body_timeout_ms = 300"), &model.address);
    let half = chat("hi", false).header("content-length", "100000");
    assert_eq!(half.send(&troth.address).status, 408);
}

#[test]
fn a_stalled_disk_is_given_up() {
    let upstream = Upstream::says(br#"{"choices":[]}"#);
    let settings = Settings::rules().limit("commit_timeout_ms = 300");
    let mut troth = Troth::start(&settings, &upstream.address);
    // From now on a sync takes longer than anybody waits.
    let stall = Stall::of(troth.process().id(), "fdatasync", 3000);
    let answer = troth.chat("hello").has_status(503);
    is_an_error_of_the_dialect(&answer);
    assert_eq!(answer.json()["error"]["code"], "evidence_unavailable");
    assert!(upstream.seen().is_empty(), "it was forwarded without a durable intent");
    let exchange = answer.exchange().to_owned();
    drop(stall);
    // When the disk comes back, so does the record of what happened.
    let (log, _home) = troth.into_log();
    let _ = log.verify().is_clean();
    let exchanges = log.exchanges();
    let outcome = exchanges[&exchange].iter().find(|e| e.kind() == "outcome").unwrap();
    assert_eq!(outcome.record["verdict"], "error");
    assert_eq!(outcome.record["reason"], "evidence_unavailable");
}

#[test]
fn a_reload_does_not_wait_for_a_stalled_disk() {
    let model = Model::start();
    let settings = Settings::rules().limit("commit_timeout_ms = 300");
    let mut troth = Troth::start(&settings, &model.address);
    let reload = Request::post_bytes("/reload", "");
    assert_eq!(troth.admin(&reload).status, 200);
    let stall = Stall::of(troth.process().id(), "fdatasync", 20_000);
    let watch = Stopwatch::start();
    let refused = troth.admin(&reload);
    assert!(refused.status != 200 && refused.text().contains("commit_timeout_ms"), "{refused:?}");
    // Each of its records would take 20 s.
    assert!(watch.elapsed() < Duration::from_secs(15), "{:?}", watch.elapsed());
    drop(stall);
    eventually("it reloads again", || (troth.admin(&reload).status == 200).then_some(()));
    assert_eq!(troth.chat("hi").status, 200);
    let (log, _home) = troth.into_log();
    let _ = log.verify().is_clean();
}

#[test]
fn json_is_bounded_in_depth() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    let nested = |depth: usize| -> Value {
        (0..depth).fold(json!("x"), |inside, _| json!({ "type": "object", "properties": inside }))
    };
    let with = |depth: usize| {
        let function = json!({ "name": "f", "description": "d", "parameters": nested(depth) });
        troth_tests::messages(&json!({
            "messages": [{ "role": "user", "content": "hi" }],
            "tools": [{ "type": "function", "function": function }],
        }))
    };
    assert_eq!(troth.send(&with(10)).status, 200);
    assert_eq!(troth.send(&with(120)).status, 400);
}
