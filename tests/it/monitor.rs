//! The log from outside: audited at its address, and followed by a monitor that knows what it has
//! seen.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use troth_tests::{
    Finished, Log, Model, PATIENCE, Request, Settings, Troth, eventually, program, run,
};

fn url(troth: &Troth) -> String {
    format!("http://{}", troth.publish.as_ref().unwrap())
}

/// Runs `troth-audit COMMAND URL ARGUMENTS`; `POLICY` stands for the policy file.
fn audit(troth: &Troth, command: &str, arguments: &[&str]) -> Finished {
    let address = url(troth);
    troth.log().audit(&[&[command, &address], arguments].concat())
}

fn json(done: &Finished) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("no JSON ({e}): {done:?}"))
}

/// The size of the published checkpoint.
fn published(troth: &Troth) -> u64 {
    let note = Request::get("/checkpoint").send(troth.publish.as_ref().unwrap());
    note.has_status(200).text().lines().nth(1).unwrap().parse().unwrap()
}

/// Sends so many prompts, and waits until as much more is published.
fn grow(troth: &Troth, prompts: u64) -> u64 {
    let before = published(troth);
    for turn in 0..prompts {
        let _ = troth.chat(&format!("turn {turn}")).has_status(200);
    }
    // An exchange is two records at least; the checkpoint moves once a second.
    eventually("the records are published", || {
        Some(published(troth)).filter(|size| *size >= before + 2 * prompts)
    })
}

fn index_of(receipt: &str) -> &str {
    receipt.lines().find_map(|line| line.strip_prefix("index ")).unwrap()
}

#[test]
fn a_log_that_publishes_its_entries_is_audited_at_its_address() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules().log("publish_entries = true"), &model.address);
    let exchange = troth.chat("hello").exchange().to_owned();
    // More than a bundle, and a partial one.
    let size = grow(&troth, 150);
    let report = json(&audit(&troth, "verify", &["--policy", "POLICY", "--json"]).exits(0));
    assert!(report["size"].as_u64().unwrap() >= size && size > 256, "{report:#}");
    assert_eq!((&report["withheld"], &report["records"]["boot"]), (&0.into(), &1.into()));
    let fresh = ["--policy", "POLICY", "--max-age", "3600", "--threads", "2"];
    let _ = audit(&troth, "verify", &fresh).exits(0);
    // The same records, proofs and files as in the directory.
    let own = troth.log();
    let record = audit(&troth, "show", &["3"]).exits(0).out;
    assert_eq!(record, own.audit(&["show", "LOG", "3"]).exits(0).out);
    let proof = audit(&troth, "prove", &["3"]).exits(0).out;
    own.check_receipt(proof.as_bytes()).unwrap();
    let both = json(&audit(&troth, "consistency", &["3", "258", "--json"]).exits(0));
    assert_eq!(both["status"], "ok");
    let home = tempfile::tempdir().unwrap();
    let public = home.path().join("public");
    let _ = audit(&troth, "export", &[public.to_str().unwrap()]).exits(0);
    let copy = Log::at(public, troth.home().join("troth.policy"));
    let _ = copy.verify().is_clean();
    // A public receipt holds no record: the log has it.
    let address = format!("{}/.well-known/troth/receipts/{exchange}", url(&troth));
    let text = Request::get(format!("/.well-known/troth/receipts/{exchange}"))
        .send(troth.publish.as_ref().unwrap())
        .has_status(200);
    let record = audit(&troth, "show", &[index_of(text.text())]).exits(0).out;
    let entry = home.path().join("entry.json");
    std::fs::write(&entry, record.trim_end_matches('\n')).unwrap();
    let entry = entry.to_str().unwrap();
    let arguments = ["receipt", &address, "--policy", "POLICY", "--entry", entry];
    let _ = own.audit(&arguments).exits(0);
    let unknown = address.replace(&exchange, "01890000-0000-7000-8000-000000000000");
    let done = own.audit(&["receipt", &unknown, "--policy", "POLICY"]).exits(74);
    assert!(done.err.contains(&unknown), "{}", done.err);
}

#[test]
fn a_log_that_keeps_its_entries_is_audited_by_its_hashes() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let size = grow(&troth, 5);
    let report = json(&audit(&troth, "verify", &["--policy", "POLICY", "--json"]).exits(5));
    assert_eq!(report["withheld"], report["size"], "{report:#}");
    assert!(report["size"].as_u64().unwrap() >= size);
    assert_eq!(report["status"], "insufficient");
    let told = audit(&troth, "verify", &["--policy", "POLICY"]).exits(5).out;
    assert!(told.contains("only their hashes were verified"), "{told}");
    let told = audit(&troth, "show", &["1"]).exits(5).err;
    assert!(told.contains("does not publish its entries"), "{told}");
    let home = tempfile::tempdir().unwrap();
    let _ = audit(&troth, "export", &[home.path().join("x").to_str().unwrap()]).exits(5);
    let _ = audit(&troth, "consistency", &["1", "2"]).exits(0);
    assert!(troth.stop().success());
    let done = audit(&troth, "verify", &["--policy", "POLICY"]).exits(74);
    assert!(done.out.contains(&url(&troth)), "{done:?}");
    let done = troth.log().audit(&["verify", "http://me:x@host/", "--policy", "POLICY"]).exits(64);
    assert!(!done.err.contains("me:x"), "{}", done.err);
}

