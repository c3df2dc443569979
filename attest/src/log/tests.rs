use std::future::Future as _;
use std::path::Path;

use crate::testing::sim::{Crash, SimDisk};
use crate::testing::*;
use crate::*;

use super::*;

mod crash;
mod erase;
mod keys;
mod shards;

fn on_disk(disk: &SimDisk, clock: Arc<StoppedClock>) -> Result<Log, OpenError> {
    Log::start(config(Path::new("unused")), clock, Arc::new(disk.clone()), None)
}

fn open(disk: &SimDisk) -> Log {
    on_disk(disk, StoppedClock::at(NOW)).unwrap()
}

/// A closed log of 600 exchanges: full tiles, and segments that went.
fn six_hundred() -> SimDisk {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    for part in 0..6 {
        complete_many(&log, part * 100..(part + 1) * 100, first);
    }
    log.close().unwrap();
    drop(log);
    disk
}

fn audit(disk: &SimDisk) -> Report {
    verify(disk, &policy(), &VerifyOptions::default(), |_| {})
}

/// Waits until the public checkpoint has caught up; it always does.
fn publish(log: &Log) {
    while log.status().published_size < log.status().size {
        std::thread::yield_now();
    }
}

#[test]
fn a_log_lives_on_a_real_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/log");
    let open = || Log::open(config(&path), Arc::new(SystemClock));
    let log = open().unwrap();
    assert!(matches!(open(), Err(OpenError::Locked)));
    let first = begin(&log);
    complete_many(&log, 0..400, first);
    log.close().unwrap();
    log.close().unwrap();
    assert_eq!(log.append(boot()).unwrap_err(), AppendError::Closed);
    drop(log);
    let source = DirectorySource::new(&path);
    let report = verify(&source, &policy(), &VerifyOptions::default(), |_| {});
    assert!(report.is_ok() && report.closed, "{report:#?}");
    assert_eq!(report.size, 805);
    // Again: everything is still there, and goes on.
    let log = open().unwrap();
    assert_eq!(log.status().size, 805);
    let first = begin(&log);
    complete(&log, &exchange(1000), first);
    assert!(log.receipt(&exchange(3), false).is_ok());
    drop(log);
    let report = verify(&source, &policy(), &VerifyOptions::default(), |_| {});
    assert!(report.is_ok() && !report.closed, "{report:#?}");
    // Keys are for their owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path.join("vault/pseudonyms")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn segments_go_when_tiles_have_come() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    for part in 0..10 {
        complete_many(&log, part * 100..(part + 1) * 100, first);
    }
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok(), "{report:#?}");
    assert_eq!(report.size, 2005);
    // The oldest segments are gone, their exchanges are in the derived index,
    // and no partial tile was ever stored.
    assert!(crate::wal::SegmentName::newest(&disk.files("wal"))[0].first > 1000);
    assert!(!disk.files("derived/exchanges").is_empty());
    assert_eq!(disk.files("tile/entries").len(), 7);
    let log = open(&disk);
    for n in [0, 1, 500, 999] {
        let receipt = log.receipt(&exchange(n), true).unwrap();
        let verified = verify_receipt(receipt.as_str().as_bytes(), &policy(), None).unwrap();
        let Some(Record::Outcome(outcome)) = verified.record.record else { panic!() };
        assert_eq!(outcome.exchange, exchange(n));
        let entry = log.exchange(&exchange(n)).unwrap();
        assert_eq!((entry.outcome, entry.intent), (Some(verified.index), outcome.intent));
    }
    assert!(matches!(log.receipt(&exchange(5000), false), Err(ReceiptError::NotFound)));
}

