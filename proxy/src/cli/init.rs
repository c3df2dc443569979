//! `troth init`

use std::path::{Path, PathBuf};

use clap::Args;
use troth_attest::TrustPolicy;
use troth_policies::Source;

use super::{CliFault, keygen, print};

/// Write a configuration, a log key and a starter bundle.
///
/// Writes `troth.toml`, `troth.key` (0600), `troth.vkey`, `troth.policy` (what
/// auditors need to trust the log), `bundle/` and `commitments.toml`. Nothing
/// is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  troth init
  troth init /etc/troth --origin example.com/troth/prod --upstream https://api.openai.com")]
pub(super) struct Init {
    /// Where to; it is made when it is missing.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The log's name for ever: a host name that you own and a path.
    #[arg(long, default_value = "example.com/troth/dev", value_name = "NAME")]
    origin: String,
    /// The model server that stands behind the proxy.
    #[arg(long, default_value = "http://127.0.0.1:9000", value_name = "URL")]
    upstream: String,
}

impl Init {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        self.write()?;
        let dir = self.dir.display();
        print(&format!(
            "Written to {dir}: troth.toml, troth.key, troth.vkey, troth.policy, bundle/, \
             commitments.toml\n\
             Next:\n  \
             troth check --config {dir}/troth.toml\n  \
             troth serve --config {dir}/troth.toml\n\
             Then set your client's base_url to http://127.0.0.1:8080/v1"
        ))
    }

    fn write(&self) -> Result<(), CliFault> {
        let dir = &self.dir;
        let named =
            ["troth.toml", "troth.key", "troth.vkey", "troth.policy", "bundle", "commitments.toml"];
        // All or nothing: half an installation is worse than none.
        if let Some(there) = named.iter().find(|name| dir.join(name).exists()) {
            return Err(CliFault::Usage(format!(
                "`{}` exists, and nothing is overwritten: choose another directory",
                dir.join(there).display()
            )));
        }
        let signer = keygen::generate(&self.origin)?;
        make(dir)?;
        let vkey = signer.verifier();
        keygen::write_private(
            &dir.join("troth.key"),
            &format!("{}\n", signer.to_private_text().as_str()),
        )?;
        keygen::write(&dir.join("troth.vkey"), &format!("{vkey}\n"), 0o644)?;
        let policy = TrustPolicy::for_log(&vkey).to_string();
        keygen::write(&dir.join("troth.policy"), &policy, 0o644)?;
        for (name, bytes) in Source::baseline().files() {
            let path = dir.join("bundle").join(name);
            if let Some(parent) = path.parent() {
                make(parent)?;
            }
            keygen::write(&path, &String::from_utf8_lossy(bytes), 0o644)?;
        }
        keygen::write(&dir.join("commitments.toml"), COMMITMENTS, 0o644)?;
        keygen::write(&dir.join("troth.toml"), &self.configuration(), 0o644)
    }

    fn configuration(&self) -> String {
        let (origin, upstream) = (quoted(&self.origin), quoted(&self.upstream));
        CONFIGURATION.replace("@ORIGIN@", &origin).replace("@UPSTREAM@", &upstream)
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn make(dir: &Path) -> Result<(), CliFault> {
    std::fs::create_dir_all(dir)
        .map_err(|fault| CliFault::Io(format!("cannot make `{}`: {fault}", dir.display())))
}

const CONFIGURATION: &str = include_str!("init/troth.toml");
const COMMITMENTS: &str = include_str!("init/commitments.toml");
