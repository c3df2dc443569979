//! `troth end`

use std::time::Duration;

use clap::Args;
use troth_attest::OpenError;

use super::{CliFault, operator, print, runtime};
use crate::{
    boot::BootFault,
    config::{Config, LogSettings},
    proxy,
    tasks::Tasks,
};

/// End a log for good, so that another may follow it.
///
/// Its last record says that it has ended, its last checkpoint is published
/// (and cosigned, where it has witnesses), and no proxy opens it again. The
/// next log gets a directory, an origin and a key of its own, and
/// `follows = "DIRECTORY"`: its first record names this one's end, and
/// `troth-audit verify NEW --follows OLD` checks the two as one.
///
/// The proxy that writes it must be stopped.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  troth end --config troth.toml --yes
  troth keygen example.com/troth/2027 --out 2027.key

and in troth.toml, in place of the old [[log]]:
  [[log]]
  name = \"main\"
  directory = \"troth-log-2027\"
  origin = \"example.com/troth/2027\"
  key = \"2027.key\"
  follows = \"troth-log\"")]
pub(super) struct End {
    #[command(flatten)]
    which: operator::Which,
    /// There is no way back: say so.
    #[arg(long)]
    yes: bool,
}

impl End {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (config, settings) = self.which.read()?;
        let name = &settings.name;
        if !self.yes {
            let why = format!("the log `{name}` would never take a record again: add --yes");
            return Err(CliFault::Usage(why));
        }
        let size = runtime()?.block_on(end(&config, &settings))?;
        print(&format!("the log `{name}` has ended with {size} records"))
    }
}

/// Ends the log; tells how many records it has.
async fn end(config: &Config, settings: &LogSettings) -> Result<u64, CliFault> {
    let (log, witnesses, _) = match proxy::open(settings, config).await {
        Ok(opened) => opened,
        Err(BootFault::Log { fault, name }) => {
            return Err(CliFault::Failed(match *fault {
                OpenError::Locked => {
                    format!("a process has the log `{name}` open: stop the proxy first")
                }
                OpenError::Ended => format!("the log `{name}` has ended already"),
                fault => format!("the log `{name}`: {fault}"),
            }));
        }
        Err(fault) => return Err(fault.into()),
    };
    let tasks = Tasks::default();
    let witnessed = witnesses.is_some();
    if let Some(witnesses) = witnesses {
        tasks.spawn("witnesses", witnesses.run(tasks.clone()));
    }
    let ending = log.clone();
    tokio::task::spawn_blocking(move || ending.end())
        .await
        .map_err(|fault| CliFault::Internal(fault.to_string()))?
        .map_err(|fault| CliFault::Failed(fault.to_string()))?;
    let asked = tasks.drain(settings.witness_timeout + PATIENCE).await;
    let status = log.status();
    if status.published_size < status.size || !asked {
        let why = if witnessed { ": its witnesses did not answer" } else { "" };
        return Err(CliFault::Failed(format!(
            "the log has ended, and its last checkpoint is not published{why}"
        )));
    }
    Ok(status.size)
}

/// Beyond the witnesses' own time.
const PATIENCE: Duration = Duration::from_secs(5);
