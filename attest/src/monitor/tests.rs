use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::Disk;
use crate::testing::sim::{Crash, Deaf, SimDisk};
use crate::testing::*;
use crate::verify::Tree;
use crate::*;

type Files = BTreeMap<String, Vec<u8>>;

/// The entries of a log; from `forked` on it has another story.
fn entries(size: u64, forked: Option<u64>) -> Vec<Vec<u8>> {
    let word = |n: u64| if forked.is_some_and(|from| n >= from) { "other" } else { "entry" };
    (0..size).map(|n| format!("{} {n}", word(n)).into_bytes()).collect()
}

/// The public files of a log with these entries.
fn files(size: u64, forked: Option<u64>) -> Files {
    let entries = entries(size, forked);
    let (mut files, mut tree, mut made) = (Files::new(), Tree::new(), Vec::new());
    for entry in &entries {
        tree.push(Hash::leaf(entry), |tile| made.push(tile));
    }
    made.extend(tree.partial());
    for tile in made {
        files.insert(tile.tile.to_string(), tile.hashes.iter().flat_map(|h| h.0).collect());
    }
    for (index, bundle) in (0..).zip(entries.chunks(256)) {
        let tile = Tile::bundle(index).cut(u16::try_from(bundle.len()).unwrap());
        let mut bytes = Vec::new();
        assert!(bundle.iter().all(|entry| crate::tile::push_entry(&mut bytes, entry)));
        files.insert(tile.to_string(), bytes);
    }
    let origin = "example.com/guard-log".to_owned();
    let checkpoint = Checkpoint { origin, size, root: tree.root() };
    files.insert("checkpoint".into(), checkpoint.sign(&signer()).into_bytes());
    files
}

fn cosigned(files: &mut Files, time: u64) {
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let (text, _) = note.split_once("\n\n").unwrap();
    let line = witness().cosignature_line(&format!("{text}\n"), time);
    files.insert("checkpoint".into(), format!("{note}{line}").into_bytes());
}

fn turn(files: &mut Files, path: &str, at: usize) {
    files.get_mut(path).unwrap()[at] ^= 1;
}

fn gone(files: &mut Files, path: &str) {
    assert!(files.remove(path).is_some());
}

