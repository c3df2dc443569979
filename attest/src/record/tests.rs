use proptest::prelude::*;

use crate::testing::{approval, boot, configured, exchange, intent, outcome};

use super::envelope::uuid7_millis;
use super::*;

fn bytes(record: Record, time: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Encoded::new(record).unwrap().stamp(time, &mut out);
    out
}

/// One of each kind, every optional field filled; and a tool call that was not
/// held for a person.
fn every_kind() -> Vec<Record> {
    let statement = Statement {
        at: 41,
        key: "k".to_owned(),
        records: vec![1, 2],
        signature: "s".to_owned(),
        statement: "said \"so\"\n中文".to_owned(),
        x: [("later".to_owned(), Json::List(vec![Json::Bool(true), Json::Number(3)]))].into(),
    };
    let full_intent = Intent {
        end_user: Some("u".to_owned()),
        overlap: true,
        parent: Some("p".to_owned()),
        session: Some("s".to_owned()),
        spki: Some(Digest::of(b"spki")),
        ..intent(&exchange(1), 1)
    };
    let full_outcome = Outcome {
        model: Some("m".to_owned()),
        opaque: vec![Opaque { bytes: 9, media_type: "image/png".to_owned() }],
        reason: Some("upstream".to_owned()),
        response_released: Some(Commitment([1; 32])),
        response_upstream: Some(Commitment([2; 32])),
        usage: Some(Usage { input: 1, output: 2 }),
        ..outcome(&exchange(1), 5)
    };
    let call = ToolCall {
        approval: Some(exchange(2)),
        approved: Some(Commitment([6; 32])),
        arguments: Some(Commitment([4; 32])),
        definition: Some(Digest::of(b"tool")),
        exchange: exchange(1),
        intent: 5,
        number: 1,
        policies: vec!["p".to_owned()],
        tool: "send_mail".to_owned(),
        verdict: RecordVerdict::Block,
        ..ToolCall::default()
    };
    let counters =
        RouteCounters { accepted: 3, allowed: 2, blocked: 1, ..RouteCounters::default() };
    vec![
        boot(),
        configured(ConfigOf::Policy, Some(Digest::of(b"m"))),
        Record::Commitment(CommitmentDocument { id: "acme".to_owned(), ..Default::default() }),
        Record::Intent(full_intent),
        Record::Outcome(Box::new(full_outcome)),
        Record::ToolCall(ToolCall { approval: None, approved: None, ..call.clone() }),
        Record::ToolCall(call),
        Record::Approval(Box::new(approval(&exchange(2), ApprovalDecision::Allow))),
        Record::Test(TestRun {
            counts: [("injection".to_owned(), TestCount { passed: 1, total: 2 })].into(),
            ..TestRun::default()
        }),
        Record::Heartbeat(Heartbeat {
            queue_depth: 4,
            routes: [("chat".to_owned(), counters)].into(),
            ..Heartbeat::default()
        }),
        Record::Incident(statement.clone()),
        Record::Review(statement.clone()),
        Record::Stop(statement),
        Record::Anchor(Anchor { checkpoint: "note\n".to_owned(), ..Anchor::default() }),
        Record::Key(KeyChange { new: "n".to_owned(), ..KeyChange::default() }),
        Record::Erasure(Erasure {
            count: 1,
            day: "2026-11-23".to_owned(),
            id: "i".to_owned(),
            ..Erasure::default()
        }),
        Record::Close(Close { intents: 1, outcomes: 1, ..Close::default() }),
    ]
}

#[test]
fn every_kind_round_trips_in_canonical_form() {
    for record in every_kind() {
        let kind = record.kind();
        for time in [0, 7, 1_795_000_000_000_000, json::MAX_INTEGER] {
            let bytes = bytes(record.clone(), time);
            // Canonical by the generic reader, which knows no kinds: so the
            // fields of the struct are declared in sorted order.
            let text = String::from_utf8(bytes.clone()).unwrap();
            Stored::json(&bytes).unwrap_or_else(|fault| panic!("{kind}: {fault}: {text}"));
            let stored = Stored::parse(&bytes).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            assert_eq!((stored.v, stored.time, stored.kind.as_str()), (1, time, kind));
            let again = super::tests::bytes(stored.record.unwrap(), time);
            assert_eq!(again, bytes, "{kind}");
        }
    }
}

