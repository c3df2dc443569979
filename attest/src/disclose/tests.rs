use std::path::Path;

use crate::testing::*;
use crate::*;

/// A record, the fields to open, and what they then confirm.
type Case<'a> = (u64, &'a [&'a str], &'a [(&'a str, &'a [u8])]);

/// A log of one exchange with a tool call; tells the indexes of its intent,
/// tool call, outcome, and of an approval.
fn build(path: &Path) -> (Log, [u64; 4]) {
    let log = Log::open(config(path), StoppedClock::at(NOW)).unwrap();
    let first = begin(&log);
    let id = exchange(1);
    let committer = log.committer("acme", &id).unwrap();
    let mut started = intent(&id, first);
    started.tenant = log.pseudonym("tenant", "acme");
    started.request = Some(committer.commit("request", b"question"));
    let started = log.append(Record::Intent(started)).unwrap().wait().unwrap().index;
    let call = ToolCall {
        arguments: Some(committer.commit("arguments/1", br#"{"to":"bob"}"#)),
        exchange: id.clone(),
        intent: started,
        number: 1,
        tool: "send_mail".to_owned(),
        ..ToolCall::default()
    };
    let called = log.append(Record::ToolCall(call)).unwrap().wait().unwrap().index;
    let mut ended = outcome(&id, started);
    ended.request = Some(committer.commit("request", b"question"));
    ended.response_upstream = Some(committer.commit("response.upstream", b"raw"));
    ended.response_released = Some(committer.commit("response.released", b"answer"));
    let ended = log.append(Record::Outcome(Box::new(ended))).unwrap().wait().unwrap().index;
    let (held, approver) =
        (exchange(2), Signer::generate("example.com/approver", [9; 32]).unwrap());
    let committer = log.committer("acme", &held).unwrap();
    let approved = Approval {
        call: committer.commit(Approval::FIELD, &Approval::content("send_mail", "{}")),
        tenant: log.pseudonym("tenant", "acme"),
        ..approval(&held, ApprovalDecision::Allow)
    };
    let approved = approved.signed("example.com/guard-log", &approver).unwrap();
    let approved = log.append(Record::Approval(Box::new(approved))).unwrap().wait().unwrap().index;
    while log.status().published_size < log.status().size {
        std::thread::yield_now();
    }
    (log, [started, called, ended, approved])
}

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn exactly_the_named_fields_are_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (log, [started, called, ended, approved]) = build(path);
    let cases: &[Case<'_>] = &[
        (approved, &["call"], &[("call", br#"["send_mail","{}"]"#)]),
        (started, &["request"], &[("request", b"question")]),
        (called, &["arguments/1"], &[("arguments/1", br#"{"to":"bob"}"#)]),
        (ended, &["response.released"], &[("response.released", b"answer")]),
        (
            ended,
            &["request", "response.upstream"],
            &[("request", b"question"), ("response.upstream", b"raw")],
        ),
        (ended, &[], &[]),
    ];
    for running in [true, false] {
        for &(index, names, contents) in cases {
            let disclosed = disclose(path, index, &fields(names)).unwrap();
            let text = disclosed.receipt.as_str().as_bytes();
            let receipt = verify_receipt(text, &policy(), None).unwrap();
            assert_eq!((receipt.index, receipt.openings.len()), (index, contents.len()));
            for (name, content) in contents {
                assert_eq!(receipt.confirms(name, content), Some(true), "{name}");
                assert_eq!(receipt.confirms(name, b"other"), Some(false), "{name}");
            }
        }
        if running {
            log.close().unwrap();
        }
    }
    let disclosed = disclose(path, ended, &[]).unwrap();
    assert_eq!(disclosed.kind, "outcome");
    assert_eq!(disclosed.fields, ["request", "response.upstream", "response.released"]);
}

#[test]
fn what_cannot_be_disclosed_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (log, [started, called, ended, approved]) = build(path);
    let fault = |index, names: &[&str]| disclose(path, index, &fields(names)).unwrap_err();
    assert!(matches!(fault(99, &[]), DiscloseError::NoRecord { index: 99, size: 8 }));
    let told = fault(called, &["arguments/0"]).to_string();
    assert_eq!(told, "the toolcall record 5 has no field `arguments/0`; it has `arguments/1`");
    let told = fault(0, &["request"]).to_string();
    assert!(told.ends_with("it commits to no content"), "{told}");
    // Erased: it says so, and the record's own fields can still be told.
    let day: Day = "2026-11-18".parse().unwrap();
    let erase = Erase { tenant: None, from: day, to: day, reason: "asked".to_owned(), today: true };
    log.erase(&erase).unwrap();
    for (index, field) in [
        (started, "request"),
        (called, "arguments/1"),
        (ended, "response.released"),
        (approved, "call"),
    ] {
        assert!(matches!(fault(index, &[field]), DiscloseError::Erased(on) if on == day));
        let still = disclose(path, index, &[]).unwrap();
        assert_eq!(still.erased, Some(day));
        assert!(verify_receipt(still.receipt.as_str().as_bytes(), &policy(), None).is_ok());
    }
    drop(log);
    // Another log's vault, or a file that is gone.
    let key = std::fs::read_dir(path.join("vault/keys")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(key).unwrap();
    assert!(matches!(fault(ended, &["request"]), DiscloseError::NoKey(on) if on == day));
    // Written, and not public yet.
    let head = Checkpoint { origin: signer().name().to_owned(), size: 0, root: Hash::empty_root() };
    std::fs::write(path.join("checkpoint"), head.sign(&signer())).unwrap();
    assert!(matches!(fault(ended, &[]), DiscloseError::NotYet { size: 0, .. }));
    let nothing = tempfile::tempdir().unwrap();
    let none = disclose(nothing.path(), 0, &[]);
    assert!(matches!(none, Err(DiscloseError::Read(ReadError::NoLog))));
}
