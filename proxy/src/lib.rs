#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod approval;
mod body;
mod boot;
mod cli;
mod clock;
mod config;
mod coverage;
mod dialect;
mod evidence;
mod fault;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod json;
mod judge;
mod ledger;
mod output;
mod proxy;
mod pump;
mod receipt;
mod receipts;
mod redact;
mod rescue;
mod screener;
mod server;
mod sse;
mod stack;
mod stub_model;
mod tasks;
#[cfg(test)]
mod testing;
mod upstream;
mod witness;

pub use cli::cli;
