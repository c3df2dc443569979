use proptest::prelude::*;

use crate::commit::Committer;
use crate::frontier::Frontier;
use crate::keys::Signer;
use crate::record::{Encoded, Outcome, Record};
use crate::testing::{exchange, outcome, policy, signer, witness};

use super::*;

/// A tree of seven entries, the third an outcome with an opened commitment.
fn receipt() -> Receipt {
    let id = exchange(1);
    let committer = Committer::new(&[3; 32], &id);
    let mut ended = outcome(&id, 1);
    ended.request = Some(committer.commit("request", b"hello"));
    ended.response_released = Some(committer.commit("response.released", b"answer"));
    let openings = [("request".to_owned(), committer.opening("request"))].into();
    of(ended, openings)
}

fn of(ended: Outcome, openings: BTreeMap<String, Opening>) -> Receipt {
    let mut record = Vec::new();
    Encoded::new(Record::Outcome(Box::new(ended))).unwrap().stamp(42, &mut record);
    let mut leaves: Vec<Hash> = (0..7_u8).map(|n| Hash::leaf(&[n])).collect();
    leaves[2] = Hash::leaf(&record);
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let proof = crate::proof::prove_inclusion(2, 7, &mut |level, index| {
        let mut part = Frontier::new();
        let from = usize::try_from(index << level).unwrap();
        leaves.get(from..from + (1 << level)).ok_or(())?.iter().for_each(|leaf| part.push(*leaf));
        Ok::<_, ()>(part.root())
    });
    let origin = "example.com/guard-log".to_owned();
    let note = Checkpoint { origin, size: 7, root: frontier.root() }.sign(&signer());
    Receipt::new(2, &proof.unwrap(), note.as_bytes(), Some(&Extra { record, openings }))
}

fn check(text: &str) -> Result<VerifiedReceipt, ReceiptFault> {
    verify_receipt(text.as_bytes(), &policy(), None)
}

#[test]
fn a_receipt_is_self_contained() {
    let receipt = receipt();
    let verified = check(receipt.as_str()).unwrap();
    assert_eq!((verified.index, verified.head.checkpoint.size), (2, 7));
    assert_eq!(verified.record.kind, "outcome");
    assert_eq!(verified.confirms("request", b"hello"), Some(true));
    assert_eq!(verified.confirms("request", b"hullo"), Some(false));
    assert_eq!(verified.confirms("response.released", b"answer"), None);
    assert!(
        !format!("{receipt:?} {verified:?}").contains(&*verified.openings["request"].1.to_text())
    );
    let lines: Vec<&str> = receipt.as_str().lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert!(lines[1].starts_with("extra ") && lines[2] == "index 2");
}

#[test]
fn attacks_on_receipts() {
    let good = receipt().as_str().to_owned();
    let lines: Vec<&str> = good.lines().collect();
    let swap = |at: usize, with: &str| {
        let mut lines = lines.clone();
        lines[at] = with;
        lines.join("\n") + "\n"
    };
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    let double = |at: usize| {
        let mut lines = lines.clone();
        lines.insert(at, lines[at]);
        lines.join("\n") + "\n"
    };
    for (what, attack) in [
        ("no header", without(0)),
        ("another version", swap(0, "c2sp.org/tlog-proof@v2")),
        ("an index of another record", swap(2, "index 3")),
        ("an index with a zero before it", swap(2, "index 02")),
        ("an index past the end", swap(2, "index 7")),
        ("an index past 2^62", swap(2, "index 4611686018427387904")),
        ("no index", without(2)),
        ("two indexes", double(2)),
        ("two extra lines", double(1)),
        ("an extra line that is no base64", swap(1, "extra !")),
        ("an extra line that is no JSON", swap(1, "extra e30=")),
        ("a hash too few", without(3)),
        ("a hash too many", double(3)),
        (
            "an empty proof",
            lines[..3].iter().chain(&lines[6..]).map(|l| format!("{l}\n")).collect(),
        ),
        ("a hash that is no hash", swap(3, "AAAA")),
        ("CRLF", good.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("cut short", good.split_at(good.len() - 9).0.to_owned()),
        ("something after it", format!("{good}more\n")),
        ("63 hashes and more", swap(3, &[lines[3]; 100].join("\n"))),
    ] {
        assert!(check(&attack).is_err(), "{what}");
    }
    assert!(verify_receipt(&vec![b'a'; MAX_RECEIPT_BYTES + 1], &policy(), None).is_err());
}

#[test]
fn another_key_an_absent_witness_and_a_stray_opening() {
    let good = receipt();
    let other = Signer::generate("example.com/guard-log", [1; 32]).unwrap();
    let stranger = TrustPolicy::for_log(&other.verifier());
    let fault = verify_receipt(good.as_str().as_bytes(), &stranger, None).unwrap_err();
    assert_eq!(fault.exit_code(), 1);
    let witnessed = TrustPolicy::parse(&format!(
        "log {}\nwitness w {}\nquorum w\n",
        signer().verifier(),
        witness().witness_verifier()
    ));
    let fault = verify_receipt(good.as_str().as_bytes(), &witnessed.unwrap(), None).unwrap_err();
    assert_eq!(fault.exit_code(), 3);
    let opening = Committer::new(&[3; 32], "id").opening("arguments/0");
    let stray = of(outcome(&exchange(1), 1), [("arguments/0".to_owned(), opening)].into());
    assert_eq!(check(stray.as_str()), Err(ReceiptFault::Opening));
}

/// But for the openings, which nobody signs and which confirm or do not, no
/// byte of a receipt can be changed.
#[test]
fn every_changed_byte_is_refused() {
    let good = of(outcome(&exchange(1), 1), BTreeMap::new());
    let good = good.as_str().as_bytes();
    for at in 0..good.len() {
        for bit in [0, 1, 5] {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << bit;
            assert!(verify_receipt(&bad, &policy(), None).is_err(), "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(c2sp.org/tlog-proof@v1\n)?(extra [A-Za-z0-9=]{0,9}\n)?(index [0-9]{1,20}\n)?\\PC{0,40}") {
        prop_assert!(check(&text).is_err());
    }
}
