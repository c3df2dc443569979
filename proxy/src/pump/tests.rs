#![expect(clippy::string_slice, reason = "the cuts are at characters")]

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use troth_policies::{Origin, Segment, Verdict};

mod bounds;

use super::state::{Ending, State};
use crate::{
    dialect::openai::{self, Lane},
    gateway::Gateway,
    screener::Weighed,
    sse, testing,
};

static GATEWAY: LazyLock<Arc<Gateway>> = LazyLock::new(testing::gateway);

/// What came of a stream: its verdict, and each piece in which it left.
#[derive(Debug, PartialEq)]
struct Played {
    verdict: Verdict,
    pieces: Vec<Vec<u8>>,
}

impl Played {
    fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The text of a choice, as a client joins it.
    fn text(&self, choice: u64, pointer: &str) -> String {
        let mut parser = sse::Parser::new(1 << 20);
        let events = parser.push(&self.bytes()).unwrap();
        let mut text = String::new();
        for data in events.into_iter().filter_map(|event| event.data) {
            let Ok(value) = serde_json::from_str::<Value>(&data) else { continue };
            for one in value["choices"].as_array().into_iter().flatten() {
                if one["index"] == choice {
                    text.push_str(one.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
                }
            }
        }
        text
    }

    fn finish_reasons(&self) -> Vec<String> {
        let text = String::from_utf8(self.bytes()).unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|value| Some(value["choices"][0]["finish_reason"].as_str()?.to_owned()))
            .collect()
    }
}

/// Plays packets through the state as the task does, without a classifier.
fn play(packets: &[&[u8]]) -> Played {
    let (answer, ledger) = testing::answer(&GATEWAY);
    let mut state = State::new(answer, ledger);
    let mut pieces = Vec::new();
    let mut ending = Ending::Eof;
    for packet in packets {
        match state.packet(packet) {
            Err(fault) => ending = fault,
            Ok(_) => {
                pieces.push(state.cleared().bytes);
                ending = state.ending().unwrap_or(Ending::Eof);
            }
        }
        if ending != Ending::Eof {
            break;
        }
    }
    if ending == Ending::Eof {
        ending = state.finish_lanes().err().or(state.ending()).unwrap_or(Ending::Eof);
    }
    if ending == Ending::Eof {
        let (before, last) = state.rest();
        pieces.extend([before.bytes, last.bytes]);
    } else {
        pieces.extend(state.tail(&ending).map(|out| out.bytes));
    }
    pieces.retain(|piece| !piece.is_empty());
    Played { verdict: state.ledger.judgement().verdict, pieces }
}

fn chunk(choice: u64, delta: Value, finish: Option<&str>) -> Vec<u8> {
    sse::event(
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
            "choices": [{ "index": choice, "delta": delta, "finish_reason": finish }],
        })
        .to_string(),
    )
}

/// A stream that says `text` in deltas that end at `cuts`.
fn stream(text: &str, cuts: &[usize]) -> Vec<u8> {
    let mut out = chunk(0, json!({ "role": "assistant", "content": "" }), None);
    let mut at = 0;
    let ends = cuts.iter().copied().chain([text.len()]);
    for end in ends.filter(|end| text.is_char_boundary(*end)) {
        if end > at {
            out.extend(chunk(0, json!({ "content": &text[at..end] }), None));
            at = end;
        }
    }
    out.extend(chunk(0, json!({}), Some("stop")));
    out.extend(sse::event("[DONE]"));
    out
}

const TEXTS: &[(&str, Verdict, &str)] = &[
    ("Nothing to see: 你好, caf\u{e9}.", Verdict::Allow, "Nothing to see: 你好, caf\u{e9}."),
    ("a KEY12345 b", Verdict::Redact, "a [REDACTED:secret] b"),
    ("KEY1234", Verdict::Redact, "[REDACTED:secret]"),
    ("KEY123", Verdict::Allow, "KEY123"),
    ("KEKEY1234KEY99KEY", Verdict::Redact, "KE[REDACTED:secret]KEY99KEY"),
    ("x KEY1234 y. stop right there, KEY5678", Verdict::Block, "x [REDACTED:secret] y. "),
    ("stop right here", Verdict::Allow, "stop right here"),
    ("Ｋ stop RIGHT the\u{200b}re now", Verdict::Block, "Ｋ "),
];

