//! `troth statement`

use std::{io::Read, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use troth_attest::{Clock, Signer, StatementKind, SystemClock};

use super::{CliFault, operator, print};
use crate::admin::orders::{Order, StatementOrder};

/// Put a signed statement into a log: an incident, a review, a stop.
///
/// The statement is signed with the operator's own key for this log, this
/// moment and these records, and checked before it is logged and by every
/// audit. It says whose key signed it; whose key counts is for the reader to
/// know. A `stop` says that the service was halted: it halts nothing itself.
///
/// It goes through the running proxy's `[admin]`, or straight into the log
/// while none runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth keygen ops.example.com/alice --out alice.key
  troth statement incident --key alice.key --record 17,18 \"an answer went out unscreened\"
  troth statement review --key alice.key --record 42 \"block confirmed: it was an injection\"
  troth statement stop --key alice.key - < why.txt

The text stays in the log for ever, where auditors read it: no name of a person,
no content of an exchange. A statement is bound to the time it was signed at, so
that nobody can log it again later; the clocks of this machine and of the proxy
may differ by five minutes.")]
pub(super) struct Statement {
    /// What it is.
    #[arg(value_enum)]
    kind: Kind,
    /// What is stated; `-` reads it from standard input.
    #[arg(value_name = "TEXT")]
    text: String,
    /// The operator's private key, as `troth keygen` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A record that it is about, by its index; may be given again.
    #[arg(long, value_name = "INDEX", value_delimiter = ',')]
    record: Vec<u64>,
    #[command(flatten)]
    which: operator::Which,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Something went wrong.
    Incident,
    /// A person looked at something.
    Review,
    /// The service was halted.
    Stop,
}

impl Statement {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (config, settings) = self.which.read()?;
        let signer = self.signer()?;
        let text = self.text()?;
        let mut records = self.record.clone();
        records.sort_unstable();
        records.dedup();
        let kind = match self.kind {
            Kind::Incident => StatementKind::Incident,
            Kind::Review => StatementKind::Review,
            Kind::Stop => StatementKind::Stop,
        };
        let (origin, now) = (&settings.origin, SystemClock.now_micros());
        let statement =
            troth_attest::Statement::signed(kind, origin, records, text.trim_end(), now, &signer)
                .map_err(|fault| CliFault::Usage(fault.to_string()))?;
        let order = Order::Statement(StatementOrder { origin: origin.clone(), kind, statement });
        let done = operator::carry_out(&config, &settings, &order)?;
        if self.json {
            return print(&done.to_string());
        }
        let index = done.get("index").and_then(Value::as_u64).unwrap_or_default();
        print(&format!("{} by {}: record {index}", kind.as_str(), signer.verifier()))
    }

    fn signer(&self) -> Result<Signer, CliFault> {
        let path = self.key.display();
        let text = std::fs::read_to_string(&self.key)
            .map_err(|fault| CliFault::Io(format!("cannot read `{path}`: {fault}")))?;
        text.parse().map_err(|fault| CliFault::Usage(format!("the key `{path}`: {fault}")))
    }

    fn text(&self) -> Result<String, CliFault> {
        if self.text != "-" {
            return Ok(self.text.clone());
        }
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(MAX_TEXT)
            .read_to_string(&mut text)
            .map_err(|fault| CliFault::Io(format!("cannot read standard input: {fault}")))?;
        Ok(text)
    }
}

/// More than a statement may be, so that a longer one is refused, not cut.
const MAX_TEXT: u64 = 16 * 1024;
