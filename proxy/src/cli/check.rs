//! `troth check`

use std::path::PathBuf;

use clap::Args;

use super::{CliFault, print};
use crate::{boot, server};

/// Check a configuration, its bundle, models and keys; bind nothing.
///
/// All faults of the configuration are told at once. Exit code 0 or 64.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  troth check --config /etc/troth/troth.toml")]
pub(super) struct Check {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "troth.toml")]
    config: PathBuf,
}

impl Check {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let config = boot::configuration(&self.config)?;
        // Each part is tried even when another fails: one run, all faults.
        let mut faults = Vec::new();
        let detectors = boot::screener(&config);
        let described = match &detectors {
            Ok((_, screener)) => {
                let bundle = screener.bundle();
                let models = screener.models().map_or("none", |models| models.name.as_str());
                format!(
                    "bundle {} {} ({}), models {models}",
                    bundle.name(),
                    bundle.version(),
                    hex::encode(bundle.digest()).get(..16).unwrap_or_default(),
                )
            }
            Err(fault) => {
                faults.push(fault.to_string());
                String::new()
            }
        };
        for settings in &config.logs {
            match boot::signer(settings) {
                Ok(signer) if signer.name() != settings.origin => faults.push(format!(
                    "the key `{}` is called `{}`, and the log's origin is `{}`: \
                     they must be the same",
                    settings.key.display(),
                    signer.name(),
                    settings.origin
                )),
                Ok(_) => {
                    faults.extend(boot::witnesses(settings).err().map(|fault| fault.to_string()));
                    let previous = boot::previous_signer(settings);
                    faults.extend(previous.err().map(|fault| fault.to_string()));
                }
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        if let Some(tls) = &config.listen.tls
            && let Err(fault) = server::acceptor(tls)
        {
            faults.push(fault.to_string());
        }
        if !faults.is_empty() {
            return Err(CliFault::Usage(faults.join("\nerror: ")));
        }
        let routes = config.routes.len();
        print(&format!("`{}` is good: {routes} routes, {described}", self.config.display()))
    }
}