#[test]
fn every_split_of_the_deltas_gives_the_same_verdict_and_text() {
    for (text, verdict, released) in TEXTS {
        let every: Vec<usize> = (1..text.len()).collect();
        let mut splits: Vec<Vec<usize>> = vec![vec![], every];
        splits.extend((1..text.len()).map(|cut| vec![cut]));
        splits.extend(
            (1..text.len()).flat_map(|a| (a + 1..text.len()).step_by(3).map(move |b| vec![a, b])),
        );
        for cuts in splits {
            let played = play(&[&stream(text, &cuts)]);
            let got = played.text(0, "/delta/content");
            assert_eq!((played.verdict, got.as_str()), (*verdict, *released), "{text} {cuts:?}");
        }
    }
}

#[test]
fn every_split_of_the_bytes_gives_the_same_bytes() {
    for (text, ..) in TEXTS {
        let bytes = stream(text, &[3, 7, 9]);
        let whole = play(&[&bytes]);
        for cut in 1..bytes.len() {
            let split = play(&[&bytes[..cut], &bytes[cut..]]);
            assert_eq!(split.verdict, whole.verdict, "{text} {cut}");
            assert_eq!(split.bytes(), whole.bytes(), "{text} {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(play(&single).bytes(), whole.bytes(), "{text}");
    }
}

#[test]
fn what_is_not_redacted_keeps_its_bytes() {
    let odd = b": keepalive\r\n\r\nid: 9\r\ndata: { \"choices\" : [ {\"index\":0,\r\ndata: \
        \"delta\":{\"content\":\"\\u4f60 a\"}} ] }\r\n\r\ndata: [DONE]\r\n\r\n";
    assert_eq!(play(&[odd]).bytes(), odd);
    let bytes = stream("nothing", &[2, 4]);
    assert_eq!(play(&[&bytes]).bytes(), bytes);
}

#[test]
fn a_delta_leaves_before_the_stream_has_ended() {
    let packets = [
        chunk(0, json!({ "content": "Good " }), None),
        chunk(0, json!({ "content": "morning" }), None),
        chunk(0, json!({}), Some("stop")),
    ];
    let (answer, ledger) = testing::answer(&GATEWAY);
    let mut state = State::new(answer, ledger);
    state.packet(&packets[0]).unwrap();
    assert_eq!(state.cleared().bytes, packets[0]);
}

#[test]
fn the_end_waits_for_its_seal_with_and_without_a_marker() {
    let (answer, ledger) = testing::answer(&GATEWAY);
    let mut state = State::new(answer, ledger);
    let (said, end) = (
        chunk(0, json!({ "content": "Good" }), None),
        [
            chunk(0, json!({}), Some("stop")),
            b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"
                .to_vec(),
        ],
    );
    state.packet(&[said.clone(), end.concat()].concat()).unwrap();
    assert_eq!(state.cleared().bytes, said);
    // Another choice begins: the first one's end was not the stream's.
    let second = chunk(1, json!({ "content": "Bad" }), None);
    state.packet(&second).unwrap();
    assert_eq!(state.cleared().bytes, [end.concat(), second].concat());
    let last = chunk(1, json!({}), Some("stop"));
    state.packet(&last).unwrap();
    assert_eq!(state.cleared().bytes, b"");
    state.finish_lanes().unwrap();
    let (before, after) = state.rest();
    assert_eq!((before.bytes, after.bytes), (Vec::new(), last));
}

#[test]
fn nothing_of_a_secret_ever_leaves() {
    let text = "the key is KEY123456789 and more";
    let bytes = stream(text, &(1..text.len()).collect::<Vec<_>>());
    let packets: Vec<&[u8]> = bytes.chunks(5).collect();
    let played = play(&packets);
    let mut sent = Vec::new();
    for piece in &played.pieces {
        sent.extend_from_slice(piece);
        let said = Played { verdict: played.verdict, pieces: vec![sent.clone()] };
        assert!(!said.text(0, "/delta/content").contains("KEY1"), "{said:?}");
    }
    assert_eq!(played.text(0, "/delta/content"), "the key is [REDACTED:secret] and more");
}

fn call(fragments: &[&str]) -> Vec<u8> {
    let mut out = chunk(0, json!({ "role": "assistant", "content": null }), None);
    let named = json!({ "tool_calls": [{ "index": 0, "id": "c", "type": "function",
        "function": { "name": "send", "arguments": "" } }] });
    out.extend(chunk(0, named, None));
    for fragment in fragments {
        let delta = json!({ "tool_calls": [{ "index": 0,
            "function": { "arguments": fragment } }] });
        out.extend(chunk(0, delta, None));
    }
    out.extend(chunk(0, json!({}), Some("tool_calls")));
    out.extend(sse::event("[DONE]"));
    out
}

#[test]
fn a_tool_call_is_judged_whole_before_any_of_it_is_shown() {
    let arguments = "/delta/tool_calls/0/function/arguments";
    let good = call(&["{\"to\":", "\"bob\"}"]);
    let played = play(&[&good]);
    assert_eq!((played.verdict, played.bytes()), (Verdict::Allow, good));
    for bad in [
        vec!["{\"to\":", "\"mallory\"}"],
        vec!["{\"to\":[\"bob\",\"mal", "lory\"]}"],
        vec!["{\"to\":\"\\u006dallory\"}"],
        vec!["{\"to\":\"bob\",\"to\":\"mallory\"}"],
        vec!["{\"x\":\"\\u0073top right there\"}"],
    ] {
        let played = play(&[&call(&bad)]);
        assert_eq!(played.verdict, Verdict::Block, "{bad:?}");
        assert_eq!(played.text(0, arguments), "", "{bad:?}");
        assert!(!String::from_utf8(played.bytes()).unwrap().contains("send"), "{bad:?}");
        assert_eq!(played.finish_reasons(), ["content_filter"], "{bad:?}");
    }
    let secret = play(&[&call(&["{\"x\":\"KE", "Y12345\"}"])]);
    assert_eq!(secret.text(0, arguments), "{\"x\":\"[REDACTED:secret]\"}");
}

#[test]
fn a_call_that_goes_on_after_its_end_is_stopped() {
    let mut bytes = call(&["{\"to\":\"bob\"}"]);
    bytes.truncate(bytes.len() - sse::event("[DONE]").len());
    let more = json!({ "tool_calls": [{ "index": 0,
        "function": { "arguments": ",\"to\":\"mallory\"" } }] });
    bytes.extend(chunk(0, more, None));
    bytes.extend(sse::event("[DONE]"));
    let played = play(&[&bytes]);
    assert_eq!(played.verdict, Verdict::Block);
    assert!(!String::from_utf8(played.bytes()).unwrap().contains("mallory"));
}

#[test]
fn every_choice_and_every_lane_is_screened() {
    for delta in [
        json!({ "refusal": "stop right there" }),
        json!({ "reasoning_content": "stop right there" }),
        json!({ "brand_new": { "nested": ["stop right there"] } }),
    ] {
        let mut bytes = chunk(1, delta.clone(), None);
        bytes.extend(sse::event("[DONE]"));
        assert_eq!(play(&[&bytes]).verdict, Verdict::Block, "{delta}");
    }
    // What cannot be taken out of an event keeps the event from leaving, and
    // what only lenient parsers read ends the stream.
    for odd in [
        "data: stop right there\n\n",
        ": stop right there\n\ndata: [DONE]\n\n",
        "event: stop right there\ndata: {}\n\n",
        "data: {\"id\":\"stop right there\",\"choices\":[]}\n\n",
        "data: {\"stop right there\":1}\n\n",
        "data: {\"error\":{\"message\":\"KEY12345 \"}}\n\n",
        "data: {\"choices\":[],\"choices\":[\"stop\"]}\n\n",
        "data: {\"choices\":{\"0\":\"stop\"}}\n\n",
        "data: {\"choices\":[\"stop\"]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":\"stop\"}]}\n\n",
        "data: {\"x\":NaN,\"stop\":1}\n\n",
        "data: KEY12345 \n\n",
    ] {
        let out = String::from_utf8(play(&[odd.as_bytes()]).bytes()).unwrap();
        assert!(!out.contains("stop") && !out.contains("KEY1"), "{odd:?} gave {out:?}");
    }
}

#[test]
fn a_finding_in_one_lane_does_not_free_another() {
    let both = json!({ "content": "stop right there now", "reasoning": "KEY1234 x" });
    let out = String::from_utf8(play(&[&chunk(0, both, None)]).bytes()).unwrap();
    assert!(!out.contains("stop") && !out.contains("KEY1"), "{out}");
    let twice = json!({ "content": "stop right there.", "reasoning": "stop right there." });
    let out = String::from_utf8(play(&[&chunk(0, twice, None)]).bytes()).unwrap();
    assert!(!out.contains("stop"), "{out}");
}

#[test]
fn a_byte_order_mark_hides_nothing() {
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.extend(chunk(0, json!({ "content": "KEY1234 x" }), None));
    let out = String::from_utf8(play(&[&bytes]).bytes()).unwrap();
    assert!(out.contains("[REDACTED:secret] x") && !out.contains("KEY1"), "{out}");
}

#[test]
fn a_tool_has_one_name() {
    let named = |function: Value| {
        chunk(0, json!({ "tool_calls": [{ "index": 0, "id": "c", "function": function }] }), None)
    };
    let twice =
        [named(json!({ "name": "send", "arguments": "" })), named(json!({ "name": "other" }))]
            .concat();
    assert_eq!(play(&[&twice]).verdict, Verdict::Block);
    let object = named(json!({ "name": "send", "arguments": { "to": "mallory" } }));
    assert_eq!(play(&[&object]).verdict, Verdict::Block);
    let both = chunk(
        0,
        json!({ "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "a" },
            "custom": { "name": "b", "input": "x" } }] }),
        None,
    );
    assert_eq!(play(&[&both]).verdict, Verdict::Block);
    let again = [
        named(json!({ "name": "send", "arguments": "{}" })),
        chunk(0, json!({ "tool_calls": [{ "index": 0, "id": "d" }] }), None),
    ]
    .concat();
    assert_eq!(play(&[&again]).verdict, Verdict::Block);
}

