//! Erasure: of a running log, and crashed after every operation of the disk.

use crate::testing::sim::Deaf;

use super::*;

const DAY: u64 = 86_400_000_000;

/// The day of `exchange`'s ids, and the one after it.
fn days() -> (Day, Day) {
    ("2026-11-18".parse().unwrap(), "2026-11-19".parse().unwrap())
}

fn of(tenant: Option<&str>) -> Erase {
    let (day, _) = days();
    let tenant = tenant.map(str::to_owned);
    Erase { tenant, from: day, to: day, reason: "asked for".to_owned(), today: false }
}

/// A whole exchange of a tenant whose request is committed to.
fn exchanged(log: &Log, tenant: &str, n: u64, config: u64) {
    let id = exchange(n);
    let committer = log.committer(tenant, &id).unwrap();
    let mut started = intent(&id, config);
    started.tenant = log.pseudonym("tenant", tenant);
    started.request = Some(committer.commit("request", b"hello"));
    let mut ended = outcome(&id, 0);
    ended.request = started.request;
    ended.intent = log.append(Record::Intent(started)).unwrap().wait().unwrap().index;
    log.append(Record::Outcome(Box::new(ended))).unwrap().wait().unwrap();
}

/// Whether the receipt of this exchange still confirms its content.
fn opens(log: &Log, n: u64) -> Option<bool> {
    tried(log, n).unwrap()
}

fn tried(log: &Log, n: u64) -> Result<Option<bool>, String> {
    let receipt = log.receipt(&exchange(n), true).map_err(|fault| format!("{fault:?}"))?;
    let receipt = verify_receipt(receipt.as_str().as_bytes(), &policy(), None);
    Ok(receipt.map_err(|fault| fault.to_string())?.confirms("request", b"hello"))
}

/// The `erasure` records: day and count.
fn erasures(log: &Log) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for index in 0..log.status().size {
        let entry = log.shared().entry(index).unwrap();
        if let Some(Record::Erasure(erasure)) = Stored::parse(&entry).unwrap().record {
            assert!(!erasure.id.is_empty() && erasure.reason == "asked for");
            found.push((erasure.day, erasure.count));
        }
    }
    found
}

#[test]
fn a_running_log_forgets_a_day() {
    let disk = SimDisk::default();
    let clock = StoppedClock::at(NOW);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    let first = begin(&log);
    for (n, tenant) in [(1, "acme"), (2, "acme"), (3, "other"), (86_400_001, "acme")] {
        exchanged(&log, tenant, n, first);
    }
    // Today may go only when it is asked for by name, and tomorrow not at all.
    let (day, next) = days();
    assert!(matches!(log.erase(&of(None)), Err(EraseError::Today(today)) if today == day));
    let future = Erase { to: next, today: true, ..of(None) };
    assert!(matches!(log.erase(&future), Err(EraseError::Future(on)) if on == next));
    let backwards = Erase { from: next, ..of(None) };
    assert!(matches!(log.erase(&backwards), Err(EraseError::Range)));
    clock.set(NOW + 2 * DAY);
    for reason in ["x".repeat(513), "a\nb".to_owned()] {
        let bad = Erase { reason, ..of(None) };
        assert!(matches!(log.erase(&bad), Err(EraseError::Reason)));
    }
    assert!(matches!(log.erase(&of(Some("nobody"))), Err(EraseError::Nothing)));
    assert_eq!([1, 2, 3, 86_400_001].map(|n| opens(&log, n)), [Some(true); 4]);
    let size = log.status().size;
    let done = log.erase(&of(Some("acme"))).unwrap();
    assert_eq!(done.done, [Erased { day, count: 1, index: size }]);
    assert_eq!(done.before, 0);
    // At once, of the running log: that tenant's day and no other.
    assert_eq!([1, 2].map(|n| opens(&log, n)), [None; 2]);
    assert_eq!([3, 86_400_001].map(|n| opens(&log, n)), [Some(true); 2]);
    // Again: nothing is left to do, and no second record says otherwise.
    let again = log.erase(&of(Some("acme"))).unwrap();
    assert_eq!((again.done.len(), again.before), (0, 1));
    // What is left of two days, of everybody: a record for each day.
    let rest = log.erase(&Erase { to: next, ..of(None) }).unwrap();
    assert_eq!(
        rest.done.iter().map(|one| (one.day, one.count)).collect::<Vec<_>>(),
        [(day, 1), (next, 1)]
    );
    assert_eq!(rest.before, 1);
    assert_eq!([1, 2, 3, 86_400_001].map(|n| opens(&log, n)), [None; 4]);
    let told = erasures(&log);
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 3);
    log.close().unwrap();
    let report = audit(&disk);
    assert!(report.is_ok(), "{report:#?}");
    assert_eq!((report.erased, report.records["erasure"]), (3, 3));
    assert!(disk.files("vault/erasing").is_empty());
}