#[test]
fn whoever_opens_a_log_can_ask_its_files_first() {
    let disk = six_hundred();
    let log = open(&disk);
    let size = log.status().size;
    let roots: Vec<_> =
        [0, 1, 255, 256, 257, 1000, size].map(|at| (at, log.root_at(at).unwrap())).into();
    for _ in 0..2 {
        for (at, root) in &roots {
            assert_eq!(stored_root(&disk, *at).unwrap(), Some(*root), "{at}");
        }
        assert_eq!(stored_root(&disk, size + 1).unwrap(), None);
        // Whether it is public or not, and running or not.
        disk.change("checkpoint", |bytes| bytes.clear());
    }
    drop(log);
    assert_eq!(stored_root(&SimDisk::default(), 0).unwrap(), Some(Hash::empty_root()));
    assert_eq!(stored_root(&SimDisk::default(), 1).unwrap(), None);
}

#[test]
fn what_is_at_hand_is_the_newest() {
    let disk = six_hundred();
    let log = open(&disk);
    let first = begin(&log);
    complete(&log, &exchange(700), first);
    let made = log.receipt_at_hand(&exchange(700), false).unwrap().unwrap();
    assert_eq!(made.as_str(), log.receipt(&exchange(700), false).unwrap().as_str());
    // What is in files is not looked for, though it is there.
    assert!(log.receipt_at_hand(&exchange(0), false).is_none());
    assert!(log.receipt(&exchange(0), false).is_ok());
    // What no file can hold is known to be unknown.
    let unknown = log.receipt_at_hand(&exchange(5000), false);
    assert!(matches!(unknown, Some(Err(ReceiptError::NotFound))), "{unknown:?}");
}

#[test]
fn the_derived_index_is_made_again() {
    let disk = six_hundred();
    let files = disk.files("derived/exchanges");
    assert!(files.len() > 1);
    disk.change(&format!("derived/exchanges/{}", files[0]), |bytes| bytes[40] ^= 1);
    let log = open(&disk);
    assert!(log.receipt(&exchange(0), false).is_ok());
    assert!(log.receipt(&exchange(599), false).is_ok());
}

#[test]
fn records_that_break_the_rules_are_refused() {
    let disk = SimDisk::default();
    let clock = StoppedClock::at(NOW);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    let first = begin(&log);
    let wait = |record| log.append(record).unwrap().wait();
    let ended = |id: &str, index| wait(Record::Outcome(Box::new(outcome(id, index))));
    let sealed = wait(Record::Intent(intent(&exchange(1), first))).unwrap();
    assert_eq!(wait(Record::Intent(intent(&exchange(1), first))), Err(AppendError::Duplicate));
    assert_eq!(ended(&exchange(2), sealed.index), Err(AppendError::Unpaired));
    assert_eq!(ended(&exchange(1), sealed.index + 1), Err(AppendError::Unpaired));
    assert!(matches!(log.receipt(&exchange(1), false), Err(ReceiptError::NotYet)));
    assert!(ended(&exchange(1), sealed.index).is_ok());
    assert_eq!(ended(&exchange(1), sealed.index), Err(AppendError::Unpaired));
    let call = ToolCall { exchange: exchange(1), intent: sealed.index, ..ToolCall::default() };
    assert_eq!(wait(Record::ToolCall(call)), Err(AppendError::Unpaired));
    assert_eq!(log.append(Record::Close(Close::default())).unwrap_err(), AppendError::Reserved);
    // A small step back is clamped, a large one refuses, and it passes.
    clock.set(NOW - 1_000_000);
    assert_eq!(wait(boot()).unwrap().time_micros, NOW);
    clock.set(NOW - 6_000_000);
    assert_eq!(wait(boot()), Err(AppendError::Clock));
    clock.set(NOW + 1);
    assert_eq!(wait(boot()).unwrap().time_micros, NOW + 1);
    log.close().unwrap();
    assert!(audit(&disk).is_ok());
    let behind = on_disk(&disk, StoppedClock::at(NOW - 6_000_000));
    assert!(matches!(behind, Err(OpenError::Clock(6_000_001))));
}

