#![doc = include_str!("../README.md")]

mod classifiers;
mod clock;
mod elf;
mod engine;
mod manifest;
mod pool;
mod provider;
mod runtime;
mod scores;
mod session;
mod source;
mod tokens;
mod windows;

#[cfg(test)]
mod tests;

pub use classifiers::{Classifiers, OpenError, Options};
pub use manifest::{FileInfo, ManifestError, ModelInfo, Threshold};
pub use provider::{Provider, UnknownProvider};
pub use runtime::{Runtime, RuntimeError};
pub use scores::{PendingScores, ScoreError, Scores};
pub use source::ModelSource;
