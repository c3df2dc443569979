//! `troth disclose`

use std::path::PathBuf;

use clap::Args;
use troth_attest::{DiscloseError, Disclosed, ReadError, VaultError};

use super::{CliFault, keygen, operator, print};
use crate::config::LogSettings;

/// Open one record's commitments, in a receipt.
///
/// Prints a receipt (`.tlog-proof`) of the record at INDEX, under the newest
/// public checkpoint, that opens the named fields and no other: whoever holds
/// it and the content can confirm that the record is about this content.
/// Without FIELD it tells which fields the record has. It reads the log's
/// directory and vault, while the proxy runs or not, and changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth disclose 17
  troth disclose 17 request response.released --out answer.tlog-proof
  troth disclose 16 arguments/0 > call.tlog-proof
  troth-audit receipt answer.tlog-proof --policy troth.policy --content request=body.json

Fields: an intent has `request`; an outcome `request`, `response.upstream` (what the
model's server sent) and `response.released` (what the client got); a tool call
`arguments/0`, `arguments/1`, ... `troth-audit show LOG INDEX` prints a record.")]
pub(super) struct Disclose {
    /// The record's index in the log.
    index: u64,
    /// What to open.
    #[arg(value_name = "FIELD")]
    fields: Vec<String>,
    /// Write the receipt to this new file (0600) instead.
    #[arg(long, value_name = "FILE", requires = "fields")]
    out: Option<PathBuf>,
    #[command(flatten)]
    which: operator::Which,
}

impl Disclose {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (_, settings) = self.which.read()?;
        let disclosed = troth_attest::disclose(&settings.directory, self.index, &self.fields);
        let disclosed = disclosed.map_err(|fault| fault_of(fault, &settings))?;
        if self.fields.is_empty() {
            return print(&self.told(&disclosed));
        }
        match &self.out {
            Some(path) => keygen::write_private(path, disclosed.receipt.as_str()),
            None => print(disclosed.receipt.as_str().trim_end()),
        }
    }

    /// Which log.
    #[cfg(test)]
    pub(super) const fn which(&self) -> &operator::Which {
        &self.which
    }

    fn told(&self, disclosed: &Disclosed) -> String {
        let (index, kind) = (self.index, &disclosed.kind);
        if disclosed.fields.is_empty() {
            return format!("record {index} ({kind}) commits to no content");
        }
        let fields = disclosed.fields.join(" ");
        let erased = disclosed.erased.map(|day| {
            format!("\nthe key of {day} was erased: nothing of that day can be opened any more")
        });
        format!("record {index} ({kind}) commits to: {fields}{}", erased.unwrap_or_default())
    }
}

fn fault_of(fault: DiscloseError, settings: &LogSettings) -> CliFault {
    let why = fault.to_string();
    match fault {
        DiscloseError::NoField { .. } => CliFault::Usage(why),
        // It was never begun, or the configuration points somewhere else.
        DiscloseError::Read(ReadError::NoLog) => {
            let (name, directory) = (&settings.name, settings.directory.display());
            CliFault::Io(format!("the log `{name}`: there is no log in `{directory}` yet"))
        }
        DiscloseError::Vault(VaultError::Io(fault)) | DiscloseError::Read(ReadError::Io(fault)) => {
            CliFault::Io(format!("{why}: {fault}"))
        }
        DiscloseError::Read(_) => CliFault::Io(why),
        _ => CliFault::Failed(why),
    }
}