#[test]
fn statements_that_do_not_hold_are_refused() {
    let disk = SimDisk::default();
    let clock = StoppedClock::at(NOW);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    begin(&log);
    let operator = Signer::generate("example.com/operator", [5; 32]).unwrap();
    let stated = |origin: &str, records: Vec<u64>, at| {
        let kind = StatementKind::Incident;
        Statement::signed(kind, origin, records, "it was seen", at, &operator).unwrap()
    };
    let origin = signer().name().to_owned();
    let good = stated(&origin, vec![0, 3], NOW);
    let refused = |record: Record| match log.append(record).unwrap_err() {
        AppendError::Statement(fault) => fault,
        other => panic!("{other}"),
    };
    let forged = Statement { statement: "it was not".to_owned(), ..good.clone() };
    assert_eq!(refused(Record::Incident(forged)), StatementFault::Signature);
    let other = Statement { key: signer().verifier().to_string(), ..good.clone() };
    assert_eq!(refused(Record::Incident(other)), StatementFault::Signature);
    assert_eq!(refused(Record::Stop(good.clone())), StatementFault::Signature);
    let elsewhere = stated("example.com/other", Vec::new(), NOW);
    assert_eq!(refused(Record::Incident(elsewhere)), StatementFault::Signature);
    let later = stated(&origin, vec![4], NOW);
    assert_eq!(refused(Record::Incident(later)), StatementFault::Later);
    let old = stated(&origin, Vec::new(), NOW - 301_000_000);
    assert_eq!(refused(Record::Incident(old)), StatementFault::Time);
    assert_eq!(log.append(Record::Incident(good)).unwrap().wait().unwrap().index, 4);
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok() && report.records["incident"] == 1, "{report:#?}");
}

#[test]
fn approvals_are_checked_before_they_are_logged() {
    let disk = SimDisk::default();
    let clock = StoppedClock::at(NOW);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    begin(&log);
    let good = approval(&exchange(2), ApprovalDecision::Allow);
    let append = |approval: &Approval| {
        let appended = log.append(Record::Approval(Box::new(approval.clone())));
        appended.and_then(Pending::wait).map(|sealed| sealed.index)
    };
    let refused = |approval: &Approval| match append(approval).unwrap_err() {
        AppendError::Approval(fault) => fault,
        other => panic!("{other}"),
    };
    let denied = Approval { decision: ApprovalDecision::Deny, ..good.clone() };
    assert_eq!(refused(&denied), ApprovalFault::Signature);
    let approver = Signer::generate("example.com/approver", [9; 32]).unwrap();
    let elsewhere = good.clone().signed("example.com/other", &approver).unwrap();
    assert_eq!(refused(&elsewhere), ApprovalFault::Signature);
    clock.set(good.expires + 1);
    assert_eq!(refused(&good), ApprovalFault::Expired);
    clock.set(good.expires);
    assert_eq!(append(&good), Ok(4));
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok() && report.records["approval"] == 1, "{report:#?}");
}

#[test]
fn a_full_queue_refuses() {
    let disk = SimDisk::default();
    let config = LogConfig { queue_records: 0, ..config(Path::new("unused")) };
    let log = Log::start(config, StoppedClock::at(NOW), Arc::new(disk), None).unwrap();
    assert_eq!(log.append(boot()).unwrap_err(), AppendError::QueueFull);
}

#[test]
fn what_a_run_leaves_open_is_ended() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    for n in 0..3 {
        log.append(Record::Intent(intent(&exchange(n), first))).unwrap().wait().unwrap();
    }
    assert_eq!(log.status().open_exchanges, 3);
    drop(log);
    let report = audit(&disk.crashed(Crash::Kill));
    assert_eq!((report.exit_code, report.open), (0, 3));
    let log = open(&disk);
    assert_eq!((log.status().open_exchanges, log.status().size), (0, 10));
    let receipt = log.receipt(&exchange(1), false).unwrap();
    let verified = verify_receipt(receipt.as_str().as_bytes(), &policy(), None).unwrap();
    let Some(Record::Outcome(outcome)) = verified.record.record else { panic!() };
    assert_eq!(outcome.verdict, RecordVerdict::Abort);
    assert_eq!((outcome.reason.as_deref(), outcome.coverage_complete), (Some("crash"), false));
    // An orderly end says another reason, and its counts close the log.
    let first = begin(&log);
    log.append(Record::Intent(intent(&exchange(9), first))).unwrap().wait().unwrap();
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok() && report.closed, "{report:#?}");
    assert_eq!((report.verdicts["abort"], report.records["close"]), (4, 1));
}

