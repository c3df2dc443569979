//! The `troth` command: what was typed, and the exit code that it earns.

mod approve;
mod check;
mod demo;
mod disclose;
mod end;
mod erase;
mod init;
mod keygen;
mod lexicon;
mod models;
mod operator;
mod policy;
mod scan;
mod serve;
mod statement;
mod stub;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{boot::BootFault, output};

/// Screens what applications and models say to each other, decides by policy,
/// and writes each decision into a signed log that anybody can verify.
#[derive(Debug, Parser)]
#[command(name = "troth", version, propagate_version = true, max_term_width = 100,
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as
    /// `troth_proxy=debug`. Never content, credentials or header values.
    #[arg(long, env = "TROTH_LOG", default_value = "warn", global = true, value_name = "FILTER")]
    log: String,
    /// Log lines as JSON.
    #[arg(long, env = "TROTH_LOG_JSON", global = true)]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what Troth does, on this machine, in a minute.
    Demo(demo::Demo),
    /// Write a configuration, a log key and a starter bundle.
    Init(init::Init),
    /// Check a configuration, its bundle, models and keys; bind nothing.
    Check(check::Check),
    /// Run the proxy.
    Serve(serve::Serve),
    /// Screen JSON Lines from standard input.
    Scan(scan::Scan),
    /// Check, test, explain a policy bundle.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Import a keyword library into a bundle, count its terms by class.
    #[command(subcommand)]
    Lexicon(lexicon::Lexicon),
    /// List and verify models.
    #[command(subcommand)]
    Models(models::Models),
    /// Make a signing key.
    Keygen(keygen::Keygen),
    /// Open one record's commitments, in a receipt.
    Disclose(disclose::Disclose),
    /// Destroy the keys of a tenant's days: what they hide stays hidden.
    Erase(erase::Erase),
    /// See the tool calls that wait for a person, and decide about them.
    #[command(subcommand)]
    Approve(approve::Approve),
    /// Put a signed statement into a log: an incident, a review, a stop.
    Statement(statement::Statement),
    /// End a log for good, so that another may follow it.
    End(end::End),
    /// Run the embedded model alone.
    StubModel(stub::StubModel),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line.
#[must_use]
pub fn cli() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => {
            // Help and version are answers, not faults.
            let code = if fault.use_stderr() { USAGE } else { 0 };
            drop(fault.print());
            return ExitCode::from(code);
        }
    };
    if let Err(why) = logging(&cli) {
        output::note(&format!("error: {why}"));
        return ExitCode::from(USAGE);
    }
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            fault.tell();
            ExitCode::from(fault.code())
        }
    }
}

fn run(command: Command) -> Result<(), CliFault> {
    match command {
        Command::Demo(demo) => demo.run(),
        Command::Init(init) => init.run(),
        Command::Check(check) => check.run(),
        Command::Serve(serve) => serve.run(),
        Command::Scan(scan) => scan.run(),
        Command::Policy(policy) => policy.run(),
        Command::Lexicon(lexicon) => lexicon.run(),
        Command::Models(models) => models.run(),
        Command::Keygen(keygen) => keygen.run(),
        Command::Disclose(disclose) => disclose.run(),
        Command::Erase(erase) => erase.run(),
        Command::Approve(approve) => approve.run(),
        Command::Statement(statement) => statement.run(),
        Command::End(end) => end.run(),
        Command::StubModel(stub) => stub.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "troth", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())
        }
    }
}

fn logging(cli: &Cli) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(&cli.log)
        .map_err(|fault| format!("`--log {}`: {fault}", cli.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::is_terminal());
    let set = if cli.log_json { builder.json().try_init() } else { builder.try_init() };
    set.map_err(|fault| fault.to_string())
}

/// Why a command did not succeed.
#[derive(Debug)]
enum CliFault {
    /// What was asked for was done, and the answer is no.
    Failed(String),
    /// Bad usage or configuration.
    Usage(String),
    /// Bad configuration, bundle, model or key.
    Boot(Box<BootFault>),
    /// A file or stream.
    Io(String),
    /// A bug.
    Internal(String),
}

impl CliFault {
    fn tell(&self) {
        match self {
            Self::Failed(why) | Self::Usage(why) | Self::Io(why) | Self::Internal(why) => {
                if !why.is_empty() {
                    output::note(&format!("error: {why}"));
                }
            }
            Self::Boot(fault) => output::note(&format!("error: {fault}")),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => USAGE,
            Self::Internal(_) => 70,
            Self::Io(_) => 74,
            Self::Boot(fault) => match **fault {
                BootFault::Bind { .. } | BootFault::Log { .. } | BootFault::Record { .. } => 74,
                BootFault::Process(_) => 70,
                _ => USAGE,
            },
        }
    }
}

impl From<BootFault> for CliFault {
    fn from(fault: BootFault) -> Self {
        Self::Boot(Box::new(fault))
    }
}

/// A line on standard output.
fn print(text: &str) -> Result<(), CliFault> {
    output::line(text).map_err(|fault| CliFault::Io(format!("cannot write: {fault}")))
}

/// A runtime for the commands that need one.
fn runtime() -> Result<tokio::runtime::Runtime, CliFault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|fault| CliFault::Internal(fault.to_string()))
}

/// Where a bundle is: `builtin:` with the name of one that ships, or a directory.
fn bundle_place(typed: &str) -> crate::config::Place {
    match troth_policies::Source::builtins().find(|known| *known == typed) {
        Some("builtin:baseline") => crate::config::Place::Builtin,
        Some(name) => crate::config::Place::Shipped(name),
        None => crate::config::Place::Directory(PathBuf::from(typed)),
    }
}

/// Bad usage or configuration (sysexits.h, EX_USAGE).
const USAGE: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  troth demo                       see it work, with an embedded model
  troth init /etc/troth            a configuration, a key, a bundle to edit
  troth check --config troth.toml  all faults at once
  troth serve --config troth.toml  then point base_url at http://127.0.0.1:8080/v1

Exit codes: 0 good, 1 failed, 64 bad usage or configuration, 70 internal, 74 I/O.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
