//! Orders to a log: through the admin listener of the proxy that writes it, or,
//! while none runs, by opening the log here.

mod client;

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use troth_attest::OpenError;

use super::{CliFault, runtime};
use crate::{
    admin::orders::Order,
    boot::{self, BootFault},
    config::{Admin, Config, LogSettings},
    evidence::Witnessed,
    proxy,
};

pub(super) use client::{Question, Told};

/// Which log.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "troth.toml")]
    config: PathBuf,
    /// The log's name in the configuration, where it has several. (`--log` is
    /// what this program logs.)
    #[arg(long, value_name = "NAME")]
    log_name: Option<String>,
}

impl Which {
    /// The configuration, and the log in it.
    pub(super) fn read(&self) -> Result<(Config, LogSettings), CliFault> {
        let config = boot::configuration(&self.config)?;
        let names = || {
            let names: Vec<&str> = config.logs.iter().map(|log| log.name.as_str()).collect();
            names.join("`, `")
        };
        let found = match (&self.log_name, config.logs.as_slice()) {
            (None, [only]) => only,
            (None, []) => {
                let why = format!("`{}` has no log", self.config.display());
                return Err(CliFault::Usage(why));
            }
            (None, _) => {
                let why =
                    format!("there are several logs: choose one with `--log-name`: `{}`", names());
                return Err(CliFault::Usage(why));
            }
            (Some(name), logs) => logs.iter().find(|log| log.name == *name).ok_or_else(|| {
                CliFault::Usage(format!("there is no log `{name}`: there is `{}`", names()))
            })?,
        };
        let found = found.clone();
        Ok((config, found))
    }
}

/// Has an order carried out; tells what was done.
pub(super) fn carry_out(
    config: &Config,
    settings: &LogSettings,
    order: &Order,
) -> Result<Value, CliFault> {
    runtime()?.block_on(async {
        if let Some(admin) = &config.admin {
            let question = Question { path: order.path().to_owned(), body: Some(order.body()) };
            match client::send(admin, question).await.map_err(CliFault::Io)? {
                Told::Done(value) => return Ok(value),
                Told::Refused(why) => return Err(CliFault::Failed(why)),
                Told::NobodyThere => {}
            }
        }
        directly(config, settings, order).await
    })
}

/// Asks the running proxy, which alone knows; tells what it said.
pub(super) fn ask(config: &Config, question: Question) -> Result<Value, CliFault> {
    let Some(admin) = &config.admin else {
        let why = "the configuration has no `[admin]` to ask the proxy through: add `[admin] socket \
                   = \"troth.sock\"` and restart it";
        return Err(CliFault::Usage(why.to_owned()));
    };
    match runtime()?.block_on(client::send(admin, question)).map_err(CliFault::Io)? {
        Told::Done(value) => Ok(value),
        Told::Refused(why) => Err(CliFault::Failed(why)),
        Told::NobodyThere => Err(CliFault::Failed(format!("no proxy listens at {}", place(admin)))),
    }
}

/// Carries an order out here, where no proxy has the log open.
async fn directly(
    config: &Config,
    settings: &LogSettings,
    order: &Order,
) -> Result<Value, CliFault> {
    let log = match boot::log(settings) {
        Ok(log) => log,
        Err(BootFault::Log { fault, .. }) if matches!(*fault, OpenError::Locked) => {
            return Err(CliFault::Failed(locked(config, settings)));
        }
        Err(fault) => return Err(fault.into()),
    };
    // What a proxy asks before it signs on, this must ask too.
    let (cosigned, _) = Witnessed::new();
    drop(proxy::checked(&log, settings, config, cosigned).await?);
    let order = order.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = order.carry_out(&log);
        // An order that was refused leaves a log that ends in order too.
        let closed = log.close();
        match (done, closed) {
            (Err(refused), _) => Err(refused.why),
            (Ok(_), Err(fault)) => Err(fault.to_string()),
            (Ok(done), Ok(())) => Ok(done),
        }
    });
    done.await.map_err(|fault| CliFault::Internal(fault.to_string()))?.map_err(CliFault::Failed)
}

fn locked(config: &Config, settings: &LogSettings) -> String {
    let name = &settings.name;
    match &config.admin {
        None => format!(
            "another process has the log `{name}` open, and the configuration has no `[admin]` \
             to ask it through: add `[admin] socket = \"troth.sock\"` and restart it, or stop it"
        ),
        Some(admin) => format!(
            "another process has the log `{name}` open, and nobody answers at {}: was it started \
             with another configuration?",
            place(admin)
        ),
    }
}

/// Where an admin listener is.
fn place(admin: &Admin) -> String {
    match admin {
        Admin::Socket(path) => format!("`{}`", path.display()),
        Admin::Tcp { address, .. } => format!("`{address}`"),
    }
}
