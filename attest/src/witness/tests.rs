#![expect(clippy::string_slice, reason = "the requests are ASCII up to the note")]

use std::sync::Arc;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
use crate::frontier::Frontier;
use crate::keys::Signer;
use crate::proof::prove_consistency;
use crate::testing::sim::{Crash, SimDisk};

const ORIGIN: &str = "example.com/guard-log";

fn log() -> Signer {
    let seed = std::array::from_fn(|i| u8::try_from(i).unwrap());
    Signer::generate(ORIGIN, seed).unwrap()
}

fn signer() -> Signer {
    let seed = std::array::from_fn(|i| u8::try_from(i + 32).unwrap());
    Signer::generate("example.com/w1", seed).unwrap()
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(format!("{{\"seq\":{index}}}").as_bytes())
}

/// The root of `1 << level` entries from `index << level` on.
fn subtree(level: u32, index: u64) -> Hash {
    if level == 0 {
        return leaf(index);
    }
    Hash::node(&subtree(level - 1, index * 2), &subtree(level - 1, index * 2 + 1))
}

fn note(size: u64) -> Vec<u8> {
    let mut frontier = Frontier::new();
    (0..size).for_each(|index| frontier.push(leaf(index)));
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: frontier.root() };
    checkpoint.sign(&log()).into_bytes()
}

fn proof(old: u64, new: u64) -> Vec<Hash> {
    let node = &mut |level, index| Ok::<_, ()>(subtree(level, index));
    if old == 0 { Vec::new() } else { prove_consistency(old, new, node).unwrap() }
}

fn request(old: u64, new: u64) -> Vec<u8> {
    AddCheckpoint { old, proof: proof(old, new), note: note(new) }.to_bytes()
}

fn witness(disk: &SimDisk) -> Witness {
    Witness::on(signer(), vec![log().verifier()], Arc::new(disk.clone()), None).unwrap()
}

fn policy() -> TrustPolicy {
    let (log, witness) = (log().verifier(), signer().witness_verifier());
    TrustPolicy::parse(&format!("log {log}\nwitness w1 {witness} http://w1\nquorum w1\n")).unwrap()
}

#[test]
fn a_log_that_grows_is_cosigned_step_by_step() {
    let witness = witness(&SimDisk::default());
    let sizes = [0, 1, 2, 7, 7, 8, 256, 257, 600];
    let mut old = 0;
    for (step, size) in (1000..).zip(sizes) {
        let reply = witness.add_checkpoint(&request(old, size), step);
        assert_eq!(reply.status, 200, "{old} {size} {:?}", String::from_utf8(reply.body));
        let found = cosignatures(&reply.body, &note(size), &policy()).unwrap();
        assert_eq!((found.len(), found[0].time), (1, step));
        let cosigned = with_cosignatures(&note(size), &found);
        let verified = Checkpoint::verify(&cosigned, &policy()).unwrap();
        assert!(verified.quorum && verified.checkpoint.size == size);
        let last = witness.checkpoint(&last_cosigned_path(ORIGIN));
        assert_eq!((last.status, last.body), (200, cosigned));
        old = size;
    }
}

#[test]
fn the_cosignature_is_the_published_vector() {
    let witness = witness(&SimDisk::default());
    let reply = witness.add_checkpoint(&request(0, 7), 1_679_315_147);
    let line = "\u{2014} example.com/w1 S6+3EAAAAABkGFDL48P4uQ6JFtDfSY3Isi7cYyAHtR4Jq79mwlzUZoHnFps\
                Ku2PBWR80e7VvRu8dZgRorsSpXfYP4PXYGZ+KBCfOBw==\n";
    assert_eq!(String::from_utf8(reply.body).unwrap(), line);
}

