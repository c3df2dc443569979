//! The log's key changes: both sign for a while, and nobody has to believe a
//! key that the log told them.

use super::*;

fn next() -> Signer {
    Signer::generate("example.com/guard-log", [77; 32]).unwrap()
}

fn opened(disk: &SimDisk, current: Signer, previous: Option<Signer>) -> Result<Log, OpenError> {
    let config = LogConfig { signer: current, previous, ..config(Path::new("unused")) };
    Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None)
}

fn by(disk: &SimDisk, signer: &Signer) -> Report {
    let policy = TrustPolicy::for_log(&signer.verifier());
    verify(disk, &policy, &VerifyOptions::default(), |_| {})
}

/// Boots, completes some exchanges, closes.
fn live(log: &Log, ids: std::ops::Range<u64>) {
    let first = begin(log);
    complete_many(log, ids, first);
    log.close().unwrap();
}

#[test]
fn a_key_changes_with_an_overlap() {
    let disk = SimDisk::default();
    let log = open(&disk);
    live(&log, 0..3);
    let early = log.receipt(&exchange(1), false).unwrap();
    drop(log);

    // What witnesses saw of the old key's head stays true under the new one.
    let log = open(&disk);
    let head = log.published_head().unwrap();
    let checkpoint = String::from_utf8(head.note).unwrap();
    let anchor = Record::Anchor(Anchor { checkpoint, ..Anchor::default() });
    log.append(anchor).unwrap().wait().unwrap();
    log.close().unwrap();
    drop(log);

    // Another key alone is refused, and the refusal says how to change keys.
    let refused = opened(&disk, next(), None).unwrap_err();
    assert!(refused.to_string().contains("previous_key"), "{refused}");
    let elsewhere = Signer::generate("example.com/other", [78; 32]).unwrap();
    assert!(matches!(opened(&disk, next(), Some(elsewhere)), Err(OpenError::Origin)));

    // Both sign: whoever believes either key can verify all of it.
    let log = opened(&disk, next(), Some(signer())).unwrap();
    live(&log, 3..6);
    let both = log.receipt(&exchange(4), false).unwrap();
    drop(log);
    for signer in [signer(), next()] {
        let report = by(&disk, &signer);
        assert_eq!((report.exit_code, report.records["key"]), (0, 1), "{:?}", report.faults);
        let policy = TrustPolicy::for_log(&signer.verifier());
        assert!(verify_receipt(both.as_str().as_bytes(), &policy, None).is_ok());
    }
    let changed = LogView::open(&disk).unwrap();
    let records: Vec<_> = (0..changed.checkpoint().size)
        .map(|index| Stored::parse(&changed.entry(index).unwrap()).unwrap())
        .collect();
    let place = records.iter().position(|stored| stored.kind == "key").unwrap();
    assert_eq!(records[place + 1].kind, "boot", "the change is the first thing that is written");
    let Some(Record::Key(change)) = &records[place].record else { panic!() };
    assert_eq!(change.new, next().verifier().to_string());

    // Started again within the overlap, it does not change twice.
    let log = opened(&disk, next(), Some(signer())).unwrap();
    live(&log, 6..8);
    drop(log);
    assert_eq!(by(&disk, &next()).records["key"], 1);

    // After it, the old key signs nothing more, and its receipts still hold for
    // those who believe it.
    let log = opened(&disk, next(), None).unwrap();
    live(&log, 8..12);
    drop(log);
    let report = by(&disk, &next());
    assert!(report.is_ok(), "{:?}", report.faults);
    assert_eq!(by(&disk, &signer()).exit_code, 1);
    let receipt = |signer: &Signer| {
        let policy = TrustPolicy::for_log(&signer.verifier());
        verify_receipt(early.as_str().as_bytes(), &policy, None)
    };
    assert!(receipt(&signer()).is_ok() && receipt(&next()).is_err());
    // Back to the old key is a change like any other.
    assert!(matches!(opened(&disk, signer(), None), Err(OpenError::Key)));
    let log = opened(&disk, signer(), Some(next())).unwrap();
    live(&log, 12..13);
    drop(log);
    assert_eq!(by(&disk, &signer()).records["key"], 2);
}

/// A crash anywhere around a change leaves a log that goes on, and whose change
/// is written before anything else that the new key signs.
#[test]
fn a_crash_while_keys_change_loses_nothing() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    complete_many(&log, 0..3, first);
    log.append(Record::Intent(intent(&exchange(50), first))).unwrap().wait().unwrap();
    drop(log);
    let left = disk.crashed(Crash::Kill);
    for at in 0..30 {
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(at)] {
            let dying = left.crashed(Crash::Kill).until(at);
            drop(opened(&dying, next(), Some(signer())));
            let after = dying.crashed(crash);
            let log = opened(&after, next(), Some(signer())).unwrap();
            live(&log, 60..62);
            drop(log);
            for signer in [signer(), next()] {
                let report = by(&after, &signer);
                assert!(report.is_ok(), "{crash:?} after operation {at}: {:?}", report.faults);
            }
        }
    }
}

/// Frames that only a former key has signed hold by those that follow; without
/// one that follows they hold by nothing.
#[test]
fn a_former_key_proves_nothing_by_itself() {
    let disk = SimDisk::default();
    let log = open(&disk);
    live(&log, 0..3);
    drop(log);
    // The thief of a key that is not listed signs on, and says so well.
    let forged = opened(&disk, next(), Some(signer())).unwrap();
    live(&forged, 3..4);
    drop(forged);
    let stranger = Signer::generate("example.com/guard-log", [99; 32]).unwrap();
    let report = by(&disk, &stranger);
    assert_eq!(report.exit_code, 1);
    let log = opened(&disk, next(), None).unwrap();
    live(&log, 4..5);
    drop(log);
    // The last head is the new key's alone: for the old key's believers it is
    // as if nobody had signed the end.
    disk.change("checkpoint", |note| {
        let head =
            Checkpoint { origin: signer().name().to_owned(), size: 0, root: Hash::empty_root() };
        *note = head.sign(&signer()).into_bytes();
    });
    let report = by(&disk, &signer());
    assert_eq!(report.exit_code, 1);
    assert!(report.faults[0].what.contains("signed by a key of the policy"), "{report:#?}");
}