fn look(troth: &Troth, state: &Path) -> (Option<i32>, Value) {
    let state = state.to_str().unwrap();
    let arguments = ["--policy", "POLICY", "--state", state, "--once", "--json"];
    let done = audit(troth, "monitor", &arguments);
    (done.code, json(&done))
}

#[test]
fn a_log_that_is_rolled_back_is_found_out() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let state = tempfile::tempdir().unwrap();
    let _ = grow(&troth, 3);
    assert!(troth.stop().success());
    let (directory, backup) = (troth.home().join("troth-log"), troth.home().join("backup"));
    copy(&directory, &backup);
    troth.restart();
    let _ = grow(&troth, 20);
    let (code, first) = look(&troth, state.path());
    assert_eq!((code, &first["status"]), (Some(0), &"ok".into()), "{first:#}");
    assert_eq!(first["origin"], "example.com/troth/test");
    let _ = grow(&troth, 5);
    let (code, second) = look(&troth, state.path());
    assert_eq!(code, Some(0), "{second:#}");
    assert_eq!(second["previous_size"], first["size"]);
    let size = second["size"].as_u64().unwrap();
    assert_eq!(second["withheld"], size - first["size"].as_u64().unwrap());
    // The operator restores an old copy, and the log goes on from there.
    assert!(troth.stop().success());
    std::fs::remove_dir_all(&directory).unwrap();
    copy(&backup, &directory);
    troth.restart();
    let (code, third) = look(&troth, state.path());
    assert_eq!((code, &third["status"]), (Some(1), &"tampered".into()), "{third:#}");
    assert!(third["faults"][0]["what"].as_str().unwrap().contains("a rollback"), "{third:#}");
    assert_eq!(third["size"], second["size"], "the head that is kept is the old one");
    let sizes = |round: &Value| {
        ["earlier", "served"].map(|which| {
            let directory = Path::new(round["evidence"].as_str().unwrap());
            let note = std::fs::read(directory.join(format!("{which}.checkpoint"))).unwrap();
            let note = String::from_utf8(note).unwrap();
            assert!(note.starts_with("example.com/troth/test\n") && note.contains("\n\u{2014} "));
            note.lines().nth(1).unwrap().parse::<u64>().unwrap()
        })
    };
    let [earlier, served] = sizes(&third);
    assert!(earlier == size && served < size, "{earlier} {served}");
    // It grows past what was seen: another history, which its own tiles prove.
    while published(&troth) <= size {
        let _ = grow(&troth, 10);
    }
    let (code, fourth) = look(&troth, state.path());
    assert_eq!(code, Some(1), "{fourth:#}");
    assert!(fourth["faults"][0]["what"].as_str().unwrap().contains("a fork"), "{fourth:#}");
    let [earlier, served] = sizes(&fourth);
    assert!(earlier == size && served > size, "{earlier} {served}");
    // What was kept of the rollback is still there.
    assert_eq!(sizes(&third)[0], size);
}

#[test]
fn a_monitor_follows_until_it_is_told_to_end() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    let state = tempfile::tempdir().unwrap();
    let policy = troth.home().join("troth.policy");
    let size = grow(&troth, 1);
    let mut child = Command::new(program("troth-audit"))
        .args(["monitor", &url(&troth), "--interval", "1", "--json"])
        .args(["--state".as_ref(), state.path().as_os_str()])
        .args(["--policy".as_ref(), policy.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert!(first["size"].as_u64().unwrap() >= size, "{first:#}");
    // A second one on the same state is refused.
    let second = ["monitor", "--once", &url(&troth), "--policy", "POLICY", "--state"];
    let second = [&second[..], &[state.path().to_str().unwrap()]].concat();
    let done = troth.log().audit(&second).exits(74);
    assert!(done.err.contains("another monitor"), "{}", done.err);
    let size = grow(&troth, 2);
    let mut last = first;
    while last["size"].as_u64().unwrap() < size {
        last = next();
        assert_eq!(last["status"], "ok", "{last:#}");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = eventually("the monitor ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    // What it told is what it remembers.
    let (code, again) = look(&troth, state.path());
    assert_eq!(code, Some(0), "{again:#}");
    assert!(again["previous_size"].as_u64() >= last["size"].as_u64(), "{again:#}");
}

fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    let _ = run(command.arg("-a"), [from, to], "", PATIENCE).exits(0);
}
