//! Crashes after every operation of the disk: whatever was acknowledged is
//! there afterwards, and the log that goes on is the same log.

use crate::testing::sim::Deaf;

use super::*;

/// What a client was told before the crash.
#[derive(Debug, Default)]
struct Told {
    sealed: Vec<Sealed>,
    receipts: Vec<Receipt>,
}

/// A life of a log: two batches of exchanges that fill tiles, turn segments
/// over and publish, and a clean end. Stops at the first refusal.
fn live(disk: &SimDisk, told: &mut Told) -> Option<()> {
    let log = on_disk(disk, StoppedClock::at(NOW)).ok()?;
    let append = |record| log.append(record).ok();
    let manifest = log.blob(br#"{"files":{}}"#).ok()?;
    told.sealed.push(append(boot())?.wait().ok()?);
    let first = append(configured(ConfigOf::Policy, Some(manifest)))?.wait().ok()?.index;
    append(configured(ConfigOf::Model, None))?.wait().ok()?;
    append(configured(ConfigOf::Settings, None))?.wait().ok()?;
    for batch in 0..4 {
        let intents: Vec<_> = (batch * 80..(batch + 1) * 80)
            .map(|n| Some((n, append(Record::Intent(intent(&exchange(n), first)))?)))
            .collect::<Option<_>>()?;
        let mut outcomes = Vec::new();
        for (n, pending) in intents {
            let sealed = pending.wait().ok()?;
            told.sealed.push(sealed);
            // One of each batch stays open.
            if n % 80 != 79 {
                let ended = Record::Outcome(Box::new(outcome(&exchange(n), sealed.index)));
                outcomes.push((n, append(ended)?));
            }
        }
        for (n, pending) in outcomes {
            told.sealed.push(pending.wait().ok()?);
            if n % 20 == 0 {
                told.receipts.push(log.receipt(&exchange(n), false).ok()?);
            }
        }
    }
    log.close().ok()
}

/// Whether everything that was told still holds on this disk, and the log can
/// go on.
fn holds(disk: &SimDisk, told: &Told) -> Result<(), String> {
    let log = on_disk(disk, StoppedClock::at(NOW)).map_err(|fault| format!("open: {fault}"))?;
    let size = log.status().size;
    if let Some(last) = told.sealed.iter().map(|sealed| sealed.index).max()
        && last >= size
    {
        return Err(format!("record {last} was acknowledged, the log has {size}"));
    }
    for receipt in &told.receipts {
        let old = verify_receipt(receipt.as_str().as_bytes(), &policy(), None);
        let head = old.map_err(|fault| fault.to_string())?.head.checkpoint;
        let shared = log.shared();
        let root = root_at(head.size, &mut |level, index| shared.node(level, index));
        if root.map_err(|fault| fault.to_string())? != head.root {
            return Err(format!("the log forked below {}", head.size));
        }
    }
    if log.status().open_exchanges != 0 {
        return Err("an exchange is open".to_owned());
    }
    let first = begin(&log);
    complete(&log, &exchange(9000), first);
    log.close().map_err(|fault| fault.to_string())?;
    drop(log);
    let report = audit(disk);
    if report.is_ok() { Ok(()) } else { Err(format!("{:?}", report.faults)) }
}

/// The first crash, of those tried, after which something does not hold.
fn first_failure(step: u64, from: u64, deaf: Option<Deaf>) -> Option<String> {
    let whole = SimDisk::default();
    live(&whole, &mut Told::default()).unwrap();
    // The two threads interleave anew each time: a few more cover the end.
    let last = whole.operations() + 40;
    let mut at = from;
    while at <= last {
        let disk = SimDisk::dying_after(at).deaf(deaf);
        let mut told = Told::default();
        let done = live(&disk, &mut told);
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(at), Crash::Tear(at + 1)] {
            let after = disk.crashed(crash);
            if let Err(what) = holds(&after, &told) {
                return Some(format!("{crash:?} after operation {at} ({done:?}): {what}"));
            }
        }
        at += step;
    }
    None
}

/// Every crash point with `TROTH_CHAOS` set, else a sample of them.
fn step() -> u64 {
    if std::env::var_os("TROTH_CHAOS").is_some() { 1 } else { 15 }
}

