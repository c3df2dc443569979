//! Logs that end, and logs that follow them.

use super::*;

fn next() -> Signer {
    Signer::generate("example.com/guard-log/2", [42; 32]).unwrap()
}

fn follow(disk: &SimDisk, note: &str) -> Log {
    let config = LogConfig {
        follows: Some(note.to_owned()),
        segment_bytes: 64 * 1024,
        publish_interval: std::time::Duration::ZERO,
        ..LogConfig::new("unused", next().name(), next())
    };
    Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None).unwrap()
}

/// A log that has ended at this size, one exchange left open.
fn ended(size: u64, segment_bytes: u64) -> SimDisk {
    let disk = SimDisk::default();
    let config = LogConfig { segment_bytes, ..config(Path::new("unused")) };
    let log = Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None).unwrap();
    let first = begin(&log);
    log.append(Record::Intent(intent(&exchange(9000), first))).unwrap().wait().unwrap();
    // The open exchange's `abort` and the `close` are still to come.
    let beats = log.status().size..size - 2;
    let beats: Vec<_> =
        beats.map(|_| log.append(Record::Heartbeat(Heartbeat::default())).unwrap()).collect();
    for beat in beats {
        beat.wait().unwrap();
    }
    assert!(matches!(last_head(&disk), Err(ShardError::NotEnded)));
    log.end().unwrap();
    assert_eq!(log.append(boot()).unwrap_err(), AppendError::Closed);
    assert_eq!(log.status().size, size);
    disk
}

/// At sizes on both sides of a full bundle, with segments that are never full
/// and such that each group fills: the last record is in a segment, or in tiles
/// alone.
#[test]
fn a_log_that_has_ended_stays_so() {
    let mut in_tiles_alone = 0;
    for (size, segment_bytes) in
        [(7, 1), (255, 1), (256, 1), (257, 1), (512, 1), (256, 1 << 20), (512, 1 << 20)]
    {
        let disk = ended(size, segment_bytes);
        let report = audit(&disk);
        assert!(report.is_ok() && report.closed && report.ended, "{:?}", report.faults);
        let segments = crate::wal::SegmentName::newest(&disk.files("wal"));
        in_tiles_alone += u32::from(segments[0].first == size);
        assert!(matches!(on_disk(&disk, StoppedClock::at(NOW)), Err(OpenError::Ended)));
        assert!(last_head(&disk).is_ok());
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(1)] {
            let opened = on_disk(&disk.crashed(crash), StoppedClock::at(NOW));
            assert!(matches!(opened, Err(OpenError::Ended)), "{crash:?}");
        }
    }
    assert!(in_tiles_alone > 0, "no log had its end in tiles alone");
    // A plain close is none.
    let disk = SimDisk::default();
    let log = open(&disk);
    begin(&log);
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.closed && !report.ended);
    assert!(matches!(last_head(&disk), Err(ShardError::NotEnded)));
    assert!(on_disk(&disk, StoppedClock::at(NOW)).is_ok());
}

#[test]
fn a_log_follows_one_that_has_ended() {
    let old = ended(20, 1 << 20);
    let note = last_head(&old).unwrap();
    let disk = SimDisk::default();
    let log = follow(&disk, &note);
    begin(&log);
    log.close().unwrap();
    drop(log);
    // The chain stands in the first boot alone.
    let log = follow(&disk, &note);
    begin(&log);
    log.close().unwrap();
    drop(log);
    let verified = |text: &str| {
        let policy = TrustPolicy::parse(text).unwrap();
        verify(&disk, &policy, &VerifyOptions::default(), |_| {})
    };
    let both = format!("log {}\nlog {}\nquorum none\n", signer().verifier(), next().verifier());
    let report = verified(&both);
    assert!(report.is_ok(), "{:?}", report.faults);
    let end = audit(&old);
    let follows = report.follows.unwrap();
    assert_eq!((&follows.root, follows.size, follows.verified), (&end.root, end.size, true));
    assert_eq!(follows.origin, end.origin);
    // The one that is named is the one that has ended, and no other.
    let after = |before: Report| {
        let policy = TrustPolicy::parse(&both).unwrap();
        let options = VerifyOptions { follows: Some(Box::new(before)), ..VerifyOptions::default() };
        verify(&disk, &policy, &options, |_| {}).exit_code
    };
    assert_eq!(after(audit(&old)), 0);
    assert_eq!(after(audit(&ended(21, 1 << 20))), 1);
    assert_eq!(after(Report { ended: false, ..audit(&old) }), 2);
    // Who does not know the old log's key is told what is claimed.
    let report = verified(&format!("log {}\nquorum none\n", next().verifier()));
    assert!(report.is_ok() && !report.follows.unwrap().verified);
}

#[test]
fn a_log_that_has_records_does_not_begin_to_follow() {
    let disk = SimDisk::default();
    let log = follow(&disk, "");
    log.append(Record::Heartbeat(Heartbeat::default())).unwrap().wait().unwrap();
    drop(log);
    let log = follow(&disk, "nothing");
    let boot = log.append(boot()).unwrap().wait().unwrap();
    let entry = log.shared().entry(boot.index).unwrap();
    let stored = Stored::parse(&entry).unwrap();
    let Some(Record::Boot(boot)) = stored.record else { panic!() };
    assert_eq!(boot.follows, None);
}
