use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::testing::*;
use crate::*;

use super::audit::Audit;

mod attacks;
mod semantics;
mod tamper;

/// A closed log of 600 records and more: boot, configurations, exchanges, a
/// tool call, heartbeats, close.
fn build(directory: &Path, segment_bytes: u64) {
    let config = LogConfig { segment_bytes, ..config(directory) };
    let log = Log::open(config, StoppedClock::at(NOW)).unwrap();
    let first = begin(&log);
    for batch in 0..5 {
        complete_many(&log, batch * 60..(batch + 1) * 60, first);
        let counters = RouteCounters { accepted: 60, blocked: 60, ..RouteCounters::default() };
        let heartbeat =
            Heartbeat { routes: [("chat".to_owned(), counters)].into(), ..Heartbeat::default() };
        log.append(Record::Heartbeat(heartbeat)).unwrap().wait().unwrap();
    }
    let id = exchange(7000);
    let started = log.append(Record::Intent(intent(&id, first))).unwrap().wait().unwrap();
    let call = ToolCall {
        arguments: Some(Commitment([8; 32])),
        definition: Some(Digest::of(b"tool")),
        exchange: id.clone(),
        intent: started.index,
        tool: "send_mail".to_owned(),
        verdict: RecordVerdict::Block,
        ..ToolCall::default()
    };
    log.append(Record::ToolCall(call)).unwrap().wait().unwrap();
    log.append(Record::Outcome(Box::new(outcome(&id, started.index)))).unwrap().wait().unwrap();
    log.close().unwrap();
}

fn report(source: &dyn LogSource) -> Report {
    verify(source, &policy(), &VerifyOptions::default(), |_| {})
}

#[test]
fn a_log_and_its_export_verify() {
    let directory = tempfile::tempdir().unwrap();
    let (log, public) = (directory.path().join("log"), directory.path().join("public"));
    build(&log, 64 * 1024);
    let mut last = None;
    let options = VerifyOptions::default();
    let own = verify(&DirectorySource::new(&log), &policy(), &options, |progress| {
        last = Some(progress);
    });
    assert!(own.is_ok(), "{own:#?}");
    assert_eq!((own.size, own.published_size), (613, 613));
    assert_eq!(last.map(|progress| (progress.done, progress.total)), Some((613, 613)));
    assert_eq!(own.records["intent"], 301);
    assert_eq!(own.records["heartbeat"], 5);
    assert_eq!(own.verdicts, BTreeMap::from([("block".to_owned(), 301)]));
    let exported = export(&DirectorySource::new(&log), &public, |_| {}).unwrap();
    assert_eq!(exported.size, 613);
    // Twice is the same, and never over something else.
    export(&DirectorySource::new(&log), &public, |_| {}).unwrap();
    let twice = export(&DirectorySource::new(&log), &log, |_| {});
    assert!(matches!(twice, Err(ExportError::Occupied)));
    let copy = DirectorySource::new(&public);
    let theirs = report(&copy);
    assert!(theirs.is_ok(), "{theirs:#?}");
    assert_eq!((theirs.size, &theirs.root), (own.size, &own.root));
    assert_eq!(theirs.records, own.records);
    // An export of an export is one too, and proofs come from either.
    let again = directory.path().join("again");
    assert_eq!(export(&copy, &again, |_| {}).unwrap().files, exported.files);
    let source = DirectorySource::new(&log);
    for source in [&source, &copy] {
        let view = LogView::open(source).unwrap();
        for index in [0, 255, 256, 600, 612] {
            let proof = view.prove(index).unwrap();
            let verified = verify_receipt(proof.as_str().as_bytes(), &policy(), None).unwrap();
            assert_eq!(verified.entry, view.entry(index).unwrap());
        }
        assert!(matches!(view.entry(613), Err(ReadError::Beyond(613))));
        for (old, new) in [(0, 613), (1, 256), (255, 257), (512, 613), (613, 613)] {
            let proof = view.prove_consistency(old, new).unwrap();
            let (a, b) = (view.root_at(old).unwrap(), view.root_at(new).unwrap());
            assert_eq!(verify_consistency(old, new, &proof, &a, &b), Ok(()));
        }
    }
}

#[test]
fn a_growing_export_sheds_its_partial_tiles() {
    let directory = tempfile::tempdir().unwrap();
    let (path, public) = (directory.path().join("log"), directory.path().join("public"));
    let log = Log::open(config(&path), StoppedClock::at(NOW)).unwrap();
    let source = DirectorySource::new(&path);
    let first = begin(&log);
    for part in 0..6 {
        complete_many(&log, part * 60..(part + 1) * 60, first);
        while log.status().published_size < log.status().size {
            std::thread::yield_now();
        }
        export(&source, &public, |_| {}).unwrap();
        let report = report(&DirectorySource::new(&public));
        assert!(report.is_ok(), "{report:#?}");
        assert_eq!(report.size, 4 + (part + 1) * 120);
    }
    assert!(!public.join("tile/0/000.p").exists());
    assert!(public.join("tile/0/002.p/212").exists());
    // One for each size that was public while the tile was not full.
    assert_eq!(std::fs::read_dir(public.join("tile/0/002.p")).unwrap().count(), 2);
}

#[test]
fn a_running_log_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(config(directory.path()), StoppedClock::at(NOW)).unwrap();
    let first = begin(&log);
    std::thread::scope(|scope| {
        let writer = log.clone();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = Arc::clone(&done);
        scope.spawn(move || {
            let mut n = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) && n < 4000 {
                complete_many(&writer, n..n + 40, first);
                n += 40;
            }
        });
        let mut sizes = Vec::new();
        while sizes.len() < 12 {
            let report = report(&DirectorySource::new(directory.path()));
            assert!(report.is_ok(), "{report:#?}");
            sizes.push(report.size);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(sizes.is_sorted());
    });
}

#[test]
fn the_wrong_key_believes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), 64 * 1024);
    let other = Signer::generate("example.com/guard-log", [1; 32]).unwrap();
    let policy = TrustPolicy::for_log(&other.verifier());
    let source = DirectorySource::new(directory.path());
    let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
    assert_eq!(report.exit_code, 1);
    // A witness that the policy asks for, and that never cosigned.
    let text = format!(
        "log {}\nwitness w {}\nquorum w\n",
        signer().verifier(),
        witness().witness_verifier()
    );
    let policy = TrustPolicy::parse(&text).unwrap();
    let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
    assert_eq!((report.exit_code, report.status.as_str()), (3, "unwitnessed"));
    let nothing = tempfile::tempdir().unwrap();
    let empty = DirectorySource::new(nothing.path());
    assert_eq!(verify(&empty, &policy, &VerifyOptions::default(), |_| {}).exit_code, 74);
}

#[test]
fn the_json_form() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), 64 * 1024);
    let source = MemorySource::load(directory.path());
    let json = serde_json::to_value(report(&source)).unwrap();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["size"], 613);
    assert_eq!(json["records"]["intent"], 301);
    assert_eq!(json["faults"], serde_json::json!([]));
    let mut note = source.files["checkpoint"].clone();
    note[3] ^= 1;
    let json = serde_json::to_value(report(&source.with("checkpoint", note))).unwrap();
    assert_eq!(json["status"], "tampered");
    assert!(json["faults"][0]["what"].as_str().unwrap().contains("checkpoint"));
}