#[test]
fn chaos_whatever_was_acknowledged_survives_a_crash_at_any_operation() {
    if let Some(what) = first_failure(step(), 0, None) {
        panic!("{what}");
    }
}

/// A sync that nobody would miss is a sync that is not understood: each kind is
/// left out in turn, and the test above must notice.
#[test]
fn every_sync_is_needed() {
    for deaf in
        [Deaf::File("wal/"), Deaf::Directory("wal"), Deaf::File("tile/"), Deaf::Directory("tile")]
    {
        let noticed = (0..7).any(|from| first_failure(7, from, Some(deaf)).is_some());
        assert!(noticed, "{deaf:?} was left out, and nobody noticed");
    }
}

/// A crash during recovery itself.
#[test]
fn chaos_a_crash_while_recovering_loses_nothing() {
    let disk = SimDisk::default();
    let mut told = Told::default();
    let log = open(&disk);
    let first = begin(&log);
    for n in 0..6 {
        complete(&log, &exchange(n), first);
        told.receipts.push(log.receipt(&exchange(n), false).unwrap());
    }
    told.sealed
        .push(log.append(Record::Intent(intent(&exchange(99), first))).unwrap().wait().unwrap());
    drop(log);
    let left = disk.crashed(Crash::Drop);
    for at in 0..40 {
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(at), Crash::Tear(at + 1)] {
            let again = left.crashed(Crash::Kill).until(at);
            drop(on_disk(&again, StoppedClock::at(NOW)));
            holds(&again.crashed(crash), &told)
                .unwrap_or_else(|what| panic!("{crash:?} after operation {at}: {what}"));
        }
    }
}

/// A tail cut anywhere in the last frame is a torn write: what came before it
/// goes on. A tail with any other damage refuses.
#[test]
fn the_last_frame_may_be_short_and_nothing_else() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    complete(&log, &exchange(1), first);
    drop(log);
    let segment = format!("wal/{}", disk.files("wal")[0]);
    let whole = crate::disk::Disk::read(&disk, &segment, u64::MAX).unwrap().unwrap();
    let last = whole.windows(4).rposition(|window| window == b"TFRM").unwrap();
    // The public head must not be ahead of what is left: it is moved back.
    let head = Checkpoint { origin: signer().name().to_owned(), size: 0, root: Hash::empty_root() };
    disk.change("checkpoint", |note| *note = head.sign(&signer()).into_bytes());
    for length in last..whole.len() {
        let cut = disk.crashed(Crash::Kill);
        cut.change(&segment, |bytes| bytes.truncate(length));
        let log = open(&cut);
        // The outcome is cut, so its intent is ended as an abort instead.
        assert_eq!((log.status().size, log.status().open_exchanges), (6, 0), "{length}");
        drop(log);
        assert!(audit(&cut).is_ok(), "{length}");
    }
    for at in (0..whole.len()).step_by(if step() == 1 { 1 } else { 17 }) {
        let bad = disk.crashed(Crash::Kill);
        bad.change(&segment, |bytes| bytes[at] ^= 0x10);
        let opened = on_disk(&bad, StoppedClock::at(NOW));
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "byte {at}: {opened:?}");
    }
}

/// An error of a sync ends the process; it is never tried again.
#[test]
fn a_failed_sync_aborts_and_a_failed_write_fails_closed() {
    let disk = SimDisk::default();
    let log = open(&disk);
    begin(&log);
    publish(&log);
    // The append succeeds, the sync after it does not.
    let disk = disk.until(disk.operations() + 1);
    let fault = log.append(boot()).unwrap().wait().unwrap_err();
    assert!(matches!(fault, AppendError::Failed(_)));
    assert!(disk.aborted());
    assert!(matches!(log.append(boot()), Err(AppendError::Failed(_))));
    assert!(log.status().failed.is_some());
    assert!(matches!(log.close(), Err(CloseError::Failed(_))));
    let disk = SimDisk::default();
    let log = open(&disk);
    begin(&log);
    publish(&log);
    let disk = disk.until(disk.operations());
    assert!(matches!(log.append(boot()).unwrap().wait(), Err(AppendError::Failed(_))));
    assert!(!disk.aborted());
    assert!(matches!(log.append(boot()), Err(AppendError::Failed(_))));
}