/// One look: the log's size, where its story parts from the first one's, what
/// is done to its files, and what the look ends in: code, a part of the first
/// fault, the size that is kept.
type Step = (u64, Option<u64>, fn(&mut Files), u8, &'static str, u64);

const AS_IT_IS: fn(&mut Files) = |_| {};

const STORIES: &[(&str, &[Step])] = &[
    (
        "it grows",
        &[
            (0, None, AS_IT_IS, 0, "", 0),
            (1, None, AS_IT_IS, 0, "", 1),
            (256, None, AS_IT_IS, 0, "", 256),
            (300, None, AS_IT_IS, 0, "", 300),
            (300, None, AS_IT_IS, 0, "", 300),
            (513, None, AS_IT_IS, 0, "", 513),
            (66_000, None, AS_IT_IS, 0, "", 66_000),
            (66_001, None, AS_IT_IS, 0, "", 66_001),
        ],
    ),
    (
        "a fork at the same size",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (300, Some(7), AS_IT_IS, 1, "a fork: the log has signed two roots", 300),
            // Not even its tiles are needed to see that.
            (300, Some(7), |files| files.retain(|name, _| name == "checkpoint"), 1, "a fork", 300),
            // The log as it was is believed as it was.
            (301, None, AS_IT_IS, 0, "", 301),
        ],
    ),
    (
        "a fork by growth",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (513, Some(299), AS_IT_IS, 1, "which does not extend the size 300", 300),
            (301, Some(0), AS_IT_IS, 1, "which does not extend the size 300", 300),
        ],
    ),
    (
        "a fork by growth from a power of two",
        &[
            (256, None, AS_IT_IS, 0, "", 256),
            (600, Some(255), AS_IT_IS, 1, "which does not extend the size 256", 256),
        ],
    ),
    (
        "a rollback",
        &[
            (513, None, AS_IT_IS, 0, "", 513),
            (300, None, AS_IT_IS, 1, "a rollback: the log had signed size 513", 513),
            (0, None, AS_IT_IS, 1, "a rollback", 513),
            (513, None, AS_IT_IS, 0, "", 513),
        ],
    ),
    (
        "a rollback, and another story after it",
        &[
            (513, None, AS_IT_IS, 0, "", 513),
            (300, None, AS_IT_IS, 1, "a rollback", 513),
            (700, Some(300), AS_IT_IS, 1, "which does not extend the size 513", 513),
        ],
    ),
    (
        "a head without its tiles",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (600, None, |files| gone(files, "tile/0/001"), 2, "missing", 300),
            (600, None, |files| gone(files, "tile/0/002.p/88"), 2, "missing", 300),
            (600, None, |files| gone(files, "tile/1/000.p/2"), 2, "missing", 300),
            (600, None, AS_IT_IS, 0, "", 600),
            (600, None, |files| gone(files, "tile/0/002.p/88"), 2, "missing", 600),
        ],
    ),
    (
        "a head without tiles, and then another one of its size",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (600, None, |files| gone(files, "tile/0/001"), 2, "missing", 300),
            (600, Some(400), AS_IT_IS, 1, "two roots for the size 600", 300),
        ],
    ),
    (
        "a head without tiles, and then one that does not extend it",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (550, None, |files| gone(files, "tile/0/001"), 2, "missing", 300),
            (700, Some(400), AS_IT_IS, 1, "which does not extend the size 550", 300),
            (700, None, AS_IT_IS, 0, "", 700),
        ],
    ),
    (
        "a head without tiles, and then less",
        &[
            (300, None, AS_IT_IS, 0, "", 300),
            (600, None, |files| gone(files, "tile/0/001"), 2, "missing", 300),
            (400, None, AS_IT_IS, 1, "the log had signed size 600", 300),
        ],
    ),
    (
        "tiles that lie",
        &[
            (600, None, |files| turn(files, "tile/0/001", 0), 1, "disagree", 0),
            (600, None, AS_IT_IS, 0, "", 600),
            (900, None, |files| turn(files, "tile/0/002", 32 * 87), 1, "do not lead", 600),
            (900, None, |files| turn(files, "tile/0/002", 32 * 88), 1, "disagree", 600),
            (900, None, |files| turn(files, "tile/0/003.p/132", 9), 1, "disagree", 600),
            (900, None, |files| turn(files, "tile/1/000.p/3", 9), 1, "do not lead", 600),
            (900, None, |files| turn(files, "tile/1/000.p/3", 95), 1, "is not what", 600),
            (
                900,
                None,
                |files| files.get_mut("tile/0/003.p/132").unwrap().truncate(99),
                1,
                "damaged",
                600,
            ),
            (66_000, None, |files| turn(files, "tile/1/000", 8191), 1, "is not what", 600),
            (66_000, None, |files| turn(files, "tile/2/000.p/1", 0), 1, "is not what", 600),
            (
                900,
                None,
                |files| {
                    files.get_mut("tile/0/003.p/132").unwrap().pop();
                },
                1,
                "a rollback",
                600,
            ),
        ],
    ),
    (
        "hashes alone, and they lie",
        &[
            (600, None, |files| turn(files, "tile/0/001", 0), 1, "do not lead", 0),
            (600, None, AS_IT_IS, 0, "", 600),
            (900, None, |files| turn(files, "tile/0/002", 32 * 87), 1, "do not lead", 600),
            (900, None, |files| turn(files, "tile/0/002", 32 * 88), 1, "do not lead", 600),
            (900, None, |files| gone(files, "tile/0/002"), 2, "missing", 600),
            (900, None, AS_IT_IS, 0, "", 900),
            (950, Some(899), AS_IT_IS, 1, "which does not extend the size 900", 900),
        ],
    ),
    (
        "entries that are not those of the tree",
        &[
            (300, None, |files| turn(files, "tile/entries/000", 8), 1, "disagree", 0),
            (300, None, |files| turn(files, "tile/entries/000", 9), 1, "damaged", 0),
            (300, None, |files| gone(files, "tile/entries/000"), 2, "missing", 0),
            (300, None, AS_IT_IS, 0, "", 300),
            (600, None, |files| turn(files, "tile/entries/001", 9), 0, "", 600),
            (900, None, |files| turn(files, "tile/entries/003.p/132", 9), 1, "disagree", 600),
            (900, None, |files| gone(files, "tile/entries/003.p/132"), 2, "missing", 600),
            (900, None, AS_IT_IS, 0, "", 900),
        ],
    ),
    (
        "no head, and none of the log's",
        &[
            (300, None, |files| gone(files, "checkpoint"), 74, "no log here", 0),
            (300, None, AS_IT_IS, 0, "", 300),
            (301, None, |files| turn(files, "checkpoint", 30), 1, "the checkpoint: ", 300),
            (
                301,
                None,
                |files| {
                    files.insert("checkpoint".into(), vec![b'a'; 600_000]);
                },
                1,
                "longer than",
                300,
            ),
            (301, None, |files| gone(files, "checkpoint"), 74, "no log here", 300),
            (301, None, AS_IT_IS, 0, "", 301),
        ],
    ),
];

