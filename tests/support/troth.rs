//! The proxy under test, started as an operator starts it.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Answer, Finished, Live, Log, PATIENCE, Request, Running, Settings, program, run};

/// A running `troth serve` with a home of its own.
#[derive(Debug)]
pub struct Troth {
    /// Where applications talk to it.
    pub address: String,
    /// Where its log is published.
    pub publish: Option<String>,
    process: Running,
    home: TempDir,
}

impl Troth {
    /// Starts one with `settings` in front of the server at `upstream`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(settings: &Settings, upstream: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings, upstream)
    }

    /// The same with its home in `home`, on a file system of the caller's choice.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_in(home: TempDir, settings: &Settings, upstream: &str) -> Self {
        Self::start_prepared(home, settings, upstream, |_| {})
    }

    /// The same; `prepare` may add files before it starts, when keys and policy are there.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_prepared(
        home: TempDir,
        settings: &Settings,
        upstream: &str,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let text = settings.text(upstream);
        lay_out(home.path(), &text);
        prepare(home.path());
        let (process, address, publish) =
            launch(home.path(), text.contains("log = \"main\""), None);
        Self { address, publish, process, home }
    }

    /// Runs `troth ARGUMENTS` to its end in an empty directory.
    #[must_use]
    pub fn command(arguments: &[&str], input: &str) -> Finished {
        run(&mut Command::new(program("troth")), arguments, input, PATIENCE)
    }

    /// Starts it again on the same home after it ended.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.restart_on_day(None);
    }

    /// The same with its clock that many days behind (`faketime`, Debian's package).
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart_days_ago(&mut self, days: u32) {
        self.restart_on_day(Some(days));
    }

    fn restart_on_day(&mut self, days_ago: Option<u32>) {
        let logged = self.publish.is_some();
        let (process, address, publish) = launch(self.home.path(), logged, days_ago);
        (self.process, self.address, self.publish) = (process, address, publish);
    }

    /// Sends one request through it.
    #[must_use]
    pub fn send(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    /// The same, as it comes.
    #[must_use]
    pub fn open(&self, request: &Request) -> Live {
        request.open(&self.address)
    }

    /// Asks the model for a whole answer to `prompt`.
    #[must_use]
    pub fn chat(&self, prompt: &str) -> Answer {
        self.send(&chat(prompt, false))
    }

    /// Asks the model for a streamed answer to `prompt`.
    #[must_use]
    pub fn stream(&self, prompt: &str) -> Answer {
        self.send(&chat(prompt, true))
    }

    /// The receipt that the client of `exchange` gets.
    #[must_use]
    pub fn receipt(&self, exchange: &str) -> Answer {
        self.send(&Request::get(format!("/.well-known/troth/receipts/{exchange}")))
    }

    /// Asks its admin socket.
    #[must_use]
    pub fn admin(&self, request: &Request) -> Answer {
        request.send_to_socket(&self.home().join("troth.sock"))
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// Stops it as an operator does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.terminate();
        self.process.wait()
    }

    /// Its home directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home().join("troth.toml")
    }

    /// Its log, as an auditor sees it.
    #[must_use]
    pub fn log(&self) -> Log {
        Log::at(self.home().join("troth-log"), self.home().join("troth.policy"))
    }

    /// Stops it and hands over its log.
    ///
    /// # Panics
    /// When it does not stop well.
    #[must_use]
    pub fn into_log(mut self) -> (Log, TempDir) {
        let status = self.stop();
        assert!(status.success(), "`troth serve` ended with {status}:\n{}", self.process.tale());
        (self.log(), self.home)
    }
}

/// A chat request with one user message.
#[must_use]
pub fn chat(prompt: &str, stream: bool) -> Request {
    let messages = json!([{ "role": "user", "content": prompt }]);
    chat_with(&json!({ "messages": messages, "stream": stream }))
}

fn chat_with(more: &Value) -> Request {
    let mut body = json!({ "model": "troth-stub" });
    let fields = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    Request::post("/v1/chat/completions", &body)
}

/// A chat request with these fields.
#[must_use]
pub fn messages(fields: &Value) -> Request {
    chat_with(fields)
}

/// Writes the configuration, a key and a trust policy.
fn lay_out(home: &Path, config: &str) {
    std::fs::write(home.join("troth.toml"), config).unwrap();
    let key = home.join("troth.key");
    let arguments = ["keygen", "example.com/troth/test", "--out", key.to_str().unwrap()];
    let made = Troth::command(&arguments, "").exits(0);
    let vkey = made.out.split_whitespace().find(|word| word.matches('+').count() >= 2);
    let vkey = vkey.expect("`keygen` prints the verifier key");
    std::fs::write(home.join("troth.vkey"), format!("{vkey}\n")).unwrap();
    std::fs::write(home.join("troth.policy"), format!("log {vkey}\nquorum none\n")).unwrap();
}

fn launch(home: &Path, logged: bool, days_ago: Option<u32>) -> (Running, String, Option<String>) {
    let config = home.join("troth.toml");
    let mut command = match days_ago {
        None => Command::new(program("troth")),
        Some(days) => {
            // It becomes the program, under the same process id.
            let mut command = Command::new("faketime");
            command.args(["-f", &format!("-{days}d")]).arg(program("troth"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command
        }
    };
    let mut process = Running::start(command.arg("serve").arg("--config").arg(config));
    let publish = logged.then(|| process.address("publish"));
    let address = process.address("proxy");
    (process, address, publish)
}
