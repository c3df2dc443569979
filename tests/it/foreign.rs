//! A verifier that nobody here wrote accepts our logs.

use troth_tests::{Log, Model, Settings, Troth, python};

fn key_of(home: &std::path::Path) -> String {
    std::fs::read_to_string(home.join("troth.vkey")).unwrap().trim().to_owned()
}

fn aics_accepts(log: &Log, key: &str) {
    let export = tempfile::tempdir().unwrap();
    log.export(export.path());
    let tiles = export.path().to_str().unwrap();
    let arguments = ["verify-checkpoint", "--log-key", key, "--tiles", tiles];
    let _ = python().module("aics_tlog", &arguments).exits(0);
    // The same with one byte of the checkpoint's root turned: it does look.
    let checkpoint = export.path().join("checkpoint");
    let text = std::fs::read_to_string(&checkpoint).unwrap();
    let root = text.lines().nth(2).unwrap();
    let other = if root.starts_with('A') { "B" } else { "A" };
    let altered = text.replace(root, &format!("{other}{}", root.get(1..).unwrap()));
    std::fs::write(&checkpoint, altered).unwrap();
    assert_ne!(python().module("aics_tlog", &arguments).code, Some(0));
}

#[test]
fn aics_tlog_accepts_a_small_log() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    for prompt in ["hello", "[[secret]]", "你好"] {
        let _ = troth.chat(prompt).has_status(200);
    }
    let (log, home) = troth.into_log();
    aics_accepts(&log, &key_of(home.path()));
}

#[test]
fn aics_tlog_accepts_a_log_of_more_than_a_tile() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    for turn in 0..140 {
        let _ = troth.chat(&format!("turn {turn}")).has_status(200);
    }
    let (log, home) = troth.into_log();
    assert!(log.entries().len() > 256);
    aics_accepts(&log, &key_of(home.path()));
}
