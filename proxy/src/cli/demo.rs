//! `troth demo`

mod audit;
mod client;
mod scenes;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;
use troth_attest::{Record, TrustPolicy, VerifiedReceipt, verify_receipt};

use super::{CliFault, keygen, print, runtime};
use crate::{boot, proxy::Proxy, server, stub_model, tasks::Tasks};

use client::{Client, Reply};
use scenes::{SCENES, Scene};
use table::Row;

/// Show what Troth does, on this machine, in a minute.
///
/// Starts an embedded model and the proxy in front of it, sends real traffic
/// through it in English and 中文, prints what was decided, why and what it
/// cost, then stops and audits its own log against a sample commitment
/// document.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  troth demo --keep /tmp/demo
  troth-audit verify /tmp/demo/troth-log --policy /tmp/demo/troth.policy")]
pub(super) struct Demo {
    /// Keep the log, the receipts and the keys in this new directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (home, temporary) = self.home()?;
        let shown = runtime()?.block_on(show(&home));
        let audited = shown.and_then(|()| audit::audit(&home));
        if temporary {
            // The log of a demonstration is worth nothing afterwards.
            drop(std::fs::remove_dir_all(&home));
        } else {
            print(&format!("\nKept in {}", home.display()))?;
        }
        audited
    }

    fn home(&self) -> Result<(PathBuf, bool), CliFault> {
        let (home, temporary) = match &self.keep {
            Some(path) => (path.clone(), false),
            None => {
                let name = format!("troth-demo-{}", uuid::Uuid::now_v7());
                (std::env::temp_dir().join(name), true)
            }
        };
        if home.exists() {
            let why = format!("`{}` exists: choose a new directory", home.display());
            return Err(CliFault::Usage(why));
        }
        std::fs::create_dir_all(&home)
            .map_err(|fault| CliFault::Io(format!("cannot make `{}`: {fault}", home.display())))?;
        Ok((home, temporary))
    }
}

/// The traffic.
async fn show(home: &Path) -> Result<(), CliFault> {
    let failed = |fault: std::io::Error| CliFault::Io(fault.to_string());
    let tasks = Tasks::default();
    let stop_model = CancellationToken::new();
    let model = server::bind(([127, 0, 0, 1], 0).into()).await.map_err(failed)?;
    let upstream = model.local_addr().map_err(failed)?;
    let stopped = stop_model.clone().cancelled_owned();
    tasks.spawn("model", async move { stub_model::serve(model, stopped).await });
    let config = prepare(home, &format!("http://{upstream}"))?;
    let proxy = Proxy::start(&config, boot::configuration(&config)?).await?;
    print(&format!(
        "Troth {} stands between this program and an embedded model.\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    let client = Client::new(proxy.address);
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for scene in SCENES {
        let reply = client.chat(scene).await.map_err(CliFault::Failed)?;
        let receipt = receipt(home, &client, &reply).await?;
        faults.extend(scene.check(&reply, &receipt));
        rows.push(row(scene, &reply, &receipt));
    }
    print(&table::render(&rows))?;
    proxy.stop().await.map_err(CliFault::Failed)?;
    stop_model.cancel();
    if faults.is_empty() { Ok(()) } else { Err(CliFault::Failed(faults.join("\n       "))) }
}

/// Writes keys and configuration; returns the configuration's path.
fn prepare(home: &Path, upstream: &str) -> Result<PathBuf, CliFault> {
    let signer = keygen::generate(ORIGIN)?;
    let private = format!("{}\n", signer.to_private_text().as_str());
    keygen::write_private(&home.join("troth.key"), &private)?;
    let policy = TrustPolicy::for_log(&signer.verifier()).to_string();
    keygen::write(&home.join("troth.policy"), &policy, 0o644)?;
    keygen::write(&home.join("commitments.toml"), audit::COMMITMENTS, 0o644)?;
    let path = home.join("troth.toml");
    let text = CONFIGURATION.replace("@UPSTREAM@", upstream).replace("@ORIGIN@", ORIGIN);
    keygen::write(&path, &text, 0o644)?;
    Ok(path)
}

/// The exchange's receipt, checked offline with nothing but the policy file.
async fn receipt(home: &Path, client: &Client, reply: &Reply) -> Result<VerifiedReceipt, CliFault> {
    let text = client.receipt(&reply.exchange).await.map_err(CliFault::Failed)?;
    let path = home.join(format!("{}.tlog-proof", reply.exchange));
    keygen::write(&path, &String::from_utf8_lossy(&text), 0o644)?;
    let policy = std::fs::read_to_string(home.join("troth.policy"))
        .map_err(|fault| CliFault::Io(fault.to_string()))?;
    let policy =
        TrustPolicy::parse(&policy).map_err(|fault| CliFault::Internal(fault.to_string()))?;
    verify_receipt(&text, &policy, None)
        .map_err(|fault| CliFault::Failed(format!("receipt of {}: {fault}", reply.exchange)))
}

fn row(scene: &Scene, reply: &Reply, receipt: &VerifiedReceipt) -> Row {
    let mut row = Row {
        what: scene.what,
        sent: reply.describe(),
        verdict: "?".to_owned(),
        detectors: Vec::new(),
        policies: Vec::new(),
        commitments: Vec::new(),
        micros: 0,
        index: receipt.index,
    };
    if let Some(Record::Outcome(outcome)) = &receipt.record.record {
        row.verdict = outcome.verdict.as_str().to_owned();
        row.detectors = outcome
            .detectors
            .iter()
            .map(|one| format!("{} ({:.2})", one.detector, f64::from(one.score_ppm) / 1e6))
            .collect();
        row.policies.clone_from(&outcome.policies);
        row.commitments.clone_from(&outcome.commitments);
        row.micros = outcome
            .timings_us
            .iter()
            .filter(|(stage, _)| stage.starts_with("screen") || stage.starts_with("judge"))
            .map(|(_, micros)| micros)
            .sum();
    }
    row
}

const ORIGIN: &str = "example.com/troth/demo";
const CONFIGURATION: &str = include_str!("demo/troth.toml");