#[test]
fn an_intent_looks_like_this() {
    let text = String::from_utf8(bytes(Record::Intent(intent("e1", 1)), 42)).unwrap();
    assert_eq!(
        text,
        r#"{"action":"prompt","config":{"model":2,"policy":1,"settings":3},"dialect":"openai-chat","exchange":"e1","kind":"intent","model":"gpt-test","principal":"cHJpbmNpcGFsLXBzZXVkbw","request":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","route":"chat","tenant":"dGVuYW50LXBzZXVkb255bQ","time":42,"upstream":"127.0.0.1","v":1}"#
    );
}

#[test]
fn any_other_spelling_of_a_record_is_refused() {
    let good = String::from_utf8(bytes(Record::Intent(intent("e1", 1)), 42)).unwrap();
    assert!(Stored::parse(good.as_bytes()).is_ok());
    for (from, to) in [
        ("{\"action\"", "{ \"action\""),
        ("\"v\":1}", "\"v\":1} "),
        ("\"v\":1}", "\"v\":1,\"z\":1}"),
        ("\"v\":1}", "\"v\":1,\"v\":1}"),
        ("\"v\":1}", "\"v\":1.0}"),
        ("\"v\":1}", "\"v\":01}"),
        ("\"time\":42,", ""),
        ("\"time\":42", "\"time\":9007199254740992"),
        ("\"time\":42", "\"time\":-1"),
        ("\"time\":42", "\"time\":\"42\""),
        ("\"route\":\"chat\"", "\"route\":null"),
        ("\"route\":\"chat\"", "\"route\":\"\\u0063hat\""),
        ("\"route\":\"chat\"", "\"route\":\"chat\",\"route\":\"chat\""),
        ("\"route\":\"chat\",", ""),
        ("\"model\":\"gpt-test\"", "\"model\":null"),
        ("\"action\":\"prompt\",", "\"action\":\"prompt\",\"cut\":{},"),
        ("\"action\":\"prompt\",", "\"action\":\"prompt\",\"overlap\":false,"),
        ("\"request\":\"BwcH", "\"request\":\"BwcI"),
        ("BwcHBwcHBwcHBwcHBwc\"", "BwcHBwcHBwcHBwcHBwd\""),
        ("\"kind\":\"intent\"", "\"kind\":\"outcome\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let changed_value = from.starts_with("\"request\":\"BwcH");
        assert_eq!(Stored::parse(bad.as_bytes()).is_err(), !changed_value, "{to}");
    }
}

