//! The evidence log as an auditor sees it: through `troth-audit`, and entry by entry from a static
//! export, which is read here without any code of the product.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{Finished, PATIENCE, program, run};

/// A log directory and the policy that says which key to trust.
#[derive(Debug, Clone)]
pub struct Log {
    directory: PathBuf,
    policy: PathBuf,
}

/// What `troth-audit verify --json` found.
#[derive(Debug)]
pub struct Audit {
    /// The exit code.
    pub code: Option<i32>,
    /// The printed object.
    pub report: Value,
}

impl Audit {
    /// Itself, if all holds.
    ///
    /// # Panics
    /// When something does not.
    #[must_use]
    pub fn is_clean(self) -> Self {
        assert_eq!(self.code, Some(0), "{:#}", self.report);
        self
    }
}

/// One entry of a log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place.
    pub index: u64,
    /// The exact bytes that the leaf hash covers.
    pub bytes: Vec<u8>,
    /// The same, parsed.
    pub record: Value,
}

impl Entry {
    /// `intent`, `outcome`, ...
    #[must_use]
    pub fn kind(&self) -> &str {
        self.record["kind"].as_str().unwrap_or_default()
    }
}

impl Log {
    /// The log in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf, policy: PathBuf) -> Self {
        Self { directory, policy }
    }

    /// Where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs `troth-audit` with `arguments`; `LOG` and `POLICY` stand for the paths.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn audit(&self, arguments: &[&str]) -> Finished {
        let arguments = arguments.iter().map(|argument| match *argument {
            "LOG" => self.directory.clone(),
            "POLICY" => self.policy.clone(),
            other => PathBuf::from(other),
        });
        run(&mut Command::new(program("troth-audit")), arguments, "", PATIENCE)
    }

    /// Verifies the whole log.
    ///
    /// # Panics
    /// When what is printed is not one JSON object.
    #[must_use]
    pub fn verify(&self) -> Audit {
        let done = self.audit(&["verify", "LOG", "--policy", "POLICY", "--json"]);
        let report = serde_json::from_str(&done.out)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {} {}", done.out, done.err));
        Audit { code: done.code, report }
    }

    /// Verifies one receipt offline; says what was found when it does not hold.
    ///
    /// # Errors
    /// What `troth-audit` printed.
    ///
    /// # Panics
    /// When the receipt cannot be written to a file.
    pub fn check_receipt(&self, receipt: &[u8]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), receipt).unwrap();
        let path = file.path().to_str().unwrap();
        let done = self.audit(&["receipt", path, "--policy", "POLICY"]);
        if done.code == Some(0) { Ok(()) } else { Err(format!("{done:?}")) }
    }

    /// Writes a static C2SP layout of the log into `target`.
    ///
    /// # Panics
    /// When the export fails.
    pub fn export(&self, target: &Path) {
        let target = target.to_str().unwrap();
        let _ = self.audit(&["export", "LOG", target]).exits(0);
    }

    /// All entries, read from a static export.
    ///
    /// # Panics
    /// When the export is not what C2SP says.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let export = tempfile::tempdir().unwrap();
        self.export(export.path());
        let checkpoint = std::fs::read_to_string(export.path().join("checkpoint")).unwrap();
        let size: u64 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
        let mut entries = Vec::new();
        for tile in 0..size.div_ceil(256) {
            let width = (size - tile * 256).min(256);
            let mut path = export.path().join("tile/entries").join(tile_path(tile));
            if width < 256 {
                let name = format!("{}.p", path.file_name().unwrap().to_str().unwrap());
                path = path.with_file_name(name).join(width.to_string());
            }
            let bundle = std::fs::read(&path)
                .unwrap_or_else(|e| panic!("cannot read `{}`: {e}", path.display()));
            entries.extend(entries_of(&bundle));
        }
        assert_eq!(u64::try_from(entries.len()), Ok(size));
        (0..)
            .zip(entries)
            .map(|(index, bytes)| {
                let record = serde_json::from_slice(&bytes).unwrap();
                Entry { index, bytes, record }
            })
            .collect()
    }

    /// The entries of each exchange, by its id.
    #[must_use]
    pub fn exchanges(&self) -> BTreeMap<String, Vec<Entry>> {
        let mut exchanges: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in self.entries() {
            if let Some(id) = entry.record["exchange"].as_str() {
                exchanges.entry(id.to_owned()).or_default().push(entry);
            }
        }
        exchanges
    }
}

/// The record inside a receipt, and the index that it claims.
///
/// # Panics
/// When the receipt is not a `.tlog-proof` with a record in its `extra`.
#[must_use]
pub fn receipt_record(receipt: &str) -> (u64, Vec<u8>) {
    let line = |name: &str| receipt.lines().find_map(|line| line.strip_prefix(name));
    let extra = BASE64_STANDARD.decode(line("extra ").expect("an extra line")).unwrap();
    let extra: Value = serde_json::from_slice(&extra).unwrap();
    let record = BASE64_URL_SAFE_NO_PAD.decode(extra["record"].as_str().unwrap()).unwrap();
    (line("index ").expect("an index line").parse().unwrap(), record)
}

/// `1234067` is `x001/x234/067`.
fn tile_path(mut number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    while number >= 1000 {
        number /= 1000;
        path = format!("x{:03}/{path}", number % 1000);
    }
    path
}

fn entries_of(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let [high, low, rest @ ..] = bundle {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (entry, rest) = rest.split_at(length);
        entries.push(entry.to_vec());
        bundle = rest;
    }
    assert!(bundle.is_empty(), "a bundle ends with a whole entry");
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_numbers_are_written_as_c2sp_says() {
        assert_eq!(tile_path(5), "005");
        assert_eq!(tile_path(1_234_067), "x001/x234/067");
    }
}
