//! `troth keygen`

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use troth_attest::Signer;

use super::{CliFault, print};

/// Make a signing key; print its verifier key.
///
/// The key is written with mode 0600 in the form of C2SP signed-note. The name
/// of a log's key is the log's origin: a host name that you own and a path.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  troth keygen example.com/troth/prod --out troth.key")]
pub(super) struct Keygen {
    /// The key's name: without spaces and `+`.
    name: String,
    /// Where the private key goes; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Keygen {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let signer = generate(&self.name)?;
        write_private(&self.out, &format!("{}\n", signer.to_private_text().as_str()))?;
        print(&signer.verifier().to_string())
    }
}

/// A new key from the operating system's randomness.
pub(super) fn generate(name: &str) -> Result<Signer, CliFault> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|fault| CliFault::Internal(fault.to_string()))?;
    Signer::generate(name, seed)
        .map_err(|fault| CliFault::Usage(format!("`{name}` cannot name a key: {fault}")))
}

/// Writes a file that only its owner reads; refuses to overwrite.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), CliFault> {
    write(path, text, 0o600)
}

/// Writes a new file; refuses to overwrite.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), CliFault> {
    let failed = |fault: std::io::Error| {
        let why = format!("cannot write `{}`: {fault}", path.display());
        if fault.kind() == std::io::ErrorKind::AlreadyExists {
            CliFault::Usage(format!("{why}; it is never overwritten: move it away first"))
        } else {
            CliFault::Io(why)
        }
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
