//! `troth-audit`: verifies a Troth log with nothing but the log and a policy
//! file. No network unless the log is an address, no key from the log.

mod args;
mod log;
mod monitor;
mod output;
mod witness;

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use serde_json::json;
use thiserror::Error;
use troth_attest::{
    CachedSource, Clock as _, ExportError, LogView, ReadError, Report, Stored, SystemClock,
    TrustPolicy, VerifyOptions, export, verify, verify_consistency, verify_receipt,
};

use args::{Cli, Command, LogArg};
use output::Bar;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => {
            // Help and version are no errors; a closed terminal is not ours.
            let _ = fault.print();
            return ExitCode::from(if fault.use_stderr() { BAD_USAGE } else { 0 });
        }
    };
    match run(&cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            output::error(format_args!("{fault:#}"));
            ExitCode::from(exit_code(&fault))
        }
    }
}

/// What the user must change, as opposed to what could not be read.
#[derive(Debug, Error)]
#[error("{0}")]
struct Usage(String);

/// The log's own files do not hold together.
#[derive(Debug, Error)]
#[error("{0}")]
struct Inconsistent(String);

fn exit_code(fault: &anyhow::Error) -> u8 {
    for cause in fault.chain() {
        if cause.is::<Usage>() {
            return BAD_USAGE;
        }
        if cause.is::<Inconsistent>() {
            return 1;
        }
        if let Some(fault) = cause.downcast_ref::<ReadError>() {
            return read_code(fault);
        }
        match cause.downcast_ref::<ExportError>() {
            Some(ExportError::Root | ExportError::TooLong) => return 1,
            Some(ExportError::Occupied) => return BAD_USAGE,
            Some(ExportError::Write(_)) => return CANNOT_READ,
            // It stands for the fault inside it, which the chain leaves out.
            Some(ExportError::Read(fault)) => return read_code(fault),
            None => {}
        }
    }
    CANNOT_READ
}

fn read_code(fault: &ReadError) -> u8 {
    match fault {
        ReadError::Beyond(_) => BAD_USAGE,
        ReadError::Missing(_) => 2,
        ReadError::Withheld => 5,
        ReadError::Checkpoint(_) | ReadError::Damaged | ReadError::Garbled(_) => 1,
        ReadError::NoLog | ReadError::Io(_) => CANNOT_READ,
    }
}

fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Verify(args) => run_verify(args),
        Command::Receipt(args) => run_receipt(args),
        Command::Witness(args) => witness::run(args),
        Command::Monitor(args) => monitor::run(args),
        Command::Show(args) => run_show(args),
        Command::Prove(args) => run_prove(args),
        Command::Consistency(args) => run_consistency(args),
        Command::Export(args) => run_export(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "troth-audit", &mut script);
            output::raw(&script)?;
            Ok(0)
        }
    }
}

fn run_verify(args: &args::Verify) -> anyhow::Result<u8> {
    let policy = read_policy(&args.policy)?;
    let age = args.max_age.map(|seconds| seconds.saturating_mul(1_000_000));
    let mut options = VerifyOptions {
        longest_exchange: std::time::Duration::from_secs(args.longest_exchange),
        threads: args.threads.map_or_else(|| log::threads(&args.log), usize::from),
        ..VerifyOptions::default()
    };
    if let Some(before) = &args.follows {
        // It has ended, so nothing of it is ever new.
        let before = LogArg { log: before.clone(), ca: args.log.ca.clone() };
        let before = verified(&before, &policy, &options)?;
        options.follows = Some(Box::new(before));
    }
    options.fresh_since = age.map(|age| SystemClock.now_micros().saturating_sub(age));
    let report = verified(&args.log, &policy, &options)?;
    tell(&report, args.json)
}

fn verified(log: &LogArg, policy: &TrustPolicy, options: &VerifyOptions) -> anyhow::Result<Report> {
    let log = log::open(log)?;
    let bar = Bar::new("verifying");
    // Anchors ask for tiles that were compared before.
    let log = CachedSource::new(log.as_ref());
    Ok(verify(&log, policy, options, |progress| bar.show(progress)))
}

fn tell(report: &Report, json: bool) -> anyhow::Result<u8> {
    if json {
        output::json(report)?
    } else {
        output::report(report)?
    }
    Ok(report.exit_code)
}

