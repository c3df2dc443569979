//! What must hold for any bytes at all: the properties that the fuzz targets of
//! `tests/fuzz` hunt for counterexamples to, and that plain `cargo test` replays
//! over the inputs which fuzzing found worth keeping.
//!
//! Each function panics when its property fails, and otherwise tells whether
//! the bytes were accepted as what it is named for: a corpus in which nothing is
//! accepted tests only the refusals. It is not there in any other build.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a property that fails must panic: that is how a fuzzer hears of it"
)]

mod notes;
mod receipts;
mod records;
mod tree;

use std::sync::LazyLock;

use crate::hash::Hash;
use crate::keys::Signer;
use crate::trust::TrustPolicy;

pub use notes::{checkpoint, note, policy, witness};
pub use receipts::receipt;
pub use records::{frame, record};
pub use tree::{proof, tile};

/// A property, with the name of its target and of its corpus.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("checkpoint", checkpoint),
    ("frame", frame),
    ("note", note),
    ("policy", policy),
    ("proof", proof),
    ("receipt", receipt),
    ("record", record),
    ("tile", tile),
    ("witness", witness),
];

/// The inputs of a corpus's file: each is its length (u32 big-endian) and its
/// bytes. Nothing when the file is not whole.
#[must_use]
pub fn unpack(mut corpus: &[u8]) -> Option<Vec<&[u8]>> {
    let mut inputs = Vec::new();
    while !corpus.is_empty() {
        let (length, rest) = corpus.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (input, rest) = rest.split_at_checked(length)?;
        inputs.push(input);
        corpus = rest;
    }
    Some(inputs)
}

/// The log's and the witness's signer of the published vectors (attestation,
/// section 1), a policy that trusts both, and one that asks for the witness.
static LOG: LazyLock<Signer> = LazyLock::new(|| signer("example.com/guard-log", 0));
static WITNESS: LazyLock<Signer> = LazyLock::new(|| signer("example.com/w1", 32));
static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| policy_with("none"));
static WITNESSED: LazyLock<TrustPolicy> = LazyLock::new(|| policy_with("w1"));

fn policy_with(quorum: &str) -> TrustPolicy {
    let (log, witness) = (LOG.verifier(), WITNESS.witness_verifier());
    TrustPolicy::parse(&format!("log {log}\nwitness w1 {witness}\nquorum {quorum}\n")).unwrap()
}

fn signer(name: &str, first: u8) -> Signer {
    Signer::generate(name, std::array::from_fn(|i| first + u8::try_from(i).unwrap())).unwrap()
}

/// Takes bytes apart as choices. Where they end, every choice is zero: so each
/// input means something, and a shorter one something simpler.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_be_bytes(self.take())) % bound.max(1)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let count = N.min(self.0.len());
        let (head, rest) = self.0.split_at(count);
        taken[..count].copy_from_slice(head);
        self.0 = rest;
        taken
    }

    fn bytes(&mut self, at_most: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(at_most.min(self.0.len()));
        self.0 = rest;
        head
    }
}

/// RFC 6962 2.1, word for word: the oracle for every root and subtree.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            Hash::node(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// RFC 6962 2.1.1, `PATH(m, D[n])`.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut inner, outer) = if index < left.len() {
        (path(index, left), tree_hash(right))
    } else {
        (path(index - left.len(), right), tree_hash(left))
    };
    inner.push(outer);
    inner
}

#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;
