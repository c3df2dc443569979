//! Every byte of a log is changed, one at a time, and the audit must notice.
//!
//! An audit is a chain of steps, each a function of the state before it and of
//! the files that it reads. So a change is judged from the first step that
//! reads the changed file: the steps before it cannot know of it.

use super::*;

/// What an auditor has no use for, and why changing it proves nothing.
fn irrelevant(path: &str) -> Option<&'static str> {
    match path {
        "lock" => Some("a lock has no bytes"),
        _ if path.starts_with("derived/") => Some("an index: what it says is compared on use"),
        _ if path.starts_with("vault/") => Some("keys of the owner: no auditor ever has them"),
        _ => None,
    }
}

/// The clean log with the state of the audit before each step.
struct Bench<'a> {
    source: MemorySource,
    before: Vec<Audit<'a>>,
    /// Where in which segment each of them is.
    places: Vec<Option<(String, u64)>>,
    /// The first step that reads a file.
    first: BTreeMap<String, usize>,
}

impl<'a> Bench<'a> {
    fn new(source: MemorySource, policy: &'a TrustPolicy, options: &'a VerifyOptions) -> Self {
        let mut audit = Audit::new(policy, options);
        let (mut before, mut first) = (Vec::new(), BTreeMap::new());
        loop {
            source.read.lock().unwrap().clear();
            before.push(audit.clone());
            let more = audit.step(&source);
            for path in source.read.lock().unwrap().iter() {
                first.entry(path.clone()).or_insert(before.len() - 1);
            }
            if !more {
                break;
            }
        }
        let report = audit.finish();
        assert!(report.is_ok(), "{report:#?}");
        let places = before.iter().map(Audit::place).collect();
        Self { source, before, places, first }
    }

    /// The step from which a change at `offset` of a file is judged: the first
    /// that reads the file, or for a segment the frame in which the change is.
    fn start(&self, path: &str, offset: usize) -> usize {
        let before = |place: &Option<(String, u64)>| matches!(place, Some((name, at)) if name == path && *at <= offset as u64);
        self.places.iter().rposition(before).unwrap_or(self.first[path])
    }

    fn detects(&self, path: &str, offset: usize, with: u8) -> bool {
        let mut bytes = self.source.files[path].clone();
        bytes[offset] = with;
        let changed = self.source.with(path, bytes);
        let mut audit = self.before[self.start(path, offset)].clone();
        while audit.step(&changed) {}
        audit.has_fault() || !audit.finish().is_ok()
    }
}

/// Offsets of a file that are not inside an entry: all of tiles, checkpoint
/// and headers, and the length prefixes.
fn structural(path: &str, bytes: &[u8]) -> Vec<bool> {
    let mut marks = vec![true; bytes.len()];
    let mut entry = |from: usize, to: usize| marks[from..to].fill(false);
    if path.starts_with("tile/entries/") {
        let mut at = 0;
        for found in crate::tile::Entries(bytes) {
            let length = found.unwrap().len();
            entry(at + 2, at + 2 + length);
            at += 2 + length;
        }
    } else if path.starts_with("wal/") {
        let mut source = bytes;
        let (_, mut reader) = crate::wal::Reader::open(&mut source).unwrap().unwrap();
        let mut start = usize::try_from(reader.offset()).unwrap();
        while let Some(frame) = reader.next(&mut source).unwrap() {
            let mut at = start + 32 + 32;
            for found in frame.entries() {
                entry(at + 2, at + 2 + found.len());
                at += 2 + found.len();
            }
            start = usize::try_from(reader.offset()).unwrap();
        }
    } else if path.starts_with("blobs/") {
        entry(0, bytes.len());
    }
    marks
}

/// The seeded sample of what is not structural; all of it under `TROTH_CHAOS`.
fn sampled(n: u64) -> bool {
    let mixed = (n ^ 0x5eed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32).is_multiple_of(100)
}

fn change_every_byte(directory: &Path) {
    let exhaustive = std::env::var_os("TROTH_CHAOS").is_some();
    let (policy, options) =
        (policy(), VerifyOptions { stop_at_first: true, ..VerifyOptions::default() });
    let bench = Bench::new(MemorySource::load(directory), &policy, &options);
    let (mut changed, mut skipped, mut n) = (0_u64, BTreeMap::new(), 0_u64);
    for (path, bytes) in bench.source.files.iter() {
        if let Some(why) = irrelevant(path) {
            *skipped.entry(why).or_insert(0) += bytes.len();
            continue;
        }
        assert!(bench.first.contains_key(path), "`{path}` is never read");
        for (at, is_structural) in structural(path, bytes).into_iter().enumerate() {
            n += 1;
            if !(exhaustive || is_structural || sampled(n)) {
                continue;
            }
            changed += 1;
            // One bit, chosen by place, so that all eight are met.
            let with = bytes[at] ^ (1 << (at % 8));
            assert!(bench.detects(path, at, with), "byte {at} of `{path}`");
        }
    }
    assert!(changed > 10_000);
    println!("{changed} of {n} bytes changed, all detected; irrelevant: {skipped:?}");
}