fn run_receipt(args: &args::Receipt) -> anyhow::Result<u8> {
    let policy = read_policy(&args.policy)?;
    let text = log::read_receipt(&args.file, args.ca.as_deref())?;
    let entry = args.entry.as_deref().map(read_file).transpose()?;
    let receipt = match verify_receipt(&text, &policy, entry.as_deref()) {
        Ok(receipt) => receipt,
        Err(fault) => {
            if args.json {
                let status = match fault.exit_code() {
                    3 => "unwitnessed",
                    BAD_USAGE => "no_record",
                    _ => "tampered",
                };
                let what = fault.to_string();
                output::json(&json!({ "status": status, "faults": [{ "what": what }] }))?;
            } else {
                output::error(&fault);
            }
            return Ok(fault.exit_code());
        }
    };
    let mut confirmed = Vec::new();
    for (field, file) in &args.content {
        let content = read_file(file)?;
        let Some(same) = receipt.confirms(field, &content) else {
            return Err(Usage(format!("the receipt does not open `{field}`")).into());
        };
        confirmed.push((field.clone(), same));
    }
    let holds = confirmed.iter().all(|(_, same)| *same);
    let code = if holds { receipt.exit_code() } else { 1 };
    if args.json {
        let checkpoint = &receipt.head.checkpoint;
        let record = Stored::json(&receipt.entry).ok();
        let content: serde_json::Map<_, _> =
            confirmed.iter().map(|(field, same)| (field.clone(), json!(same))).collect();
        output::json(&json!({
            "status": output::receipt_status(code),
            "origin": checkpoint.origin,
            "index": receipt.index,
            "size": checkpoint.size,
            "root": checkpoint.root.to_string(),
            "record": record,
            "openings": receipt.openings.keys().collect::<Vec<_>>(),
            "content": content,
            "faults": [],
        }))?;
    } else {
        output::receipt(&receipt, &confirmed, code)?;
    }
    Ok(code)
}

fn run_show(args: &args::Show) -> anyhow::Result<u8> {
    let log = log::open(&args.log)?;
    let entry = LogView::open(log.as_ref())?.entry(args.index)?;
    // A record is one line of JSON already; a foreign entry is printed as it is.
    if args.json && Stored::json(&entry).is_err() {
        return Err(Inconsistent(format!("entry {} is not canonical JSON", args.index)).into());
    }
    output::raw(&entry)?;
    output::line("")?;
    Ok(0)
}

fn run_prove(args: &args::Show) -> anyhow::Result<u8> {
    let log = log::open(&args.log)?;
    let receipt = LogView::open(&CachedSource::new(log.as_ref()))?.prove(args.index)?;
    if args.json {
        output::json(&json!({ "index": receipt.index(), "proof": receipt.as_str() }))?;
    } else {
        output::raw(receipt.as_str().as_bytes())?;
    }
    Ok(0)
}

fn run_consistency(args: &args::Consistency) -> anyhow::Result<u8> {
    let log = log::open(&args.log)?;
    if args.old > args.new {
        return Err(Usage("the first size must not be larger than the second".to_owned()).into());
    }
    let log = CachedSource::new(log.as_ref());
    let view = LogView::open(&log)?;
    let (old_root, new_root) = (view.root_at(args.old)?, view.root_at(args.new)?);
    let proof = view.prove_consistency(args.old, args.new)?;
    verify_consistency(args.old, args.new, &proof, &old_root, &new_root)
        .map_err(|fault| Inconsistent(fault.to_string()))?;
    if args.json {
        output::json(&json!({
            "status": "ok",
            "old": { "size": args.old, "root": old_root.to_string() },
            "new": { "size": args.new, "root": new_root.to_string() },
            "proof": proof.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        output::line(format_args!("{} {old_root}", args.old))?;
        output::line(format_args!("{} {new_root}", args.new))?;
        for hash in &proof {
            output::line(hash)?;
        }
        output::line("the first is a prefix of the second")?;
    }
    Ok(0)
}

fn run_export(args: &args::Export) -> anyhow::Result<u8> {
    let log = log::open(&args.log)?;
    let bar = Bar::new("exporting");
    let exported = export(log.as_ref(), &args.directory, |progress| bar.show(progress))?;
    drop(bar);
    if args.json {
        output::json(&exported)?;
    } else {
        let size = exported.size;
        output::line(format_args!("{size} records, {} files", exported.files))?;
        output::line(format_args!("root {}", exported.root))?;
    }
    Ok(0)
}

fn read_policy(path: &Path) -> anyhow::Result<TrustPolicy> {
    let bytes = read_file(path)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Usage(format!("`{}` is not text", path.display())))?;
    TrustPolicy::parse(&text)
        .map_err(|fault| Usage(format!("`{}`: {fault}", path.display())).into())
}

/// Reads a file that people name; `-` is standard input.
fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_FILE_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(bytes)
}

const BAD_USAGE: u8 = 64;
const CANNOT_READ: u8 = 74;
/// Of policies, receipts, records and the content that they are checked with.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
