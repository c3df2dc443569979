//! Receipts, against a log whose every entry is known.

use std::sync::LazyLock;

use crate::checkpoint::Checkpoint;
use crate::commit::Committer;
use crate::hash::Hash;
use crate::receipt::{Extra, Receipt, ReceiptFault, verify_receipt};
use crate::record::{Encoded, Intent, Outcome, Record};

use super::{LOG, POLICY, WITNESSED, path, tree_hash};

/// The exchange of the log's first two entries, and who commits to its content.
const EXCHANGE: &str = "019aabcd-0123-7000-8000-0000000000ff";
static COMMITTER: LazyLock<Committer> = LazyLock::new(|| Committer::new(&[3; 32], EXCHANGE));

/// Two records, an unknown one, and four entries that are none.
static ENTRIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let request = Some(COMMITTER.commit("request", b"hello"));
    let exchange = || EXCHANGE.to_owned();
    let intent = Intent { exchange: exchange(), request, ..Intent::default() };
    let outcome = Outcome {
        exchange: exchange(),
        request,
        response_released: Some(COMMITTER.commit("response.released", b"answer")),
        ..Outcome::default()
    };
    let written = |record| {
        let mut bytes = Vec::new();
        Encoded::new(record).unwrap().stamp(42, &mut bytes);
        bytes
    };
    let mut entries =
        vec![written(Record::Intent(intent)), written(Record::Outcome(Box::new(outcome)))];
    entries.push(br#"{"kind":"hologram","time":42,"v":1}"#.to_vec());
    entries.extend((3..7).map(|i| format!("{{\"seq\":{i}}}").into_bytes()));
    entries
});

/// Receipts: what verifies was issued for that very entry of the log, and is
/// spelt as the log would spell it.
pub fn receipt(bytes: &[u8]) -> bool {
    let alone = verify_receipt(bytes, &POLICY, None);
    let mut accepted = false;
    let with_each = ENTRIES.iter().map(|entry| verify_receipt(bytes, &POLICY, Some(entry)));
    let with_entry =
        if alone == Err(ReceiptFault::NoRecord) { with_each.collect() } else { Vec::new() };
    let holds_record = with_entry.is_empty();
    for result in with_entry.into_iter().chain([alone]) {
        let verified = match result {
            Ok(verified) => verified,
            Err(fault) => {
                assert!([1, 3, 64].contains(&fault.exit_code()));
                assert_eq!(fault.exit_code() == 64, fault == ReceiptFault::NoRecord);
                assert!(!fault.to_string().is_empty());
                continue;
            }
        };
        accepted = true;
        let strict = verify_receipt(bytes, &WITNESSED, Some(&verified.entry));
        match verified.head.witnesses.first() {
            Some((name, _)) => assert!(name == "w1" && strict.is_ok()),
            None => assert_eq!(strict.unwrap_err().exit_code(), 3),
        }
        let index = usize::try_from(verified.index).unwrap();
        let size = usize::try_from(verified.head.checkpoint.size).unwrap();
        assert_eq!(ENTRIES.get(index), Some(&verified.entry));
        assert_eq!(verified.head.checkpoint, head(size));
        for (field, (commitment, opening)) in &verified.openings {
            // Nobody signs an opening, so it is right or it confirms nothing.
            let own = *opening == COMMITTER.opening(field);
            for content in [b"hello".as_slice(), b"answer"] {
                let committed = COMMITTER.commit(field, content) == *commitment;
                assert_eq!(verified.confirms(field, content), Some(own && committed));
            }
        }
        assert_eq!(verified.confirms("response.upstream", b"answer"), None);
        let openings = verified.openings.into_iter().map(|(field, (_, opening))| (field, opening));
        let extra = Extra { record: verified.entry, openings: openings.collect() };
        let text = std::str::from_utf8(bytes).unwrap();
        let (_, note) = text.split_once("\n\n").unwrap();
        let leaves = leaves(size);
        let extra = holds_record.then_some(&extra);
        let again = Receipt::new(verified.index, &path(index, &leaves), note.as_bytes(), extra);
        assert_eq!(again.into_bytes(), bytes);
    }
    accepted
}

fn leaves(size: usize) -> Vec<Hash> {
    ENTRIES[..size].iter().map(|entry| Hash::leaf(entry)).collect()
}

fn head(size: usize) -> Checkpoint {
    let root = tree_hash(&leaves(size));
    Checkpoint { origin: LOG.name().to_owned(), size: u64::try_from(size).unwrap(), root }
}

/// A receipt as the log would issue it: `fields` are opened; cosigned or not.
#[cfg(test)]
pub(super) fn issued(index: usize, size: usize, fields: Option<&[&str]>, witness: bool) -> Vec<u8> {
    let openings = fields
        .unwrap_or_default()
        .iter()
        .map(|field| ((*field).to_owned(), COMMITTER.opening(field)))
        .collect();
    let extra = fields.map(|_| Extra { record: ENTRIES[index].clone(), openings });
    let head = head(size);
    let mut note = head.sign(&LOG);
    if witness {
        note += &super::WITNESS.cosignature_line(&head.to_string(), 1_679_315_147);
    }
    let proof = path(index, &leaves(size));
    let index = u64::try_from(index).unwrap();
    Receipt::new(index, &proof, note.as_bytes(), extra.as_ref()).into_bytes()
}
