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
    /// The filter of what this program logs, in which a log's name may stand.
    #[arg(from_global)]
    log: String,
}

impl Which {
    /// The configuration, and the log in it.
    pub(super) fn read(&self) -> Result<(Config, LogSettings), CliFault> {
        let config = boot::configuration(&self.config)?;
        if let Some(why) = self.mixed_up(std::env::var("TROTH_LOG").ok().as_deref()) {
            return Err(CliFault::Usage(why));
        }
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

    /// Why `--log` looks like the name of a log: carried out on the only log
    /// there is, an order for another one could not be taken back. What the
    /// `environment` sets is no such name.
    fn mixed_up(&self, environment: Option<&str>) -> Option<String> {
        let filter = self.log.as_str();
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let is_filter = filter.contains(['=', ',', ':', '['])
            || filter.parse::<u8>().is_ok()
            || levels.iter().any(|level| filter.eq_ignore_ascii_case(level))
            || environment == Some(filter);
        (!is_filter && self.log_name.is_none()).then(|| {
            format!(
                "`--log {filter}` is a filter of what this program logs, and none of its levels: \
                 choose a log with `--log-name {filter}`"
            )
        })
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
    // What a proxy asks before it signs on, this asks too.
    let log = match proxy::open(settings, config).await {
        Ok((log, _, _)) => log,
        Err(BootFault::Log { fault, .. }) if matches!(*fault, OpenError::Locked) => {
            return Err(CliFault::Failed(locked(config, settings)));
        }
        Err(fault) => return Err(fault.into()),
    };
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};

    #[test]
    fn the_name_of_a_log_is_no_filter() {
        let mixed_up = |arguments: &[&str]| {
            let command = ["troth", "disclose", "0"];
            let cli = Cli::try_parse_from(command.iter().chain(arguments)).unwrap();
            let Command::Disclose(disclose) = cli.command else { panic!("another command") };
            disclose.which().mixed_up(Some("hyper"))
        };
        let told = mixed_up(&["--log", "main"]).unwrap();
        assert!(told.contains("`--log-name main`"), "{told}");
        for fine in [
            &[][..],
            &["--log-name", "main"],
            &["--log", "DEBUG"],
            &["--log", "troth_proxy=debug"],
            &["--log", "info,hyper=warn"],
            &["--log", "hyper"],
            &["--log", "noise", "--log-name", "main"],
        ] {
            assert_eq!(mixed_up(fine), None, "{fine:?}");
        }
    }
}
