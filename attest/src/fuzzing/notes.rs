//! Text that carries signatures: notes, checkpoints, policies, and what logs and
//! witnesses say to each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, MAX_SIZE};
use crate::hash::Hash;
use crate::keys::VerifierKey;
use crate::note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError};
use crate::trust::TrustPolicy;
use crate::witness::{AddCheckpoint, cosignatures, with_cosignatures};

use super::{LOG, POLICY, WITNESS};

/// Signed notes: what parses is spelt in the one way that it could be written,
/// and what verifies is exactly what a known key signed.
pub fn note(bytes: &[u8]) -> bool {
    let Ok(note) = Note::parse(bytes) else { return false };
    assert!(bytes.len() <= MAX_NOTE_BYTES);
    let text = note.unverified_text();
    let lines = signature_lines(bytes, text);
    assert!((1..=MAX_SIGNATURES).contains(&lines.len()));
    let mut again = format!("{text}\n");
    for (name, payload) in &lines {
        again += &format!("\u{2014} {name} {}\n", STANDARD.encode(payload));
    }
    assert_eq!(again.as_bytes(), bytes);

    let (log, witness) = (LOG.verifier(), WITNESS.witness_verifier());
    let of = |key: &VerifierKey| {
        let id = key.id().to_be_bytes();
        let own = lines.iter().filter(|(name, payload)| *name == key.name() && payload[..4] == id);
        own.map(|(_, payload)| payload[4..].to_vec()).collect::<Vec<_>>()
    };
    let cosigned = |payload: &Vec<u8>| {
        let (time, signature) = payload.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        witness.holds(message.as_bytes(), signature).then_some(time)
    };
    let times: Option<Vec<u64>> = of(&witness).iter().map(cosigned).collect();
    let signed = of(&log);
    let holds = signed.iter().all(|signature| log.holds(text.as_bytes(), signature));
    let verified = note.verify(std::slice::from_ref(&log), std::slice::from_ref(&witness));
    match (holds, times, signed.is_empty()) {
        (true, Some(times), false) => {
            let verified = verified.unwrap();
            assert_eq!((verified.text, verified.logs), (text, vec![0]));
            let latest = times.into_iter().max().map(|time| (0, time));
            assert_eq!(verified.witnesses, Vec::from_iter(latest));
        }
        (true, Some(_), true) => assert_eq!(verified, Err(NoteError::NoKnownKey)),
        _ => assert_eq!(verified, Err(NoteError::BadSignature)),
    }
    signs_and_verifies(text);
    true
}

/// The lines after a note's text, by a reader of its own: name and payload.
fn signature_lines<'a>(bytes: &'a [u8], text: &str) -> Vec<(&'a str, Vec<u8>)> {
    assert!(text.ends_with('\n'));
    let whole = std::str::from_utf8(bytes).unwrap();
    let rest = whole.strip_prefix(text).and_then(|rest| rest.strip_prefix('\n'));
    let lines = rest.and_then(|rest| rest.strip_suffix('\n')).expect("lines that end");
    let read = |line: &'a str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() == 3 && words[0] == "\u{2014}" && !words[1].is_empty());
        let payload = STANDARD.decode(words[2]).unwrap();
        assert!(payload.len() > 4);
        (words[1], payload)
    };
    lines.split('\n').map(read).collect()
}

/// Whatever may be a note's text can be signed, and verifies as itself.
fn signs_and_verifies(text: &str) {
    let (log, witness) = (LOG.verifier(), WITNESS.witness_verifier());
    let lines = [LOG.signature_line(text), WITNESS.cosignature_line(text, u64::MAX)];
    let whole = format!("{text}\n{}", lines.concat());
    match Note::parse(whole.as_bytes()) {
        Ok(note) => {
            let verified = note.verify(&[log], &[witness]).unwrap();
            assert_eq!((verified.text, verified.witnesses), (text, vec![(0, u64::MAX)]));
        }
        Err(fault) => assert!(fault == NoteError::TooLarge && whole.len() > MAX_NOTE_BYTES),
    }
}

