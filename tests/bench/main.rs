//! What does Troth cost? One run on loopback, side by side: no proxy, nginx as a plain reverse
//! proxy, and Troth with its rules, its models and its log switched on one after the other. Every
//! target gets the same load from the same generator, so that ratios hold on a shared machine where
//! wall times do not.
//!
//! The load is a chat request of 1 KB whose answer is 1 KB, different each time, so that nothing is
//! answered from a cache. One connection at a time tells the latency that is added; 64 tell how
//! much passes. `make bench` runs it and prints a table; it takes about three minutes.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure stops"
)]

mod load;
mod nginx;
mod table;

use std::path::Path;

use tempfile::TempDir;
use troth_tests::{Model, Route, Settings, Troth, workspace};

use self::{load::Load, nginx::Nginx, table::Row};

fn main() {
    let home = bench_home();
    let model = Model::start();
    let load = Load::new(home.path());
    let mut rows = vec![load.measure("no proxy", &model.address, &[])];

    let nginx = Nginx::start(home.path(), &model.address);
    rows.push(load.measure("nginx, plain reverse proxy", &nginx.address, &nginx.processes()));
    drop(nginx);

    let off = || [Route::openai().unlogged()];
    let variants = [
        ("Troth: rules, log off", Settings::rules().routes(off())),
        ("Troth: rules, log on", Settings::rules()),
        ("Troth: rules + models, log off", Settings::with_models().routes(off())),
        ("Troth: rules + models, log on", Settings::with_models()),
    ];
    let mut audits = Vec::new();
    for (name, settings) in variants {
        let (row, audit) = troth(name, &settings, &load, &model, home.path());
        rows.push(row);
        audits.extend(audit);
    }
    println!("{}", table::render(&rows));
    println!("{}", audits.join("\n"));
}

/// Measures one configuration; where it keeps a log, says that the log holds.
fn troth(
    name: &'static str,
    settings: &Settings,
    load: &Load,
    model: &Model,
    home: &Path,
) -> (Row, Option<String>) {
    let home = TempDir::new_in(home).unwrap();
    let mut troth = Troth::start_in(home, settings, &model.address);
    let id = troth.process().id();
    let row = load.measure(name, &troth.address, &[id]);
    let logged = troth.publish.is_some();
    assert!(troth.stop().success(), "{}", troth.process().tale());
    let audit = logged.then(|| {
        let audit = troth.log().verify().is_clean();
        format!("{name}: the audit of {} records is clean", audit.report["size"])
    });
    (row, audit)
}

/// A directory for the logs on a real file system: an fsync that costs nothing measures nothing.
fn bench_home() -> TempDir {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), Into::into);
    std::fs::create_dir_all(&target).unwrap();
    let home = TempDir::with_prefix_in("bench-", target).unwrap();
    let kind = rustix::fs::statfs(home.path()).unwrap().f_type;
    assert_ne!(kind, TMPFS_MAGIC, "`{}` is in memory", home.path().display());
    home
}

/// Of statfs(2).
const TMPFS_MAGIC: i64 = 0x0102_1994;
