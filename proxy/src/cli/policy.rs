//! `troth policy`

use clap::{Args, Subcommand};

use super::{CliFault, bundle_place, print};
use crate::boot;

mod explain;

/// Check, test, explain a policy bundle.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Compile a bundle; all faults with file, line and column.
    #[command(after_help = "Example:\n  troth policy check ./bundle")]
    Check(Which),
    /// Run the bundle's own examples.
    #[command(after_help = "Example:\n  troth policy test ./bundle")]
    Test(Which),
    /// Print the digest that names the bundle in records.
    #[command(after_help = "Example:\n  troth policy digest builtin:baseline")]
    Digest(Which),
    /// Explain one decision: findings, labels, policies, and what would have
    /// changed it.
    Explain(explain::Explain),
}

/// Which bundle.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// `builtin:NAME` of a bundle that ships, or a directory.
    bundle: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl Policy {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        match self {
            Self::Check(which) => check(which),
            Self::Test(which) => test(which),
            Self::Digest(which) => {
                let (_, bundle) = boot::bundle(&bundle_place(&which.bundle))?;
                print(&hex::encode(bundle.digest()))
            }
            Self::Explain(explain) => explain.run(),
        }
    }
}

fn check(which: &Which) -> Result<(), CliFault> {
    let (_, bundle) = boot::bundle(&bundle_place(&which.bundle))?;
    let detectors = bundle.detectors().count();
    let digest = hex::encode(bundle.digest());
    if which.json {
        let value = serde_json::json!({
            "name": bundle.name(), "version": bundle.version(),
            "digest": digest, "detectors": detectors,
        });
        return print(&value.to_string());
    }
    let (name, version) = (bundle.name(), bundle.version());
    print(&format!("{name} {version} is good: {detectors} detectors, digest {digest}"))
}

fn test(which: &Which) -> Result<(), CliFault> {
    let (_, bundle) = boot::bundle(&bundle_place(&which.bundle))?;
    let report = bundle.test();
    if which.json {
        let report = serde_json::to_string(&report)
            .map_err(|fault| CliFault::Internal(fault.to_string()))?;
        print(&report)?;
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
