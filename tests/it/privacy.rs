//! Content is bound and hidden: its owner can confirm it, an operator can open one record's, and
//! once a day's key is destroyed nobody can, while everything still verifies.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base64::prelude::*;
use serde_json::{Value, json};
use troth_attest::{Clock, Signer, Statement, StatementKind, SystemClock};
use troth_tests::{
    Entry, Finished, Log, Model, Request, Route, Settings, Troth, chat, eventually, run, workspace,
};

const ORIGIN: &str = "example.com/troth/test";

/// A request whose model calls a tool, byte for byte.
const BODY: &str = r#"{"model":"troth-stub","messages":[{"role":"user","content":"[[tool add {\"a\": 1}]]"}],"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]}"#;

fn ask() -> Request {
    Request::post_bytes("/v1/chat/completions", BODY)
}

/// Runs `troth ARGUMENTS` with the configuration of this home.
fn troth(home: &Path, arguments: &[&str]) -> Finished {
    let config = home.join("troth.toml");
    let config = ["--config", config.to_str().unwrap()];
    Troth::command(&[arguments, &config].concat(), "")
}

fn log_of(home: &Path) -> Log {
    Log::at(home.join("troth-log"), home.join("troth.policy"))
}

/// `troth-audit receipt` with this content held against a field.
fn held(home: &Path, receipt: &[u8], field: &str, content: &[u8]) -> Finished {
    let scratch = tempfile::tempdir().unwrap();
    let (file, body) = (scratch.path().join("r.tlog-proof"), scratch.path().join("body"));
    std::fs::write(&file, receipt).unwrap();
    std::fs::write(&body, content).unwrap();
    let content = format!("{field}={}", body.display());
    log_of(home).audit(&[
        "receipt",
        file.to_str().unwrap(),
        "--policy",
        "POLICY",
        "--content",
        &content,
    ])
}

/// The receipt confirms this content of the field, and no other.
fn confirms(home: &Path, receipt: &[u8], field: &str, content: &[u8]) {
    let _ = held(home, receipt, field, content).exits(0);
    let other = held(home, receipt, field, &[content, b" "].concat()).exits(1);
    assert!(other.out.contains(field), "{other:?}");
}

