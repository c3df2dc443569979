//! What a stream may hold, and how it ends when it may not go on.

use super::*;

/// A tool call whose arguments never end.
fn endless(bytes: usize) -> Vec<u8> {
    let named = json!({ "tool_calls": [{ "index": 0, "id": "c", "type": "function",
        "function": { "name": "send", "arguments": "" } }] });
    [chunk(0, named, None), arguments(&"a".repeat(bytes))].concat()
}

fn arguments(text: &str) -> Vec<u8> {
    let delta = json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] });
    chunk(0, delta, None)
}

#[test]
fn what_a_stream_holds_counts_in_the_process() {
    let gateway = testing::gateway_of("enforce", "buffered_total_bytes = 60000");
    let budget = gateway.shared.budget.clone();
    let (answer, ledger) = testing::answer(&gateway);
    let mut state = State::new(answer, ledger);
    state.packet(&endless(5000)).unwrap();
    assert!(state.cleared().bytes.is_empty());
    // As it came, its data, and the arguments.
    assert!((15_000..20_000).contains(&budget.used()), "{}", budget.used());
    // The event under way counts too.
    state.packet(format!("data: {}", " ".repeat(9000)).as_bytes()).unwrap();
    assert!((24_000..30_000).contains(&budget.used()), "{}", budget.used());
    assert_eq!(state.packet(&[b' '; 40_000]), Err(Ending::NoRoom));
    let tail = String::from_utf8(state.tail(&Ending::NoRoom).unwrap().bytes).unwrap();
    assert!(tail.contains("\"code\":\"overloaded\""), "{tail}");
    drop(state);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_leaves_takes_its_room_along() {
    let gateway = testing::gateway_of("enforce", "");
    let budget = gateway.shared.budget.clone();
    let (answer, ledger) = testing::answer(&gateway);
    let mut state = State::new(answer, ledger);
    state.packet(&chunk(0, json!({ "content": "Good morning. " }), None)).unwrap();
    let out = state.cleared().bytes;
    let length = out.len();
    let sent = state.leaving(length).over(out);
    drop(state);
    assert_eq!(budget.used(), length);
    drop(sent);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_stream_in_shadow_holds_no_more_than_another() {
    let gateway = testing::gateway_of("shadow", "hold_bytes = 4000");
    let (answer, ledger) = testing::answer(&gateway);
    let mut state = State::new(answer, ledger);
    let within = endless(3000);
    state.packet(&within).unwrap();
    let named = state.cleared();
    assert_eq!(state.ledger.judgement().verdict, Verdict::Allow);
    // Past the bound its events go on as they would have, before their verdict;
    // the verdict that they would have had is told.
    let beyond = arguments(&"b".repeat(2000));
    state.packet(&beyond).unwrap();
    let out = state.cleared();
    assert_eq!([named.bytes, out.bytes.clone()].concat(), within);
    assert_eq!(out.early, out.bytes.len() as u64);
    assert_eq!(state.ledger.judgement().verdict, Verdict::Block);
    state.finish_lanes().unwrap();
    let (before, last) = state.rest();
    assert_eq!([before.bytes, last.bytes].concat(), beyond);
}

#[test]
fn a_choice_that_has_ended_is_not_ended_again() {
    let refused = json!({ "content": "stop right there. " });
    let bytes = [
        chunk(0, json!({ "content": "Good. " }), None),
        chunk(0, json!({}), Some("stop")),
        chunk(1, json!({ "content": "Fine. " }), None),
        chunk(1, refused.clone(), None),
    ]
    .concat();
    let reasons = |played: &Played| {
        let text = String::from_utf8(played.bytes()).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let choices = chunks.flat_map(|chunk| chunk["choices"].as_array().unwrap().clone());
        choices
            .filter_map(|choice| {
                let reason = choice["finish_reason"].as_str()?.to_owned();
                Some((choice["index"].as_u64()?, reason))
            })
            .collect::<Vec<_>>()
    };
    let expected = [(0, "stop".to_owned()), (1, "content_filter".to_owned())];
    // In one packet or in several.
    for packets in [vec![&bytes[..]], bytes.chunks(40).collect()] {
        let played = play(&packets);
        assert_eq!(played.verdict, Verdict::Block);
        assert_eq!(reasons(&played), expected);
    }
    // What is refused comes behind the end of the only choice, which the client
    // was not told yet: it is told of the refusal.
    let late = [
        chunk(0, json!({ "content": "Good. " }), None),
        chunk(0, json!({}), Some("stop")),
        b": stop right there\n\n".to_vec(),
    ]
    .concat();
    for packets in [vec![&late[..]], late.chunks(40).collect()] {
        let played = play(&packets);
        assert_eq!(played.verdict, Verdict::Block);
        assert_eq!(reasons(&played), [(0, "content_filter".to_owned())]);
        assert_eq!(played.text(0, "/delta/content"), "Good. ");
    }
}
