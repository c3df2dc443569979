//! `troth stub-model`

use std::net::SocketAddr;

use clap::Args;

use super::{CliFault, runtime};
use crate::{server, stub_model};

/// Run the embedded model alone.
///
/// A small deterministic server that speaks the OpenAI and Anthropic dialects
/// and knows nothing: for trying things out and for tests.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  troth stub-model --listen 127.0.0.1:9000")]
pub(super) struct StubModel {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

impl StubModel {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        runtime()?.block_on(async {
            let failed =
                |fault| CliFault::Io(format!("cannot listen on `{}`: {fault}", self.listen));
            let listener = server::bind(self.listen).await.map_err(failed)?;
            server::announce("model", listener.local_addr().map_err(failed)?);
            let stop = super::serve::terminated()?;
            stub_model::serve(listener, stop).await;
            Ok(())
        })
    }
}