fn source(files: Files) -> MemorySource {
    MemorySource { files: Arc::new(files), ..MemorySource::default() }
}

fn monitor(disk: &SimDisk, policy: TrustPolicy) -> Result<Monitor, MonitorError> {
    Monitor::on(policy, None, Arc::new(disk.clone()), None)
}

#[test]
fn stories() {
    for (story, steps) in STORIES {
        let disk = SimDisk::default();
        let mut last = 0;
        for (place, (size, forked, change, code, what, kept)) in steps.iter().enumerate() {
            // Each look by a monitor that begins anew from what the last one stored.
            let mut monitor = monitor(&disk, policy()).unwrap();
            let mut files = files(*size, *forked);
            change(&mut files);
            let before = evidence(&disk);
            let log = source(files.clone());
            let hidden = story.starts_with("hashes alone");
            let log: Box<dyn LogSource> =
                if hidden { Box::new(Hidden(log)) } else { Box::new(log) };
            let round = monitor.round(log.as_ref(), NOW, |_| {}).unwrap();
            let name = format!("{story}, {place}: {round:#?}");
            assert_eq!((round.exit_code, round.size), (*code, *kept), "{name}");
            assert_eq!(round.status == "ok", *code == 0, "{name}");
            let first = round.faults.first().map_or("", |fault| fault.what.as_str());
            assert!(first.contains(what), "{name}");
            assert_eq!(round.faults.len(), usize::from(*code != 0), "{name}");
            if *code == 0 {
                let read = if hidden { (0, kept - last) } else { (kept - last, 0) };
                assert_eq!((round.entries, round.withheld), read, "{name}");
            }
            last = *kept;
            // What is kept proves what is said, and nothing that was kept changes.
            let after = evidence(&disk);
            assert!(before.iter().all(|(path, bytes)| after[path] == *bytes), "{name}");
            let proof = first.contains("a fork") || first.contains("a rollback");
            assert_eq!(round.evidence.is_some(), proof, "{name}");
            if let Some(directory) = &round.evidence {
                let note = |file| &after[&format!("{directory}/{file}")];
                let served = Checkpoint::verify(note("served.checkpoint"), &policy()).unwrap();
                let earlier = Checkpoint::verify(note("earlier.checkpoint"), &policy()).unwrap();
                assert_eq!(note("served.checkpoint"), &files["checkpoint"], "{name}");
                check_proof(
                    &earlier.checkpoint,
                    &served.checkpoint,
                    after.get(&format!("{directory}/served.prefix")),
                );
            }
        }
    }
}

/// What a third party makes of the proof: nothing but the two heads and the
/// consistency proof is needed.
fn check_proof(earlier: &Checkpoint, served: &Checkpoint, prefix: Option<&Vec<u8>>) {
    assert_eq!(earlier.origin, served.origin);
    match prefix {
        None if earlier.size == served.size => assert_ne!(earlier.root, served.root),
        None => assert!(earlier.size > served.size),
        Some(text) => {
            let text = String::from_utf8(text.clone()).unwrap();
            let mut lines = text.lines();
            let sizes = [earlier.size.to_string(), served.size.to_string()];
            assert!(sizes.iter().all(|size| lines.next() == Some(size)));
            let mut hashes = lines.map(|line| Hash::parse(line).unwrap());
            let root = hashes.next().unwrap();
            let proof: Vec<Hash> = hashes.collect();
            let led = verify_consistency(earlier.size, served.size, &proof, &root, &served.root);
            assert_eq!(led, Ok(()));
            assert_ne!(root, earlier.root);
        }
    }
}