#[test]
fn receipts_open_commitments_for_their_principal() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    let id = exchange(1);
    let committer = log.committer("acme", &id).unwrap();
    assert!(matches!(log.committer("acme", "not-a-uuid"), Err(VaultError::Exchange)));
    let request = committer.commit("request", b"hello");
    let mut started = intent(&id, first);
    started.tenant = log.pseudonym("tenant", "acme");
    started.principal = log.pseudonym("principal", "agent");
    started.request = Some(request);
    let sealed = log.append(Record::Intent(started)).unwrap().wait().unwrap();
    let mut ended = outcome(&id, sealed.index);
    ended.request = Some(request);
    ended.response_released = Some(committer.commit("response.released", b"answer"));
    log.append(Record::Outcome(Box::new(ended))).unwrap().wait().unwrap();
    let owner = log.exchange(&id).unwrap();
    assert_eq!(owner.tenant, log.pseudonym("tenant", "acme"));
    assert_ne!(owner.tenant, log.pseudonym("principal", "acme"));
    let opened = log.receipt(&id, true).unwrap();
    let opened = verify_receipt(opened.as_str().as_bytes(), &policy(), None).unwrap();
    assert_eq!(opened.confirms("request", b"hello"), Some(true));
    assert_eq!(opened.confirms("request", b"hallo"), Some(false));
    assert_eq!(opened.confirms("response.released", b"answer"), Some(true));
    assert_eq!(opened.confirms("response.upstream", b"answer"), None);
    let at_hand = log.receipt_at_hand(&id, true).unwrap().unwrap();
    let at_hand = verify_receipt(at_hand.as_str().as_bytes(), &policy(), None).unwrap();
    assert_eq!(at_hand.openings, opened.openings);
    let closed = log.receipt(&id, false).unwrap();
    let closed = verify_receipt(closed.as_str().as_bytes(), &policy(), None).unwrap();
    assert!(closed.openings.is_empty());
    publish(&log);
    let public = log.published_receipt(&id).unwrap();
    assert!(!public.as_str().contains("extra"));
    let text = public.as_str().as_bytes();
    assert_eq!(verify_receipt(text, &policy(), None), Err(ReceiptFault::NoRecord));
    assert!(verify_receipt(text, &policy(), Some(&opened.entry)).is_ok());
    assert!(verify_receipt(text, &policy(), Some(b"{}")).is_err());
    // Pseudonyms and keys outlive the process; an erased key opens nothing.
    let before = log.pseudonym("tenant", "acme");
    log.close().unwrap();
    drop(log);
    let days = disk.files(&format!("vault/keys/{before}"));
    assert_eq!(days, ["2026-11-18"]);
    let log = open(&disk);
    assert_eq!(log.pseudonym("tenant", "acme"), before);
    // The records are in memory, and the day's key is not yet.
    assert!(log.receipt_at_hand(&id, false).is_some_and(|made| made.is_ok()));
    assert!(log.receipt_at_hand(&id, true).is_none());
    let again = log.receipt(&id, true).unwrap();
    let again = verify_receipt(again.as_str().as_bytes(), &policy(), None).unwrap();
    assert_eq!(again.confirms("request", b"hello"), Some(true));
    drop(log);
    crate::disk::Disk::remove(&disk, &format!("vault/keys/{before}/{}", days[0])).unwrap();
    let log = open(&disk);
    let erased = log.receipt(&id, true).unwrap();
    let erased = verify_receipt(erased.as_str().as_bytes(), &policy(), None).unwrap();
    assert!(erased.openings.is_empty());
}

