//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Verifies Troth's evidence logs, receipts included, and trusts nobody: keys
/// come from the policy file, never from the log.
#[derive(Debug, Parser)]
#[command(name = "troth-audit", version, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verifies a whole log: signatures, tiles, every entry, every rule
    #[command(after_long_help = VERIFY)]
    Verify(Verify),
    /// Verifies one receipt, offline
    #[command(after_long_help = RECEIPT)]
    Receipt(Receipt),
    /// Prints one record of a log
    Show(Show),
    /// Writes a fresh proof of one record, under the public checkpoint
    Prove(Show),
    /// Checks that one size of a log is a prefix of another
    Consistency(Consistency),
    /// Writes the public log as static files, for any web server or verifier
    #[command(after_long_help = EXPORT)]
    Export(Export),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Where the log is.
#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// The log: its directory (running or not), or an export of it
    #[arg(value_name = "LOG")]
    pub(crate) log: String,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The trust policy: which log and witness keys are believed (C2SP
    /// tlog-policy)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// An intent without outcome is a fault after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) longest_exchange: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// The receipt (`.tlog-proof`); `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The trust policy: which log and witness keys are believed (C2SP
    /// tlog-policy)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The record's exact bytes, for a receipt that does not hold them
    #[arg(long, value_name = "FILE")]
    pub(crate) entry: Option<PathBuf>,
    /// Check content against a commitment that the receipt opens:
    /// `request=FILE`, `response.released=FILE`
    #[arg(long, value_name = "FIELD=FILE", value_parser = field)]
    pub(crate) content: Vec<(String, PathBuf)>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The record's index
    pub(crate) index: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Consistency {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The smaller size
    pub(crate) old: u64,
    /// The larger size
    pub(crate) new: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The directory to write; made when it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn field(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((field, file)) if !field.is_empty() && !file.is_empty() => {
            Ok((field.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected FIELD=FILE, such as `request=body.json`".to_owned()),
    }
}

const EXAMPLES: &str = "\
Examples:
  troth-audit verify troth-log --policy troth.policy
  troth-audit receipt answer.tlog-proof --policy troth.policy
  troth-audit export troth-log public/
  troth-audit completions bash > ~/.local/share/bash-completion/completions/troth-audit

Exit codes (the smallest that applies):
  0   all holds
  1   tampered or inconsistent
  2   incomplete: unpaired intents, gaps, dropped records
  3   unwitnessed or stale
  5   the evidence does not suffice: records that this program does not know
  64  bad usage
  74  cannot read";

const VERIFY: &str = "\
Examples:
  troth-audit verify troth-log --policy troth.policy
  troth-audit verify public/ --policy troth.policy --json | jq .status

The policy file names the log's key, which must have come from somewhere else
than the log. `troth init` writes one beside the key:
  log example.com/troth/dev+1c2a...+AS3f...
  quorum none";

const RECEIPT: &str = "\
Examples:
  troth-audit receipt answer.tlog-proof --policy troth.policy
  curl -s $URL/.well-known/troth/receipts/$ID | troth-audit receipt - --policy troth.policy
  troth-audit receipt answer.tlog-proof --policy troth.policy --content request=body.json";

const EXPORT: &str = "\
Example:
  troth-audit export troth-log public/
  python -m http.server --directory public

The export holds the checkpoint, hash tiles, entry bundles and blobs of the
public size, partial tiles included. Run it again to bring it up to date.";
