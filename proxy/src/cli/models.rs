//! `troth models`

use clap::{Args, Subcommand};
use troth_classifiers::{Classifiers, ModelInfo};

use super::{CliFault, print};
use crate::{
    boot::{self, BootFault},
    config::Place,
};

/// List and verify models.
#[derive(Debug, Subcommand)]
pub(super) enum Models {
    /// List the models: digests, labels, thresholds, windows, licences.
    #[command(after_help = "Example:\n  troth models list --json")]
    List(Which),
    /// Check every file of every model against its manifest.
    #[command(after_help = "Example:\n  troth models verify --models /opt/models")]
    Verify(Which),
}

/// Which models.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// `builtin:models`, or a directory.
    #[arg(long, default_value = "builtin:models", value_name = "DIR")]
    models: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let (Self::List(which) | Self::Verify(which)) = self;
        let place = if which.models == "builtin:models" {
            Place::Builtin
        } else {
            Place::Directory(which.models.clone().into())
        };
        // Both read every file: a list of models that are not what they say
        // would be worth nothing.
        let models = Classifiers::verify(&boot::model_source(&place)).map_err(BootFault::from)?;
        if which.json {
            let models: Vec<_> = models.iter().map(boot::model_manifest).collect();
            return print(&serde_json::json!({ "models": models }).to_string());
        }
        let list = matches!(self, Self::List(_));
        models.iter().try_for_each(|model| print(&text(model, list)))
    }
}

fn text(model: &ModelInfo, list: bool) -> String {
    let head = format!("{} {}  {}", model.name, model.version, model.digest);
    if !list {
        return format!("{head}  {} files as in the manifest", model.files.len());
    }
    let mut lines = vec![
        head,
        format!("  labels    {}", model.labels.join(", ")),
        format!("  window    {} tokens, stride {}", model.window, model.stride),
        format!("  licence   {}", model.licence),
    ];
    for file in &model.files {
        lines.push(format!("  {}  {}", file.sha256, file.path));
    }
    lines.join("\n")
}
