//! The Python environment that `make venv` makes, and the scripts that run in it.

use std::{path::PathBuf, process::Command, time::Duration};

use crate::{Finished, run, workspace};

/// An interpreter with the packages of `tests/python/requirements.txt`.
#[derive(Debug, Clone)]
pub struct Python {
    home: PathBuf,
}

/// The environment of the tests.
///
/// # Panics
/// When it was not made; the message says what to run.
#[must_use]
pub fn python() -> Python {
    let setup = workspace().join("tests/python/setup.sh");
    let mut command = Command::new("sh");
    let done = run(command.arg(setup).arg("--check"), [""; 0], "", Duration::from_secs(30));
    let done = done.exits(0);
    Python { home: PathBuf::from(done.out.trim()) }
}

impl Python {
    /// Runs a script of `tests/python` to its end.
    #[must_use]
    pub fn script(&self, name: &str, arguments: &[&str]) -> Finished {
        let script = workspace().join("tests/python").join(name);
        run(self.command().arg(script), arguments, "", SCRIPT)
    }

    /// Runs a module, as `python -m` does.
    #[must_use]
    pub fn module(&self, name: &str, arguments: &[&str]) -> Finished {
        run(self.command().args(["-m", name]), arguments, "", SCRIPT)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.home.join("bin/python"));
        command.env("PYTHONPATH", self.home.join("aics-tlog")).env("PYTHONDONTWRITEBYTECODE", "1");
        // A proxy of the machine's own has no business between a test and loopback.
        for name in
            ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        {
            command.env_remove(name);
        }
        command
    }
}

const SCRIPT: Duration = Duration::from_secs(120);