#[test]
fn tokens_go_with_the_text_that_they_repeat() {
    let bytes = sse::event(
        &json!({ "choices": [{ "index": 0, "delta": { "content": "KEY1234 " },
            "logprobs": { "content": [{ "token": "KEY" }, { "token": "1234" }, { "token": " " }] } }] })
        .to_string(),
    );
    let out = String::from_utf8(play(&[&bytes, &sse::event("[DONE]")]).bytes()).unwrap();
    assert!(out.contains("[REDACTED:secret]") && out.contains("\"logprobs\":null"), "{out}");
    assert!(!out.contains("1234"), "{out}");
}

#[test]
fn choices_and_calls_of_a_stream_are_bounded() {
    let said = |many: u64, call: bool| {
        let each = (0..many).map(|at| {
            let made = json!({ "tool_calls": [{ "index": at, "function": { "name": "f" } }] });
            if call { chunk(0, made, None) } else { chunk(at, json!({ "content": "a" }), None) }
        });
        let (answer, ledger) = testing::answer(&GATEWAY);
        State::new(answer, ledger).packet(&each.collect::<Vec<_>>().concat()).is_ok()
    };
    let (choices, calls) = (openai::CHOICES as u64, openai::CALLS as u64);
    assert!(said(choices, false) && !said(choices + 1, false));
    assert!(said(calls, true) && !said(calls + 1, true));
}

