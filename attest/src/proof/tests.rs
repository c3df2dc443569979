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

/// Every perfect subtree of `count` entries, by level: the engine's tiles, in short.
fn subtrees(count: u64) -> Vec<Vec<Hash>> {
    let mut levels = vec![(0..count).map(leaf).collect::<Vec<_>>()];
    while levels.last().unwrap().len() > 1 {
        let pairs = levels.last().unwrap().chunks_exact(2);
        levels.push(pairs.map(|pair| Hash::node(&pair[0], &pair[1])).collect());
    }
    levels
}

/// All proofs for all m <= n <= 512 hold, and none holds that was changed: all of the changes up
/// to 64 entries, and a sample of them beyond; all with `TROTH_CHAOS`.
#[test]
fn chaos_every_proof_to_size_512_holds_and_none_is_loose() {
    let all = std::env::var_os("TROTH_CHAOS").is_some();
    let levels = subtrees(SIZES);
    let mut node = |level: u32, index: u64| {
        let level = levels.get(usize::try_from(level).unwrap()).ok_or(())?;
        level.get(usize::try_from(index).unwrap()).copied().ok_or(())
    };
    let leaves = &levels[0];
    // The oracle for each root, the algorithm under test for the rest.
    let roots: Vec<Hash> = (0..=leaves.len()).map(|n| tree_hash(&leaves[..n])).collect();
    let (mut held, mut refused) = (0_u64, 0_u64);
    for (size, root) in (0..=SIZES).zip(&roots) {
        assert_eq!(root_at(size, &mut node), Ok(*root));
        for (index, leaf) in (0..size).zip(leaves) {
            let change = all || size <= 64 || (index * 31 + size).is_multiple_of(61);
            let proof = prove_inclusion(index, size, &mut node).unwrap();
            assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));
            held += 1;
            if !change {
                continue;
            }
            refused +=
                loose(&proof, |proof| verify_inclusion(leaf, index, size, proof, root).is_ok());
            let neighbours = [index.wrapping_sub(1), index + 1, size, index ^ size];
            for other in neighbours.into_iter().filter(|other| *other != index) {
                assert!(verify_inclusion(leaf, other, size, &proof, root).is_err());
                refused += 1;
            }
            let other = Hash::leaf(b"another");
            assert!(verify_inclusion(&other, index, size, &proof, root).is_err());
            assert!(verify_inclusion(leaf, index, size, &proof, &other).is_err());
        }
        for (old, old_root) in (0..=size).zip(&roots) {
            let proof = prove_consistency(old, size, &mut node).unwrap();
            let holds =
                |proof: &[Hash]| verify_consistency(old, size, proof, old_root, root).is_ok();
            assert!(holds(&proof), "{old} {size}");
            held += 1;
            if !(all || size <= 64 || (old * 31 + size).is_multiple_of(61)) {
                continue;
            }
            refused += loose(&proof, holds);
            if old != size {
                let turned = verify_consistency(old, size, &proof, root, old_root);
                assert!(turned.is_err() || old == 0);
                assert!(verify_consistency(size, old, &proof, root, old_root).is_err());
            }
        }
    }
    println!("proofs: {held} hold, {refused} changed ones are refused");
}

const SIZES: u64 = 512;

/// No shorter, longer, swapped or changed proof holds; how many were tried.
fn loose(proof: &[Hash], holds: impl Fn(&[Hash]) -> bool) -> u64 {
    let mut tried = 1;
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
        tried += 3;
    }
    tried
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