#[test]
fn today_may_be_forgotten_and_goes_on() {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    exchanged(&log, "acme", 1, first);
    // An exchange that is under way keeps its own secret, and ends.
    let committer = log.committer("acme", &exchange(2)).unwrap();
    log.erase(&Erase { today: true, ..of(Some("acme")) }).unwrap();
    let mut started = intent(&exchange(2), first);
    started.tenant = log.pseudonym("tenant", "acme");
    started.request = Some(committer.commit("request", b"hello"));
    let mut ended = outcome(&exchange(2), 0);
    ended.request = started.request;
    ended.intent = log.append(Record::Intent(started)).unwrap().wait().unwrap().index;
    log.append(Record::Outcome(Box::new(ended))).unwrap().wait().unwrap();
    // One that comes later is recorded, and opens for nobody either.
    exchanged(&log, "acme", 3, first);
    assert_eq!([1, 2, 3].map(|n| opens(&log, n)), [None; 3]);
    log.close().unwrap();
    drop(log);
    let log = open(&disk);
    exchanged(&log, "acme", 4, begin(&log));
    assert_eq!([1, 2, 3, 4].map(|n| opens(&log, n)), [None; 4]);
    assert_eq!(erasures(&log).len(), 1);
}

#[test]
fn a_log_that_takes_no_record_destroys_nothing() {
    let disk = SimDisk::default();
    let clock = StoppedClock::at(NOW);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    exchanged(&log, "acme", 1, begin(&log));
    log.close().unwrap();
    drop(log);
    let config = LogConfig { queue_records: 0, ..config(Path::new("unused")) };
    clock.set(NOW + DAY);
    let full = Log::start(config, Arc::clone(&clock) as _, Arc::new(disk.clone()), None).unwrap();
    // It is begun, cannot be recorded, and is ended by the next start.
    assert!(matches!(full.erase(&of(None)), Err(EraseError::Append(AppendError::QueueFull))));
    assert_eq!((opens(&full, 1), erasures(&full).len()), (None, 0));
    drop(full);
    let log = on_disk(&disk, Arc::clone(&clock)).unwrap();
    assert_eq!((opens(&log, 1), erasures(&log)), (None, vec![("2026-11-18".to_owned(), 1)]));
    // One that has failed begins nothing.
    exchanged(&log, "acme", 86_400_001, begin(&log));
    clock.set(NOW + 2 * DAY);
    log.shared().fail("a test");
    let (_, next) = days();
    let erase = Erase { from: next, to: next, ..of(None) };
    assert!(matches!(log.erase(&erase), Err(EraseError::Append(AppendError::Failed(_)))));
    assert_eq!(opens(&log, 86_400_001), Some(true));
}

/// A disk with a day of two tenants, whose process was killed the day after.
fn left() -> SimDisk {
    let disk = SimDisk::default();
    let log = open(&disk);
    let first = begin(&log);
    exchanged(&log, "acme", 1, first);
    exchanged(&log, "other", 2, first);
    publish(&log);
    drop(log);
    disk.crashed(Crash::Drop)
}

/// What does not hold of the disk after a crash, when `told` says whether the
/// command had been answered.
fn check(after: &SimDisk, tenant: Option<&str>, told: bool) -> Result<(), String> {
    let keys = if tenant.is_some() { 1 } else { 2 };
    let gone = vec![("2026-11-18".to_owned(), keys)];
    let clock = StoppedClock::at(NOW + DAY);
    let log = on_disk(after, Arc::clone(&clock)).map_err(|fault| format!("open: {fault}"))?;
    let state = (tried(&log, 1)?, erasures(&log));
    // All of it or nothing of it, and what was answered is done.
    if state != (None, gone.clone()) && (told || state != (Some(true), Vec::new())) {
        return Err(format!("{state:?}"));
    }
    // Run again, it comes to its end, and is recorded once.
    let again = log.erase(&of(tenant)).map_err(|fault| format!("again: {fault}"))?;
    if again.before + again.done.iter().map(|one| one.count).sum::<u64>() != keys {
        return Err(format!("again: {again:?}"));
    }
    let other = if tenant.is_some() { Some(true) } else { None };
    let end = (tried(&log, 1)?, tried(&log, 2)?, erasures(&log));
    if end != (None, other, gone) {
        return Err(format!("at the end: {end:?}"));
    }
    log.close().map_err(|fault| fault.to_string())?;
    drop(log);
    let report = audit(after);
    if report.is_ok() { Ok(()) } else { Err(format!("{:?}", report.faults)) }
}

/// The first crash after which something does not hold.
fn first_failure(tenant: Option<&str>, deaf: Option<Deaf>) -> Option<String> {
    let left = left();
    let erase = |disk: &SimDisk| {
        let log = on_disk(disk, StoppedClock::at(NOW + DAY)).ok()?;
        log.erase(&of(tenant)).ok()
    };
    let whole = left.crashed(Crash::Kill);
    erase(&whole)?;
    for at in 0..whole.operations() + 10 {
        let disk = left.crashed(Crash::Kill).until(at).deaf(deaf);
        let told = erase(&disk).is_some();
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(at), Crash::Tear(at + 1)] {
            if let Err(what) = check(&disk.crashed(crash), tenant, told) {
                return Some(format!("{crash:?} after operation {at} (told: {told}): {what}"));
            }
        }
    }
    None
}

#[test]
fn an_erasure_that_crashes_anywhere_is_all_or_nothing_and_recorded_once() {
    for tenant in [Some("acme"), None] {
        if let Some(what) = first_failure(tenant, None) {
            panic!("{tenant:?}: {what}");
        }
    }
}

/// A sync that nobody would miss is a sync that is not understood.
#[test]
fn every_sync_of_an_erasure_is_needed() {
    for deaf in [
        Deaf::File("vault/erasing"),
        Deaf::Directory("vault/erasing"),
        Deaf::File("vault/keys"),
        Deaf::Directory("vault/keys"),
    ] {
        assert!(first_failure(None, Some(deaf)).is_some(), "{deaf:?} was left out, unnoticed");
    }
}