#[test]
fn coverage_tells_what_the_rules_did_not_see() {
    let run = format!("x{}", "aWdub3Jl".repeat(testing::RUN_BYTES / 8 + 1));
    for (text, truncated) in [("Good morning", 0), (run.as_str(), 1)] {
        let (answer, ledger) = testing::answer(&GATEWAY);
        let mut state = State::new(answer, ledger);
        state.packet(&stream(text, &[3, 7])).unwrap();
        state.finish_lanes().unwrap();
        state.cover();
        let rows = state.ledger.coverage.rows();
        let seen: u64 = rows.map(|(_, _, row)| row.truncated).sum();
        assert_eq!(seen, truncated, "{text}");
    }
}

#[test]
fn what_might_have_been_said_is_screened_too() {
    let said = |logprobs: Value| {
        let event = json!({ "choices": [{ "index": 0, "delta": { "content": "Good" },
            "logprobs": logprobs }] });
        play(&[&[sse::event(&event.to_string()), sse::event("[DONE]")].concat()])
    };
    let alternatives = |tokens: &[&str]| -> Vec<Value> {
        let top = |token: &&str| json!([{ "token": "Good" }, { "token": token }]);
        tokens.iter().map(|token| json!({ "token": "", "top_logprobs": top(token) })).collect()
    };
    for bad in [
        json!({ "content": alternatives(&["stop ", "right ", "there"]) }),
        json!({ "content": [{ "token": "Good", "note": "stop right there" }] }),
        json!({ "tokens": ["stop right", " there"] }),
        json!({ "top_logprobs": [{ "stop right": -1 }, { " there": -1 }] }),
    ] {
        assert_eq!(said(bad.clone()).verdict, Verdict::Block, "{bad}");
    }
    let secret = said(json!({ "content": alternatives(&["KEY1", "2345"]) }));
    assert_eq!(secret.verdict, Verdict::Redact);
    assert!(String::from_utf8(secret.bytes()).unwrap().contains("\"logprobs\":null"));
    assert_eq!(said(json!({ "content": alternatives(&["a", "b"]) })).verdict, Verdict::Allow);
}

