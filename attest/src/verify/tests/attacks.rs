//! What an attacker may try (attestation, section 6), as data: each attack on a
//! log of some 600 entries, on its notes, its records and its receipts, with the
//! exit code that it must end in.
#![expect(clippy::string_slice, reason = "the notes are cut where they are ASCII")]

use crate::record::Encoded;

use super::semantics::{of_entries, preamble};
use super::*;

type Files = BTreeMap<String, Vec<u8>>;

/// An attack on the files of an export, and the exit code that it ends in.
type Attack = (&'static str, fn(&mut Files), u8);

const LOGS: &[Attack] = &[
    ("nothing is changed", |_| {}, 0),
    ("fork: another root at the same size", |files| sign(files, 613, Hash::leaf(b"x")), 1),
    (
        "another key under the same name",
        |files| {
            let forger = Signer::generate("example.com/guard-log", [9; 32]).unwrap();
            let claimed = claimed(files);
            files.insert("checkpoint".into(), claimed.sign(&forger).into_bytes());
        },
        1,
    ),
    (
        "another log's checkpoint",
        |files| {
            let other = Signer::generate("example.com/other", [9; 32]).unwrap();
            let checkpoint = Checkpoint { origin: "example.com/other".into(), ..claimed(files) };
            files.insert("checkpoint".into(), checkpoint.sign(&other).into_bytes());
        },
        1,
    ),
    (
        "another origin under the log's own key",
        |files| {
            let checkpoint = Checkpoint { origin: "example.com/other".into(), ..claimed(files) };
            text(files, &checkpoint.to_string());
        },
        1,
    ),
    ("a size that no entries reach", |files| sign(files, 700, Hash::leaf(b"x")), 2),
    (
        "a size past 2^64",
        |files| {
            text(files, &claimed(files).to_string().replace("613", "18446744073709552229"));
        },
        1,
    ),
    (
        "a size past 2^62",
        |files| {
            text(files, &claimed(files).to_string().replace("613", "4611686018427387904"));
        },
        1,
    ),
    ("leading zeros", |files| text(files, &claimed(files).to_string().replace("613", "0613")), 1),
    (
        "a sign before the size",
        |files| {
            text(files, &claimed(files).to_string().replace("613", "+613"));
        },
        1,
    ),
    ("CRLF", |files| text(files, &claimed(files).to_string().replace('\n', "\r\n")), 1),
    ("a byte order mark", |files| text(files, &format!("\u{feff}{}", claimed(files))), 1),
    ("an extension line", |files| text(files, &format!("{}more\n", claimed(files))), 1),
    (
        "a root that is not canonical base64",
        |files| {
            text(files, &claimed(files).to_string().replace("=\n", "\n"));
        },
        1,
    ),
    ("no checkpoint", |files| drop(files.remove("checkpoint")), 74),
    ("an empty checkpoint", |files| drop(files.insert("checkpoint".into(), Vec::new())), 1),
    (
        "no signature",
        |files| {
            let text = format!("{}\n", claimed(files));
            files.insert("checkpoint".into(), text.into_bytes());
        },
        1,
    ),
    ("signatures of strangers", |files| add_lines(files, &grease(3)), 0),
    ("seventeen signatures", |files| add_lines(files, &grease(16)), 0),
    ("more signatures than anybody reads", |files| add_lines(files, &grease(64)), 1),
    (
        "key id collision: our name and id, another signature",
        |files| {
            let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
            let line = &note[note.rfind('\u{2014}').unwrap()..];
            let other = line.replacen("AA", "BB", 1).replacen('/', "+", 1);
            assert_ne!(line, other);
            add_lines(files, &other);
        },
        1,
    ),
    ("a signature line that is none", |files| add_lines(files, "\u{2014} nobody\n"), 1),
    ("text after the signatures", |files| add_lines(files, "more\n"), 1),
    ("cut tail: the last bundle is gone", |files| drop(files.remove(LAST_BUNDLE)), 2),
    (
        "cut tail: the last bundle is shorter",
        |files| {
            change(files, LAST_BUNDLE, |bytes| {
                bytes.truncate(bytes.len() - 10);
            })
        },
        1,
    ),
    ("a bundle is gone", |files| drop(files.remove("tile/entries/001")), 2),
    ("a bundle is empty", |files| change(files, "tile/entries/000", Vec::clear), 1),
    (
        "a short bundle",
        |files| {
            change(files, "tile/entries/000", |bytes| {
                bytes.truncate(bytes.len() - 1);
            })
        },
        1,
    ),
    (
        "a long bundle",
        |files| {
            change(files, "tile/entries/000", |bytes| {
                bytes.extend([0, 2, b'{', b'}']);
            })
        },
        1,
    ),
    (
        "a long last bundle",
        |files| {
            change(files, LAST_BUNDLE, |bytes| {
                bytes.extend([0, 2, b'{', b'}']);
            })
        },
        1,
    ),
    ("bundles swapped", |files| swap(files, "tile/entries/000", "tile/entries/001"), 1),
    (
        "two entries reordered",
        |files| {
            change(files, "tile/entries/000", |bytes| {
                let first = usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) + 2;
                let second = usize::from(u16::from_be_bytes([bytes[first], bytes[first + 1]])) + 2;
                bytes[..first + second].rotate_left(first);
            })
        },
        1,
    ),
    (
        "an entry is longer than its bundle",
        |files| {
            change(files, "tile/entries/001", |bytes| {
                bytes[0] = 0xff;
            })
        },
        1,
    ),
    ("hash tiles swapped", |files| swap(files, "tile/0/000", "tile/0/001"), 1),
    (
        "a hash tile of another level",
        |files| {
            let bytes = files["tile/0/000"].clone();
            files.insert("tile/1/000.p/2".into(), bytes[..64].to_vec());
        },
        1,
    ),
    ("a hash tile is gone", |files| drop(files.remove("tile/0/001")), 2),
    ("a short hash tile", |files| change(files, "tile/0/000", |bytes| bytes.truncate(8191)), 1),
    ("a long hash tile", |files| change(files, "tile/0/000", |bytes| bytes.push(0)), 1),
    ("a partial tile is gone", |files| drop(files.remove("tile/0/002.p/101")), 2),
    (
        "a manifest is another",
        |files| {
            let path = files.keys().find(|path| path.starts_with("blobs/")).unwrap().clone();
            change(files, &path, |bytes| bytes.push(b' '));
        },
        1,
    ),
    ("a manifest is gone", |files| files.retain(|path, _| !path.starts_with("blobs/")), 2),
];

