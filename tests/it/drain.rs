//! Stopping is graceful: what flows ends well, what is new is not taken, and the log is closed.

use troth_tests::{Model, Settings, Troth, chat};

#[test]
fn a_stream_that_flows_ends_well() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let prompt = "[[slow 150 ms]] [[say one two three four five six seven eight]]";
    let mut live = troth.open(&chat(prompt, true));
    live.until("two");
    troth.process().terminate();
    let answer = live.finish();
    assert!(answer.complete, "the stream was cut");
    assert!(answer.text().contains("eight") && answer.text().contains("[DONE]"));
    assert!(troth.process().wait().success());
    assert!(chat("hello", false).try_send(&troth.address).is_none());
    let log = troth.log();
    let _ = log.verify().is_clean();
    assert_eq!(log.entries().last().unwrap().kind(), "close");
}

#[test]
fn what_never_ends_is_ended() {
    let model = Model::start();
    let settings = Settings::rules().limit("drain_timeout_ms = 500");
    let mut troth = Troth::start(&settings, &model.address);
    let mut live = troth.open(&chat("[[hang]] [[long 2000]]", true));
    let exchange = live.header("troth-exchange").unwrap().to_owned();
    live.until("data:");
    let _ = troth.stop();
    let answer = live.finish();
    assert!(!answer.text().contains("[DONE]") || answer.text().contains("error"));
    let log = troth.log();
    let _ = log.verify().is_clean();
    let entries = &log.exchanges()[&exchange];
    let outcome = entries.iter().find(|entry| entry.kind() == "outcome").unwrap();
    assert!(["abort", "error"].contains(&outcome.record["verdict"].as_str().unwrap()));
}

#[test]
fn a_stop_without_work_is_quick_and_good() {
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    assert!(troth.stop().success());
    let kinds: Vec<_> = troth.log().entries().iter().map(|e| e.kind().to_owned()).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("boot"));
    assert_eq!(kinds.last().map(String::as_str), Some("close"));
}

#[test]
fn peers_that_say_nothing_do_not_hold_a_stop() {
    let model = Model::start();
    // The time for a head is longer than any test waits for the end of a process.
    let settings =
        Settings::rules().limit("header_timeout_ms = 600000").limit("drain_timeout_ms = 600000");
    let mut troth = Troth::start(&settings, &model.address);
    let silent: Vec<_> = [troth.address.clone(), troth.publish.clone().unwrap()]
        .map(|address| std::net::TcpStream::connect(address).unwrap())
        .into();
    assert_eq!(troth.chat("hello").status, 200);
    assert!(troth.stop().success());
    drop(silent);
}

#[test]
fn a_second_proxy_does_not_take_the_same_log() {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    let config = troth.config();
    let second = Troth::command(&["serve", "--config", config.to_str().unwrap()], "");
    assert_ne!(second.code, Some(0));
    assert!(!second.err.contains("panicked"), "{}", second.err);
    assert_eq!(troth.chat("hello").status, 200);
}