#[test]
fn every_refusal_has_its_status() {
    let witness = witness(&SimDisk::default());
    assert_eq!(witness.add_checkpoint(&request(0, 7), 1).status, 200);
    let other = Signer::generate("example.com/other", [1; 32]).unwrap();
    let forger = Signer::generate(ORIGIN, [1; 32]).unwrap();
    let signed = |signer: &Signer, size, root| {
        let checkpoint = Checkpoint { origin: signer.name().to_owned(), size, root };
        checkpoint.sign(signer).into_bytes()
    };
    let fork = signed(&log(), 7, leaf(9));
    let ask = |old, proof, note| AddCheckpoint { old, proof, note }.to_bytes();
    let mut broken = note(8);
    let at = broken.len() - 10;
    broken[at] ^= 1;
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("empty", Vec::new(), 400),
        ("no note", b"old 7\n\n".to_vec(), 400),
        ("not utf-8", b"old 7\n\xff\n\n".to_vec(), 400),
        ("leading zero", [b"old 07\n\n", note(8).as_slice()].concat(), 400),
        ("carriage return", [b"old 7\r\n\r\n", note(8).as_slice()].concat(), 400),
        ("a proof line that is no hash", [b"old 7\nAAAA\n\n", note(8).as_slice()].concat(), 400),
        ("64 proof lines", ask(7, vec![leaf(0); 64], note(8)), 400),
        ("larger than any request", vec![b'x'; MAX_REQUEST_BYTES + 1], 400),
        ("the old size is larger", ask(9, Vec::new(), note(8)), 400),
        ("another log", ask(0, Vec::new(), signed(&other, 1, leaf(0))), 404),
        ("another key of that name", ask(7, proof(7, 8), signed(&forger, 8, leaf(0))), 403),
        ("a broken signature", ask(7, proof(7, 8), broken), 403),
        ("an old view", request(0, 8), 409),
        ("a rollback", request(3, 5), 409),
        ("a fork at the same size", ask(7, Vec::new(), fork), 409),
        ("no proof", ask(7, Vec::new(), note(8)), 422),
        ("a proof for other sizes", ask(7, proof(6, 8), note(8)), 422),
        ("a fork further on", ask(7, proof(7, 8), signed(&log(), 8, leaf(9))), 422),
        ("a proof from the same size", ask(7, proof(4, 7), note(7)), 422),
    ];
    for (name, body, status) in cases {
        let reply = witness.add_checkpoint(&body, 2);
        assert_eq!(reply.status, status, "{name}: {}", String::from_utf8_lossy(&reply.body));
    }
    let conflict = witness.add_checkpoint(&request(3, 8), 2);
    assert_eq!(
        (conflict.content_type, conflict.body.as_slice()),
        ("text/x.tlog.size", &b"7\n"[..])
    );
    assert_eq!(witness.checkpoint("0/checkpoint").status, 404);
    // None of it has moved the witness.
    assert_eq!(witness.add_checkpoint(&request(7, 8), 2).status, 200);
}

#[test]
fn a_clock_that_runs_back_does_not_make_a_later_view_older() {
    let witness = witness(&SimDisk::default());
    for (size, now, time) in [(1, 100, 100), (2, 50, 100), (3, 101, 101)] {
        let reply = witness.add_checkpoint(&request(size - 1, size), now);
        let found = cosignatures(&reply.body, &note(size), &policy()).unwrap();
        assert_eq!(found[0].time, time);
    }
}

/// Whatever a crash takes with it, no signature is out that the state does not know of.
#[test]
fn a_crash_after_any_operation_never_makes_it_sign_a_fork() {
    let whole = SimDisk::default();
    let first = witness(&whole);
    for size in 1..=4 {
        assert_eq!(first.add_checkpoint(&request(size - 1, size), size).status, 200);
    }
    let mut crashes = 0;
    for operations in 0..=whole.operations() {
        for crash in [Crash::Kill, Crash::Drop, Crash::Tear(operations)] {
            let disk = SimDisk::dying_after(operations);
            let mut signed = 0;
            if let Ok(witness) =
                Witness::on(signer(), vec![log().verifier()], Arc::new(disk.clone()), None)
            {
                for size in 1..=4 {
                    if witness.add_checkpoint(&request(size - 1, size), size).status != 200 {
                        break;
                    }
                    signed = size;
                }
            }
            let again = witness(&disk.crashed(crash));
            let last = again.last(ORIGIN).unwrap().map_or(0, |(last, _)| last.size);
            assert!(last >= signed, "it has signed {signed} and knows of {last}");
            crashes += 1;
        }
    }
    assert!(crashes > 60);
}

