//! Crashes after every operation of the disk, and faults at every operation:
//! whatever was acknowledged is there afterwards, and the log that goes on is
//! the same log.

use std::collections::BTreeMap;

use crate::testing::sim::{Deaf, Fails};

use super::*;

/// What a client was told before the crash.
#[derive(Debug, Default)]
struct Told {
    sealed: Vec<Sealed>,
    /// Each with the content that it opens.
    receipts: Vec<(Receipt, String)>,
    /// The largest size that the public saw.
    published: u64,
}

/// How a log is lived.
#[derive(Debug, Clone, Copy)]
struct Life {
    segment_bytes: u64,
    batches: u64,
    /// Exchanges of each batch, of which one stays open.
    exchanges: u64,
}

/// Segments that hold several groups, of which some go.
const LONG: Life = Life { segment_bytes: 64 * 1024, batches: 4, exchanges: 80 };
/// Each group has its segment, which goes as soon as tiles have it.
const SHORT: Life = Life { segment_bytes: 1, batches: 6, exchanges: 44 };

impl Life {
    /// Batches of exchanges that fill tiles, turn segments over and publish, and
    /// a clean end. Stops at the first refusal.
    fn live(self, disk: &SimDisk, told: &mut Told) -> Option<()> {
        let config = LogConfig { segment_bytes: self.segment_bytes, ..config(Path::new("unused")) };
        let log = Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None).ok()?;
        let done = self.run(&log, told);
        // What a reader of the public log may have seen by now.
        told.published = log.status().published_size;
        done?;
        log.close().ok()?;
        told.published = log.status().published_size;
        Some(())
    }

    fn run(self, log: &Log, told: &mut Told) -> Option<()> {
        let append = |record| log.append(record).ok();
        // One that nobody stores again.
        let manifest = log.blob(br#"{"files":{"life":1}}"#).ok()?;
        told.sealed.push(append(boot())?.wait().ok()?);
        let first = append(configured(ConfigOf::Policy, Some(manifest)))?.wait().ok()?.index;
        append(configured(ConfigOf::Model, None))?.wait().ok()?;
        append(configured(ConfigOf::Settings, None))?.wait().ok()?;
        for batch in 0..self.batches {
            let ids = batch * self.exchanges..(batch + 1) * self.exchanges;
            let last = ids.end - 1;
            let mut intents = Vec::new();
            for n in ids {
                let mut started = intent(&exchange(n), first);
                // A tenant a batch, so that keys and their directories come.
                let tenant = format!("tenant-{batch}");
                started.tenant = log.pseudonym("tenant", &tenant);
                if n.is_multiple_of(20) {
                    let committer = log.committer(&tenant, &exchange(n)).ok()?;
                    started.request = Some(committer.commit("request", content(n).as_bytes()));
                }
                let request = started.request;
                intents.push((n, request, append(Record::Intent(started))?));
            }
            let mut outcomes = Vec::new();
            for (n, request, pending) in intents {
                let sealed = pending.wait().ok()?;
                told.sealed.push(sealed);
                if n != last {
                    let ended = Outcome { request, ..outcome(&exchange(n), sealed.index) };
                    outcomes.push((n, append(Record::Outcome(Box::new(ended)))?));
                }
            }
            for (n, pending) in outcomes {
                told.sealed.push(pending.wait().ok()?);
                if n.is_multiple_of(20) {
                    told.receipts.push((log.receipt(&exchange(n), true).ok()?, content(n)));
                }
            }
        }
        Some(())
    }
}

fn content(n: u64) -> String {
    format!("what was asked in exchange {n}")
}

/// Whether everything that was told still holds on this disk, and the log can
/// go on.
fn holds(disk: &SimDisk, told: &Told) -> Result<(), String> {
    let public = crate::disk::Disk::read(disk, "checkpoint", u64::MAX).unwrap();
    let log = on_disk(disk, StoppedClock::at(NOW)).map_err(|fault| format!("open: {fault}"))?;
    let size = log.status().size;
    if let Some(last) = told.sealed.iter().map(|sealed| sealed.index).max()
        && last >= size
    {
        return Err(format!("record {last} was acknowledged, the log has {size}"));
    }
    let public = public.map_or(0, |note| Checkpoint::claimed(&note).unwrap().size);
    if public < told.published {
        return Err(format!("a head of {} was public, and one of {public} is", told.published));
    }
    for (receipt, content) in &told.receipts {
        let old = verify_receipt(receipt.as_str().as_bytes(), &policy(), None);
        let old = old.map_err(|fault| fault.to_string())?;
        let head = &old.head.checkpoint;
        let shared = log.shared();
        let root = root_at(head.size, &mut |level, index| shared.node(level, index));
        if root.map_err(|fault| fault.to_string())? != head.root {
            return Err(format!("the log forked below {}", head.size));
        }
        let Some(Record::Outcome(outcome)) = &old.record.record else { panic!() };
        let again = log.receipt(&outcome.exchange, true).map_err(|fault| fault.to_string())?;
        let again = verify_receipt(again.as_str().as_bytes(), &policy(), None).unwrap();
        if again.confirms("request", content.as_bytes()) != Some(true) {
            return Err("a commitment cannot be opened any more".to_owned());
        }
    }
    if log.status().open_exchanges != 0 {
        return Err("an exchange is open".to_owned());
    }
    let first = begin(&log);
    complete(&log, &exchange(9000 + size), first);
    log.close().map_err(|fault| fault.to_string())?;
    drop(log);
    let report = audit(disk);
    if report.is_ok() { Ok(()) } else { Err(format!("{:?}", report.faults)) }
}