/// The text of checkpoints: accepted in one spelling only, and believed from
/// the log that it names only.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let parsed = Checkpoint::parse(text).ok();
    assert_eq!(parsed, checkpoint_by_parts(text));
    let Some(checkpoint) = parsed else { return false };
    assert_eq!(checkpoint.to_string(), text);
    let signed = checkpoint.sign(&LOG);
    let believed = Checkpoint::verify(signed.as_bytes(), &POLICY);
    if signed.len() > MAX_NOTE_BYTES {
        assert_eq!(believed, Err(CheckpointError::Note(NoteError::TooLarge)));
    } else if checkpoint.origin.bytes().any(|byte| byte < 0x20) {
        assert_eq!(believed, Err(CheckpointError::Note(NoteError::Text)));
    } else if checkpoint.origin == LOG.name() {
        let believed = believed.unwrap();
        assert!(believed.quorum && believed.witnesses.is_empty());
        assert_eq!(believed.checkpoint, checkpoint);
        assert_eq!(Checkpoint::claimed(signed.as_bytes()), Ok(checkpoint));
    } else {
        assert_eq!(believed, Err(CheckpointError::Origin));
    }
    true
}

/// The same by the definition: three lines that write themselves again.
fn checkpoint_by_parts(text: &str) -> Option<Checkpoint> {
    let lines: Vec<&str> = text.split('\n').collect();
    let [origin, size, root, ""] = lines[..] else { return None };
    let number: u64 = size.parse().ok().filter(|size| *size < MAX_SIZE)?;
    let bytes = STANDARD.decode(root).ok()?;
    let hash = Hash(bytes.try_into().ok()?);
    let plain = number.to_string() == size && STANDARD.encode(hash.0) == root;
    let possible = number > 0 || hash == Hash::empty_root();
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: number, root: hash };
    (plain && possible && !origin.is_empty()).then_some(checkpoint)
}

/// Trust policy files: what one displays as is the same policy, and a quorum is
/// what its lines say, which more cosignatures only bring nearer.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(policy) = TrustPolicy::parse(text) else { return false };
    let shown = policy.to_string();
    assert_eq!(TrustPolicy::parse(&shown).as_ref(), Ok(&policy));
    let count = policy.witness_keys().len();
    let everyone: Vec<usize> = (0..count).collect();
    assert!(policy.satisfied_by(&everyone));
    assert_eq!(policy.satisfied_by(&[]), shown.ends_with("quorum none\n"));
    // Sets that the bytes choose, each with its supersets by one.
    for (place, choice) in bytes.iter().take(16).enumerate() {
        let chosen = |witness: &usize| (choice.rotate_left(3) >> (witness % 8)) & 1 == 1;
        let mut some: Vec<usize> = everyone.iter().copied().filter(chosen).collect();
        let met = policy.satisfied_by(&some);
        let names: Vec<&str> = some.iter().map(|witness| policy.witness_name(*witness)).collect();
        assert_eq!(met, met_by_lines(&shown, &names));
        some.push(place % count.max(1));
        assert!(!met || policy.satisfied_by(&some));
    }
    true
}

/// Whether these names satisfy the quorum of a policy's own lines, from the
/// last line back.
fn met_by_lines(policy: &str, names: &[&str]) -> bool {
    fn met(name: &str, policy: &str, names: &[&str]) -> bool {
        for line in policy.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["witness", own, ..] if own == name => return names.contains(&name),
                ["group", own, threshold, ref members @ ..] if own == name => {
                    let count = members.iter().filter(|name| met(name, policy, names)).count();
                    return count >= threshold.parse().unwrap();
                }
                _ => {}
            }
        }
        false
    }
    let quorum = policy.lines().find_map(|line| line.strip_prefix("quorum ")).unwrap();
    quorum == "none" || met(quorum, policy, names)
}

/// What a witness is asked and what it answers: a request is spelt in one way,
/// and of an answer nothing counts but the policy's own witnesses' lines.
pub fn witness(bytes: &[u8]) -> bool {
    let mut accepted = false;
    if let Some(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes);
        assert!(request.old < MAX_SIZE && request.proof.len() <= 63);
        accepted = true;
    }
    let text = "example.com/guard-log\n7\nEvKAi8pMShoFMXCjvEsCuz6D/gv4VOQsdbNQL7mqlaI=\n";
    let note = format!("{text}\n{}", LOG.signature_line(text));
    if let Ok(found) = cosignatures(bytes, note.as_bytes(), &POLICY) {
        assert_eq!(found.len(), 1, "the policy has one witness");
        let body = std::str::from_utf8(bytes).unwrap();
        assert!(body.split_inclusive('\n').any(|line| line == found[0].line));
        assert_eq!(found[0].line, WITNESS.cosignature_line(text, found[0].time));
        let whole = with_cosignatures(note.as_bytes(), &found);
        let believed = Checkpoint::verify(&whole, &POLICY).unwrap();
        assert_eq!(believed.witnesses, [("w1".to_owned(), found[0].time)]);
        accepted = true;
    }
    accepted
}
