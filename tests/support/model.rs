//! The embedded model as a program of its own.

use std::process::Command;

use crate::{Answer, Live, Request, Running, program};

/// A running `troth stub-model`. What its markers do is documented in `proxy/src/stub_model.rs`.
#[derive(Debug)]
pub struct Model {
    /// Where it listens.
    pub address: String,
    process: Running,
}

impl Model {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut process = Running::start(Command::new(program("troth")).args([
            "stub-model",
            "--listen",
            "127.0.0.1:0",
        ]));
        let address = process.address("model");
        Self { address, process }
    }

    /// What it answers when asked without a proxy.
    #[must_use]
    pub fn send(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    /// The same, as it comes.
    #[must_use]
    pub fn open(&self, request: &Request) -> Live {
        request.open(&self.address)
    }

    /// Ends it, as an upstream ends that crashes.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// The key that the model gives away when it is told to: it opens nothing, and it is put together
/// at run time so that no scanner of sources takes it for a leak.
#[must_use]
pub fn fake_key() -> String {
    ["AKIA", "QX7T", "4MZP", "2KVD", "6RWN"].concat()
}
