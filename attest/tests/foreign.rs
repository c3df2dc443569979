//! Verifiers that nobody here wrote accept our logs, at sizes on both sides of
//! every edge of the layout, with cosignatures and without.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test crate: what fails is a failure of the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use signed_note::{StandardVerifier, VerifierList};
use tempfile::TempDir;
use tlog_tiles::{HashReader as _, TileHashReader, TileReader};
use troth_attest::{
    Boot, Checkpoint, Cosignature, DirectorySource, Frontier, Hash, Heartbeat, Log, LogConfig,
    LogView, Publishing, Record, Signer, SystemClock, Tile, export, verify_consistency,
    with_cosignatures,
};

/// Both sides of a bundle, of a level, and of a second level.
const SIZES: [u64; 9] = [0, 1, 2, 255, 256, 257, 600, 65_536, 70_000];

/// The log of the published vectors.
fn signer() -> Signer {
    Signer::generate("example.com/guard-log", std::array::from_fn(|i| u8::try_from(i).unwrap()))
        .unwrap()
}

/// The witness of the published vectors.
fn witness() -> Signer {
    let seed = std::array::from_fn(|i| u8::try_from(i + 32).unwrap());
    Signer::generate("example.com/w1", seed).unwrap()
}

/// The checkpoint with the witness's line, and one of a key that nobody knows.
fn cosigned(note: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(note).unwrap();
    let text = &text[..=text.find("\n\n").unwrap()];
    let stranger = Signer::generate("example.com/grease", [9; 32]).unwrap();
    let lines = [witness(), stranger].map(|signer| signer.cosignature_line(text, 1_679_315_147));
    let own: Vec<Cosignature> = lines
        .into_iter()
        .enumerate()
        .map(|(witness, line)| Cosignature { witness, time: 1_679_315_147, line })
        .collect();
    with_cosignatures(note, &own)
}

/// One size of a log as static files; the checkpoint is in `notes`.
#[derive(Debug, Clone)]
struct Size {
    size: u64,
    tiles: PathBuf,
    plain: PathBuf,
    cosigned: PathBuf,
}

