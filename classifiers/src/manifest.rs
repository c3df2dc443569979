//! A model's manifest: which files it is made of, what it answers, how it was
//! calibrated. Nothing of a model is opened before its manifest was checked.

use std::collections::BTreeSet;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::provider::Provider;

/// What is known of a model without running it.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// SHA-256 of its manifest, lower-case hex: through the digests in it, of every
    /// file of the model.
    pub digest: String,
    /// What it scores, in the order of its output.
    pub labels: Vec<String>,
    /// Thresholds calibrated on sources that the model had not met.
    pub thresholds: Vec<Threshold>,
    /// Tokens in a window.
    pub window: usize,
    /// Tokens from the start of a window to the start of the next.
    pub stride: usize,
    /// Licence of the weights, as an SPDX expression.
    pub licence: String,
    /// Its files.
    pub files: Vec<FileInfo>,
    /// What runs it; `None` when it was verified but not opened.
    pub provider: Option<Provider>,
    pub(crate) input: String,
    pub(crate) output: String,
}

/// A score from which on a label counts, at a named rate of false positives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The label.
    pub label: String,
    /// The share of benign texts that reach the score, in parts per million.
    pub false_positives_ppm: u32,
    /// The score, in parts per million.
    pub score_ppm: u32,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Its name, in the model's directory.
    pub path: String,
    /// `model`, `tokenizer` or `card`.
    pub role: String,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
}

/// What is wrong with a manifest, or with a file that it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not the TOML that is expected.
    #[error("manifest.toml: {0}")]
    Syntax(String),
    /// It contradicts itself.
    #[error("manifest.toml: {0}")]
    Meaning(&'static str),
    /// A file's content is not what the manifest was written for.
    #[error("`{path}` has SHA-256 {found}, not the {expected} of its manifest: refused")]
    Altered {
        /// The file.
        path: String,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
}

pub(crate) const MODEL: &str = "model";
pub(crate) const TOKENIZER: &str = "tokenizer";

/// More tokens than this in one window is a mistake: the memory that a model needs
/// for a window grows at least linearly with it.
const MAX_WINDOW: usize = 65_536;
const MAX_LABELS: usize = 256;
const MAX_FILES: usize = 64;

/// What was typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    name: String,
    release: String,
    licence: String,
    input: String,
    output: String,
    labels: Vec<String>,
    window: usize,
    stride: usize,
    #[serde(rename = "file")]
    files: Vec<FileInfo>,
    #[serde(rename = "threshold", default)]
    thresholds: Vec<Threshold>,
}

/// Reads and checks a manifest.
pub(crate) fn parse(bytes: &[u8]) -> Result<ModelInfo, ManifestError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| ManifestError::Syntax("it is not UTF-8".into()))?;
    let raw: Raw = toml::from_str(text)
        .map_err(|error| ManifestError::Syntax(error.to_string().trim_end().to_owned()))?;
    if let Some(fault) = fault(&raw) {
        return Err(ManifestError::Meaning(fault));
    }
    Ok(ModelInfo {
        digest: sha256(bytes),
        name: raw.name,
        version: raw.release,
        labels: raw.labels,
        thresholds: raw.thresholds,
        window: raw.window,
        stride: raw.stride,
        licence: raw.licence,
        files: raw.files,
        provider: None,
        input: raw.input,
        output: raw.output,
    })
}

/// Compares `content` with what the manifest says of `file`.
pub(crate) fn verify(file: &FileInfo, content: &[u8]) -> Result<(), ManifestError> {
    let found = sha256(content);
    if found == file.sha256 {
        return Ok(());
    }
    Err(ManifestError::Altered { path: file.path.clone(), expected: file.sha256.clone(), found })
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn fault(raw: &Raw) -> Option<&'static str> {
    let faults = [
        (raw.version != 1, "`version` is not 1"),
        (raw.name.is_empty() || raw.name.len() > 100, "`name` has 1 to 100 bytes"),
        (raw.labels.is_empty() || raw.labels.len() > MAX_LABELS, "`labels` has 1 to 256 entries"),
        (!distinct(raw.labels.iter()), "`labels` names one label twice"),
        (raw.window == 0 || raw.window > MAX_WINDOW, "`window` is 1 to 65536 tokens"),
        // A stride past the window would leave tokens between two windows unseen.
        (raw.stride == 0 || raw.stride > raw.window, "`stride` is 1 token to one `window`"),
        (raw.files.len() > MAX_FILES, "there are more than 64 `file` entries"),
        (!distinct(raw.files.iter().map(|file| &file.path)), "two `file` entries have one path"),
        (!raw.files.iter().all(|file| plain(&file.path)), "a `path` is not a plain file name"),
        (
            !raw.files.iter().all(|file| digest(&file.sha256)),
            "a `sha256` is not 64 lower-case hex digits",
        ),
        (count(raw, MODEL) != 1, "there is not exactly one `file` whose `role` is `model`"),
        (count(raw, TOKENIZER) != 1, "there is not exactly one `file` whose `role` is `tokenizer`"),
        (
            !raw.thresholds.iter().all(|threshold| raw.labels.contains(&threshold.label)),
            "a `threshold` is for a label that `labels` does not have",
        ),
        (
            !raw.thresholds
                .iter()
                .all(|t| t.score_ppm <= 1_000_000 && t.false_positives_ppm <= 1_000_000),
            "a `threshold` is past 1000000 parts per million",
        ),
    ];
    faults.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
}

fn distinct<'a>(mut names: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = BTreeSet::new();
    names.all(|name| seen.insert(name))
}

/// A name that stays in its directory on every platform.
fn plain(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 200
        && !path.starts_with('.')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn count(raw: &Raw, role: &str) -> usize {
    raw.files.iter().filter(|file| file.role == role).count()
}
