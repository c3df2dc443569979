//! `troth policy`

use clap::{Args, Subcommand};
use serde::Serialize;
use troth_policies::Bundle;

use super::{CliFault, bundle_place, print};
use crate::boot;

mod event;
mod explain;
mod list;
mod record;

/// Check, test, list, explain a policy bundle.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Compile a bundle; all faults with file, line and column.
    ///
    /// Each fault names its place, quotes the line with the offending text
    /// marked, and says what to write instead. Warnings do not make it fail.
    /// Nothing is run: `troth policy test` runs the bundle's own examples.
    #[command(after_help = CHECK)]
    Check(Which),
    /// Run the bundle's own examples.
    ///
    /// Every case of `examples/*.toml` is screened and judged as a live exchange
    /// is, rules and given scores alone: no model runs. A case passes when its
    /// verdict, the policies that it names and the categories that it names come
    /// out; all differences are told. Exit code 1 when one fails.
    #[command(after_help = TEST)]
    Test(Test),
    /// List what a bundle has: policies, detectors, labels, groups, coverage.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Print the digest that names the bundle in records.
    ///
    /// SHA-256 over the names and contents of the bundle's files, and of the
    /// bundles that it imports. The same files have the same digest anywhere.
    #[command(after_help = "Example:\n  troth policy digest builtin:baseline")]
    Digest(Which),
    /// Explain one decision: findings, labels, policies, and what would have
    /// changed it.
    Explain(explain::Explain),
}

const CHECK: &str = "\
Examples:
  troth policy check ./bundle
  troth policy check builtin:baseline --json

Exit codes: 0 it compiles, 64 it does not, 74 it cannot be read.";

const TEST: &str = "\
Examples:
  troth policy test ./bundle
  troth policy test ./bundle --only mail-then-mail
  troth policy test ./bundle --json

A case that fails is best read with
  troth policy explain ./bundle --example mail-then-mail

Exit codes: 0 all pass, 1 some fail, 64 the bundle does not compile.";

/// Which bundle.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// `builtin:NAME` of a bundle that ships, or a directory.
    bundle: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Which examples.
#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    which: Which,
    /// Only the examples whose id contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl Policy {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        match self {
            Self::Check(which) => check(which),
            Self::Test(test) => test.run(),
            Self::List(list) => list.run(),
            Self::Digest(which) => {
                let (_, bundle) = boot::bundle(&bundle_place(&which.bundle))?;
                print(&hex::encode(bundle.digest()))
            }
            Self::Explain(explain) => explain.run(),
        }
    }
}

/// One JSON object on a line.
fn print_json(value: &impl Serialize) -> Result<(), CliFault> {
    let json =
        serde_json::to_string(value).map_err(|fault| CliFault::Internal(fault.to_string()))?;
    print(&json)
}

fn check(which: &Which) -> Result<(), CliFault> {
    let source = boot::bundle_source(&bundle_place(&which.bundle))?;
    let compiled = match Bundle::compile(&source) {
        Ok(compiled) => compiled,
        Err(faults) => {
            if which.json {
                print_json(&serde_json::json!({ "good": false, "faults": told(&faults) }))?;
                return Err(CliFault::Usage(String::new()));
            }
            let (count, report) = (faults.len(), faults.report());
            let s = if count == 1 { "" } else { "s" };
            return Err(CliFault::Usage(format!(
                "the bundle does not compile\n\n{report}\n{count} fault{s}"
            )));
        }
    };
    let bundle = &compiled.bundle;
    let detectors = bundle.detectors().count();
    let digest = hex::encode(bundle.digest());
    if which.json {
        return print_json(&serde_json::json!({
            "good": true, "name": bundle.name(), "version": bundle.version(),
            "digest": digest, "detectors": detectors, "patterns": bundle.pattern_count(),
            "policies": bundle.policy_count(), "examples": bundle.examples().count(),
            "warnings": told(&compiled.warnings),
        }));
    }
    for warning in &compiled.warnings {
        print(&warning.report())?;
    }
    let (name, version) = (bundle.name(), bundle.version());
    let (policies, examples) = (bundle.policy_count(), bundle.examples().count());
    print(&format!(
        "{name} {version} is good: {detectors} detectors, {policies} policies, {examples} examples, digest {digest}"
    ))
}

/// Faults for programs.
fn told<'f>(
    faults: impl IntoIterator<Item = &'f troth_policies::Diagnostic>,
) -> Vec<serde_json::Value> {
    let one = |fault: &troth_policies::Diagnostic| {
        serde_json::json!({
            "file": fault.path(), "line": fault.line(), "column": fault.column(),
            "message": fault.message(), "expected": fault.expected(), "example": fault.example(),
        })
    };
    faults.into_iter().map(one).collect()
}

impl Test {
    fn run(&self) -> Result<(), CliFault> {
        let (_, bundle) = boot::bundle(&bundle_place(&self.which.bundle))?;
        let mut report = bundle.test();
        if let Some(only) = &self.only {
            report.cases.retain(|case| case.id.contains(only));
            if report.cases.is_empty() {
                return Err(CliFault::Usage(format!("no example has `{only}` in its id")));
            }
        }
        if self.which.json {
            print_json(&report)?;
        } else {
            for case in report.cases.iter().filter(|case| !case.faults.is_empty()) {
                print(&format!("FAIL {} ({})", case.id, case.file))?;
                for fault in &case.faults {
                    print(&format!("     {fault}"))?;
                }
            }
            print(&format!("{} passed, {} failed", report.passed(), report.failed()))?;
        }
        match report.failed() {
            0 => Ok(()),
            failed => Err(CliFault::Failed(format!("{failed} examples failed"))),
        }
    }
}