/// All sizes of the log whose entry i is `{"seq":i}`: bundles and a checkpoint
/// are written here, everything else by the export.
fn vectors(home: &TempDir) -> Vec<Size> {
    let log = home.path().join("log");
    let mut tree = Frontier::new();
    let mut bundle: Vec<u8> = Vec::new();
    let mut sizes = Vec::new();
    for size in SIZES {
        for seq in tree.size()..size {
            let entry = format!("{{\"seq\":{seq}}}");
            tree.push(Hash::leaf(entry.as_bytes()));
            bundle.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
            bundle.extend_from_slice(entry.as_bytes());
            if tree.size().is_multiple_of(256) {
                write(&log.join(Tile::bundle(seq / 256).to_string()), &bundle);
                bundle.clear();
            }
        }
        if !bundle.is_empty() {
            let width = u16::try_from(size % 256).unwrap();
            write(&log.join(Tile::bundle(size / 256).cut(width).to_string()), &bundle);
        }
        let head = Checkpoint { origin: signer().name().to_owned(), size, root: tree.root() };
        write(&log.join("checkpoint"), head.sign(&signer()).as_bytes());
        sizes.push(exported(&log, home.path(), size));
    }
    for (at, root) in [
        (0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (1, "pAKw429aroVFc2D88AolRbh91H8xBVPnsNMtbQrEQA0="),
        (4, "seEZrOo8AgMvfp4xtjKwHzWwoh0carRqr3DlKeWyNcc="),
        (8, "Setbsr+kDfnOsfkN53+XtlnD6O006VHSKx5qKVKBi8w="),
    ] {
        let note = std::fs::read_to_string(&sizes[at].plain).unwrap();
        assert_eq!(note.lines().nth(2), Some(root));
    }
    sizes
}

/// The same sizes of a log that the engine keeps, as far as they are small:
/// real records, and its own public checkpoints.
fn engine(home: &TempDir) -> Vec<Size> {
    let directory = home.path().join("log");
    let config = LogConfig {
        publish: Publishing::External,
        segment_bytes: 16 * 1024,
        ..LogConfig::new(&directory, signer().name(), signer())
    };
    let log = Log::open(config, Arc::new(SystemClock)).unwrap();
    let mut sizes = Vec::new();
    for size in SIZES.into_iter().filter(|size| (1..=600).contains(size)) {
        let written = log.status().size;
        let pending: Vec<_> = (written..size)
            .map(|seq| {
                let record = if seq == 0 {
                    Record::Boot(Boot::default())
                } else {
                    Record::Heartbeat(Heartbeat { queue_depth: seq, ..Heartbeat::default() })
                };
                log.append(record).unwrap()
            })
            .collect();
        for pending in pending {
            pending.wait().unwrap();
        }
        let head = log.candidate().unwrap();
        assert_eq!(head.size, size);
        log.publish(&cosigned(&head.note)).unwrap();
        let made = exported(&directory, home.path(), size);
        // The public checkpoint is the cosigned one.
        std::fs::rename(&made.plain, &made.cosigned).unwrap();
        std::fs::write(&made.plain, &head.note).unwrap();
        sizes.push(made);
    }
    sizes
}

fn exported(log: &Path, home: &Path, size: u64) -> Size {
    let tiles = home.join(size.to_string());
    let done = export(&DirectorySource::new(log), &tiles, |_| {}).unwrap();
    assert_eq!(done.size, size);
    // Whoever reads the tiles is given the note: it must not be found here.
    let plain = home.join(format!("{size}.checkpoint"));
    std::fs::rename(tiles.join("checkpoint"), &plain).unwrap();
    let note = std::fs::read(&plain).unwrap();
    let with = home.join(format!("{size}.cosigned"));
    std::fs::write(&with, cosigned(&note)).unwrap();
    Size { size, tiles, plain, cosigned: with }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The workspace's root.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn said(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{err}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a script of the tests prints: where it has put something.
fn prepared(script: &str, arguments: &[&str]) -> PathBuf {
    let script = workspace().join("tests").join(script);
    let output = Command::new("sh").arg(script).args(arguments).output().unwrap();
    PathBuf::from(said(&output).trim())
}

/// Python with `aics-tlog`; `make venv` makes it.
fn python() -> Command {
    let home = prepared("python/setup.sh", &["--check"]);
    let mut command = Command::new(home.join("bin/python"));
    command.env("PYTHONPATH", home.join("aics-tlog")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// `NOTE DIRECTORY` for each size.
fn arguments(sizes: &[Size], note: fn(&Size) -> &PathBuf) -> Vec<&Path> {
    sizes.iter().flat_map(|size| [note(size).as_path(), size.tiles.as_path()]).collect()
}

/// Another byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn go_accepts_every_size() {
    let program = prepared("go/install.sh", &[]);
    let key = signer().verifier().to_string();
    let check =
        |arguments: &[&Path]| Command::new(&program).arg(&key).args(arguments).output().unwrap();
    for (make, records) in [(vectors as fn(&TempDir) -> Vec<Size>, 9), (engine, 6)] {
        let home = tempfile::tempdir().unwrap();
        let sizes = make(&home);
        assert_eq!(sizes.len(), records);
        for (note, unknown) in
            [((|size| &size.plain) as fn(&Size) -> &PathBuf, 0), (|size| &size.cosigned, 2)]
        {
            let out = said(&check(&arguments(&sizes, note)));
            let lines: Vec<&str> = out.lines().collect();
            assert_eq!(lines.len(), sizes.len());
            for (place, (line, size)) in lines.iter().zip(&sizes).enumerate() {
                let older = sizes[..place].iter().filter(|older| older.size > 0).count();
                assert!(line.starts_with(&format!("size {}: ", size.size)), "{line}");
                let end = format!("{older} older sizes, 1 signatures, {unknown} unknown");
                assert!(line.ends_with(&end), "{line}");
                if size.size <= 600 {
                    assert!(line.contains(&format!(": {} records", size.size)), "{line}");
                }
            }
        }
        // It does look: another byte in one tile, then in one bundle.
        let last = &sizes[5];
        assert_eq!(check(&[&last.plain, &last.tiles]).status.code(), Some(0));
        for tile in [Tile::hashes(0, 0), Tile::bundle(0)] {
            let path = last.tiles.join(tile.to_string());
            let whole = std::fs::read(&path).unwrap();
            damage(&path);
            assert_eq!(check(&[&last.plain, &last.tiles]).status.code(), Some(1), "{tile}");
            std::fs::write(&path, whole).unwrap();
        }
    }
}

#[test]
fn aics_tlog_accepts_every_size() {
    let (log, witness) = (signer().verifier().to_string(), witness().witness_verifier());
    let witness = witness.to_string();
    for make in [vectors as fn(&TempDir) -> Vec<Size>, engine] {
        let home = tempfile::tempdir().unwrap();
        let sizes = make(&home);
        let audit = |sizes: &[Size]| {
            let mut command = python();
            command.arg(workspace().join("tests/python/tlog_audit.py")).args([&log, &witness]);
            command.args(sizes.iter().flat_map(|size| [&size.plain, &size.cosigned, &size.tiles]));
            command.output().unwrap()
        };
        let out = said(&audit(&sizes));
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), sizes.len());
        for (place, (line, size)) in lines.iter().zip(&sizes).enumerate() {
            let tiles = Tile::all(size.size).filter(|tile| tile.level.is_some()).count();
            let bundles = size.size.div_ceil(256);
            let start = format!("size {}: {tiles} tiles, {bundles} bundles, ", size.size);
            let end = format!("{place} older sizes, 1 cosignatures");
            assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
        }
        // Its own command line, with a quorum, on the layout as it is served.
        for size in [&sizes[0], sizes.last().unwrap()] {
            std::fs::copy(&size.cosigned, size.tiles.join("checkpoint")).unwrap();
            let quorum = |needed: &str| {
                let mut command = python();
                command.args(["-m", "aics_tlog", "verify-checkpoint", "--log-key", &log]);
                command.args(["--witness-key", &witness, "--quorum", needed, "--tiles"]);
                command.arg(&size.tiles).output().unwrap().status.code()
            };
            assert_eq!(quorum("1"), Some(0));
            std::fs::copy(&size.plain, size.tiles.join("checkpoint")).unwrap();
            assert_ne!(quorum("1"), Some(0));
            assert_eq!(quorum("0"), Some(0));
        }
        // It does look.
        damage(&sizes[5].tiles.join(Tile::bundle(0).to_string()));
        assert_eq!(audit(&sizes[5..6]).status.code(), Some(1));
    }
}

/// Tiles for the crate `tlog_tiles`, whose paths are Go's: `tile/8/...`.
struct GoPaths(PathBuf);

impl TileReader for GoPaths {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = tiles.iter().map(|tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            // Its path is the one that we would give the tile.
            assert!(Tile::parse(&path).is_some_and(|own| u32::from(own.width) == tile.width()));
            std::fs::read(self.0.join(path)).map_err(|_| tlog_tiles::Error::InvalidTile)
        });
        read.collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// The indexes to try in a log: all of a small one.
fn sample(size: u64) -> impl Iterator<Item = u64> {
    (0..size).filter(move |index| size <= 600 || index % 4_097 < 2 || *index + 1 == size)
}

fn rust_crates_accept(sizes: &[Size]) {
    let key = signer().verifier().to_string();
    let mut older: Vec<tlog_tiles::Checkpoint> = Vec::new();
    for size in sizes {
        let [plain, cosigned] = [(&size.plain, 0), (&size.cosigned, 2)].map(|(note, strangers)| {
            let note = std::fs::read(note).unwrap();
            let parsed = signed_note::Note::from_bytes(&note).unwrap();
            let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&key).unwrap())]);
            let (verified, unknown) = parsed.verify(&known).unwrap();
            assert_eq!((verified.len(), unknown.len()), (1, strangers));
            assert_eq!(parsed.to_bytes(), note);
            parsed
        });
        assert_eq!(plain.text(), cosigned.text());
        let head = tlog_tiles::Checkpoint::from_bytes(plain.text()).unwrap();
        assert_eq!((head.origin(), head.size()), (signer().name(), size.size));
        if head.size() == 0 {
            assert_eq!(*head.hash(), tlog_tiles::EMPTY_HASH);
            continue;
        }
        let reader = GoPaths(size.tiles.clone());
        let hashes = TileHashReader::new(head.size(), *head.hash(), &reader);
        let own = checkpointed(size);
        let source = DirectorySource::new(own.path());
        let view = LogView::open(&source).unwrap();
        for index in sample(head.size()) {
            let leaf = tlog_tiles::record_hash(&view.entry(index).unwrap());
            let stored = hashes.read_hashes(&[tlog_tiles::stored_hash_index(0, index)]).unwrap();
            assert_eq!(stored, [leaf]);
            let proof = tlog_tiles::prove_record(head.size(), index, &hashes).unwrap();
            tlog_tiles::check_record(&proof, head.size(), *head.hash(), index, leaf).unwrap();
            // Ours is the same, hash by hash.
            let receipt = view.prove(index).unwrap();
            let ours = receipt.as_str().split_once("\n\n").unwrap().0.lines().skip(3);
            assert!(ours.eq(proof.iter().map(ToString::to_string)), "record {index}");
        }
        for old in &older {
            let proof = tlog_tiles::prove_tree(head.size(), old.size(), &hashes).unwrap();
            let (n, root) = (head.size(), *head.hash());
            tlog_tiles::check_tree(&proof, n, root, old.size(), *old.hash()).unwrap();
            let ours = view.prove_consistency(old.size(), n).unwrap();
            let theirs: Vec<Hash> = proof.iter().map(|hash| Hash(hash.0)).collect();
            assert_eq!(ours, theirs);
            let (old_root, root) = (Hash(old.hash().0), Hash(root.0));
            verify_consistency(old.size(), n, &theirs, &old_root, &root).unwrap();
        }
        older.push(head);
    }
}

