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
    /// Verifies one receipt; the network is used only where that is an address
    #[command(after_long_help = RECEIPT)]
    Receipt(Receipt),
    /// Prints one record of a log
    #[command(after_long_help = SHOW)]
    Show(Show),
    /// Writes a fresh proof of one record, under the public checkpoint
    #[command(after_long_help = PROVE)]
    Prove(Show),
    /// Checks that one size of a log is a prefix of another
    #[command(after_long_help = CONSISTENCY)]
    Consistency(Consistency),
    /// Writes the public log as static files, for any web server or verifier
    #[command(after_long_help = EXPORT)]
    Export(Export),
    /// Follows a log: refuses a fork or a rollback, and keeps what proves it
    #[command(after_long_help = MONITOR)]
    Monitor(Monitor),
    /// Runs a witness: cosigns checkpoints of logs, over HTTP (C2SP
    /// tlog-witness)
    #[command(after_long_help = WITNESS)]
    Witness(Witness),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Where the log is.
#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// The log: its directory (running or not), an export of it, or the HTTP(S)
    /// address of either
    #[arg(value_name = "LOG")]
    pub(crate) log: String,
    /// Certificates (PEM) of which one must vouch for an HTTPS address, instead
    /// of those of the public authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
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
    /// A log without anything newer than this many seconds is stale: a
    /// cosignature of the quorum, or a record where no witness is asked for
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_age: Option<u64>,
    /// The log that this one goes on from: it must hold, have ended, and be what
    /// the first boot names
    #[arg(long, value_name = "LOG")]
    pub(crate) follows: Option<String>,
    /// Threads that read and hash entries [default: one for each core; for an
    /// address at least 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) threads: Option<u8>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// The receipt (`.tlog-proof`): a file, an HTTP(S) address, or `-` for
    /// standard input
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
    /// Certificates (PEM) of which one must vouch for an HTTPS address, instead
    /// of those of the public authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
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

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    #[command(flatten)]
    pub(crate) log: LogArg,
    /// The trust policy: which log and witness keys are believed (C2SP
    /// tlog-policy)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Where it keeps what it has seen of this log, and what proves a fork;
    /// made when it does not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Time between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) interval: u64,
    /// Look once, and end with the exit code of what was found
    #[arg(long)]
    pub(crate) once: bool,
    /// A log without anything new for this many seconds is stale: no
    /// cosignature of the quorum, or no growth where no witness is asked for
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub(crate) max_age: u64,
    /// Print one JSON object for each look that is told
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) listen: std::net::SocketAddr,
    /// Its private key, as `troth keygen NAME --out FILE` makes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where it keeps what it has cosigned; made when it does not exist
    #[arg(long, value_name = "DIR", required_unless_present = "print_key")]
    pub(crate) state: Option<PathBuf>,
    /// The verifier key of a log to follow; may be given again
    #[arg(long, value_name = "VKEY")]
    pub(crate) log: Vec<String>,
    /// A policy file (C2SP tlog-policy) whose logs are followed too
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Print the key that verifies its cosignatures, and end
    #[arg(long)]
    pub(crate) print_key: bool,
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
  troth-audit verify https://log.example.com --policy troth.policy
  troth-audit receipt answer.tlog-proof --policy troth.policy
  troth-audit monitor https://log.example.com --policy troth.policy --state seen
  troth-audit export troth-log public/
  troth-audit completions bash > ~/.local/share/bash-completion/completions/troth-audit

Exit codes (the smallest that applies):
  0   all holds
  1   tampered or inconsistent
  2   incomplete: unpaired intents, gaps, dropped records
  3   unwitnessed or stale
  5   the evidence does not suffice: records that this program does not know, or
      that the log does not publish
  64  bad usage
  74  cannot read";

const VERIFY: &str = "\
Examples:
  troth-audit verify troth-log --policy troth.policy
  troth-audit verify public/ --policy troth.policy --json | jq .status
  troth-audit verify https://log.example.com --policy troth.policy --max-age 3600

A log that keeps its entries to itself publishes their hashes: then the tree and
its signatures are verified, and the exit code is 5, because nobody looked at
what the records say.

The policy file names the log's key, which must have come from somewhere else
than the log. `troth init` writes one beside the key:
  log example.com/troth/dev+1c2a...+AS3f...
  quorum none";

const RECEIPT: &str = "\
Examples:
  troth-audit receipt answer.tlog-proof --policy troth.policy
  troth-audit receipt https://log.example.com/.well-known/troth/receipts/$ID \
      --policy troth.policy --entry record.json
  curl -s -H 'Authorization: Bearer KEY' $TROTH/.well-known/troth/receipts/$ID |
      troth-audit receipt - --policy troth.policy
  troth-audit receipt answer.tlog-proof --policy troth.policy --content request=body.json";

const SHOW: &str = "\
Examples:
  troth-audit show troth-log 17
  troth-audit show https://log.example.com 17 | jq .verdict

What it prints is what the log serves; `prove` shows that it is in the tree.";

const PROVE: &str = "\
Examples:
  troth-audit prove troth-log 17 > 17.tlog-proof
  troth-audit prove https://log.example.com 17 | troth-audit receipt - --policy troth.policy

Nothing is believed and nothing is vouched for: `receipt` checks the proof.";

const CONSISTENCY: &str = "\
Examples:
  troth-audit consistency troth-log 600 613
  troth-audit consistency https://log.example.com 600 613 --json

Both roots are made from the log's own tiles: compare them with those of the
checkpoints that you hold.";

const MONITOR: &str = "\
Examples:
  troth-audit monitor https://log.example.com --policy troth.policy --state seen
  troth-audit monitor https://log.example.com --policy troth.policy --state seen --once --json
  troth-audit monitor troth-log --policy troth.policy --state seen --interval 5

Each look reads the checkpoint, and all hash tiles and entries between the last
one and this; both roots are made from them again. A checkpoint that does not
extend every one that was signed before is refused: the two that contradict each
other are kept in DIR/evidence, and the last good one stays the one that the log
must extend. A line is printed for the first look and for each that changed
something; what is printed is durable before. SIGINT and SIGTERM end it, with 1
when a fork, a rollback or tampering was seen, else with the last look's code.

Exit codes (the smallest that applies):
  0   the log extends all that was seen of it
  1   a fork, a rollback, or files that are not what was signed
  2   incomplete: a signed checkpoint without its tiles or entries
  3   unwitnessed, or stale
  64  bad usage: also a state directory of another log
  74  cannot read: the log, or the state";

const WITNESS: &str = "\
Examples:
  troth keygen witness.example.org/1 --out witness.key
  troth-audit witness --key witness.key --print-key
  troth-audit witness --key witness.key --state witness-state \\
      --listen 0.0.0.0:8090 --log example.com/troth/prod+1c2a...+AS3f...

A witness signs a checkpoint only when it extends every one that it has signed
for that log before, so that nobody can show two people two histories. It needs
to be trusted for that alone: it reads no entry and holds no secret but its key.
What it has signed is in its state directory before anybody sees the signature:
stop it in any way, and never restore that directory from a backup.

It speaks plain HTTP; a web server in front of it gives it a name and TLS. Its
operator tells logs the address and the key that --print-key prints:
  witness w1 witness.example.org/1+9b0c...+BCms... https://witness.example.org";

const EXPORT: &str = "\
Example:
  troth-audit export troth-log public/
  python -m http.server --directory public

The export holds the checkpoint, hash tiles, entry bundles and blobs of the
public size, partial tiles included. Run it again to bring it up to date.";
