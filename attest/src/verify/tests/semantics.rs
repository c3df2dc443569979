//! The rules between records, on logs that break them: signed all right, by
//! whoever holds the key.

use crate::record::Encoded;

use super::*;

/// A static log of these records, stamped a second apart, signed.
fn signed(records: &[(Record, u64)]) -> MemorySource {
    let mut entries = Vec::new();
    for (record, time) in records {
        let mut entry = Vec::new();
        Encoded::new(record.clone()).unwrap().stamp(*time, &mut entry);
        entries.push(entry);
    }
    of_entries(&entries)
}

pub(super) fn of_entries(entries: &[Vec<u8>]) -> MemorySource {
    let (mut files, mut bundle) = (BTreeMap::new(), Vec::new());
    let (mut tree, mut tile) = (Frontier::new(), Vec::new());
    for entry in entries {
        assert!(crate::tile::push_entry(&mut bundle, entry));
        tree.push(Hash::leaf(entry));
        tile.extend(Hash::leaf(entry).0);
    }
    let size = entries.len() as u64;
    let origin = "example.com/guard-log".to_owned();
    let note = Checkpoint { origin, size, root: tree.root() }.sign(&signer());
    files.insert("checkpoint".to_owned(), note.into_bytes());
    files.insert(format!("tile/0/000.p/{size}"), tile);
    files.insert(format!("tile/entries/000.p/{size}"), bundle);
    MemorySource { files: Arc::new(files), ..MemorySource::default() }
}

/// Boot and configurations, as the engine writes them.
pub(super) fn preamble() -> Vec<Record> {
    let Record::Boot(mut boot) = boot() else { panic!() };
    boot.log_key = signer().verifier().to_string();
    vec![
        Record::Boot(boot),
        configured(ConfigOf::Policy, None),
        configured(ConfigOf::Model, None),
        configured(ConfigOf::Settings, None),
    ]
}

fn ended(n: u64, intent: u64) -> Record {
    Record::Outcome(Box::new(outcome(&exchange(n), intent)))
}

fn started(n: u64) -> Record {
    Record::Intent(intent(&exchange(n), 1))
}

fn beat(counters: RouteCounters) -> Record {
    let routes = [("chat".to_owned(), counters)].into();
    Record::Heartbeat(Heartbeat { routes, ..Heartbeat::default() })
}

fn nothing_beats() -> Record {
    Record::Heartbeat(Heartbeat::default())
}

fn end() -> Record {
    Record::Close(Close { end: true, ..Close::default() })
}

fn follows(note: &str) -> Record {
    let Record::Boot(boot) = preamble().remove(0) else { panic!() };
    Record::Boot(Boot { follows: Some(note.to_owned()), ..boot })
}

fn of_a_log() -> String {
    let origin = "example.com/guard-log".to_owned();
    Checkpoint { origin, size: 1, root: Hash([1; 32]) }.sign(&signer())
}

fn close(intents: u64, outcomes: u64) -> Record {
    Record::Close(Close { intents, outcomes, ..Close::default() })
}