/// Every file below `evidence/`.
fn evidence(disk: &SimDisk) -> Files {
    let mut found = Files::new();
    for name in Disk::list(disk, "evidence").unwrap() {
        for file in Disk::list(disk, &format!("evidence/{name}")).unwrap() {
            let path = format!("evidence/{name}/{file}");
            let bytes = Disk::read(disk, &path, u64::MAX).unwrap().unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

fn witnessed() -> TrustPolicy {
    let key = witness().witness_verifier();
    TrustPolicy::parse(&format!("log {}\nwitness w {key}\nquorum w\n", signer().verifier()))
        .unwrap()
}

#[test]
fn the_quorum_and_the_age() {
    const HOUR: u64 = 3600;
    let now = NOW / 1_000_000;
    // The policy, when the head was cosigned, how long after the last growth it
    // is looked at, and the codes of two looks: at the new head, and at it again.
    for (name, policy, cosigned_at, later, codes) in [
        ("no witness is asked for", policy(), None, 0, [0, 0]),
        ("nothing new for half an hour", policy(), None, HOUR / 2, [0, 0]),
        ("nothing new for two hours", policy(), None, 2 * HOUR, [0, 3]),
        ("a witness is asked for", witnessed(), None, 0, [3, 3]),
        ("a witness cosigned", witnessed(), Some(now), 0, [0, 0]),
        ("a witness cosigned two hours ago", witnessed(), Some(now - 2 * HOUR), 0, [3, 3]),
        ("a witness cosigned, and then no more", witnessed(), Some(now), 2 * HOUR, [0, 3]),
    ] {
        let disk = Arc::new(SimDisk::default());
        let age = Some(Duration::from_secs(HOUR));
        let mut monitor = Monitor::on(policy, age, disk, None).unwrap();
        let mut files = files(300, None);
        if let Some(time) = cosigned_at {
            cosigned(&mut files, time);
        }
        let log = source(files);
        let first = monitor.round(&log, NOW, |_| {}).unwrap();
        let second = monitor.round(&log, NOW + later * 1_000_000, |_| {}).unwrap();
        let found = [first.exit_code, second.exit_code];
        assert_eq!(found, codes, "{name}: {first:#?} {second:#?}");
        // A log that is gone goes stale too.
        let nothing = MemorySource::default();
        let third = monitor.round(&nothing, NOW + 3 * HOUR * 1_000_000, |_| {}).unwrap();
        let kinds: Vec<FaultKind> = third.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Unreadable, FaultKind::Stale], "{name}");
        assert_eq!((third.exit_code, third.size), (3, 300), "{name}");
    }
}

#[test]
fn the_newest_cosignatures_are_remembered() {
    let disk = SimDisk::default();
    let age = Some(Duration::from_secs(60));
    let open = || Monitor::on(witnessed(), age, Arc::new(disk.clone()), None).unwrap();
    let at = |time: Option<u64>| {
        let mut files = files(300, None);
        time.into_iter().for_each(|time| cosigned(&mut files, time));
        source(files)
    };
    let now = NOW / 1_000_000;
    let code = |log: &MemorySource, seconds: u64| {
        open().round(log, seconds * 1_000_000, |_| {}).unwrap().exit_code
    };
    assert_eq!(code(&at(Some(now)), now), 0);
    assert_eq!(code(&at(Some(now + 100)), now + 100), 0);
    // Without them the same head is no worse than it was.
    assert_eq!(code(&at(None), now + 120), 3);
    let round = open().round(&at(Some(now + 100)), (now + 130) * 1_000_000, |_| {}).unwrap();
    assert_eq!((round.exit_code, round.witnesses["w"]), (0, now + 100));
}

/// A log that keeps its entries.
#[derive(Debug)]
struct Hidden(MemorySource);

impl LogSource for Hidden {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        if path.starts_with("tile/entries/") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, Withheld));
        }
        self.0.read(path, limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.0.read_range(path, offset, length)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.0.list(directory)
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        self.0.pin(path)
    }
}

#[test]
fn a_log_that_keeps_its_entries_is_held_to_its_hashes() {
    let disk = SimDisk::default();
    for (size, forked, code, withheld) in
        [(300, None, 0, 300), (600, None, 0, 300), (900, Some(500), 1, 0), (601, None, 0, 1)]
    {
        let log = Hidden(source(files(size, forked)));
        let round = monitor(&disk, policy()).unwrap().round(&log, NOW, |_| {}).unwrap();
        let found = (round.exit_code, round.withheld, round.entries);
        assert_eq!(found, (code, withheld, 0), "{size}: {round:#?}");
    }
}

