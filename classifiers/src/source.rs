//! Where models come from, and their bytes after verification.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::classifiers::OpenError;
use crate::manifest::{self, FileInfo, MODEL, ModelInfo, TOKENIZER};

/// Where to take models from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The models that are part of this program.
    Builtin,
    /// A directory with a `manifest.toml`, or with one in each of its subdirectories.
    Directory(PathBuf),
}

/// A model whose every file has the digest of its manifest.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) info: ModelInfo,
    pub(crate) model: Cow<'static, [u8]>,
    pub(crate) tokenizer: Cow<'static, [u8]>,
}

struct Embedded {
    manifest: &'static [u8],
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! embedded {
    ($model:literal, $($file:literal),+) => {
        Embedded {
            manifest: include_bytes!(concat!("../models/", $model, "/manifest.toml")),
            files: &[$(($file, include_bytes!(concat!("../models/", $model, "/", $file)))),+],
        }
    };
}

const BUILTIN: &[Embedded] = &[embedded!("sentinel", "model.onnx", "tokenizer.json", "README.md")];

const MANIFEST: &str = "manifest.toml";
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// The largest model of this kind that is in use anywhere is a few hundred megabytes.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Models asked about every text; each adds its whole cost.
const MAX_MODELS: usize = 8;

/// Reads and verifies every model of `source`, in the order of their names.
pub(crate) fn load(source: &ModelSource) -> Result<Vec<Verified>, OpenError> {
    match source {
        ModelSource::Builtin => BUILTIN.iter().map(builtin).collect(),
        ModelSource::Directory(directory) => {
            model_directories(directory)?.iter().map(|path| on_disk(path)).collect()
        }
    }
}

fn builtin(embedded: &'static Embedded) -> Result<Verified, OpenError> {
    let place = Path::new("builtin:models");
    verified(place, embedded.manifest, |file| {
        let (_, bytes) =
            embedded.files.iter().find(|(name, _)| *name == file.path).ok_or_else(|| {
                OpenError::Unreadable {
                    path: place.join(&file.path),
                    reason: "it is not part of this program".into(),
                }
            })?;
        Ok(Cow::Borrowed(*bytes))
    })
}

fn on_disk(directory: &Path) -> Result<Verified, OpenError> {
    let manifest = read(&directory.join(MANIFEST), MAX_MANIFEST_BYTES)?;
    verified(directory, &manifest, |file| {
        read(&directory.join(&file.path), MAX_FILE_BYTES).map(Cow::Owned)
    })
}

fn verified(
    place: &Path,
    manifest: &[u8],
    content: impl Fn(&FileInfo) -> Result<Cow<'static, [u8]>, OpenError>,
) -> Result<Verified, OpenError> {
    let fault = |error| OpenError::Manifest { place: place.into(), error };
    let info = manifest::parse(manifest).map_err(fault)?;
    let (mut model, mut tokenizer) = (None, None);
    for file in &info.files {
        let bytes = content(file)?;
        manifest::verify(file, &bytes).map_err(fault)?;
        match file.role.as_str() {
            MODEL => model = Some(bytes),
            TOKENIZER => tokenizer = Some(bytes),
            _ => {}
        }
    }
    match (model, tokenizer) {
        (Some(model), Some(tokenizer)) => Ok(Verified { info, model, tokenizer }),
        _ => Err(OpenError::NoModels { place: place.into() }),
    }
}

fn model_directories(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    if directory.join(MANIFEST).is_file() {
        return Ok(vec![directory.into()]);
    }
    let unreadable = |error: std::io::Error| OpenError::Unreadable {
        path: directory.into(),
        reason: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join(MANIFEST).is_file() {
            found.push(path);
        }
        if found.len() > MAX_MODELS {
            return Err(OpenError::TooManyModels { place: directory.into(), limit: MAX_MODELS });
        }
    }
    if found.is_empty() {
        return Err(OpenError::NoModels { place: directory.into() });
    }
    found.sort();
    Ok(found)
}

/// Reads a file once, whole: what is verified is what is loaded, whoever writes to
/// the disk in between.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, OpenError> {
    let unreadable = |reason: String| OpenError::Unreadable { path: path.into(), reason };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    let length = file
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > limit {
        return Err(unreadable(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