#[test]
fn the_public_log_is_cut_on_demand() {
    let disk = SimDisk::default();
    let config = LogConfig { publish_entries: true, ..config(Path::new("unused")) };
    let log = Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None).unwrap();
    let first = begin(&log);
    complete_many(&log, 0..600, first);
    publish(&log);
    let size = log.status().published_size;
    assert_eq!(size, 1204);
    let note = log.published("checkpoint").unwrap();
    assert!(!note.immutable);
    let root = Checkpoint::verify(&note.bytes, &policy()).unwrap().checkpoint.root;
    // Every entry and every tile of every width, by its public path.
    let mut tree = Frontier::new();
    for tile in Tile::all(size) {
        let file = log.published(&tile.to_string()).unwrap();
        assert!(file.immutable);
        for width in 1..tile.width {
            let part = log.published(&tile.cut(width).to_string()).unwrap();
            assert!(file.bytes.starts_with(&part.bytes));
        }
        match tile.level {
            None => {
                for entry in crate::tile::Entries(&file.bytes) {
                    tree.push(Hash::leaf(entry.unwrap()));
                }
            }
            Some(_) => assert_eq!(file.bytes.len(), 32 * usize::from(tile.width)),
        }
    }
    assert_eq!(tree.root(), root);
    let blob = Digest::of(br#"{"files":{}}"#);
    assert!(log.published(&format!("blobs/sha256/{blob}")).is_ok());
    for hidden in [
        "tile/0/004.p/181",
        "tile/0/005",
        "tile/1/000.p/5",
        "tile/2/000.p/1",
        "vault/pseudonyms",
        "wal/../vault/pseudonyms",
        "blobs/sha256/../../vault/pseudonyms",
        "lock",
        "",
    ] {
        assert!(matches!(log.published(hidden), Err(PublishError::NotFound)), "{hidden}");
    }
}

#[test]
fn entries_are_private_unless_told_otherwise() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    complete(&log, &exchange(1), first);
    publish(&log);
    assert!(log.published("tile/0/000.p/6").is_ok());
    for hidden in ["tile/entries/000.p/6", &*format!("blobs/sha256/{}", Digest::of(b""))] {
        assert!(matches!(log.published(hidden), Err(PublishError::Forbidden)), "{hidden}");
    }
}

#[test]
fn a_head_that_does_not_fit_refuses_to_sign_on() {
    let build = || {
        let disk = SimDisk::default();
        let log = open(&disk);
        let first = begin(&log);
        complete_many(&log, 0..10, first);
        log.close().unwrap();
        disk
    };
    let sign = |size, root| {
        Checkpoint { origin: "example.com/guard-log".to_owned(), size, root }.sign(&signer())
    };
    let fault = |disk: &SimDisk| on_disk(disk, StoppedClock::at(NOW)).unwrap_err();
    // The public head is ahead.
    let disk = build();
    disk.change("checkpoint", |note| *note = sign(26, Hash([1; 32])).into_bytes());
    assert!(matches!(fault(&disk), OpenError::Fork(_)));
    // Another root at a size that we passed.
    let disk = build();
    disk.change("checkpoint", |note| *note = sign(24, Hash([1; 32])).into_bytes());
    assert!(matches!(fault(&disk), OpenError::Fork(_)));
    // Another log's head.
    let disk = build();
    disk.change("checkpoint", |note| note[0] ^= 1);
    assert!(matches!(fault(&disk), OpenError::Fork(_)));
    // The write-ahead log is gone.
    let disk = build();
    let segment = disk.files("wal").remove(0);
    crate::disk::Disk::remove(&disk, &format!("wal/{segment}")).unwrap();
    assert!(matches!(fault(&disk), OpenError::Fork(_)));
    // Another key.
    let disk = build();
    let other = Signer::generate("example.com/guard-log", [1; 32]).unwrap();
    let config = LogConfig { signer: other, ..config(Path::new("unused")) };
    let opened = Log::start(config, StoppedClock::at(NOW), Arc::new(disk), None);
    assert!(matches!(opened, Err(OpenError::Key)));
    let other = Signer::generate("example.com/other", [1; 32]).unwrap();
    let config = LogConfig { signer: other, ..crate::testing::config(Path::new("unused")) };
    let opened = Log::start(config, StoppedClock::at(NOW), Arc::new(SimDisk::default()), None);
    assert!(matches!(opened, Err(OpenError::Origin)));
}