#[test]
fn only_what_is_new_is_read() {
    let disk = SimDisk::default();
    let mut monitor = monitor(&disk, policy()).unwrap();
    let _ = monitor.round(&source(files(66_000, None)), NOW, |_| {}).unwrap();
    let log = source(files(66_100, None));
    let mut steps = Vec::new();
    let round = monitor.round(&log, NOW, |progress| steps.push(progress)).unwrap();
    assert_eq!((round.exit_code, round.entries), (0, 100));
    assert_eq!(steps.last(), Some(&Progress { done: 100, total: 100 }));
    let read: BTreeSet<String> = std::mem::take(&mut log.read.lock().unwrap());
    let expected = [
        "checkpoint",
        "tile/0/257",
        "tile/0/258.p/52",
        "tile/1/001.p/2",
        "tile/2/000.p/1",
        "tile/entries/257",
        "tile/entries/258.p/52",
    ];
    assert_eq!(read, expected.map(str::to_owned).into());
}

#[test]
fn a_running_log_in_its_directory() {
    let home = tempfile::tempdir().unwrap();
    let (directory, state) = (home.path().join("log"), home.path().join("state"));
    let log = Log::open(config(&directory), StoppedClock::at(NOW)).unwrap();
    let first = begin(&log);
    let source = DirectorySource::new(&directory);
    let mut monitor = Monitor::open(policy(), None, &state).unwrap();
    let twice = Monitor::open(policy(), None, &state);
    assert!(matches!(twice, Err(MonitorError::Locked)), "{twice:?}");
    let mut entries = 0;
    for part in 0..12 {
        complete_many(&log, part * 30..(part + 1) * 30, first);
        let round = monitor.round(&source, NOW, |_| {}).unwrap();
        assert_eq!(round.exit_code, 0, "{round:#?}");
        entries += round.entries;
        assert_eq!(round.size, entries);
    }
    log.close().unwrap();
    let round = monitor.round(&source, NOW, |_| {}).unwrap();
    assert_eq!((round.exit_code, round.size), (0, 4 + 720 + 1), "{round:#?}");
}

#[test]
fn a_state_that_is_damaged_or_anothers() {
    let disk = SimDisk::default();
    let log = source(files(300, None));
    let _ = monitor(&disk, policy()).unwrap().round(&log, NOW, |_| {}).unwrap();
    let good = Disk::read(&disk, "state.json", u64::MAX).unwrap().unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let bad: [(&str, String); 8] = [
        ("nothing", String::new()),
        ("half of it", text.chars().take(text.len() / 2).collect()),
        ("another form", text.replace("state@v1", "state@v2")),
        ("another size in the head", text.replace("\\n300\\n", "\\n301\\n")),
        ("another field", text.replacen('{', "{\"more\":1,", 1)),
        ("no origin in the head", text.replace("guard-log\\n", "guard-lag\\n")),
        ("no JSON", "state".to_owned()),
        ("much of it", "x".repeat(65 * 1024 * 1024)),
    ];
    for (name, text) in bad {
        assert_ne!(text.as_bytes(), good, "{name}");
        disk.change("state.json", |bytes| *bytes = text.clone().into_bytes());
        let opened = monitor(&disk, policy());
        assert!(matches!(opened, Err(MonitorError::Damaged)), "{name}: {opened:?}");
    }
    disk.change("state.json", |bytes| bytes.clone_from(&good));
    let stranger = Signer::generate("example.com/other", [9; 32]).unwrap();
    let opened = monitor(&disk, TrustPolicy::for_log(&stranger.verifier()));
    let told = opened.map(drop).unwrap_err().to_string();
    assert!(told.contains("`example.com/guard-log`, whose key the policy"), "{told}");
    // A key of the same name that is another.
    let other = Signer::generate("example.com/guard-log", [9; 32]).unwrap();
    let opened = monitor(&disk, TrustPolicy::for_log(&other.verifier()));
    assert!(matches!(opened, Err(MonitorError::Untrusted(_))), "{opened:?}");
    // And a signature that is none, by a key that is listed.
    let at = text.find("\u{2014} example.com/guard-log ").unwrap();
    let mut forged = text.clone().into_bytes();
    forged[at + 60] ^= 1;
    disk.change("state.json", |bytes| *bytes = forged);
    let opened = monitor(&disk, policy());
    assert!(matches!(opened, Err(MonitorError::Damaged)), "{opened:?}");
    disk.change("state.json", |bytes| bytes.clone_from(&good));
    // Both logs are believed, and the address is now the other one's.
    let both = format!("log {}\nlog {}\nquorum none\n", signer().verifier(), stranger.verifier());
    let mut both = monitor(&disk, TrustPolicy::parse(&both).unwrap()).unwrap();
    let mut moved = files(300, None);
    let head = Checkpoint::claimed(&moved["checkpoint"]).unwrap();
    let head = Checkpoint { origin: "example.com/other".into(), ..head };
    moved.insert("checkpoint".into(), head.sign(&stranger).into_bytes());
    let told = both.round(&source(moved), NOW, |_| {}).unwrap_err();
    assert!(
        matches!(&told, MonitorError::OtherLog { served, .. } if served == "example.com/other")
    );
    assert_eq!(both.round(&log, NOW, |_| {}).unwrap().exit_code, 0);
}