#[test]
fn a_damaged_state_is_refused() {
    let disk = SimDisk::default();
    assert_eq!(witness(&disk).add_checkpoint(&request(0, 7), 1).status, 200);
    let path = last_cosigned_path(ORIGIN);
    let stored = Disk::read(&disk, &path, 1 << 20).unwrap().unwrap();
    for damage in [Vec::new(), note(7), stored[..stored.len() - 3].to_vec()] {
        disk.create(&path).unwrap().append(&damage).unwrap();
        let opened = Witness::on(signer(), vec![log().verifier()], Arc::new(disk.clone()), None);
        assert!(matches!(opened, Err(WitnessError::Damaged(_))), "{damage:?}");
    }
}

#[test]
fn requests_read_back() {
    for (old, new) in [(0, 0), (0, 7), (3, 7), (256, 600)] {
        let request = AddCheckpoint { old, proof: proof(old, new), note: note(new) };
        assert_eq!(AddCheckpoint::parse(&request.to_bytes()), Some(request));
    }
}

#[test]
fn answers_of_strangers_count_for_nothing() {
    let (note, policy) = (note(7), policy());
    let text = String::from_utf8(note.clone()).unwrap();
    let text = &text[..text.find("\n\n").unwrap() + 1];
    let stranger = Signer::generate("example.com/w2", [9; 32]).unwrap();
    let good = signer().cosignature_line(text, 5);
    let strange = stranger.cosignature_line(text, 5);
    let found = cosignatures(format!("{strange}{good}{good}").as_bytes(), &note, &policy).unwrap();
    assert_eq!(found, [Cosignature { witness: 0, time: 5, line: good.clone() }]);
    assert_eq!(cosignatures(strange.as_bytes(), &note, &policy), Err(CosignatureError::Nobody));
    let wrong = signer().cosignature_line("other\n", 5);
    let bad = Err(CosignatureError::Note(NoteError::BadSignature));
    assert_eq!(cosignatures(wrong.as_bytes(), &note, &policy), bad);
    for rude in ["", "\n", "nonsense", "\u{2014} x y\n"] {
        assert!(cosignatures(rude.as_bytes(), &note, &policy).is_err(), "{rude:?}");
    }
}

/// Nobody can make a witness keep what it cannot read again: lines in its own
/// name that it never signed, or more lines than anybody reads.
#[test]
fn lines_of_strangers_are_not_kept() {
    let disk = SimDisk::default();
    let witness = witness(&disk);
    let stranger = Signer::generate("example.com/w2", [9; 32]).unwrap();
    let text = String::from_utf8(note(7)).unwrap();
    let text = &text[..text.find("\n\n").unwrap() + 1];
    let forged = signer().cosignature_line("another\n", 5);
    let grease: String = (0..61).map(|time| stranger.cosignature_line(text, time)).collect();
    let again = String::from_utf8(note(7)).unwrap();
    let again = again[again.rfind('\u{2014}').unwrap()..].to_owned();
    assert_eq!(witness.add_checkpoint(&request(0, 7), 1).status, 200);
    for more in [forged, grease, again] {
        let note = [note(7), more.into_bytes()].concat();
        let body = AddCheckpoint { old: 7, proof: Vec::new(), note }.to_bytes();
        let answered = witness.add_checkpoint(&body, 2).status;
        assert!([200, 400].contains(&answered), "{answered}");
        assert_eq!(witness.add_checkpoint(&request(7, 7), 3).status, 200);
        assert!(
            Witness::on(signer(), vec![log().verifier()], Arc::new(disk.clone()), None).is_ok()
        );
    }
    assert_eq!(witness.add_checkpoint(&request(7, 9), 4).status, 200);
}