#[test]
fn damaged_tiles_are_found_at_start() {
    let disk = six_hundred();
    for tile in ["tile/0/000", "tile/0/001"] {
        disk.change(tile, |bytes| bytes[77] ^= 1);
        let opened = on_disk(&disk, StoppedClock::at(NOW));
        assert!(matches!(opened, Err(OpenError::Tiles(_))), "{tile}");
        disk.change(tile, |bytes| bytes[77] ^= 1);
    }
    assert!(on_disk(&disk, StoppedClock::at(NOW)).is_ok());
}

#[test]
fn pending_is_a_future_too() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let mut pending = log.append(boot()).unwrap();
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let polled = std::pin::Pin::new(&mut pending).poll(&mut context);
    if polled.is_pending() {
        assert_eq!(pending.wait().unwrap().index, 0);
    }
    assert_eq!(log.append(boot()).unwrap().wait().unwrap().index, 1);
}

#[test]
fn many_producers_are_served_in_one_order() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = log.clone();
            scope.spawn(move || {
                for n in 0..40 {
                    complete(&log, &exchange(thread * 1000 + n), first);
                }
            });
        }
    });
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok(), "{report:#?}");
    assert_eq!((report.records["intent"], report.records["outcome"]), (320, 320));
}

/// A log without its public checkpoint would show the world a head of size 0.
#[test]
fn a_log_whose_checkpoint_is_gone_is_not_signed_on() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    complete(&log, &exchange(1), first);
    log.close().unwrap();
    drop(log);
    crate::disk::Disk::remove(&disk, "checkpoint").unwrap();
    assert!(matches!(on_disk(&disk, StoppedClock::at(NOW)), Err(OpenError::Fork(_))));
}

/// What was not written is not told to be: a clock that ran back keeps the last
/// records out, and the log says that it did not close.
#[test]
fn a_log_that_cannot_write_its_end_says_so() {
    for end in [Log::close, Log::end] {
        let disk = SimDisk::default();
        let clock = StoppedClock::at(NOW);
        let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
        begin(&log);
        clock.set(NOW - 60_000_000);
        assert!(matches!(end(&log), Err(CloseError::Failed(_))));
        drop(log);
        assert!(!audit(&disk).closed);
        assert!(on_disk(&disk, StoppedClock::at(NOW)).is_ok());
    }
}

/// The derived index is believed in nothing: a row that leads to another
/// exchange's outcome leads nowhere.
#[test]
fn a_row_of_the_index_that_lies_opens_nothing() {
    let disk = six_hundred();
    let file = format!("derived/exchanges/{}", disk.files("derived/exchanges")[0]);
    disk.change(&file, |bytes| {
        // The first two rows exchange their outcomes; the checksum is made good.
        let (one, other) = (32 + 16, 64 + 16);
        for at in 0..8 {
            bytes.swap(one + at, other + at);
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), &bytes[32..]);
        bytes[28..32].copy_from_slice(&crc.to_be_bytes());
    });
    let log = open(&disk);
    assert!(matches!(log.receipt(&exchange(0), false), Err(ReceiptError::NotFound)));
    assert!(log.receipt(&exchange(300), false).is_ok());
}