/// The exported files of a size with their checkpoint beside them, by links.
fn checkpointed(size: &Size) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(size.tiles.join("tile"), home.path().join("tile")).unwrap();
    std::fs::copy(&size.plain, home.path().join("checkpoint")).unwrap();
    home
}

#[test]
fn the_crates_accept_every_size() {
    let home = tempfile::tempdir().unwrap();
    rust_crates_accept(&vectors(&home));
    let home = tempfile::tempdir().unwrap();
    let sizes = engine(&home);
    rust_crates_accept(&sizes);
    // They do look. A reader of tiles alone would not: 0.2.0 (as Go's package, which it follows)
    // holds no tile against its parent that comes before as many tiles as the tree has peaks.
    let size = &sizes[5];
    let note = std::fs::read_to_string(&size.plain).unwrap();
    let root = tlog_tiles::Hash::parse_hash(note.lines().nth(2).unwrap()).unwrap();
    let files = checkpointed(size);
    let source = DirectorySource::new(files.path());
    let leaf = tlog_tiles::record_hash(&LogView::open(&source).unwrap().entry(3).unwrap());
    let reader = GoPaths(size.tiles.clone());
    let hashes = TileHashReader::new(600, root, &reader);
    let holds = || {
        let proof = tlog_tiles::prove_record(600, 3, &hashes).unwrap();
        tlog_tiles::check_record(&proof, 600, root, 3, leaf).is_ok()
    };
    assert!(holds());
    damage(&size.tiles.join(Tile::hashes(0, 0).to_string()));
    assert!(!holds());
}