const LAST_BUNDLE: &str = "tile/entries/002.p/101";

fn claimed(files: &Files) -> Checkpoint {
    Checkpoint::claimed(&files["checkpoint"]).unwrap()
}

/// A checkpoint by the log's own key.
fn sign(files: &mut Files, size: u64, root: Hash) {
    let checkpoint = Checkpoint { size, root, ..claimed(files) };
    files.insert("checkpoint".into(), checkpoint.sign(&signer()).into_bytes());
}

/// Any text under the log's own signature.
fn text(files: &mut Files, text: &str) {
    let note = format!("{text}\n{}", signer().signature_line(text));
    files.insert("checkpoint".into(), note.into_bytes());
}

/// More signature lines.
fn add_lines(files: &mut Files, lines: &str) {
    change(files, "checkpoint", |note| note.extend_from_slice(lines.as_bytes()));
}

/// Signature lines by keys that nobody knows.
fn grease(count: u8) -> String {
    let line = |n| Signer::generate("grease.example", [n; 32]).unwrap().signature_line("x\n");
    (0..count).map(line).collect()
}

fn change(files: &mut Files, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    change(files.get_mut(path).unwrap());
}

fn swap(files: &mut Files, one: &str, other: &str) {
    let (first, second) = (files[one].clone(), files[other].clone());
    files.insert(one.into(), second);
    files.insert(other.into(), first);
}

fn exit(files: &Files, policy: &TrustPolicy) -> (u8, String) {
    let source = MemorySource { files: Arc::new(files.clone()), ..MemorySource::default() };
    let report = verify(&source, policy, &VerifyOptions::default(), |_| {});
    (report.exit_code, format!("{:?}", report.faults))
}

fn public() -> Files {
    let directory = tempfile::tempdir().unwrap();
    let (log, public) = (directory.path().join("log"), directory.path().join("public"));
    build(&log, 64 * 1024);
    export(&DirectorySource::new(&log), &public, |_| {}).unwrap();
    Files::clone(&MemorySource::load(&public).files)
}

#[test]
fn attacks_on_logs() {
    let files = public();
    for (name, attack, code) in LOGS {
        let mut files = files.clone();
        attack(&mut files);
        let (exit, faults) = exit(&files, &policy());
        assert_eq!(exit, *code, "{name}: {faults}");
    }
}

