//! `troth lexicon`

mod count;
mod import;
mod read;

use clap::Subcommand;

use super::CliFault;

/// Import an operator's keyword library into a bundle; count its terms.
#[derive(Debug, Subcommand)]
pub(super) enum Lexicon {
    /// Put lists of terms into a bundle, as lexicons of its own.
    Import(import::Import),
    /// Count a bundle's terms by class, against what GB/T 45654 asks for.
    Count(count::Count),
}

impl Lexicon {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        match self {
            Self::Import(import) => import.run(),
            Self::Count(count) => count.run(),
        }
    }
}
