use std::path::Path;

use super::*;

/// The inputs that fuzzing found worth keeping, crashes that were mended among
/// them.
fn corpus(target: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let file = directory.join(target);
    std::fs::read(&file).unwrap_or_else(|fault| panic!("`{}`: {fault}", file.display()))
}

/// Replays inputs; how many were accepted and how many refused.
fn replay<'a>(holds: fn(&[u8]) -> bool, inputs: impl Iterator<Item = &'a [u8]>) -> (usize, usize) {
    let (accepted, refused): (Vec<bool>, Vec<bool>) = inputs.map(holds).partition(|yes| *yes);
    (accepted.len(), refused.len())
}

/// The property of a target.
fn property(target: &str) -> fn(&[u8]) -> bool {
    TARGETS.iter().find(|(name, _)| *name == target).unwrap().1
}

/// With `TROTH_FUZZ_SEEDS` the seeds are also written below that directory.
fn seeds_hold(target: &str) {
    let seeds = seeds::of(target);
    if let Some(directory) = std::env::var_os("TROTH_FUZZ_SEEDS") {
        let directory = Path::new(&directory).join(target);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
    let (accepted, refused) = replay(property(target), seeds.iter().map(Vec::as_slice));
    assert!(accepted > 2 && refused > 2, "{accepted} accepted, {refused} refused");
}

fn kept_inputs_hold(target: &str) {
    let corpus = corpus(target);
    let inputs = unpack(&corpus).expect("a whole corpus");
    let (accepted, refused) = replay(property(target), inputs.into_iter());
    assert!(accepted > 2 && refused > 2, "{accepted} accepted, {refused} refused");
}

macro_rules! replayed {
    ($($target:ident),+ $(,)?) => {
        $(mod $target {
            #[test]
            fn seeds_hold() {
                super::seeds_hold(stringify!($target));
            }

            #[test]
            fn kept_inputs_hold() {
                super::kept_inputs_hold(stringify!($target));
            }
        })+

        const REPLAYED: &[&str] = &[$(stringify!($target)),+];
    };
}

replayed! { checkpoint, frame, note, policy, proof, receipt, record, tile, witness }

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let names = |directory: &str| {
        let entries = std::fs::read_dir(fuzz.join(directory)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    let targets = TARGETS.map(|(target, _)| target);
    assert_eq!(REPLAYED, targets);
    // Other crates have targets too, and tests of their own that say so.
    let ours = |program: &String| {
        let text = std::fs::read_to_string(fuzz.join("targets").join(program)).unwrap();
        text.contains("troth_attest::")
    };
    let corpora = names("corpus");
    let programs = names("targets");
    assert_eq!(corpora.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>(), programs);
    let programs: Vec<String> = programs.into_iter().filter(ours).collect();
    assert_eq!(programs, targets.map(|target| format!("{target}.rs")));
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        let program = format!("targets/{target}.rs");
        let text = std::fs::read_to_string(fuzz.join(program)).unwrap();
        assert!(text.contains(&format!("fuzzing::{target}(bytes)")), "{target}");
    }
}

#[test]
fn a_corpus_that_is_cut_is_noticed() {
    let file = b"\0\0\0\x03one\0\0\0\0\0\0\0\x01x";
    assert_eq!(unpack(file), Some(vec![b"one".as_slice(), b"", b"x"]));
    for length in [1, 3, 4, 6, 10, 15] {
        assert_eq!(unpack(&file[..length]), None, "{length}");
    }
}