#[test]
fn chaos_every_byte_of_a_log_directory() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), 48 * 1024);
    change_every_byte(directory.path());
}

#[test]
fn chaos_every_byte_of_an_export() {
    let directory = tempfile::tempdir().unwrap();
    let (log, public) = (directory.path().join("log"), directory.path().join("public"));
    build(&log, 48 * 1024);
    export(&DirectorySource::new(&log), &public, |_| {}).unwrap();
    change_every_byte(&public);
}

/// The bench's shortcut is honest: from the start the answer is the same.
#[test]
fn a_change_is_judged_the_same_from_the_start() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), 48 * 1024);
    let (policy, options) =
        (policy(), VerifyOptions { stop_at_first: true, ..VerifyOptions::default() });
    let bench = Bench::new(MemorySource::load(directory.path()), &policy, &options);
    for (path, bytes) in bench.source.files.iter().filter(|(path, _)| irrelevant(path).is_none()) {
        for part in 0..4 {
            let at = part * (bytes.len() - 1) / 3;
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            let whole = report(&bench.source.with(path, bad));
            assert!(!whole.is_ok() && bench.detects(path, at, bytes[at] ^ 0x10), "{path} {at}");
        }
    }
}

/// Tells of a path whether it is a tile of entries that are all in segments.
fn covered(source: &MemorySource) -> impl Fn(&str) -> bool + use<> {
    let names: Vec<String> = source
        .files
        .keys()
        .filter_map(|path| path.strip_prefix("wal/"))
        .map(str::to_owned)
        .collect();
    let first = crate::wal::SegmentName::newest(&names).first().map(|name| name.first);
    move |path| {
        let Some(tile) = crate::tile::Tile::parse(path) else { return false };
        let width = crate::tile::TILE_WIDTH.pow(u32::from(tile.level.unwrap_or(0)) + 1);
        first.is_some_and(|first| tile.index * width >= first)
    }
}

#[test]
fn files_that_are_missing_cut_or_swapped() {
    let directory = tempfile::tempdir().unwrap();
    let (log, public) = (directory.path().join("log"), directory.path().join("public"));
    build(&log, 48 * 1024);
    export(&DirectorySource::new(&log), &public, |_| {}).unwrap();
    for root in [&log, &public] {
        let source = MemorySource::load(root);
        let covered = covered(&source);
        let files = || source.files.iter().filter(|(path, _)| irrelevant(path).is_none());
        for (path, bytes) in files() {
            let mut without = (*source.files).clone();
            without.remove(path);
            let missing = report(&MemorySource { files: Arc::new(without), ..Default::default() });
            // What a segment still holds can be made again from it.
            assert!(!missing.is_ok() || covered(path), "`{path}` is not missed");
            for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                let short = report(&source.with(path, bytes[..cut].to_vec()));
                assert!(!short.is_ok(), "`{path}` cut to {cut}");
            }
            let mut longer = bytes.clone();
            // Zeros at a segment's end are room for frames to come.
            longer.push(u8::from(path.starts_with("wal/")));
            assert!(!report(&source.with(path, longer)).is_ok(), "`{path}` made longer");
        }
        let bundles = ["tile/entries/000", "tile/entries/001"];
        let tiles = ["tile/0/000", "tile/0/001"];
        for [one, other] in [bundles, tiles] {
            let mut swapped = (*source.files).clone();
            swapped.insert(one.to_owned(), source.files[other].clone());
            swapped.insert(other.to_owned(), source.files[one].clone());
            let source = MemorySource { files: Arc::new(swapped), ..Default::default() };
            assert_eq!(report(&source).exit_code, 1, "{one}");
        }
    }
}

/// A fork and a rollback: another head by the same key.
#[test]
fn heads_that_do_not_belong() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path(), 48 * 1024);
    let source = MemorySource::load(directory.path());
    let sign = |size, root| {
        let origin = "example.com/guard-log".to_owned();
        Checkpoint { origin, size, root }.sign(&signer()).into_bytes()
    };
    let root_at = |size| LogView::open(&source).unwrap().root_at(size).unwrap();
    for (what, note, code) in [
        ("a fork at the same size", sign(613, Hash([1; 32])), 1),
        ("a fork at an earlier size", sign(300, Hash([1; 32])), 1),
        ("a promise of more", sign(614, Hash([1; 32])), 2),
        ("an older head, which is fine", sign(300, root_at(300)), 0),
        ("the empty log's head, which is fine", sign(0, Hash::empty_root()), 0),
    ] {
        assert_eq!(report(&source.with("checkpoint", note)).exit_code, code, "{what}");
    }
}
