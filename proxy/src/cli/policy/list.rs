//! `troth policy list`

use clap::Args;
use serde_json::{Value, json};
use troth_policies::{Bundle, Determining};

use super::print_json;
use crate::{
    boot,
    cli::{CliFault, bundle_place, print},
};

/// List what a bundle has: policies, detectors, labels, groups, coverage.
///
/// Policies come with the strongest response first, each with the commitments
/// that it serves and the place where it stands; detectors with their category,
/// severity and what they look at; then what the bundle says that it covers and
/// what it says that nothing in it covers.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// `builtin:baseline`, or a directory.
    bundle: String,
    /// Only the policy of this id, with its text.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  troth policy list builtin:baseline
  troth policy list ./bundle --policy no-exfiltration-after-untrusted
  troth policy list ./bundle --json | jq '.policies[].commitments'";

impl List {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (_, bundle) = boot::bundle(&bundle_place(&self.bundle))?;
        if let Some(id) = &self.policy {
            let found = bundle.policies().find(|(says, _)| says.id == *id);
            let (says, text) =
                found.ok_or_else(|| CliFault::Usage(format!("no policy has the id `{id}`")))?;
            if self.json {
                return print_json(&policy(says, text));
            }
            return print(&format!("// {}\n{text}", says.place));
        }
        if self.json { print_json(&listed(&bundle)) } else { print(table(&bundle).trim_end()) }
    }
}

fn policy(says: &Determining, text: &str) -> Value {
    let mut value = json!(says);
    if let Value::Object(fields) = &mut value {
        fields.insert("text".to_owned(), json!(text));
    }
    value
}

fn listed(bundle: &Bundle) -> Value {
    json!({
        "name": bundle.name(), "version": bundle.version(),
        "description": bundle.description(), "digest": hex::encode(bundle.digest()),
        "policies": bundle.policies().map(|(says, text)| policy(says, text)).collect::<Vec<_>>(),
        "detectors": bundle.detectors().collect::<Vec<_>>(),
        "covers": bundle.covers(),
        "examples": bundle.examples().collect::<Vec<_>>(),
    })
}

fn table(bundle: &Bundle) -> String {
    let mut out = format!("{} {}\n{}\n", bundle.name(), bundle.version(), bundle.description());
    out.push_str("\npolicies\n");
    let width = bundle.policies().map(|(says, _)| says.id.len()).max().unwrap_or_default();
    for (says, _) in bundle.policies() {
        let (id, response) = (&says.id, says.response.as_str());
        let commitments = says.commitments.join(", ");
        out.push_str(&format!("  {response:8} {id:width$}  {}  {commitments}\n", says.place));
    }
    out.push_str("\ndetectors\n");
    let width = bundle.detectors().map(|one| one.id.len()).max().unwrap_or_default();
    for one in bundle.detectors() {
        let channels: Vec<&str> = one.channels.iter().map(|channel| channel.as_str()).collect();
        let (id, kind, category) = (&one.id, one.kind.as_str(), &one.category);
        let severity = one.severity.as_str();
        let channels = channels.join(" ");
        out.push_str(&format!("  {id:width$}  {kind:10} {category} ({severity})  {channels}\n"));
    }
    let covers = bundle.covers();
    out.push_str(&format!("\ncovers\n  {} {}\n", covers.risks.join(" "), covers.owasp.join(" ")));
    out.push_str(&format!("\ndeclared gaps\n  {}\n", covers.gaps.join(" ")));
    out
}
