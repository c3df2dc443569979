//! The whole program under test; a module for each promise.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: what fails fails loudly, in its place"
)]

mod approve;
mod arrows;
mod audit;
mod census;
mod check;
mod clients;
mod commit;
mod crash;
mod demo;
mod drain;
mod foreign;
mod inject;
mod lexicon;
mod limits;
mod monitor;
mod operate;
mod privacy;
mod receipt_client;
mod rotate;
mod screening;
mod silence;
mod stream;
mod tidy;
