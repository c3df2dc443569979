//! `troth serve`

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliFault, runtime};
use crate::{boot, proxy::Proxy};

/// Run the proxy.
///
/// SIGHUP, or `POST /reload` on the admin socket, swaps the configuration whole
/// or keeps the old one. SIGTERM finishes the exchanges under way and closes
/// the logs.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  troth serve --config /etc/troth/troth.toml")]
pub(super) struct Serve {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "troth.toml")]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        runtime()?.block_on(async {
            let config = boot::configuration(&self.config)?;
            let hup = signal(SignalKind::hangup())
                .map_err(|fault| CliFault::Internal(fault.to_string()))?;
            let stop = terminated()?;
            let mut proxy = Proxy::start(&self.config, config).await?;
            proxy.until(stop, hup).await;
            proxy.stop().await.map_err(CliFault::Failed)
        })
    }
}

/// Resolves at SIGTERM or SIGINT.
pub(super) fn terminated() -> Result<impl Future<Output = ()>, CliFault> {
    let open = |kind| signal(kind).map_err(|fault| CliFault::Internal(fault.to_string()));
    let mut term = open(SignalKind::terminate())?;
    let mut int = open(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
