//! The log's key changes, and a log ends and is followed by another, as an operator does it.

use std::path::Path;

use troth_tests::{Log, Model, Settings, Troth};

/// Makes a key; gives its verifier key.
fn keygen(name: &str, out: &Path) -> String {
    let made = Troth::command(&["keygen", name, "--out", out.to_str().unwrap()], "").exits(0);
    made.out.split_whitespace().find(|word| word.matches('+').count() >= 2).unwrap().to_owned()
}

fn audit(troth: &Troth, policy: &str, keys: &[&str]) -> troth_tests::Audit {
    let file = troth.home().join(policy);
    let logs: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    std::fs::write(&file, logs + "quorum none\n").unwrap();
    Log::at(troth.home().join("troth-log"), file).verify()
}

fn configure(troth: &Troth, from: &str, to: &str) {
    let text = std::fs::read_to_string(troth.config()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(troth.config(), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn the_key_of_a_log_changes() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let old = std::fs::read_to_string(troth.home().join("troth.vkey")).unwrap().trim().to_owned();
    let new = keygen("example.com/troth/test", &troth.home().join("new.key"));
    let exchange = troth.chat("hello").exchange().to_owned();
    let early = troth.receipt(&exchange).has_status(200).body;
    assert!(troth.stop().success());

    // The new key alone does not sign on.
    configure(&troth, r#"key = "troth.key""#, r#"key = "new.key""#);
    let config = troth.config();
    let refused = Troth::command(&["serve", "--config", config.to_str().unwrap()], "");
    assert_eq!(refused.code, Some(74));
    assert!(refused.err.contains("previous_key"), "{}", refused.err);

    configure(&troth, r#"key = "new.key""#, "key = \"new.key\"\nprevious_key = \"troth.key\"");
    troth.restart();
    let exchange = troth.chat("hello").exchange().to_owned();
    let both = troth.receipt(&exchange).has_status(200).body;
    assert!(troth.stop().success());
    for key in [&old, &new] {
        let audit = audit(&troth, "one.policy", &[key]).is_clean();
        assert_eq!(audit.report["records"]["key"], 1);
        let log = Log::at(troth.home().join("troth-log"), troth.home().join("one.policy"));
        log.check_receipt(&both).unwrap();
        assert_eq!(log.check_receipt(&early).is_ok(), *key == old);
    }

    configure(&troth, "\nprevious_key = \"troth.key\"", "");
    troth.restart();
    let _ = troth.chat("hello").has_status(200);
    assert!(troth.stop().success());
    let _ = audit(&troth, "new.policy", &[&new]).is_clean();
    let _ = audit(&troth, "both.policy", &[&old, &new]).is_clean();
    assert_eq!(audit(&troth, "old.policy", &[&old]).code, Some(1));
}

#[test]
fn a_log_ends_and_another_follows() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let old = std::fs::read_to_string(troth.home().join("troth.vkey")).unwrap().trim().to_owned();
    let exchange = troth.chat("hello").exchange().to_owned();
    let receipt = troth.receipt(&exchange).has_status(200).body;
    let config = troth.config();
    let end = |arguments: &[&str]| {
        let all = [&["end", "--config", config.to_str().unwrap()], arguments].concat();
        Troth::command(&all, "")
    };
    // Not by accident, and not under a running proxy.
    assert_eq!(end(&[]).code, Some(64));
    let refused = end(&["--yes"]).exits(1);
    assert!(refused.err.contains("stop the proxy"), "{}", refused.err);
    assert!(troth.stop().success());
    let ended = end(&["--yes"]).exits(0);
    assert!(ended.out.contains("has ended with"), "{}", ended.out);
    assert!(end(&["--yes"]).exits(1).err.contains("ended already"));
    let report = audit(&troth, "old.policy", &[&old]).is_clean().report;
    assert_eq!(report["ended"], true);
    troth.log().check_receipt(&receipt).unwrap();

    // The old log takes nothing more; the new one goes on from it.
    let refused = Troth::command(&["serve", "--config", config.to_str().unwrap()], "").exits(74);
    assert!(refused.err.contains("follows"), "{}", refused.err);
    let new = keygen("example.com/troth/next", &troth.home().join("next.key"));
    configure(&troth, r#"directory = "troth-log""#, r#"directory = "next-log""#);
    configure(
        &troth,
        r#"origin = "example.com/troth/test""#,
        r#"origin = "example.com/troth/next""#,
    );
    configure(&troth, r#"key = "troth.key""#, "key = \"next.key\"\nfollows = \"troth-log\"");
    troth.restart();
    let _ = troth.chat("hello").has_status(200);
    assert!(troth.stop().success());

    let policy = troth.home().join("both.policy");
    std::fs::write(&policy, format!("log {old}\nlog {new}\nquorum none\n")).unwrap();
    let next = Log::at(troth.home().join("next-log"), policy);
    let before = troth.home().join("troth-log");
    let verify = |follows: &Path| {
        let follows = follows.to_str().unwrap();
        let arguments = ["verify", "LOG", "--policy", "POLICY", "--follows", follows, "--json"];
        next.audit(&arguments)
    };
    let done = verify(&before).exits(0);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["follows"]["origin"], "example.com/troth/test");
    assert_eq!(
        (&told["follows"]["size"], &told["follows"]["root"]),
        (&report["size"], &report["root"])
    );
    assert_eq!(told["follows"]["verified"], true);
    // It does not follow itself, nor a log that has not ended.
    assert_eq!(verify(&troth.home().join("next-log")).code, Some(2));
}