#[test]
fn attacks_on_cosignatures() {
    let files = public();
    let own = witness();
    let stranger = Signer::generate("example.com/w2", [8; 32]).unwrap();
    let impostor = Signer::generate("example.com/w1", [8; 32]).unwrap();
    let (log, key) = (signer().verifier(), own.witness_verifier());
    let wants = format!("log {log}\nwitness w1 {key}\nquorum w1\n");
    let wants = TrustPolicy::parse(&wants).unwrap();
    let head = claimed(&files).to_string();
    let cosigned = |signer: &Signer, text: &str, time| signer.cosignature_line(text, time);
    let good = cosigned(&own, &head, 5);
    let mut late = good.clone().into_bytes();
    let at = late.len() - 20;
    late[at] = if late[at] == b'A' { b'B' } else { b'A' };
    for (name, lines, code) in [
        ("cosigned", good.clone(), 0),
        ("cosigned twice", good.repeat(2), 0),
        ("cosigned among strangers", format!("{}{good}", grease(15)), 0),
        ("quorum not met", String::new(), 3),
        ("cosigned by a stranger", cosigned(&stranger, &head, 5), 3),
        ("cosigned by another key of that name", cosigned(&impostor, &head, 5), 3),
        ("the log itself is no witness", signer().signature_line(&head), 3),
        ("a cosignature on another head", cosigned(&own, "example.com/guard-log\n1\nx\n", 5), 1),
        ("a cosignature that was changed", String::from_utf8(late).unwrap(), 1),
        (
            "a plain signature by the witness",
            {
                // The id of a witness's key, and the payload of a log's.
                let plain = own.signature_line(&head);
                good[..good.len() / 2].to_owned() + &plain[plain.len() / 2..]
            },
            1,
        ),
    ] {
        let mut files = files.clone();
        add_lines(&mut files, &lines);
        let (exit, faults) = exit(&files, &wants);
        assert_eq!(exit, code, "{name}: {faults}");
    }
}

