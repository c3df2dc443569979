//! Real runtime, real models.

mod faults;
mod seeing;
mod serving;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Classifiers, ModelSource, OpenError, Options, Runtime, ScoreError, Scores};

/// Long enough for anything here on a machine that does other things besides.
const PATIENT: Duration = Duration::from_secs(300);

/// A character that the built-in tokenizer spells in bytes, F0 first.
const MARKER: char = '𓀀';

fn runtime() -> Runtime {
    Runtime::load(&Runtime::locate(None).unwrap()).unwrap()
}

fn one_worker() -> Options {
    Options { workers: 1, ..Options::default() }
}

fn builtin() -> Classifiers {
    Classifiers::open(&ModelSource::Builtin, &runtime(), &one_worker()).unwrap()
}

fn scored(classifiers: &Classifiers, text: &str) -> Result<Scores, ScoreError> {
    classifiers.score(text.into(), PATIENT)?.wait()
}

/// A model's directory: the test model `name` and the built-in tokenizer, with a
/// manifest that tells the truth about both.
struct Model {
    directory: TempDir,
}

impl Model {
    fn new(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{name}.onnx"));
        Self::of(&fs::read(file).unwrap())
    }

    fn of(model: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tokenizer = fs::read(crate_root.join("models/sentinel/tokenizer.json")).unwrap();
        fs::write(directory.path().join("model.onnx"), model).unwrap();
        fs::write(directory.path().join("tokenizer.json"), tokenizer).unwrap();
        let made = Self { directory };
        made.describe();
        made
    }

    /// Writes the manifest for the files as they are now.
    fn describe(&self) {
        let mut manifest = String::from(
            "version = 1\nname = \"test\"\nrelease = \"1\"\nlicence = \"Apache-2.0\"\n\
             input = \"input_ids\"\noutput = \"scores\"\nlabels = [\"marker\"]\nwindow = 32\nstride = 24\n",
        );
        for (role, file) in [("model", "model.onnx"), ("tokenizer", "tokenizer.json")] {
            let sha256 = hex::encode(Sha256::digest(fs::read(self.path(file)).unwrap()));
            writeln!(
                manifest,
                "[[file]]\npath = \"{file}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\""
            )
            .unwrap();
        }
        fs::write(self.path("manifest.toml"), manifest).unwrap();
    }

    /// Replaces `old` by `new` in the manifest.
    fn edit(self, old: &str, new: &str) -> Self {
        let manifest = fs::read_to_string(self.path("manifest.toml")).unwrap();
        assert!(manifest.contains(old));
        fs::write(self.path("manifest.toml"), manifest.replace(old, new)).unwrap();
        self
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.directory.path().join(file)
    }

    fn source(&self) -> ModelSource {
        ModelSource::Directory(self.directory.path().into())
    }

    fn open(&self, options: &Options) -> Result<Classifiers, OpenError> {
        Classifiers::open(&self.source(), &runtime(), options)
    }
}

fn arc(text: &str) -> Arc<str> {
    text.into()
}
