use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::keys::{KeyError, Signer, VerifierKey};
use crate::testing::{policy, signer, witness};
use crate::trust::TrustPolicy;

use super::*;

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "example.com/guard-log".to_owned(), size: 7, root: Hash([3; 32]) }
}

fn error(note: &str) -> Option<CheckpointError> {
    Checkpoint::verify(note.as_bytes(), &policy()).err()
}

#[test]
fn a_signed_checkpoint_verifies() {
    let head = Checkpoint::verify(checkpoint().sign(&signer()).as_bytes(), &policy()).unwrap();
    assert_eq!(head.checkpoint, checkpoint());
    assert!(head.quorum && head.witnesses.is_empty());
}

#[test]
fn attacks_on_notes() {
    let good = checkpoint().sign(&signer());
    let text = checkpoint().to_string();
    let grease = "— example.com/other AAAAAAECAwQ=\n";
    let line = signer().signature_line(&text);
    let stranger = Signer::generate("example.com/guard-log", [9; 32]).unwrap();
    let note = CheckpointError::Note;
    let resign = |text: &str| Some(format!("{text}\n{}", signer().signature_line(text)));
    for (what, attack, expected) in [
        ("grease is ignored", Some(format!("{good}{grease}")), None),
        ("a repeated signature", Some(format!("{good}{line}")), None),
        ("16 signatures and more", Some(format!("{good}{}", grease.repeat(20))), None),
        (
            "too many",
            Some(format!("{good}{}", grease.repeat(MAX_SIGNATURES))),
            Some(note(NoteError::TooManySignatures)),
        ),
        ("no signature", Some(format!("{text}\n")), Some(note(NoteError::Form))),
        ("only grease", Some(format!("{text}\n{grease}")), Some(note(NoteError::NoKnownKey))),
        (
            "the same name, another key",
            Some(checkpoint().sign(&stranger)),
            Some(note(NoteError::NoKnownKey)),
        ),
        ("CRLF", Some(good.replace('\n', "\r\n")), Some(note(NoteError::Text))),
        ("a byte order mark", Some(format!("\u{feff}{good}")), Some(note(NoteError::BadSignature))),
        ("another size", Some(good.replace("\n7\n", "\n8\n")), Some(note(NoteError::BadSignature))),
        ("a blank line too few", Some(good.replacen("\n\n", "\n", 1)), Some(note(NoteError::Form))),
        ("no last newline", Some(good.trim_end().to_owned()), Some(note(NoteError::Form))),
        ("a leading zero", resign(&text.replace("\n7\n", "\n07\n")), Some(CheckpointError::Form)),
        ("a sign", resign(&text.replace("\n7\n", "\n+7\n")), Some(CheckpointError::Form)),
        (
            "a size past 2^64",
            resign(&text.replace("\n7\n", "\n18446744073709551616\n")),
            Some(CheckpointError::Form),
        ),
        (
            "a size past 2^62",
            resign(&text.replace("\n7\n", "\n4611686018427387904\n")),
            Some(CheckpointError::Form),
        ),
        ("an extension line", resign(&format!("{text}more\n")), Some(CheckpointError::Form)),
        (
            "another origin, our key",
            resign(&text.replace("guard-log", "other")),
            Some(CheckpointError::Origin),
        ),
        (
            "size 0 with a root",
            resign(&text.replace("\n7\n", "\n0\n")),
            Some(CheckpointError::Form),
        ),
    ] {
        assert_eq!(error(&attack.unwrap()), expected, "{what}");
    }
}

#[test]
fn every_changed_byte_of_a_checkpoint_is_refused() {
    let good = checkpoint().sign(&signer()).into_bytes();
    for at in 0..good.len() {
        for change in [1_u8, 0x20, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            assert!(Checkpoint::verify(&bad, &policy()).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_key_id_collision_is_a_bad_signature() {
    // The id of the known key, with a signature by another.
    let text = checkpoint().to_string();
    let stranger = Signer::generate("example.com/guard-log", [9; 32]).unwrap();
    let forged = stranger.signature_line(&text);
    let forged = forged.split(' ').next_back().unwrap().trim_end();
    let mut bytes = STANDARD.decode(forged).unwrap();
    bytes[..4].copy_from_slice(&signer().verifier().id().to_be_bytes());
    let line = format!("— example.com/guard-log {}\n", STANDARD.encode(bytes));
    assert_eq!(error(&format!("{text}\n{line}")), Some(NoteError::BadSignature.into()));
    // One bad signature by a known key spoils a good one beside it.
    let both = format!("{}{line}", checkpoint().sign(&signer()));
    assert_eq!(error(&both), Some(NoteError::BadSignature.into()));
}

#[test]
fn witnesses_count_towards_the_quorum_when_they_verify() {
    let text = format!(
        "log {}\nwitness w1 {}\nquorum w1\n",
        signer().verifier(),
        witness().witness_verifier()
    );
    let policy = TrustPolicy::parse(&text).unwrap();
    let alone = checkpoint().sign(&signer());
    assert!(!Checkpoint::verify(alone.as_bytes(), &policy).unwrap().quorum);
    let line = witness().cosignature_line(&checkpoint().to_string(), 1_679_315_147);
    let head = Checkpoint::verify(format!("{alone}{line}").as_bytes(), &policy).unwrap();
    assert!(head.quorum);
    assert_eq!(head.witnesses, [("w1".to_owned(), 1_679_315_147)]);
    let stolen = witness().cosignature_line("other\n1\n", 1_679_315_147);
    let fault = Checkpoint::verify(format!("{alone}{stolen}").as_bytes(), &policy).err();
    assert_eq!(fault, Some(NoteError::BadSignature.into()));
}

#[test]
fn keys_round_trip_and_refuse() {
    let private = signer().to_private_text();
    let again: Signer = private.parse().unwrap();
    assert_eq!(again.verifier(), signer().verifier());
    let key = signer().verifier().to_string();
    assert_eq!(key.parse::<VerifierKey>().unwrap().to_string(), key);
    for (bad, fault) in [
        ("", KeyError::Form),
        ("name", KeyError::Form),
        ("a+00000000+AQ==", KeyError::Form),
        ("a+0000000+AQ==", KeyError::Form),
        ("a+0000000G+AQ==", KeyError::Form),
        (&*key.replace("443cd582", "443cd583"), KeyError::Hash),
        (&*key.replace("guard", "guare"), KeyError::Hash),
        (&*key.replace("+AQ", "+Ag"), KeyError::Algorithm),
        (&*key.replace("guard-log", "guard log"), KeyError::Name),
    ] {
        assert_eq!(bad.parse::<VerifierKey>().unwrap_err(), fault, "{bad}");
    }
    assert_eq!(Signer::generate("a+b", [0; 32]).unwrap_err(), KeyError::Name);
    assert_eq!(Signer::generate("", [0; 32]).unwrap_err(), KeyError::Name);
    assert!(!format!("{:?}", signer()).contains("AAEC"));
}
