use std::path::{Path, PathBuf};

use super::*;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz")
}

/// Replays inputs; how many were accepted and how many refused.
fn replay<'a>(holds: fn(&[u8]) -> bool, inputs: impl Iterator<Item = &'a [u8]>) -> (usize, usize) {
    let (accepted, refused): (Vec<bool>, Vec<bool>) = inputs.map(holds).partition(|yes| *yes);
    (accepted.len(), refused.len())
}

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
    let file = fuzz().join("corpus").join(target);
    let corpus =
        std::fs::read(&file).unwrap_or_else(|fault| panic!("`{}`: {fault}", file.display()));
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

replayed! { bundle, cedar, views }

#[test]
fn every_target_has_a_program() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let targets = TARGETS.map(|(target, _)| target);
    assert_eq!(REPLAYED, targets);
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        let program = std::fs::read_to_string(fuzz().join(format!("targets/{target}.rs"))).unwrap();
        assert!(program.contains(&format!("troth_policies::fuzzing::{target}(bytes)")), "{target}");
    }
}
