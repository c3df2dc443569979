//! Tool calls of a stream: whole before they are judged, judged before any of
//! them is shown.

use std::collections::BTreeMap;

use troth_policies::Finding;

use crate::dialect::openai::Slot;

/// One call under way.
#[derive(Debug, Default)]
pub(super) struct CallState {
    /// The tool's name so far.
    pub(super) name: String,
    /// The arguments so far.
    pub(super) arguments: String,
    /// Where they stand, as the first fragment had it.
    pub(super) slot: Option<Slot>,
    /// Its id.
    pub(super) id: String,
    /// What was found in them.
    pub(super) findings: Vec<Finding>,
    /// It has ended and was judged.
    pub(super) judged: bool,
    /// Its verdict lets it pass.
    pub(super) passes: bool,
}

/// All calls, by choice and index.
pub(super) type Calls = BTreeMap<(u32, u32), CallState>;