#[test]
fn rules_between_records() {
    let blocked = |n| RouteCounters { accepted: n, blocked: n, ..RouteCounters::default() };
    let other_config = || {
        let mut intent = intent(&exchange(1), 1);
        intent.config.policy = 3;
        Record::Intent(intent)
    };
    let late_config = || {
        let mut intent = intent(&exchange(1), 1);
        intent.config.model = Some(9);
        Record::Intent(intent)
    };
    let call = |n, intent| {
        Record::ToolCall(ToolCall { exchange: exchange(n), intent, ..ToolCall::default() })
    };
    let dropped = RouteCounters { dropped: 1, ..blocked(1) };
    for (what, after, code) in [
        ("nothing yet", vec![], 0),
        ("one exchange", vec![started(1), ended(1, 4)], 0),
        ("a young open intent", vec![started(1)], 0),
        ("an open intent and a close", vec![started(1), close(1, 0)], 2),
        ("an open intent and another boot", vec![started(1), preamble().remove(0)], 2),
        ("a closed log", vec![started(1), ended(1, 4), close(1, 1)], 0),
        ("a log that has ended", vec![end()], 0),
        ("a boot after the end", vec![end(), preamble().remove(0)], 1),
        ("a heartbeat after the end", vec![end(), beat(blocked(0))], 1),
        ("a second boot that follows no log", vec![follows("nothing")], 1),
        ("a second boot that follows a log", vec![follows(&of_a_log())], 1),
        ("final counts that lie", vec![started(1), ended(1, 4), close(1, 2)], 1),
        ("an intent after the close", vec![close(0, 0), started(1), ended(1, 5)], 1),
        ("an outcome without intent", vec![ended(1, 4)], 1),
        ("an outcome of another exchange", vec![started(1), ended(2, 4)], 1),
        ("two outcomes", vec![started(1), ended(1, 4), ended(1, 4)], 1),
        ("an outcome before its intent", vec![ended(1, 5), started(1)], 1),
        ("a tool call", vec![started(1), call(1, 4), ended(1, 4)], 0),
        ("a tool call of no exchange", vec![call(1, 4)], 1),
        ("another kind of configuration", vec![other_config(), ended(1, 4)], 1),
        ("a configuration that is not there yet", vec![late_config(), ended(1, 4)], 1),
        ("heartbeats", vec![started(1), ended(1, 4), beat(blocked(1)), beat(blocked(0))], 0),
        ("one that is late", vec![started(1), ended(1, 4), beat(blocked(0)), beat(blocked(1))], 0),
        (
            "a verdict told twice",
            vec![started(1), ended(1, 4), beat(blocked(1)), beat(blocked(1))],
            2,
        ),
        ("more verdicts than intents", vec![started(1), ended(1, 4), beat(blocked(2))], 2),
        (
            "fewer verdicts than outcomes",
            vec![started(1), ended(1, 4), beat(blocked(0)), beat(blocked(0))],
            2,
        ),
        (
            "heartbeats that leave a route out",
            vec![started(1), ended(1, 4), nothing_beats(), nothing_beats()],
            2,
        ),
        ("dropped records", vec![started(1), ended(1, 4), beat(dropped)], 2),
    ] {
        let mut records = preamble();
        records.extend(after);
        let stamped: Vec<(Record, u64)> = records.into_iter().zip(NOW..).collect();
        let report = report(&signed(&stamped));
        assert_eq!(report.exit_code, code, "{what}: {:?}", report.faults);
    }
    let bare = vec![(started(1), NOW)];
    assert_eq!(report(&signed(&bare)).exit_code, 1);
}

#[test]
fn time_and_age() {
    let mut records: Vec<(Record, u64)> = preamble().into_iter().zip(NOW..).collect();
    records.push((started(1), NOW + 10));
    assert_eq!(report(&signed(&records)).open, 1);
    // An hour and a second later it is no longer young.
    records.push((beat(RouteCounters::default()), NOW + 10 + 3_601_000_000));
    let old = report(&signed(&records));
    assert_eq!((old.exit_code, old.open, old.faults[0].index), (2, 0, Some(4)));
    records.push((close(1, 0), NOW));
    assert_eq!(report(&signed(&records)).exit_code, 1);
}