/// How many operations a life has on a disk that does not fail; the two threads
/// interleave anew each time, and a few more cover the end.
fn operations(life: Life) -> u64 {
    let whole = SimDisk::default();
    life.live(&whole, &mut Told::default()).unwrap();
    whole.operations() + 40
}

/// What does not hold after a crash at one operation of a life.
fn crash_at(life: Life, at: u64, deaf: Option<Deaf>) -> Option<String> {
    let disk = SimDisk::dying_after(at).deaf(deaf);
    let mut told = Told::default();
    let done = life.live(&disk, &mut told);
    [Crash::Kill, Crash::Drop, Crash::Tear(at), Crash::Tear(at + 1)].into_iter().find_map(|crash| {
        let after = disk.crashed(crash);
        let mut held = holds(&after, &told);
        if held.is_ok() && crash == Crash::Kill && deaf.is_none() {
            // What the killed run left was used by the next one; then the power fails.
            held = holds(&after.crashed(Crash::Drop), &told);
        }
        let what = held.err()?;
        Some(format!("{crash:?} after operation {at} ({done:?}): {what}"))
    })
}

/// What does not hold after a crash while the log is at rest, all of it in tiles
/// and the newest segment empty.
fn crash_at_rest(deaf: Deaf) -> Option<String> {
    let disk = SimDisk::default().deaf(Some(deaf));
    let config = LogConfig { segment_bytes: 1, ..config(Path::new("unused")) };
    let log = Log::start(config, StoppedClock::at(NOW), Arc::new(disk.clone()), None).unwrap();
    begin(&log);
    let beats: Vec<_> =
        (4..256).map(|_| log.append(Record::Heartbeat(Heartbeat::default())).unwrap()).collect();
    let sealed = beats.into_iter().map(|beat| beat.wait().unwrap()).collect();
    while crate::wal::SegmentName::newest(&disk.files("wal"))[0].first < 256 {
        std::thread::yield_now();
    }
    let told = Told { sealed, ..Told::default() };
    let what = holds(&disk.crashed(Crash::Drop), &told).err()?;
    Some(format!("Drop at rest: {what}"))
}

/// Every point with `TROTH_CHAOS` set, else a sample of them.
fn step() -> usize {
    if std::env::var_os("TROTH_CHAOS").is_some() { 1 } else { 29 }
}

#[test]
fn chaos_whatever_was_acknowledged_survives_a_crash_at_any_operation() {
    let mut crashes = 0;
    for life in [LONG, SHORT] {
        for at in (0..=operations(life)).step_by(step()) {
            if let Some(what) = crash_at(life, at, None) {
                panic!("{life:?}: {what}");
            }
            crashes += 4;
        }
    }
    println!("crashes: {crashes} survived");
}

/// Every operation fails once, with its work undone or done; the engine goes on
/// or stops, and then the machine goes too.
#[test]
fn chaos_whatever_was_acknowledged_survives_a_fault_at_any_operation() {
    let mut table: BTreeMap<String, u32> = BTreeMap::new();
    for life in [LONG, SHORT] {
        for at in (0..=operations(life)).step_by(step()) {
            for fails in [Fails::Undone, Fails::Landed] {
                let disk = SimDisk::failing_at(at, fails);
                let mut told = Told::default();
                let ended = match (life.live(&disk, &mut told), disk.aborted()) {
                    (Some(()), _) => "went on",
                    (None, true) => "aborted",
                    (None, false) => "refused",
                };
                *table.entry(format!("{fails:?}: {ended}")).or_default() += 1;
                for crash in [Crash::Kill, Crash::Drop, Crash::Tear(at)] {
                    holds(&disk.crashed(crash), &told).unwrap_or_else(|what| {
                        panic!("{life:?}: {fails:?} at operation {at}, then {crash:?}: {what}")
                    });
                }
            }
        }
    }
    println!("faults: {table:?}");
}

/// A sync that nobody would miss is a sync that is not understood: each place
/// that syncs is left out in turn, and the test above must notice.
#[test]
fn chaos_every_sync_is_needed() {
    let places = [
        ("a frame", Deaf::Later("wal/")),
        ("a new segment", Deaf::First("wal/", ".wal")),
        ("a new segment's name", Deaf::Made("wal")),
        ("the segment that a start writes", Deaf::First("wal/", ".tmp")),
        ("its name", Deaf::Moved("wal")),
        ("a segment that went", Deaf::Gone("wal")),
        ("a tile", Deaf::Again("tile/")),
        ("a tile's name", Deaf::Moved("tile")),
        ("a directory of tiles", Deaf::Made("tile")),
        ("a key of the vault", Deaf::First("vault/", ".tmp")),
        ("its name", Deaf::Moved("vault")),
        ("a tenant's directory", Deaf::Made("vault")),
        ("a blob", Deaf::First("blobs/", ".tmp")),
        ("its name", Deaf::Moved("blobs")),
        ("a directory of blobs", Deaf::Made("blobs")),
        ("the public checkpoint", Deaf::First("checkpoint", ".tmp")),
        ("the public checkpoint's name", Deaf::Moved("")),
        ("the log's directories", Deaf::Made("")),
    ];
    let lives = [(SHORT, operations(SHORT)), (LONG, operations(LONG))];
    for (place, deaf) in places {
        // Far apart first: most are noticed soon.
        let noticed = crash_at_rest(deaf).or_else(|| {
            [61, 13, 5].into_iter().find_map(|step| {
                lives.iter().find_map(|(life, last)| {
                    (0..=*last).step_by(step).find_map(|at| crash_at(*life, at, Some(deaf)))
                })
            })
        });
        match noticed {
            Some(what) => println!("without the sync of {place}: {what}"),
            None => panic!("without the sync of {place} ({deaf:?}) nothing is lost"),
        }
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
