#![doc = include_str!("../README.md")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a library of tests: what fails here fails the test that asked, with its place"
)]

mod config;
mod evidence;
mod http;
mod model;
mod process;
mod programs;
mod python;
mod sse;
mod stall;
mod stopwatch;
mod troth;
mod upstream;

pub use config::{Route, Settings};
pub use evidence::{Audit, Entry, Log, receipt_record};
pub use http::{Answer, Live, Request};
pub use model::{Model, fake_key};
pub use process::{Finished, Running, kill_now, run};
pub use programs::{program, workspace};
pub use python::{Python, python};
pub use sse::{Event, chat_text, events};
pub use stall::Stall;
pub use stopwatch::{PATIENCE, Stopwatch, eventually};
pub use troth::{Troth, chat, messages};
pub use upstream::Upstream;
