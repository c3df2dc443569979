//! The demonstration's audit: what an auditor does who has the log, the policy
//! file and the commitment document, and nothing else.

use std::path::Path;

use serde::Deserialize;
use troth_attest::{
    DirectorySource, Enforcement, LogView, Outcome, Record, Report, Stored, TrustPolicy,
    VerifyOptions, verify,
};

use super::{CliFault, print};

/// Verifies the log and recomputes the sample's claims from its records.
pub(super) fn audit(home: &Path) -> Result<(), CliFault> {
    let failed = |fault: &dyn std::fmt::Display| CliFault::Failed(fault.to_string());
    let policy = std::fs::read_to_string(home.join("troth.policy"))
        .map_err(|fault| CliFault::Io(fault.to_string()))?;
    let policy = TrustPolicy::parse(&policy).map_err(|fault| failed(&fault))?;
    let source = DirectorySource::new(home.join("troth-log"));
    let report = verify(&source, &policy, &VerifyOptions::default(), |_| {});
    print(&format!(
        "Audit of {}: {}\n  {} entries under root {}\n  {}",
        report.origin,
        report.status,
        report.size,
        report.root,
        counts(&report),
    ))?;
    for fault in &report.faults {
        print(&format!("  fault: {}", fault.what))?;
    }
    if !report.is_ok() {
        return Err(CliFault::Failed("the log does not verify".to_owned()));
    }
    let view = LogView::open(&source).map_err(|fault| failed(&fault))?;
    let mut outcomes = Vec::new();
    for index in 0..report.size {
        let entry = view.entry(index).map_err(|fault| failed(&fault))?;
        let stored = Stored::parse(&entry).map_err(|fault| failed(&fault))?;
        if let Some(Record::Outcome(outcome)) = stored.record {
            outcomes.push(*outcome);
        }
    }
    claims(&report, &outcomes)
}

fn counts(report: &Report) -> String {
    let counts: Vec<String> =
        report.records.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    counts.join(", ")
}

/// A commitment document, as far as the demonstration judges one.
#[derive(Debug, Deserialize)]
struct Document {
    commitment: Commitment,
    claim: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Commitment {
    id: String,
    organisation: String,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    title: String,
    threshold: f64,
}

fn claims(report: &Report, outcomes: &[Outcome]) -> Result<(), CliFault> {
    let document: Document =
        toml::from_str(COMMITMENTS).map_err(|fault| CliFault::Internal(fault.to_string()))?;
    print(&format!(
        "\nSample commitments `{}` of {}, recomputed from the verified records:",
        document.commitment.id, document.commitment.organisation
    ))?;
    let mut broken = Vec::new();
    for claim in &document.claim {
        let Some((value, basis)) = measure(&claim.id, report, outcomes) else {
            broken.push(claim.id.clone());
            continue;
        };
        let holds =
            if at_least(&claim.id) { value >= claim.threshold } else { value <= claim.threshold };
        let status = if holds { "PASS" } else { "FAIL" };
        print(&format!("  {status}  {:<9} {}: {value} ({basis})", claim.id, claim.title))?;
        if !holds {
            broken.push(claim.id.clone());
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(CliFault::Failed(format!("commitments that do not hold: {}", broken.join(", "))))
}

/// The claim's value and what it was computed from.
fn measure(id: &str, report: &Report, outcomes: &[Outcome]) -> Option<(f64, String)> {
    let count = |what: &dyn Fn(&&Outcome) -> bool| ratio(outcomes.iter().filter(what).count());
    let all = ratio(outcomes.len());
    let of = |kind: &str| report.records.get(kind).copied().unwrap_or(0);
    match id {
        "G-INT-01" => {
            let faults = u32::try_from(report.fault_count).unwrap_or(u32::MAX);
            Some((f64::from(faults), format!("{} entries", report.size)))
        }
        "G-INT-02" => {
            let unpaired = of("intent").abs_diff(of("outcome"));
            let unpaired = u32::try_from(unpaired).unwrap_or(u32::MAX);
            Some((f64::from(unpaired), format!("{} intents", of("intent"))))
        }
        "G-INT-03" if !outcomes.is_empty() => {
            let complete = count(&|outcome| outcome.coverage_complete);
            Some((complete / all, format!("{complete} of {all} outcomes")))
        }
        "G-INT-05" => {
            let open = count(&|outcome| outcome.enforcement == Enforcement::FailOpen);
            Some((open, format!("{all} outcomes")))
        }
        "G-TRF-01" => {
            let blocked = |outcome: &&Outcome| {
                outcome.verdict == troth_attest::RecordVerdict::Block && outcome.released_before > 0
            };
            Some((count(&blocked), format!("{all} outcomes")))
        }
        _ => None,
    }
}

fn at_least(id: &str) -> bool {
    id == "G-INT-03"
}

fn ratio(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The sample document.
pub(super) const COMMITMENTS: &str = include_str!("commitments.toml");
