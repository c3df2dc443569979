//! `troth demo` shows what it promises and leaves a log that an auditor accepts.

use std::{process::Command, time::Duration};

use troth_tests::{fake_key, program, run};

#[test]
fn the_demo_shows_every_kind_of_decision() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("troth"));
    command.current_dir(home.path());
    let done = run(&mut command, ["demo"], "", Duration::from_secs(120)).exits(0);
    let told = done.out.to_lowercase();
    for word in ["allow", "block", "redact", "injection", "secret", "tool", "stream", "中文"] {
        assert!(told.contains(word), "nothing about `{word}` in:\n{}", done.out);
    }
    // What each decision rests on, and what it cost.
    assert!(told.contains("µs") || told.contains("us"), "{}", done.out);
    assert!(told.contains('/'), "commitments are `framework/id`: {}", done.out);
    assert!(!done.out.contains(&fake_key()) && !done.err.contains(&fake_key()));
    assert!(!done.err.contains("panicked"), "{}", done.err);
}