/// The names of what a receipt opens.
fn openings(receipt: &str) -> Vec<String> {
    let extra = receipt.lines().find_map(|line| line.strip_prefix("extra ")).unwrap();
    let extra: Value = serde_json::from_slice(&BASE64_STANDARD.decode(extra).unwrap()).unwrap();
    let openings = extra["openings"].as_object();
    openings.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// The files of the vault's keys.
fn keys(home: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for tenant in std::fs::read_dir(home.join("troth-log/vault/keys")).unwrap() {
        let days = std::fs::read_dir(tenant.unwrap().path()).unwrap();
        files.extend(days.map(|day| day.unwrap().path()));
    }
    files.sort();
    files
}

/// The day of the only key there is.
fn day(home: &Path) -> String {
    let keys = keys(home);
    assert_eq!(keys.len(), 1);
    keys[0].file_name().unwrap().to_str().unwrap().to_owned()
}

/// The one entry of a kind.
fn only(entries: &[Entry], kind: &str) -> Entry {
    let mut found = entries.iter().filter(|entry| entry.kind() == kind);
    let entry = found.next().unwrap_or_else(|| panic!("no {kind}")).clone();
    assert!(found.next().is_none(), "one {kind}");
    entry
}

#[test]
fn an_operator_opens_exactly_what_is_named() {
    let model = Model::start();
    let proxy = Troth::start(&Settings::rules(), &model.address);
    let answer = proxy.send(&ask()).has_status(200);
    // The client's own receipt opens the outcome, and confirms what it sent and got.
    let own = proxy.receipt(answer.exchange()).has_status(200);
    confirms(proxy.home(), &own.body, "request", BODY.as_bytes());
    confirms(proxy.home(), &own.body, "response.released", &answer.body);
    confirms(proxy.home(), &own.body, "response.upstream", &answer.body);
    let entries = eventually("its records are published", || {
        let entries = proxy.log().entries();
        entries.iter().any(|entry| entry.kind() == "outcome").then_some(entries)
    });
    let [intent, call, outcome] =
        ["intent", "toolcall", "outcome"].map(|kind| only(&entries, kind).index.to_string());
    let cases: [(&str, &str, &[u8]); 5] = [
        (&intent, "request", BODY.as_bytes()),
        (&outcome, "request", BODY.as_bytes()),
        (&outcome, "response.upstream", &answer.body),
        (&outcome, "response.released", &answer.body),
        (&call, "arguments/0", br#"{"a": 1}"#),
    ];
    let home = proxy.home().to_owned();
    let check = |home: &Path| {
        for (index, field, content) in cases {
            let receipt = troth(home, &["disclose", index, field]).exits(0).out;
            assert_eq!(openings(&receipt), [field]);
            confirms(home, receipt.as_bytes(), field, content);
        }
        let two = ["disclose", &outcome, "response.released", "request"];
        assert_eq!(openings(&troth(home, &two).exits(0).out), ["request", "response.released"]);
        let told = troth(home, &["disclose", &outcome]).exits(0).out;
        assert!(told.contains("request response.upstream response.released"), "{told}");
        let told = troth(home, &["disclose", "0"]).exits(0).out;
        assert!(told.contains("boot") && told.contains("no content"), "{told}");
        let none = troth(home, &["disclose", "9999", "request"]).exits(1);
        assert!(none.err.contains("no record 9999"), "{}", none.err);
        let unknown = troth(home, &["disclose", &call, "arguments/1"]).exits(64);
        assert!(unknown.err.contains("it has `arguments/0`"), "{}", unknown.err);
    };
    check(&home);
    let out = home.join("out.tlog-proof");
    let to_file = ["disclose", &intent, "request", "--out", out.to_str().unwrap()];
    let _ = troth(&home, &to_file).exits(0);
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    confirms(&home, &std::fs::read(&out).unwrap(), "request", BODY.as_bytes());
    let _ = troth(&home, &to_file).exits(64);
    // The same when nothing runs.
    let (_, _home) = proxy.into_log();
    check(&home);
}

#[test]
fn an_erased_day_still_verifies_and_confirms_nothing() {
    let model = Model::start();
    let settings = Settings::rules().routes([Route::openai().with("inline_receipt = true")]);
    let proxy = Troth::start(&settings, &model.address);
    let home = proxy.home().to_owned();
    let inline = |answer: &troth_tests::Answer| {
        let text = answer.header("troth-receipt").map(str::to_owned).unwrap_or_else(|| {
            let comment = answer.text().lines().find_map(|l| l.strip_prefix(": troth-receipt "));
            comment.unwrap().to_owned()
        });
        String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let asked = chat("hello", false);
    let before = proxy.send(&asked).has_status(200);
    let first = proxy.receipt(before.exchange()).has_status(200);
    assert_eq!(openings(&inline(&before)).len(), 3);
    assert_eq!(openings(&inline(&proxy.stream("hello").has_status(200))).len(), 3);
    let day = day(&home);
    let erase = ["erase", "--tenant", "default", "--day", &day, "--reason", "asked for"];
    let today = [&erase[..], &["--today"]].concat();
    // Not by accident: today is not over, and nobody else's key goes.
    let refused = troth(&home, &erase).exits(1);
    assert!(refused.err.contains("is today"), "{}", refused.err);
    let nobody = ["erase", "--tenant", "nobody", "--day", &day, "--today"];
    let refused = troth(&home, &nobody).exits(1);
    assert!(refused.err.contains("nothing to erase"), "{}", refused.err);
    assert_eq!(openings(proxy.receipt(before.exchange()).text()).len(), 3);
    let done = troth(&home, &today).exits(0);
    assert!(done.out.starts_with(&format!("erased 1 key of {day}: record ")), "{}", done.out);
    assert!(done.err.contains("backups"), "{}", done.err);
    // At once, of the proxy that runs: the receipt stands and opens nothing.
    let after = proxy.receipt(before.exchange()).has_status(200);
    assert_eq!(openings(after.text()), [""; 0]);
    proxy.log().check_receipt(&after.body).unwrap();
    let _ = held(&home, &after.body, "request", asked.bytes("").as_slice()).exits(64);
    // What still comes of the day is answered, recorded and opened for nobody.
    for answer in [proxy.chat("hello").has_status(200), proxy.stream("hello").has_status(200)] {
        let inline = inline(&answer);
        assert_eq!(openings(&inline), [""; 0]);
        proxy.log().check_receipt(inline.as_bytes()).unwrap();
        let receipt = proxy.receipt(answer.exchange()).has_status(200);
        assert_eq!(openings(receipt.text()), [""; 0]);
    }
    // A receipt that was given before opens what it opened: it is the client's.
    assert_eq!(openings(first.text()).len(), 3);
    proxy.log().check_receipt(&first.body).unwrap();
    let erased = |home: &Path| {
        for entry in log_of(home).entries() {
            if ["intent", "outcome"].contains(&entry.kind()) {
                let index = entry.index.to_string();
                let said = troth(home, &["disclose", &index, "request"]).exits(1);
                assert!(said.err.contains(&format!("key of {day} was erased")), "{}", said.err);
                let told = troth(home, &["disclose", &index]).exits(0);
                assert!(told.out.contains("was erased"), "{}", told.out);
            }
        }
    };
    let again = troth(&home, &today).exits(0);
    assert_eq!(again.out.trim(), "1 key of these days had been erased before");
    let (log, _home) = proxy.into_log();
    let audit = log.verify().is_clean();
    assert_eq!(audit.report["erased"], 1);
    let entry = only(&log.entries(), "erasure");
    assert_eq!(entry.record["day"], day);
    assert_eq!(entry.record["count"], 1);
    assert_eq!(entry.record["reason"], "asked for");
    // No identity: neither the name nor its pseudonym.
    let pseudonym = keys(&home)[0].parent().unwrap().file_name().unwrap().to_owned();
    let text = String::from_utf8(entry.bytes).unwrap();
    assert!(!text.contains("default") && !text.contains(pseudonym.to_str().unwrap()), "{text}");
    erased(&home);
    // Nothing but a tombstone is left, and running it again writes no second record.
    assert_eq!(std::fs::read(&keys(&home)[0]).unwrap(), b"erased\n");
    let _ = troth(&home, &today).exits(0);
    assert_eq!(only(&log.entries(), "erasure").index, entry.index);
    let _ = log.verify().is_clean();
}

#[test]
fn a_stopped_proxy_s_log_is_opened_by_the_command() {
    let model = Model::start();
    let mut proxy = Troth::start(&Settings::rules(), &model.address);
    let exchange = proxy.chat("hello").has_status(200).exchange().to_owned();
    // Killed, so that the command finds what a crash leaves.
    proxy.process().kill();
    let home = proxy.home().to_owned();
    let day = day(&home);
    let done = troth(&home, &["erase", "--all-tenants", "--day", &day, "--today", "--json"]);
    let done: Value = serde_json::from_str(&done.exits(0).out).unwrap();
    assert_eq!(done["erased"][0]["count"], 1);
    let _ = proxy.log().verify().is_clean();
    proxy.restart();
    let receipt = proxy.receipt(&exchange).has_status(200);
    assert_eq!(openings(receipt.text()), [""; 0]);
    proxy.log().check_receipt(&receipt.body).unwrap();
    let (log, _home) = proxy.into_log();
    assert_eq!(log.verify().is_clean().report["erased"], 1);
}

#[test]
fn an_erasure_leaves_other_tenants_alone() {
    // SHA-256 of `sk-first` and of `sk-second`.
    let settings = Settings::rules().tail(
        r#"
[[tenant]]
id = "acme"
[[tenant]]
id = "other"
[[principal]]
id = "first"
tenant = "acme"
key_sha256 = "2a19f16bb2586edf26ab5186503c69b4b6e37edcd08ab5c98c97f5320c5ed5c5"
[[principal]]
id = "second"
tenant = "other"
key_sha256 = "b464ce30b204dc60e335136ee46a01efe74914f4e4a6264f48448448642c9a0c"
"#,
    );
    let model = Model::start();
    let proxy = Troth::start(&settings, &model.address);
    let as_whom = |request: Request, key: &str| {
        proxy.send(&request.header("authorization", &format!("Bearer {key}")))
    };
    let exchange =
        |key: &str| as_whom(chat("hello", false), key).has_status(200).exchange().to_owned();
    let receipt = |id: &str, key: &str| {
        as_whom(Request::get(format!("/.well-known/troth/receipts/{id}")), key)
    };
    let (first, second) = (exchange("sk-first"), exchange("sk-second"));
    let opened = |id: &str, key: &str| openings(receipt(id, key).has_status(200).text()).len();
    assert_eq!((opened(&first, "sk-first"), opened(&second, "sk-second")), (3, 3));
    // Openings go to the exchange's own principal; to others it is unknown.
    for (id, key) in [(&first, "sk-second"), (&second, "sk-first")] {
        let theirs = receipt(id, key).has_status(404);
        assert!(!theirs.text().contains("tlog-proof"), "{}", theirs.text());
    }
    assert_eq!(receipt(&first, "sk-third").status, 401);
    let day = keys(proxy.home())[0].file_name().unwrap().to_str().unwrap().to_owned();
    let _ = troth(proxy.home(), &["erase", "--tenant", "acme", "--day", &day, "--today"]).exits(0);
    assert_eq!((opened(&first, "sk-first"), opened(&second, "sk-second")), (0, 3));
    let (log, _home) = proxy.into_log();
    let _ = log.verify().is_clean();
}

/// The published side of a log holds no key, no opening, no file of the engine.
#[test]
fn the_publish_listener_serves_nothing_of_the_vault() {
    let model = Model::start();
    let settings = Settings::rules().log("publish_entries = true");
    let proxy = Troth::start(&settings, &model.address);
    let publish = proxy.publish.clone().unwrap();
    let exchange = proxy.chat("hello").exchange().to_owned();
    let path = format!("/.well-known/troth/receipts/{exchange}");
    let receipt = eventually("the receipt is published", || {
        Some(Request::get(&path).send(&publish)).filter(|answer| answer.status == 200)
    });
    assert!(!receipt.text().contains("extra"));
    let log = proxy.home().join("troth-log");
    let files = Command::new("find").arg(&log).args(["-mindepth", "1"]).output().unwrap();
    let files = String::from_utf8(files.stdout).unwrap();
    let log = log.to_str().unwrap();
    let names: Vec<&str> = files.lines().filter_map(|file| file.strip_prefix(log)).collect();
    let mut hidden = 0;
    for name in names {
        let public = ["/checkpoint", "/tile", "/blobs"].iter().any(|part| name.starts_with(part));
        if public {
            continue;
        }
        let coded = name.replacen('v', "%76", 1).replacen('w', "%77", 1).replacen('l', "%6c", 1);
        for path in [
            name.to_owned(),
            format!("/tile/..{name}"),
            format!("/tile/../..{name}"),
            format!("/blobs/sha256/../..{name}"),
            format!("/{name}"),
            format!("/.{name}"),
            coded,
        ] {
            let answer = Request::get(&path).send(&publish);
            assert!(answer.status >= 400, "{path}");
        }
        hidden += 1;
    }
    assert!(hidden >= 6, "{files}");
    for path in ["/erase", "/statement", "/reload"] {
        assert!(Request::post(path, &Value::Null).send(&publish).status >= 400, "{path}");
        assert!(proxy.send(&Request::post(path, &Value::Null)).status >= 400, "{path}");
    }
}

/// An operator's key in this home.
fn operator(home: &Path) -> String {
    let key = home.join("operator.key").to_str().unwrap().to_owned();
    let _ = Troth::command(&["keygen", "ops.example.com/alice", "--out", &key], "").exits(0);
    key
}

#[test]
fn operators_state_under_their_own_keys() {
    let model = Model::start();
    let proxy = Troth::start(&Settings::rules(), &model.address);
    let _ = proxy.chat("hello").has_status(200);
    let home = proxy.home().to_owned();
    let key = operator(&home);
    let said = "an answer went out\nthat should not have: 你好";
    let stated = ["statement", "incident", "--key", &key, "--record", "3,0", said];
    let done = troth(&home, &stated).exits(0);
    assert!(done.out.contains("incident by ops.example.com/alice+"), "{}", done.out);
    let later = ["statement", "review", "--key", &key, "--record", "9999", "seen"];
    let refused = troth(&home, &later).exits(1);
    assert!(refused.err.contains("does not stand before it"), "{}", refused.err);
    let _ = troth(&home, &["statement", "review", "--key", &key, " "]).exits(64);
    let no_key = home.join("troth.policy");
    let _ = troth(&home, &["statement", "stop", "--key", no_key.to_str().unwrap(), "x"]).exits(64);
    // Over the socket: only what its key signed, for this log, now.
    let signer = |seed| Signer::generate("ops.example.com/alice", [seed; 32]).unwrap();
    let now = SystemClock.now_micros();
    let sign = |origin: &str, at: u64| {
        let kind = StatementKind::Stop;
        Statement::signed(kind, origin, vec![0], "halted", at, &signer(1)).unwrap()
    };
    let order = |origin: &str, kind: &str, statement: &Statement| json!({ "origin": origin, "kind": kind, "statement": statement });
    let post = |body: &Value| proxy.admin(&Request::post("/statement", body));
    let good = sign(ORIGIN, now);
    let mut other_key = good.clone();
    other_key.key = signer(2).verifier().to_string();
    let mut other_text = good.clone();
    other_text.statement.push('!');
    for (body, status) in [
        (order(ORIGIN, "stop", &other_key), 422),
        (order(ORIGIN, "stop", &other_text), 422),
        (order(ORIGIN, "incident", &good), 422),
        (order(ORIGIN, "stop", &sign("example.com/other", now)), 422),
        (order(ORIGIN, "stop", &sign(ORIGIN, now - 600_000_000)), 422),
        (order("example.com/other", "stop", &good), 404),
        (order(ORIGIN, "halt", &good), 400),
        (json!({ "origin": ORIGIN }), 400),
        (json!({ "origin": "x".repeat(40_000) }), 413),
    ] {
        let refused = post(&body).has_status(status);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.json()["status"], status);
    }
    let mut unknown = order(ORIGIN, "stop", &good);
    unknown["more"] = json!(1);
    let _ = post(&unknown).has_status(400);
    assert_eq!(proxy.admin(&Request::get("/statement")).status, 404);
    let _ = post(&order(ORIGIN, "stop", &good)).has_status(200);
    // A stop says so, and stops nothing.
    let _ = proxy.chat("hello").has_status(200);
    let (log, _home) = proxy.into_log();
    let _ = troth(&home, &["statement", "review", "--key", &key, "seen by a person"]).exits(0);
    let audit = log.verify().is_clean();
    for kind in ["incident", "review", "stop"] {
        assert_eq!(audit.report["records"][kind], 1, "{kind}");
    }
    let incident = only(&log.entries(), "incident").record;
    assert_eq!(incident["records"], json!([0, 3]));
    assert_eq!(incident["statement"], said);
}

#[test]
fn a_log_that_is_held_by_a_proxy_without_admin_says_so() {
    let model = Model::start();
    let proxy = Troth::start(&Settings::rules(), &model.address);
    let _ = proxy.chat("hello").has_status(200);
    let text = std::fs::read_to_string(proxy.config()).unwrap();
    let without = text.replace("[admin]\nsocket = \"troth.sock\"\n", "");
    assert_ne!(text, without);
    std::fs::write(proxy.config(), without).unwrap();
    let erase = ["erase", "--tenant", "default", "--day", "2020-02-02"];
    let refused = troth(proxy.home(), &erase).exits(1);
    assert!(refused.err.contains("no `[admin]`"), "{}", refused.err);
    let elsewhere = text.replace("troth.sock", "other.sock");
    std::fs::write(proxy.config(), elsewhere).unwrap();
    let refused = troth(proxy.home(), &erase).exits(1);
    assert!(refused.err.contains("nobody answers at"), "{}", refused.err);
    let unknown = ["erase", "--tenant", "t", "--day", "2020-02-02", "--log-name", "none"];
    let refused = troth(proxy.home(), &unknown).exits(64);
    assert!(refused.err.contains("there is `main`"), "{}", refused.err);
}

#[test]
fn orders_over_tcp_need_the_token() {
    let model = Model::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = tempfile::tempdir().unwrap();
    let proxy = Troth::start_prepared(home, &Settings::rules(), &model.address, |home| {
        let config = home.join("troth.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let admin = format!("address = \"{free}\"\ntoken_file = \"token\"");
        std::fs::write(&config, text.replace("socket = \"troth.sock\"", &admin)).unwrap();
        std::fs::write(home.join("token"), "a token of more than sixteen\n").unwrap();
    });
    let _ = proxy.chat("hello").has_status(200);
    let key = operator(proxy.home());
    let stated = ["statement", "review", "--key", &key, "seen"];
    let _ = troth(proxy.home(), &stated).exits(0);
    std::fs::write(proxy.home().join("token"), "another one of more than sixteen\n").unwrap();
    let refused = troth(proxy.home(), &stated).exits(1);
    assert!(refused.err.contains("token"), "{}", refused.err);
    let bare = Request::post("/erase", &json!({})).send(&free.to_string());
    assert_eq!(bare.status, 401);
}

/// The commitment of a real record, made again without any code of the product: from the day's key,
/// the exchange's id and the bytes of the request.
#[test]
fn a_commitment_is_what_the_paper_says() {
    let model = Model::start();
    let proxy = Troth::start(&Settings::rules(), &model.address);
    let _ = proxy.send(&ask()).has_status(200);
    let (log, home) = proxy.into_log();
    let entries = log.entries();
    let key = &keys(home.path())[0];
    let body = home.path().join("body");
    for (kind, field, content, member) in [
        ("intent", "request", BODY, "request"),
        ("toolcall", "arguments/0", r#"{"a": 1}"#, "arguments"),
    ] {
        let record = only(&entries, kind).record;
        std::fs::write(&body, content).unwrap();
        let mut python = Command::new("python3");
        python.arg(workspace().join("tests/python/commitment.py")).arg(key);
        let exchange = record["exchange"].as_str().unwrap();
        let arguments = [exchange, field, body.to_str().unwrap()];
        let made = run(&mut python, arguments, "", Duration::from_secs(30)).exits(0);
        assert_eq!(Some(made.out.trim()), record[member].as_str(), "{kind}");
    }
}

#[test]
fn a_log_that_was_never_begun_is_named() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("troth.toml"), Settings::rules().text("127.0.0.1:1")).unwrap();
    let key = home.path().join("troth.key");
    let keygen = ["keygen", "example.com/troth/test", "--out", key.to_str().unwrap()];
    let _ = Troth::command(&keygen, "").exits(0);
    let told = troth(home.path(), &["disclose", "0"]).exits(74).err;
    let directory = home.path().join("troth-log");
    assert!(told.contains(&format!("`{}`", directory.display())), "{told}");
    assert!(told.contains("`main`") && !directory.exists(), "{told}");
    // The name of a log where a filter belongs is no order to the only log there is.
    let mixed = troth(home.path(), &["end", "--yes", "--log", "backup"]).exits(64).err;
    assert!(mixed.contains("--log-name backup"), "{mixed}");
    assert!(!directory.exists());
}