#[test]
fn attacks_on_records() {
    let stamped = |record: &Record, time: u64| {
        let mut entry = Vec::new();
        Encoded::new(record.clone()).unwrap().stamp(time, &mut entry);
        String::from_utf8(entry).unwrap()
    };
    let beat = stamped(&Record::Heartbeat(Heartbeat::default()), NOW + 10);
    let queue = r#""queue_depth":0"#;
    let with = |text: &str| beat.replace(queue, text);
    assert!(beat.contains(queue) && beat.contains(r#""v":1"#));
    for (name, entry, code) in [
        ("a record", beat.clone(), 0),
        (
            "an unknown field under x",
            with(r#""queue_depth":0"#).replace(r#","v":1"#, r#","v":1,"x":{"a":1}"#),
            0,
        ),
        ("a newer version", beat.replace(r#""v":1"#, r#""v":2"#), 5),
        ("an unknown kind", beat.replace("heartbeat", "heartbreak"), 5),
        ("an unknown field", beat.replace(r#""v":1"#, r#""v":1,"w":1"#), 1),
        ("a duplicate key", with(r#""queue_depth":0,"queue_depth":0"#), 1),
        ("keys out of order", beat.replacen('{', r#"{"v":1,"#, 1).replace(r#","v":1}"#, "}"), 1),
        ("an integer past 2^53", with(r#""queue_depth":9007199254740992"#), 1),
        ("an integer past 2^64", with(r#""queue_depth":18446744073709551616"#), 1),
        ("the largest integer", with(r#""queue_depth":9007199254740991"#), 0),
        ("a negative integer", with(r#""queue_depth":-1"#), 1),
        ("minus zero", with(r#""queue_depth":-0"#), 1),
        ("a leading zero", with(r#""queue_depth":00"#), 1),
        ("a float", with(r#""queue_depth":1.0"#), 1),
        ("an exponent", with(r#""queue_depth":1e2"#), 1),
        ("null", with(r#""queue_depth":null"#), 1),
        ("a text for a number", with(r#""queue_depth":"0""#), 1),
        ("white space", with(r#""queue_depth": 0"#), 1),
        ("a line end", format!("{beat}\n"), 1),
        ("CRLF", format!("{beat}\r\n"), 1),
        ("a byte order mark", format!("\u{feff}{beat}"), 1),
        ("an escape that is not needed", beat.replace("heartbeat", "heartbe\\u0061t"), 1),
        ("two values", format!("{beat}{beat}"), 1),
        ("half a record", beat[..beat.len() / 2].to_owned(), 1),
        ("an array", format!("[{beat}]"), 1),
        ("nothing", String::new(), 1),
        ("no version", beat.replace(r#","v":1"#, ""), 1),
        (
            "a time before the last record's",
            stamped(&Record::Heartbeat(Heartbeat::default()), NOW - 1),
            1,
        ),
        (
            "longer than any record",
            with(&format!(r#""queue_depth":0,"x":{{"a":"{}"}}"#, "y".repeat(9000))),
            1,
        ),
        (
            "nested past any bound",
            with(&format!(r#""queue_depth":{}0{}"#, "[".repeat(3000), "]".repeat(3000))),
            1,
        ),
    ] {
        let mut entries: Vec<Vec<u8>> =
            preamble().iter().zip(NOW..).map(|(r, time)| stamped(r, time).into_bytes()).collect();
        entries.push(entry.into_bytes());
        let report = report(&of_entries(&entries));
        assert_eq!(report.exit_code, code, "{name}: {:?}", report.faults);
    }
}

#[test]
fn attacks_on_receipts() {
    let files = public();
    let source = MemorySource { files: Arc::new(files), ..MemorySource::default() };
    let view = LogView::open(&source).unwrap();
    let receipt = |index| view.prove(index).unwrap().to_string();
    let (good, other) = (receipt(300), receipt(301));
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap().to_owned();
    let (extra, strange) = (line(&good, 1), line(&other, 1));
    let (first, second) = (line(&good, 3), line(&good, 4));
    let proof = &good[good.find(&first).unwrap()..good.find("\n\n").unwrap() + 1];
    let hash = Hash::leaf(b"x").to_string();
    let wants = |name: &str| {
        let key = witness().witness_verifier();
        TrustPolicy::parse(&format!(
            "log {}\nwitness w {key}\nquorum {name}\n",
            signer().verifier()
        ))
    };
    for (name, text, code) in [
        ("a receipt", good.clone(), 0),
        ("a proof for another leaf", good.replace(&extra, &strange), 1),
        ("another leaf's whole proof", other.replace("index 301", "index 300"), 1),
        ("another index", good.replace("index 300", "index 301"), 1),
        ("an index beyond the tree", good.replace("index 300", "index 613"), 1),
        ("an index past 2^64", good.replace("index 300", "index 18446744073709551916"), 1),
        ("an index with leading zeros", good.replace("index 300", "index 0300"), 1),
        ("no index", good.replace("index 300\n", ""), 1),
        ("an empty proof", good.replace(proof, ""), 1),
        ("a proof without its first hash", good.replace(&format!("{first}\n"), ""), 1),
        ("a proof with one hash more", good.replace(&first, &format!("{first}\n{hash}")), 1),
        (
            "a proof in another order",
            { good.replace(&format!("{first}\n{second}"), &format!("{second}\n{first}")) },
            1,
        ),
        (
            "a hash that is not canonical base64",
            good.replace(&first, first.trim_end_matches('=')),
            1,
        ),
        (
            "64 hashes",
            good.replace(&first, &format!("{first}{}", format!("\n{hash}").repeat(63))),
            1,
        ),
        ("two extra lines", good.replace(&extra, &format!("{extra}\n{extra}")), 1),
        ("an extra line that is no base64", good.replace(&extra, "extra !"), 1),
        ("an extra line that is no JSON", good.replace(&extra, "extra AAAA"), 1),
        ("CRLF", good.replace('\n', "\r\n"), 1),
        ("a byte order mark", format!("\u{feff}{good}"), 1),
        ("another version", good.replace("tlog-proof@v1", "tlog-proof@v2"), 1),
        ("no checkpoint", good[..good.find("\n\n").unwrap() + 2].to_owned(), 1),
        ("a checkpoint of another size", good.replace("\n613\n", "\n614\n"), 1),
        ("nothing", String::new(), 1),
        ("no record", good.replace(&format!("{extra}\n"), ""), 64),
    ] {
        let code_of = |policy: &TrustPolicy| match verify_receipt(text.as_bytes(), policy, None) {
            Ok(_) => 0,
            Err(fault) => fault.exit_code(),
        };
        assert_eq!(code_of(&policy()), code, "{name}");
        if code == 0 {
            assert_eq!(code_of(&wants("none").unwrap()), 0, "{name}");
            assert_eq!(code_of(&wants("w").unwrap()), 3, "{name}, and no witness");
        }
    }
}
