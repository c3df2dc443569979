use proptest::prelude::*;

use crate::checkpoint::Checkpoint;
use crate::frontier::Frontier;
use crate::testing::{signer, witness};

use super::*;

fn leaf(i: u64) -> Hash {
    Hash::leaf(format!("{{\"seq\":{i}}}").as_bytes())
}

/// RFC 6962 2.1, word for word: the oracle.
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

/// Perfect subtrees by the oracle.
fn nodes(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, ()> + '_ {
    |level, index| {
        let range = usize::try_from(index << level).unwrap()
            ..usize::try_from((index + 1) << level).unwrap();
        leaves.get(range).map(tree_hash).ok_or(())
    }
}

#[test]
fn published_vectors() {
    assert_eq!(Hash::empty_root().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(
        hex::encode(leaf(0).0),
        "a402b0e36f5aae85457360fcf00a2545b87dd47f310553e7b0d32d6d0ac4400d"
    );
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), Hash::empty_root());
    for i in 0..70_000 {
        frontier.push(leaf(i));
        let expected = match frontier.size() {
            1 => "pAKw429aroVFc2D88AolRbh91H8xBVPnsNMtbQrEQA0=",
            7 => "EvKAi8pMShoFMXCjvEsCuz6D/gv4VOQsdbNQL7mqlaI=",
            256 => "seEZrOo8AgMvfp4xtjKwHzWwoh0carRqr3DlKeWyNcc=",
            70_000 => "Setbsr+kDfnOsfkN53+XtlnD6O006VHSKx5qKVKBi8w=",
            _ => continue,
        };
        assert_eq!(frontier.root().to_string(), expected, "size {}", frontier.size());
    }
}

#[test]
fn published_checkpoint() {
    let leaves: Vec<Hash> = (0..7).map(leaf).collect();
    let checkpoint = Checkpoint {
        origin: "example.com/guard-log".to_owned(),
        size: 7,
        root: tree_hash(&leaves),
    };
    let text = checkpoint.to_string();
    assert_eq!(text, "example.com/guard-log\n7\nEvKAi8pMShoFMXCjvEsCuz6D/gv4VOQsdbNQL7mqlaI=\n");
    assert_eq!(
        checkpoint.sign(&signer()),
        format!(
            "{text}\n— example.com/guard-log RDzVgiTduv9OsHc8WnOtMIfosqVrDYyBs4PxWlko9AEypSvhTjEcw+dJJqp5KFN0qTDXCVHoyFbDFMTeG70vIEdjWgs=\n"
        )
    );
    assert_eq!(
        witness().cosignature_line(&text, 1_679_315_147),
        "— example.com/w1 S6+3EAAAAABkGFDL48P4uQ6JFtDfSY3Isi7cYyAHtR4Jq79mwlzUZoHnFpsKu2PBWR80e7VvRu8dZgRorsSpXfYP4PXYGZ+KBCfOBw==\n"
    );
    assert_eq!(
        signer().verifier().to_string(),
        "example.com/guard-log+443cd582+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    );
    assert_eq!(
        witness().witness_verifier().to_string(),
        "example.com/w1+4bafb710+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
    );
}

#[test]
fn every_proof_to_size_64_holds_and_none_is_loose() {
    let leaves: Vec<Hash> = (0..64).map(leaf).collect();
    let roots: Vec<Hash> = (0..=64).map(|n| tree_hash(&leaves[..n])).collect();
    for n in 0..=64_usize {
        let size = n as u64;
        let root = roots[n];
        assert_eq!(root_at(size, &mut nodes(&leaves)), Ok(root));
        for (m, leaf) in leaves.iter().enumerate().take(n) {
            let index = m as u64;
            let proof = prove_inclusion(index, size, &mut nodes(&leaves)).unwrap();
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err());
            }
            loose(&proof, |proof| verify_inclusion(leaf, index, size, proof, &root).is_ok());
        }
        for (old, old_root) in (0_u64..).zip(&roots[..=n]) {
            let proof = prove_consistency(old, size, &mut nodes(&leaves)).unwrap();
            let holds =
                |proof: &[Hash]| verify_consistency(old, size, proof, old_root, &root).is_ok();
            assert!(holds(&proof), "{old} {size}");
            loose(&proof, holds);
            if old != size {
                assert!(
                    verify_consistency(old, size, &proof, &root, old_root).is_err() || old == 0
                );
                assert!(verify_consistency(size, old, &proof, &root, old_root).is_err());
            }
        }
    }
}

/// No shorter, longer, swapped or changed proof holds.
fn loose(proof: &[Hash], holds: impl Fn(&[Hash]) -> bool) {
    let mut longer = proof.to_vec();
    longer.push(Hash([0; 32]));
    assert!(!holds(&longer));
    for i in 0..proof.len() {
        let mut other = proof.to_vec();
        other[i].0[i % 32] ^= 1;
        assert!(!holds(&other));
        let mut shorter = proof.to_vec();
        shorter.remove(i);
        assert!(!holds(&shorter));
        if i > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(i - 1, i);
            assert!(!holds(&swapped));
        }
    }
}

proptest! {
    /// Sizes near 2^62: the algorithms neither overflow nor loop.
    #[test]
    fn large_numbers_are_refused_in_time(
        index in 0_u64..1 << 62,
        size in 0_u64..1 << 62,
        count in 0_usize..70,
    ) {
        let proof = vec![Hash([9; 32]); count];
        prop_assert!(verify_inclusion(&leaf(0), index, size, &proof, &Hash([1; 32])).is_err());
        let _ = verify_consistency(index, size, &proof, &Hash([1; 32]), &Hash([2; 32]));
    }
}
