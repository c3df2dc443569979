//! Where the programs under test and the sources lie.

use std::path::{Path, PathBuf};

/// The path of a binary of this workspace, of the same build as the running test.
///
/// # Panics
/// When it was not built: `CARGO_BIN_EXE_*` exists only for binaries of the test's own package, so
/// the path is found from the test's own, and somebody must have built it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/it-HASH, or target/PROFILE/examples/bench.
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "`{}` is not built: run `cargo build --workspace`", path.display());
    path
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