#[test]
fn newer_versions_and_kinds_are_kept_as_they_are() {
    for text in [
        r#"{"a":[1,{"b":true}],"kind":"intent","time":42,"v":2}"#,
        r#"{"kind":"hologram","time":42,"v":1}"#,
    ] {
        let stored = Stored::parse(text.as_bytes()).unwrap();
        assert_eq!((stored.time, stored.record), (42, None), "{text}");
    }
    assert!(Stored::parse(br#"{"kind":"hologram","time":42,"v":1 }"#).is_err());
    assert_eq!(Stored::parse(b"{}"), Err(RecordFault::Envelope));
    assert_eq!(Stored::parse(&[b' '; MAX_RECORD_BYTES + 1]), Err(RecordFault::TooLong));
}

#[test]
fn long_records_are_cut_and_say_so() {
    let mut long = outcome(&exchange(1), 5);
    let one = long.detectors[0].clone();
    long.detectors = vec![one; 1000];
    long.policies = vec!["a-policy-with-a-long-name".to_owned(); 100];
    let bytes = bytes(Record::Outcome(Box::new(long)), u64::MAX);
    assert!(bytes.len() <= MAX_RECORD_BYTES);
    let Some(Record::Outcome(read)) = Stored::parse(&bytes).unwrap().record else { panic!() };
    let kept = read.detectors.len() as u64;
    assert_eq!(kept + read.cut["detectors"], 1000);
    assert_eq!(read.policies.len(), 100);
    assert!(read.coverage_complete);
}

#[test]
fn coverage_that_was_cut_is_not_complete() {
    let mut long = outcome(&exchange(1), 5);
    long.detectors.clear();
    let row = long.coverage[0].clone();
    long.coverage = (0..200)
        .map(|n| CoverageRow { detector: format!("detector-{n}-with-a-long-name"), ..row.clone() })
        .collect();
    assert!(long.covers());
    let bytes = bytes(Record::Outcome(Box::new(long)), 1);
    let Some(Record::Outcome(read)) = Stored::parse(&bytes).unwrap().record else { panic!() };
    assert!(read.cut["coverage"] > 0 && !read.coverage_complete && !read.covers());
}

#[test]
fn coverage_adds_up_or_is_not_complete() {
    let row = outcome("e", 0).coverage[0].clone();
    for (what, rows, complete) in [
        ("both rows", vec![row.clone(), row.clone()], true),
        ("no row", vec![], false),
        ("a segment too few", vec![CoverageRow { segments: 1, ..row.clone() }], false),
        (
            "a skipped one is accounted for",
            vec![CoverageRow { segments: 1, skipped: 1, bytes: 60, ..row.clone() }],
            true,
        ),
        ("a byte too few", vec![CoverageRow { bytes: 119, ..row.clone() }], false),
        ("another channel", vec![CoverageRow { channel: "system".to_owned(), ..row }], false),
    ] {
        let outcome = Outcome { coverage: rows, ..outcome("e", 0) };
        assert_eq!(outcome.covers(), complete, "{what}");
    }
}

#[test]
fn what_a_client_chooses_is_bounded() {
    let mut long = intent("e1", 1);
    long.model = Some("模".repeat(10_000));
    let bytes = bytes(Record::Intent(long), 1);
    let Some(Record::Intent(read)) = Stored::parse(&bytes).unwrap().record else { panic!() };
    assert_eq!(read.model.unwrap().len() as u64 + read.cut["model"], 30_000);
    let refused = |record| Encoded::new(record).unwrap_err();
    assert_eq!(refused(Record::Intent(intent("", 1))), EncodeError::Exchange);
    assert_eq!(refused(Record::Intent(intent(&"e".repeat(65), 1))), EncodeError::Exchange);
    let huge = Anchor { checkpoint: "x".repeat(9000), ..Anchor::default() };
    assert_eq!(refused(Record::Anchor(huge)), EncodeError::TooLarge);
    let big = Erasure { count: 1 << 53, ..Erasure::default() };
    assert_eq!(refused(Record::Erasure(big)), EncodeError::Value(JsonFault::Value));
}

#[test]
fn ids_of_exchanges() {
    let id = "019aabcd-0123-7000-8000-0000000000ff";
    assert_eq!(uuid7_millis(id), Some(0x019a_abcd_0123));
    assert_eq!(ExchangeKey::of(id).0[15], 0xff);
    assert_eq!(uuid7_millis("019aabcd-0123-4000-8000-0000000000ff"), None);
    assert_eq!(uuid7_millis("019AABCD-0123-7000-8000-0000000000ff"), None);
    assert_eq!(uuid7_millis("019aabcd001237000-8000-0000000000fff"), None);
    assert_ne!(ExchangeKey::of("a"), ExchangeKey::of("b"));
}

/// The records that the scanner must not leave to the slow reader.
fn plain(record: &Record) -> bool {
    match record {
        Record::Intent(_) | Record::Outcome(_) => true,
        // One that was held for a person is rare.
        Record::ToolCall(call) => call.approval.is_none() && call.approved.is_none(),
        _ => false,
    }
}

#[test]
fn plain_records_are_scanned() {
    let bare = [
        Record::Intent(Intent::default()),
        Record::Outcome(Box::default()),
        Record::ToolCall(ToolCall::default()),
        Record::Outcome(Box::new(Outcome {
            coverage: vec![CoverageRow {
                cached: 1,
                failed: 2,
                skipped: 3,
                timed_out: 4,
                tokens: 5,
                truncated: 6,
                ..outcome("e", 0).coverage[0].clone()
            }],
            reason: Some("模".to_owned()),
            ..outcome("e", 0)
        })),
    ];
    for mut record in every_kind().into_iter().chain(bare) {
        // The log does not let these pass empty.
        match &mut record {
            Record::Intent(intent) => intent.exchange = exchange(1),
            Record::Outcome(outcome) => outcome.exchange = exchange(1),
            Record::ToolCall(call) => call.exchange = exchange(1),
            _ => {}
        }
        let (is_plain, kind) = (plain(&record), record.kind());
        let bytes = bytes(record, 1_795_000_000_000_000);
        let scanned = Facts::scanned(&bytes);
        assert_eq!(scanned.is_some(), is_plain, "{kind}: {}", String::from_utf8_lossy(&bytes));
        let parsed = Facts::from(Stored::parse(&bytes).unwrap());
        assert_eq!(scanned.unwrap_or_else(|| parsed.clone()), parsed);
    }
}

/// Whatever the scanner takes, the reader takes, and it means the same.
fn scanned_as_parsed(bytes: &[u8]) {
    if let Some(scanned) = Facts::scanned(bytes) {
        let parsed = Stored::parse(bytes).map(Facts::from);
        assert_eq!(parsed.as_ref(), Ok(&scanned), "{}", String::from_utf8_lossy(bytes));
    }
}

/// Every byte of a record as bytes that mean something, and every spelling that
/// the canonical form leaves out.
#[test]
fn the_scanner_takes_nothing_that_the_reader_refuses() {
    for record in every_kind().into_iter().filter(plain) {
        let good = bytes(record, 1_795_000_000_000_000);
        for at in 0..good.len() {
            let mut bad = good.clone();
            for with in b"\"\\ ,:{}[]019aAQz-_\x1f\x7f\x80\xc3" {
                bad[at] = *with;
                scanned_as_parsed(&bad);
            }
            let mut shorter = good.clone();
            shorter.remove(at);
            scanned_as_parsed(&shorter);
            for with in b" ,:\"0{}[]\\" {
                let mut longer = good.clone();
                longer.insert(at, *with);
                scanned_as_parsed(&longer);
            }
        }
    }
    let outcome = String::from_utf8(bytes(every_kind()[4].clone(), 7)).unwrap();
    let intent = String::from_utf8(bytes(every_kind()[3].clone(), 7)).unwrap();
    for (good, from, to) in [
        (&outcome, "\"judge\":12", "\"\":12"),
        (&outcome, "\"judge\":12", "\"z\":12"),
        (&outcome, "\"judge\":12", "\"é\":12"),
        (&outcome, "\"judge\":12", "\"judge\":012"),
        (&outcome, "\"judge\":12", "\"judge\":9007199254740992"),
        (&outcome, "\"judge\":12", "\"judge\":99999999999999999999"),
        (&outcome, "\"judge\":12", "\"judge\":12,\"judge\":12"),
        (&outcome, "{\"judge\":12,\"screen\":431}", "{}"),
        (&outcome, "[\"injection\"]", "[]"),
        (&outcome, "[\"injection\"]", "[\"inj\\u0065ction\"]"),
        (&outcome, "\"segments\":2", "\"segments\":2,\"skipped\":0"),
        (&outcome, "\"upstream_status\":200", "\"upstream_status\":65536"),
        (&outcome, "\"score_ppm\":993120", "\"score_ppm\":4294967296"),
        (&outcome, "\"v\":1", "\"v\":2"),
        (&outcome, "\"verdict\":\"block\"", "\"verdict\":\"blocked\""),
        (&outcome, "\"enforcement\":\"enforced\"", "\"enforcement\":\"forced\""),
        (&outcome, "\"bytes\":120", "\"bytes\":121"),
        (&intent, "\"overlap\":true", "\"overlap\":false"),
        (&intent, "\"model\":2,", ""),
        (&intent, "\"time\":7", "\"time\":-7"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(&bad, good, "{from}");
        scanned_as_parsed(bad.as_bytes());
    }
}

proptest! {
    #[test]
    fn changed_records_scan_as_they_parse(
        kind in 3_usize..6,
        changes in prop::collection::vec((0_usize..2000, any::<u8>()), 1..4),
    ) {
        let mut bytes = bytes(every_kind()[kind].clone(), 1_795_000_000_000_000);
        for (at, with) in changes {
            let place = at % bytes.len();
            bytes[place] = with;
        }
        scanned_as_parsed(&bytes);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Stored::parse(&bytes);
    }

    /// One changed byte of a record is another record or none, and whatever is
    /// read writes itself again.
    #[test]
    fn a_changed_record_is_never_spelled_in_two_ways(at in 0_usize..2000, with in any::<u8>(), kind in 0_usize..15) {
        let mut bytes = bytes(every_kind()[kind].clone(), 1_795_000_000_000_000);
        let place = at % bytes.len();
        bytes[place] = with;
        if let Ok(Stored { record: Some(record), time, .. }) = Stored::parse(&bytes) {
            let encoded = Encoded::new(record);
            if let Ok(encoded) = encoded {
                let mut again = Vec::new();
                encoded.stamp(time, &mut again);
                // The log recomputes what only it may say; all else is the same.
                prop_assert!(again == bytes || String::from_utf8_lossy(&bytes).contains("\"coverage\""));
            }
        }
    }
}