#[test]
fn what_waits_is_bounded() {
    let named = json!({ "tool_calls": [{ "index": 0, "function": { "name": "f" } }] });
    let mut bytes = chunk(0, named, None);
    for _ in 0..800 {
        let delta = json!({ "tool_calls": [{ "index": 0,
            "function": { "arguments": "x".repeat(100) } }] });
        bytes.extend(chunk(0, delta, None));
    }
    let packets: Vec<&[u8]> = bytes.chunks(4096).collect();
    assert_eq!(play(&packets).verdict, Verdict::Block);
}

/// Plays packets as the task does in `gate`, with a classifier that knows one
/// word.
fn play_scored(packets: &[&[u8]]) -> Played {
    let (answer, ledger) = testing::answer(&GATEWAY);
    let mut state = State::new(answer, ledger);
    state.scores = true;
    let mut said = HashMap::new();
    let mut pieces = Vec::new();
    let mut ending = None;
    for packet in packets {
        let fault = state.packet(packet).err();
        score(&mut state, &mut said, packets, false);
        pieces.push(state.cleared().bytes);
        ending = fault.or(state.ending());
        if ending.is_some() {
            break;
        }
    }
    if ending.is_none() {
        ending = state.finish_lanes().err();
    }
    score(&mut state, &mut said, packets, true);
    if ending.is_none() {
        state.nothing_is_left_unjudged();
    }
    match ending.or(state.ending()) {
        None => {
            let (before, last) = state.rest();
            pieces.extend([before.bytes, last.bytes]);
        }
        Some(ending) => pieces.extend(state.tail(&ending).map(|out| out.bytes)),
    }
    Played { verdict: state.ledger.judgement().verdict, pieces }
}