#[test]
fn evidence_is_kept_once_and_within_a_bound() {
    let disk = SimDisk::default();
    let mut monitor = monitor(&disk, witnessed()).unwrap();
    let mut good = files(300, None);
    cosigned(&mut good, 1);
    let _ = monitor.round(&source(good), NOW, |_| {}).unwrap();
    let mut first = None;
    for time in [2, 3] {
        let mut forked = files(300, Some(299));
        cosigned(&mut forked, time);
        let round = monitor.round(&source(forked), NOW, |_| {}).unwrap();
        assert!(round.evidence.unwrap().starts_with("evidence/fork-300-300-"));
        let kept = evidence(&disk);
        assert_eq!(*first.get_or_insert_with(|| kept.clone()), kept);
    }
    for place in 0..70 {
        let round = monitor.round(&source(files(300, Some(place))), NOW, |_| {}).unwrap();
        assert_eq!((round.exit_code, round.size), (1, 300));
        assert_eq!(round.evidence.is_some(), place < 63, "{place}");
    }
    assert_eq!(Disk::list(&disk, "evidence").unwrap().len(), 64);
}

/// What was told and is not known any more, over every crash of four rounds.
fn forgotten(deaf: Option<Deaf>) -> Vec<String> {
    let steps = [files(300, None), files(600, None), files(600, Some(400)), files(700, None)];
    let run = |disk: &SimDisk| {
        let mut told = Vec::new();
        if let Ok(mut monitor) = monitor(disk, policy()) {
            for files in &steps {
                let Ok(round) = monitor.round(&source(files.clone()), NOW, |_| {}) else { break };
                told.push(round);
            }
        }
        told
    };
    let whole = SimDisk::default();
    assert_eq!(run(&whole).len(), steps.len());
    let mut forgotten = Vec::new();
    for operations in 0..=whole.operations() {
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(operations)] {
            let disk = SimDisk::dying_after(operations).deaf(deaf);
            let told = run(&disk);
            let after = disk.crashed(crash);
            let last = told.last().map_or(0, |round| round.size);
            let known = match monitor(&after, policy()) {
                Ok(monitor) => monitor.memory.head.as_ref().map_or(0, super::Head::size) >= last,
                Err(_) => false,
            };
            let kept = evidence(&after);
            let holds = |path: String| {
                kept.get(&path).is_some_and(|note| Checkpoint::verify(note, &policy()).is_ok())
            };
            let proven = told.iter().filter_map(|round| round.evidence.as_ref()).all(|proof| {
                ["earlier", "served"].iter().all(|of| holds(format!("{proof}/{of}.checkpoint")))
            });
            if !(known && proven) {
                forgotten.push(format!("{operations} {crash:?}: {known} {proven}"));
            }
        }
    }
    forgotten
}

#[test]
fn a_round_that_was_told_survives_a_crash() {
    assert_eq!(forgotten(None), [""; 0]);
    // And every sync is needed for that.
    for deaf in [
        Deaf::File("state.json"),
        Deaf::File("evidence/"),
        Deaf::Directory(""),
        Deaf::Directory("evidence/"),
    ] {
        assert_ne!(forgotten(Some(deaf)), [""; 0], "{deaf:?}");
    }
}
