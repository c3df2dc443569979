//! What the program prints: results on standard output, progress and errors on
//! standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use troth_attest::{Progress, Record, Report, Round, VerifiedReceipt};

/// Prints one JSON object, with a newline.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(io::Error::other)?;
    writeln!(out)
}

/// Prints a line.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Tells an error.
pub(crate) fn error(text: impl std::fmt::Display) {
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "troth-audit: {text}");
}

/// Tells people and programs where it listens.
pub(crate) fn listening(address: impl std::fmt::Display, what: &str) {
    let _ = writeln!(io::stderr().lock(), "listening address={address} what={what}");
}

/// A progress bar on standard error, where that is a terminal.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(crate) fn new(what: &'static str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0).with_message(what);
        let style = "{msg} {wide_bar} {human_pos}/{human_len} records {per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    pub(crate) fn show(&self, progress: Progress) {
        if let Some(bar) = &self.0 {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A report for people.
pub(crate) fn report(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "log        {}", or_dash(&report.origin))?;
    writeln!(out, "size       {} ({} published)", report.size, report.published_size)?;
    writeln!(out, "root       {}", report.root)?;
    if !report.witnesses.is_empty() {
        let names: Vec<&str> = report.witnesses.keys().map(String::as_str).collect();
        writeln!(out, "witnesses  {}", names.join(", "))?;
    }
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        let parts: Vec<String> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    };
    if report.withheld > 0 {
        writeln!(
            out,
            "withheld   {} records: only their hashes were verified, not what they say",
            report.withheld
        )?;
    }
    // Of a log of which no record was read, these would say nothing, wrongly.
    if report.withheld == 0 || !report.records.is_empty() {
        writeln!(out, "records    {}", counts(&report.records))?;
        writeln!(out, "verdicts   {}", counts(&report.verdicts))?;
        let state = match (report.ended, report.closed) {
            (true, _) => "ended",
            (_, true) => "closed",
            _ => "not closed",
        };
        writeln!(out, "exchanges  {} open, log {state}", report.open)?;
    }
    if let Some(follows) = &report.follows {
        let known = if follows.verified { "" } else { " (a log that the policy does not list)" };
        writeln!(out, "follows    {} at {}{known}", follows.origin, follows.size)?;
    }
    if report.coverage_incomplete > 0 {
        writeln!(out, "coverage   {} outcomes are incomplete", report.coverage_incomplete)?;
    }
    if report.unknown > 0 {
        writeln!(out, "unknown    {} records", report.unknown)?;
    }
    for fault in &report.faults {
        match fault.index {
            Some(index) => writeln!(out, "fault      record {index}: {}", fault.what)?,
            None => writeln!(out, "fault      {}", fault.what)?,
        }
    }
    let listed = u64::try_from(report.faults.len()).unwrap_or(u64::MAX);
    if report.fault_count > listed {
        writeln!(out, "           and {} more", report.fault_count - listed)?;
    }
    writeln!(out, "status     {}", report.status)
}

/// A receipt that holds, for people.
pub(crate) fn receipt(
    receipt: &VerifiedReceipt,
    confirmed: &[(String, bool)],
    code: u8,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let checkpoint = &receipt.head.checkpoint;
    writeln!(out, "log        {}", checkpoint.origin)?;
    writeln!(out, "record     {} of {}", receipt.index, checkpoint.size)?;
    if !receipt.head.witnesses.is_empty() {
        let names: Vec<&str> =
            receipt.head.witnesses.iter().map(|(name, _)| name.as_str()).collect();
        writeln!(out, "witnesses  {}", names.join(", "))?;
    }
    writeln!(out, "kind       {}", receipt.record.kind)?;
    writeln!(out, "time       {} (Unix microseconds)", receipt.record.time)?;
    if let Some(Record::Outcome(outcome)) = &receipt.record.record {
        writeln!(out, "exchange   {}", outcome.exchange)?;
        writeln!(out, "verdict    {}", outcome.verdict.as_str())?;
        for policy in &outcome.policies {
            writeln!(out, "policy     {policy}")?;
        }
        let coverage = if outcome.coverage_complete { "complete" } else { "incomplete" };
        writeln!(out, "coverage   {coverage}")?;
    }
    for field in receipt.openings.keys() {
        writeln!(out, "opens      {field}")?;
    }
    for (field, same) in confirmed {
        let word = if *same { "confirmed" } else { "DIFFERS" };
        writeln!(out, "content    {field}: {word}")?;
    }
    writeln!(out, "status     {}", receipt_status(code))
}

/// One word for what a receipt came to.
pub(crate) fn receipt_status(code: u8) -> &'static str {
    match code {
        0 => "ok",
        5 => "insufficient",
        _ => "tampered",
    }
}

/// A look of a monitor, for people: one line.
pub(crate) fn round(round: &Round) -> io::Result<()> {
    let mut line = format!("{} {} {}", round.time, round.status, or_dash(&round.origin));
    match round.previous_size {
        Some(before) if before != round.size => {
            line += &format!(" size {before} -> {}", round.size)
        }
        _ => line += &format!(" size {}", round.size),
    }
    if round.entries > 0 {
        line += &format!(", {} entries read", round.entries);
    }
    if round.withheld > 0 {
        line += &format!(", {} entries by their hashes alone", round.withheld);
    }
    if !round.witnesses.is_empty() {
        let names: Vec<&str> = round.witnesses.keys().map(String::as_str).collect();
        line += &format!(", witnesses {}", names.join(", "));
    }
    for fault in &round.faults {
        match fault.index {
            Some(index) => line += &format!("; record {index}: {}", fault.what),
            None => line += &format!("; {}", fault.what),
        }
    }
    if let Some(evidence) = &round.evidence {
        line += &format!("; kept in `{evidence}`");
    }
    writeln!(io::stdout().lock(), "{line}")
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