/// Answers what the classifiers are asked: whether `evil` is in it.
fn score(state: &mut State, said: &mut HashMap<Lane, String>, packets: &[&[u8]], end: bool) {
    if said.is_empty() {
        let mut parser = sse::Parser::new(1 << 20);
        let events = parser.push(&packets.concat()).unwrap();
        for data in events.into_iter().filter_map(|event| event.data) {
            let Ok(root) = crate::json::parse(data.as_bytes(), crate::json::Limits::default())
            else {
                continue;
            };
            for fragment in openai::chunk(&root).unwrap().fragments {
                said.entry(fragment.lane).or_default().push_str(&fragment.text);
            }
        }
    }
    for scoring in state.due(end) {
        let mut scored = scoring.now_or_never().unwrap();
        let text = &said[&scored.lane][scored.start..scored.upto];
        let segment = Segment {
            index: 0,
            pointer: "",
            channel: scored.lane.channel(),
            origin: Origin::Model,
            tool: None,
            text,
        };
        let label = [("injection".to_owned(), u32::from(text.contains("evil")) * 1_000_000)];
        let findings = GATEWAY.screener.bundle().weigh(&segment, &label);
        scored.weighed = Ok(Weighed { findings, ..Weighed::default() });
        state.scored(scored);
    }
}

#[test]
fn every_split_gives_what_rules_and_classifiers_say_together() {
    for (text, verdict, released) in [
        ("Good one. Good two. Good three.", Verdict::Allow, "Good one. Good two. Good three."),
        ("Good one. Very evil. Good three.", Verdict::Block, "Good one."),
        // The rules know at once what stands after the classifiers' finding.
        ("Good one. Very evil. stop right there. Two", Verdict::Block, "Good one."),
        ("Very evil. stop right there", Verdict::Block, ""),
        ("Good one. stop right there. Very evil.", Verdict::Block, "Good one. "),
        ("Hello KEY12345. Very evil. stop right there", Verdict::Block, "Hello [REDACTED:secret]."),
    ] {
        let every: Vec<usize> = (1..text.len()).collect();
        let mut splits: Vec<Vec<usize>> = vec![vec![], every];
        splits.extend((1..text.len()).map(|cut| vec![cut]));
        for cuts in splits {
            let bytes = stream(text, &cuts);
            for size in [bytes.len(), 190, 1] {
                let packets: Vec<&[u8]> = bytes.chunks(size).collect();
                let played = play_scored(&packets);
                let got = played.text(0, "/delta/content");
                assert_eq!((played.verdict, got.as_str()), (verdict, released), "{text} {cuts:?}");
            }
        }
    }
}

/// Reasoning whose last sentence has no end, and then the answer.
fn thinker(reasoning: &[&str], content: &[&str], more: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for text in reasoning {
        out.extend(chunk(0, json!({ "reasoning_content": text, "reasoning": text }), None));
    }
    for text in content {
        out.extend(chunk(0, json!({ "content": text }), None));
    }
    out.extend(chunk(0, json!({ "reasoning_content": more, "reasoning": more }), None));
    out.extend(chunk(0, json!({}), Some("stop")));
    out
}

#[test]
fn what_ends_without_a_sign_does_not_hold_what_follows() {
    let (answer, ledger) = testing::answer(&GATEWAY);
    let mut state = State::new(answer, ledger);
    state.scores = true;
    // Its last letter begins no pattern, in no view.
    let thought = thinker(&["Two and two", " is four."], &["Good morning. It", " is two"], "");
    let second = chunk(1, json!({ "content": "Bad. Morning" }), None);
    let packets: [&[u8]; 2] = [&thought, &second];
    let mut said = HashMap::new();
    let mut left = Vec::new();
    for packet in packets {
        state.packet(packet).unwrap();
        score(&mut state, &mut said, &packets, false);
        left.push(Played { verdict: Verdict::Allow, pieces: vec![state.cleared().bytes] });
    }
    // The reasoning as soon as the answer begins, the answer as soon as it ends.
    assert_eq!(left[0].text(0, "/delta/reasoning_content"), "Two and two is four.");
    assert_eq!(left[0].text(0, "/delta/content"), "Good morning. It is two");
    assert_eq!(left[1].text(1, "/delta/content"), "");
}