#[test]
fn what_is_newer_than_the_auditor_is_counted_and_not_judged() {
    let mut entries = Vec::new();
    for (record, time) in preamble().into_iter().zip(NOW..) {
        let mut entry = Vec::new();
        Encoded::new(record).unwrap().stamp(time, &mut entry);
        entries.push(entry);
    }
    entries.push(format!(r#"{{"kind":"hologram","time":{},"v":1}}"#, NOW + 9).into_bytes());
    entries.push(format!(r#"{{"kind":"intent","time":{},"v":2}}"#, NOW + 9).into_bytes());
    let newer = report(&of_entries(&entries));
    assert_eq!((newer.exit_code, newer.unknown, newer.fault_count), (5, 2, 1));
    // What those before may explain is not judged either: an outcome without an
    // intent, a configuration that nobody declared, counts.
    let mut late_config = intent(&exchange(1), 1);
    late_config.config.model = Some(4);
    let after = [ended(1, 5), Record::Intent(late_config), close(7, 7)];
    let mut explained = entries.clone();
    for (record, time) in after.into_iter().zip(NOW + 10..) {
        let mut entry = Vec::new();
        Encoded::new(record).unwrap().stamp(time, &mut entry);
        explained.push(entry);
    }
    let report_of = report(&of_entries(&explained));
    assert_eq!(report_of.exit_code, 5, "{:?}", report_of.faults);
    // The gravest fault decides, and what is no record at all is grave.
    entries.push(b"{\"kind\": \"hologram\"}".to_vec());
    assert_eq!(report(&of_entries(&entries)).exit_code, 1);
}

#[test]
fn a_coverage_map_that_lies() {
    let lying =
        |text: &str| text.replace("\"coverage_complete\":true", "\"coverage_complete\":false");
    let mut entries = Vec::new();
    let mut records = preamble();
    records.extend([started(1), ended(1, 4)]);
    for (record, time) in records.into_iter().zip(NOW..) {
        let mut entry = Vec::new();
        Encoded::new(record).unwrap().stamp(time, &mut entry);
        entries.push(lying(&String::from_utf8(entry).unwrap()).into_bytes());
    }
    assert_eq!(report(&of_entries(&entries)).exit_code, 1);
}

/// What the first boot says of the log before: nothing that is no checkpoint,
/// and no checkpoint that a known key did not sign.
#[test]
fn the_log_that_is_followed() {
    let forged = of_a_log().replacen("\n1\n", "\n2\n", 1);
    let stranger = Signer::generate("example.com/old", [8; 32]).unwrap();
    let origin = "example.com/old".to_owned();
    let unknown = Checkpoint { origin, size: 1, root: Hash([1; 32]) }.sign(&stranger);
    for (what, note, code, verified) in [
        ("nothing", "nothing".to_owned(), 1, None),
        ("a known log's head", of_a_log(), 0, Some(true)),
        ("one that it did not sign", forged, 1, None),
        ("an unknown log's head", unknown, 0, Some(false)),
    ] {
        let report = report(&signed(&[(follows(&note), NOW)]));
        assert_eq!(report.exit_code, code, "{what}: {:?}", report.faults);
        assert_eq!(report.follows.map(|follows| follows.verified), verified, "{what}");
    }
}

#[test]
fn statements_are_their_signatories() {
    let origin = "example.com/guard-log";
    let operator = Signer::generate("example.com/operator", [5; 32]).unwrap();
    // It stands at index 4, four microseconds after NOW.
    let stated = |kind, origin, records: &[u64], at| {
        Statement::signed(kind, origin, records.to_vec(), "it was seen", at, &operator).unwrap()
    };
    let (incident, minutes) = (StatementKind::Incident, 60_000_000);
    let good = || stated(incident, origin, &[0, 3], NOW);
    let forged = |change: fn(&mut Statement)| {
        let mut statement = good();
        change(&mut statement);
        Record::Incident(statement)
    };
    for (what, record, code) in [
        ("an incident", Record::Incident(good()), 0),
        ("a review", Record::Review(stated(StatementKind::Review, origin, &[], NOW)), 0),
        ("a stop", Record::Stop(stated(StatementKind::Stop, origin, &[1], NOW)), 0),
        ("another kind than was signed", Record::Stop(good()), 1),
        ("another log", Record::Incident(stated(incident, "example.com/other", &[], NOW)), 1),
        ("its own index", Record::Incident(stated(incident, origin, &[4], NOW)), 1),
        ("ten minutes old", Record::Incident(stated(incident, origin, &[], NOW - 9 * minutes)), 0),
        (
            "an old one again",
            Record::Incident(stated(incident, origin, &[], NOW - 11 * minutes)),
            1,
        ),
        ("one from later", Record::Incident(stated(incident, origin, &[], NOW + 11 * minutes)), 1),
        ("another text", forged(|statement| statement.statement.push('!')), 1),
        ("another record", forged(|statement| statement.records = vec![0, 2]), 1),
        ("another key", forged(|s| s.key = signer().verifier().to_string()), 1),
        ("no key", forged(|statement| statement.key.clear()), 1),
        ("no signature", forged(|statement| statement.signature.clear()), 1),
    ] {
        let mut records = preamble();
        records.push(record);
        let stamped: Vec<(Record, u64)> = records.into_iter().zip(NOW..).collect();
        let report = report(&signed(&stamped));
        assert_eq!(report.exit_code, code, "{what}: {:?}", report.faults);
        let told = report.faults.iter().map(|fault| (fault.index, fault.kind));
        let expected = (code == 1).then_some((Some(4), FaultKind::Tampered));
        assert!(told.eq(expected), "{what}: {:?}", report.faults);
    }
}

/// What stands between the intent at index 4 and the close, after a good
/// approval at 5 unless it says otherwise; and the index of the fault.
#[test]
fn one_approval_lets_one_call_pass() {
    let minutes = 60_000_000;
    let held = exchange(7);
    let given = |change: fn(&mut Approval)| {
        let mut approval = approval(&exchange(7), ApprovalDecision::Allow);
        change(&mut approval);
        let approver = Signer::generate("example.com/approver", [9; 32]).unwrap();
        Record::Approval(Box::new(approval.signed("example.com/guard-log", &approver).unwrap()))
    };
    let good = || given(|_| {});
    let forged = |change: fn(&mut Approval)| {
        let mut approval = approval(&exchange(7), ApprovalDecision::Allow);
        change(&mut approval);
        Record::Approval(Box::new(approval))
    };
    let call = |number, change: fn(&mut ToolCall)| {
        let mut call = ToolCall {
            approval: Some(held.clone()),
            approved: Some(Commitment([6; 32])),
            definition: Some(Digest::of(b"tool")),
            exchange: exchange(1),
            intent: 4,
            number,
            tool: "send_mail".to_owned(),
            verdict: RecordVerdict::Flag,
            ..ToolCall::default()
        };
        change(&mut call);
        Record::ToolCall(call)
    };
    let passes = || call(0, |_| {});
    let expired = |a: &mut Approval| a.expires = NOW - 11 * 60_000_000;
    let cases: Vec<(&str, Vec<Record>, Option<u64>)> = vec![
        ("used once", vec![good(), passes()], None),
        ("never used", vec![good()], None),
        (
            "used as another verdict",
            vec![good(), call(0, |c| c.verdict = RecordVerdict::Redact)],
            None,
        ),
        ("held, and given up", vec![call(0, |c| c.verdict = RecordVerdict::Approve)], None),
        (
            "denied, and stopped",
            vec![
                given(|a| a.decision = ApprovalDecision::Deny),
                call(0, |c| c.verdict = RecordVerdict::Block),
            ],
            None,
        ),
        (
            "given late, within the tolerance of clocks",
            vec![given(|a| a.expires = NOW - 9 * 60_000_000), passes()],
            None,
        ),
        ("used twice", vec![good(), passes(), call(1, |_| {})], Some(7)),
        (
            "used twice, the second time for another call",
            vec![good(), passes(), call(1, |c| c.approved = Some(Commitment([7; 32])))],
            Some(7),
        ),
        ("given after it was used", vec![passes(), good()], Some(5)),
        ("not given at all", vec![passes()], Some(5)),
        ("no id", vec![good(), call(0, |c| c.approval = None)], Some(6)),
        ("of another id", vec![good(), call(0, |c| c.approval = Some(exchange(8)))], Some(6)),
        (
            "denied, and passed",
            vec![given(|a| a.decision = ApprovalDecision::Deny), passes()],
            Some(6),
        ),
        (
            "denied, then allowed",
            vec![given(|a| a.decision = ApprovalDecision::Deny), good()],
            Some(6),
        ),
        ("given twice", vec![good(), good()], Some(6)),
        ("another tool", vec![good(), call(0, |c| c.tool = "send_money".to_owned())], Some(6)),
        ("another definition", vec![good(), call(0, |c| c.definition = None)], Some(6)),
        (
            "other arguments",
            vec![good(), call(0, |c| c.approved = Some(Commitment([7; 32])))],
            Some(6),
        ),
        ("no arguments", vec![good(), call(0, |c| c.approved = None)], Some(6)),
        (
            "another principal's",
            vec![given(|a| a.principal = "b3RoZXI".to_owned()), passes()],
            Some(6),
        ),
        ("under another bundle", vec![given(|a| a.bundle = Digest::of(b"old")), passes()], Some(6)),
        ("recorded after it had expired", vec![given(expired)], Some(5)),
        (
            "signed by another key",
            vec![forged(|a| a.key = signer().verifier().to_string()), passes()],
            Some(5),
        ),
        ("no key", vec![forged(|a| a.key.clear())], Some(5)),
        ("no signature", vec![forged(|a| a.signature.clear())], Some(5)),
        ("another call than was signed", vec![forged(|a| a.call = Commitment([7; 32]))], Some(5)),
        (
            "another principal than was signed",
            vec![forged(|a| a.principal = "b3RoZXI".to_owned())],
            Some(5),
        ),
        ("a longer time than was signed", vec![forged(|a| a.expires += 1)], Some(5)),
        (
            "the other decision than was signed",
            vec![forged(|a| a.decision = ApprovalDecision::Deny)],
            Some(5),
        ),
    ];
    for (what, between, at) in cases {
        let mut records = preamble();
        records.push(started(1));
        records.extend(between);
        records.push(ended(1, 4));
        let stamped: Vec<(Record, u64)> = records.into_iter().zip(NOW..).collect();
        let report = report(&signed(&stamped));
        let told: Vec<_> = report.faults.iter().map(|fault| (fault.index, fault.kind)).collect();
        let first = told.first().copied();
        assert_eq!(
            first,
            at.map(|at| (Some(at), FaultKind::Tampered)),
            "{what}: {:?}",
            report.faults
        );
        assert_eq!(report.exit_code, u8::from(at.is_some()), "{what}");
    }
    // The use of an approval lies after its end, but not by more than a log may be late.
    for (late, code) in [(9 * minutes, 0), (11 * minutes, 1)] {
        let Record::Approval(approval) = good() else { panic!() };
        let mut stamped: Vec<(Record, u64)> = preamble().into_iter().zip(NOW..).collect();
        stamped.extend([(started(1), NOW + 5), (good(), NOW + 6)]);
        stamped
            .extend([(passes(), approval.expires + late), (ended(1, 4), approval.expires + late)]);
        assert_eq!(report(&signed(&stamped)).exit_code, code, "{late}");
    }
}
