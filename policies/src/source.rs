//! A bundle's files, before anybody has understood them.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::limits;

/// Paths and bytes of a bundle directory.
///
/// Paths are relative, with `/` between their parts. Its digest names the
/// bundle in every record: SHA-256 of the manifest, which lists each file with
/// its own SHA-256, so that an auditor who holds the files recomputes it with
/// `sha256sum`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// No files.
    #[must_use]
    pub fn new() -> Source {
        Source::default()
    }

    /// The bundle that ships with Troth, `builtin:baseline`.
    #[must_use]
    pub fn baseline() -> Source {
        Source::builtin("builtin:baseline").unwrap_or_default()
    }

    /// The bundle of that name that ships with Troth, such as `builtin:injection`.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Source> {
        let (_, directory) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        let mut source = Source::new();
        embed(directory, &mut source);
        Some(source)
    }

    /// The names of the bundles that ship with Troth.
    pub fn builtins() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// Adds a file, or replaces it. `\` and a leading `./` are made plain.
    pub fn insert(&mut self, path: impl Into<String>, bytes: Vec<u8>) {
        let path: String = path.into();
        let plain = path.replace('\\', "/");
        let plain = plain.strip_prefix("./").unwrap_or(&plain);
        self.files.insert(plain.to_owned(), bytes);
    }

    /// The files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The bytes of one file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Whether a bundle reads a file of this path: what a directory holds
    /// besides (an editor's backup, a README) is neither read nor digested.
    #[must_use]
    pub fn is_part(path: &str) -> bool {
        let path = path.replace('\\', "/");
        let path = path.strip_prefix("./").unwrap_or(&path);
        if path == BUNDLE || path == LABELS {
            return true;
        }
        match path.split_once('/') {
            Some(("detectors" | "examples", name)) => plain_name(name, ".toml"),
            Some(("policies", name)) => plain_name(name, ".cedar"),
            Some(("lexicons", name)) => plain_name(name, ".txt"),
            _ => false,
        }
    }

    /// The names of the bundles that this one imports, as far as `bundle.toml`
    /// can be read; whether they exist is for the compiler to say.
    fn imports(&self) -> Vec<String> {
        let text = self.file(BUNDLE).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let table = text.and_then(|text| text.parse::<toml::Table>().ok());
        let imports = table.as_ref().and_then(|table| table.get("imports")?.as_array());
        imports.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// JSON with every file's path, length and SHA-256, paths in byte order,
    /// and every imported bundle's digest: what the log keeps of a bundle. No
    /// white space, one way to write it.
    #[must_use]
    pub fn manifest(&self) -> String {
        let files: Vec<serde_json::Value> = self
            .files
            .iter()
            .map(|(path, bytes)| {
                serde_json::json!({
                    "bytes": bytes.len(),
                    "path": path,
                    "sha256": hex::encode(Sha256::digest(bytes)),
                })
            })
            .collect();
        let imports: serde_json::Map<String, serde_json::Value> = self
            .imports()
            .into_iter()
            .filter_map(|name| {
                // Shipped bundles import nothing, so this ends.
                let digest = hex::encode(Source::builtin(&name)?.digest());
                Some((name, digest.into()))
            })
            .collect();
        serde_json::json!({
            "files": files, "imports": imports, "kind": "troth-bundle", "version": 1,
        })
        .to_string()
    }

    /// SHA-256 of the manifest.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.manifest().as_bytes()).into()
    }

    /// All bytes of all files.
    pub(crate) fn total_bytes(&self) -> usize {
        self.files.values().fold(0, |sum, bytes| sum.saturating_add(bytes.len()))
    }

    /// The files directly in a folder that end so, by path.
    pub(crate) fn folder<'s>(
        &'s self,
        folder: &'s str,
        ending: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'s [u8])> {
        self.files().filter(move |(path, _)| {
            path.split_once('/')
                .is_some_and(|(first, name)| first == folder && plain_name(name, ending))
        })
    }
}

fn plain_name(name: &str, ending: &str) -> bool {
    name.len() > ending.len()
        && name.len() <= limits::NAME_BYTES
        && name.ends_with(ending)
        && !name.starts_with('.')
        && !name.contains('/')
}

fn embed(dir: &Dir<'_>, source: &mut Source) {
    for file in dir.files() {
        if let Some(path) = file.path().to_str() {
            source.insert(path, file.contents().to_vec());
        }
    }
    for inner in dir.dirs() {
        embed(inner, source);
    }
}

/// The file that names the bundle.
pub(crate) const BUNDLE: &str = "bundle.toml";
/// The file of labels and tool groups.
pub(crate) const LABELS: &str = "labels.toml";

/// The bundles that ship with Troth, one a line.
#[rustfmt::skip]
static BUILTIN: &[(&str, Dir<'static>)] = &[
    ("builtin:agents", include_dir!("$CARGO_MANIFEST_DIR/bundles/agents")),
    ("builtin:baseline", include_dir!("$CARGO_MANIFEST_DIR/bundles/baseline")),
    ("builtin:code", include_dir!("$CARGO_MANIFEST_DIR/bundles/code")),
    ("builtin:egress", include_dir!("$CARGO_MANIFEST_DIR/bundles/egress")),
    ("builtin:injection", include_dir!("$CARGO_MANIFEST_DIR/bundles/injection")),
    ("builtin:lexicon", include_dir!("$CARGO_MANIFEST_DIR/bundles/lexicon")),
    ("builtin:pii-cn", include_dir!("$CARGO_MANIFEST_DIR/bundles/pii-cn")),
    ("builtin:pii-intl", include_dir!("$CARGO_MANIFEST_DIR/bundles/pii-intl")),
    ("builtin:secrets", include_dir!("$CARGO_MANIFEST_DIR/bundles/secrets")),
];

#[cfg(test)]
mod shipped;