#[test]
fn reasoning_may_go_on_beside_the_answer_and_is_screened_whole() {
    for (reasoning, content, more, verdict) in [
        (["One. Two", " three"], ["Four", " five"], " six. Seven", Verdict::Allow),
        (["One. Two", " evil"], ["Four", " five"], " six.", Verdict::Block),
        (["One", " two"], ["Four", " five"], " evil. Six", Verdict::Block),
        (["One", " two"], ["Four", " evil"], " six", Verdict::Block),
        (["One", " stop right"], ["Four", " five"], " there", Verdict::Block),
        (["One", " KEY12"], ["Four", " five"], "345 six", Verdict::Redact),
    ] {
        let bytes = thinker(&reasoning, &content, more);
        let whole = play_scored(&[&bytes]);
        assert_eq!(whole.verdict, verdict, "{reasoning:?} {content:?} {more}");
        for size in [1, 90, 200, 300] {
            let packets: Vec<&[u8]> = bytes.chunks(size).collect();
            let split = play_scored(&packets);
            assert_eq!((split.verdict, split.bytes()), (verdict, whole.bytes()), "{size} {more}");
        }
    }
}

#[test]
fn arguments_after_a_calls_end_do_not_hide_behind_its_scores() {
    let good = call(&["{\"to\":\"bob\"}"]);
    assert_eq!(play_scored(&[&good]).bytes(), good);
    let mut begun = call(&["{\"to\":\"bob\""]);
    begun.truncate(begun.len() - sse::event("[DONE]").len());
    for more in [",\"cc\":\"carol\"}", ",\"x\":\"KEY12345\"}"] {
        let more = json!({ "tool_calls": [{ "index": 0, "function": { "arguments": more } }] });
        let more = [chunk(0, more, Some("tool_calls")), sse::event("[DONE]")].concat();
        // In one packet: the scores of the call are awaited when the rest comes.
        let played = play_scored(&[&[begun.clone(), more].concat()]);
        assert_eq!(played.verdict, Verdict::Block);
        assert!(!String::from_utf8(played.bytes()).unwrap().contains("bob"));
    }
}

#[test]
fn what_is_null_calls_nothing() {
    let said = json!({ "content": "Good", "function_call": null, "tool_calls": [null] });
    let bytes = [chunk(0, said, Some("stop")), sse::event("[DONE]")].concat();
    assert_eq!(play(&[&bytes]).bytes(), bytes);
}

#[test]
fn a_custom_tool_is_called_with_text() {
    let custom = |input: &[Value]| {
        let mut out = Vec::new();
        for (place, said) in input.iter().enumerate() {
            let mut call = json!({ "index": 0, "custom": said });
            if place == 0 {
                call["id"] = json!("c");
                call["custom"]["name"] = json!("shell");
            }
            out.extend(chunk(0, json!({ "tool_calls": [call] }), None));
        }
        out.extend(chunk(0, json!({}), Some("tool_calls")));
        out.extend(sse::event("[DONE]"));
        out
    };
    let good = custom(&[json!({ "input": "ls" }), json!({ "input": " -l" })]);
    assert_eq!(play(&[&good]).bytes(), good);
    for bad in [
        vec![json!({ "input": "stop right" }), json!({ "input": " there" })],
        vec![json!({ "input": "{\"to\":" }), json!({ "input": "\"mallory\"}" })],
        vec![json!({ "input": "{\"a\":1," }), json!({ "input": "\"a\":2}" })],
        vec![json!({ "input": "{}" }), json!({ "arguments": " " })],
        vec![json!({ "input": "{}", "arguments": "" })],
    ] {
        assert_eq!(play(&[&custom(&bad)]).verdict, Verdict::Block, "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_text_any_cut(
        text in "(KEY|[0-9]{1,5}|stop |right |there|[a-c 你é]{1,3}){0,12}",
        cuts in prop::collection::vec(0usize..64, 0..8),
        packet in 1usize..200,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let whole = play(&[&stream(&text, &[])]);
        let bytes = stream(&text, &cuts);
        let packets: Vec<&[u8]> = bytes.chunks(packet).collect();
        let split = play(&packets);
        prop_assert_eq!(split.verdict, whole.verdict);
        prop_assert_eq!(
            split.text(0, "/delta/content"),
            whole.text(0, "/delta/content")
        );
        prop_assert_eq!(split.finish_reasons(), whole.finish_reasons());
    }
}
