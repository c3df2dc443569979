//! A call that a policy holds for a person passes when one of the configured keys has signed for
//! exactly that call, once, and in no other case.

use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    thread::JoinHandle,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use troth_attest::Digest;
use troth_tests::{
    Answer, Entry, Finished, Model, PATIENCE, Request, Route, Settings, Troth, chat, events,
    eventually, messages,
};

const PAY: &str = r#"[[tool pay {"to": "bob", "amount": 7}]]"#;
const ARGUMENTS: &str = r#"{"to": "bob", "amount": 7}"#;

/// A proxy whose policy holds payments, in front of a model that makes them.
struct Office {
    troth: Troth,
    model: Model,
}

/// A key in `home`, and the table that makes it an approver's.
fn key(home: &Path, id: &str) -> String {
    let file = home.join(format!("{id}.key"));
    let name = format!("example.com/{id}");
    let made = Troth::command(&["keygen", &name, "--out", file.to_str().unwrap()], "").exits(0);
    let vkey = made.out.split_whitespace().find(|word| word.matches('+').count() >= 2).unwrap();
    format!("[[approver]]\nid = \"{id}\"\nverifier_key = \"{vkey}\"\n\n")
}

fn office(settings: Settings) -> Office {
    let home = tempfile::tempdir().unwrap();
    let approvers = key(home.path(), "oncall") + &key(home.path(), "second");
    // A key that nobody configured.
    let _ = key(home.path(), "stranger");
    office_of(home, settings.tail(&approvers))
}

fn office_of(home: TempDir, settings: Settings) -> Office {
    let model = Model::start();
    let troth = Troth::start_in(home, &settings.bundle("approved"), &model.address);
    Office { troth, model }
}

/// Enough for a test to decide, and no limit that one waits for.
fn patient() -> Settings {
    Settings::rules().limit("approval_wait_ms = 60000")
}

/// So short that the client is refused while the test looks on.
fn hasty() -> Settings {
    Settings::rules().limit("approval_wait_ms = 1")
}

impl Office {
    fn command(&self, arguments: &[&str]) -> Finished {
        let config = self.troth.config();
        let config = ["--config", config.to_str().unwrap()];
        Troth::command(&[&["approve"], arguments, &config].concat(), "")
    }

    fn decide(&self, decision: &str, id: &str, key: &str) -> Finished {
        let file = self.troth.home().join(format!("{key}.key"));
        self.command(&[decision, id, "--key", file.to_str().unwrap()])
    }

    fn list(&self) -> Vec<Value> {
        let told = self.command(&["list", "--json"]).exits(0);
        let told: Value = serde_json::from_str(&told.out).unwrap();
        told["approvals"].as_array().unwrap().clone()
    }

    /// The calls on the desk, once there are so many and `is` holds for each.
    fn listed(&self, count: usize, is: fn(&Value) -> bool) -> Vec<Value> {
        eventually("the call is on the desk", || {
            Some(self.list()).filter(|calls| calls.len() == count && calls.iter().all(is))
        })
    }

    /// The id of the only call, for which an exchange waits.
    fn waiting(&self) -> String {
        id(&self.listed(1, |call| call["waiting"] == true)[0])
    }

    /// Sends a request, and reads its answer aside.
    fn ask(&self, request: &Request) -> JoinHandle<Answer> {
        let (request, address) = (request.clone(), self.troth.address.clone());
        std::thread::spawn(move || request.send(&address))
    }

    fn direct(&self, request: &Request) -> String {
        self.model.send(request).text().to_owned()
    }

    /// The log, after the end, and its tool calls in order.
    fn tool_calls(mut self) -> (Vec<Value>, Vec<Entry>) {
        let tale = self.troth.process().tale();
        assert!(!tale.contains("amount"), "arguments are for the approver: {tale}");
        let (log, _home) = self.troth.into_log();
        let _ = log.verify().is_clean();
        let entries = log.entries();
        for entry in &entries {
            assert!(!String::from_utf8_lossy(&entry.bytes).contains("amount"), "{}", entry.record);
        }
        let of = |kind: &'static str| entries.iter().filter(move |entry| entry.kind() == kind);
        (of("toolcall").map(|entry| entry.record.clone()).collect(), entries.clone())
    }
}

fn id(call: &Value) -> String {
    call["id"].as_str().unwrap().to_owned()
}

/// A stream without the comments that kept it alive.
fn without_pings(answer: &Answer) -> String {
    let events = answer.text().split_inclusive("\n\n");
    events.filter(|event| !event.starts_with(": a tool call waits")).collect()
}

/// The reason for which the answer was refused, in the dialect's own form.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("amount"), "{}", answer.text());
    if answer.header("content-type") == Some("text/event-stream") {
        let events = events(&answer.body);
        let last: Vec<Value> = events.iter().rev().take(2).filter_map(|e| e.json()).collect();
        assert_eq!(events.last().unwrap().data, "[DONE]");
        assert_eq!(last[0]["choices"][0]["finish_reason"], "content_filter");
        return last[0]["choices"][0]["delta"]["refusal"].as_str().unwrap().to_owned();
    }
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(choice["message"]["tool_calls"], Value::Null);
    choice["message"]["refusal"].as_str().unwrap().to_owned()
}

#[test]
fn a_call_passes_when_an_approver_says_so() {
    for stream in [false, true] {
        let office = office(patient());
        let request = chat(PAY, stream);
        let asked = office.ask(&request);
        let id = office.waiting();
        let done = office.decide("allow", &id, "oncall").exits(0);
        assert!(done.out.contains("allowed:") && done.out.contains(ARGUMENTS), "{}", done.out);
        let answer = asked.join().unwrap().has_status(200);
        assert_eq!(without_pings(&answer), office.direct(&request), "byte for byte");
        assert!(answer.complete && office.list().is_empty());
        let (calls, entries) = office.tool_calls();
        assert_eq!((&calls[0]["verdict"], &calls[0]["approval"]), (&json!("flag"), &json!(id)));
        assert_eq!(calls[0]["policies"], json!(["payments-want-a-person"]));
        let given: Vec<_> = entries.iter().filter(|entry| entry.kind() == "approval").collect();
        let call = entries.iter().find(|entry| entry.kind() == "toolcall").unwrap();
        assert!(given.len() == 1 && given[0].index < call.index, "it precedes the release");
        assert_eq!(given[0].record["call"], calls[0]["approved"]);
        let outcome = entries.iter().find(|entry| entry.kind() == "outcome").unwrap();
        assert_eq!(outcome.record["verdict"], "flag");
    }
}

#[test]
fn a_call_does_not_pass_when_an_approver_denies_it() {
    for stream in [false, true] {
        let office = office(patient());
        let asked = office.ask(&chat(PAY, stream));
        let id = office.waiting();
        let _ = office.decide("deny", &id, "second").exits(0);
        let why = refusal(&asked.join().unwrap());
        assert!(why.contains("denied") && why.contains(&id), "{why}");
        // It is not asked again.
        let why = refusal(&office.troth.send(&chat(PAY, stream)));
        assert!(why.contains("denied") && why.contains(&id), "{why}");
        let (calls, entries) = office.tool_calls();
        for call in &calls {
            assert_eq!((&call["verdict"], &call["approval"]), (&json!("block"), &json!(id)));
            assert_eq!(call["approved"], Value::Null);
        }
        assert_eq!(calls.len(), 2);
        assert_eq!(entries.iter().filter(|entry| entry.kind() == "approval").count(), 1);
    }
}

#[test]
fn a_client_that_gave_up_waiting_finds_the_decision_once() {
    for stream in [false, true] {
        let office = office(hasty());
        let request = chat(PAY, stream);
        let first = office.troth.send(&request);
        let why = refusal(&first);
        let id = id(&office.listed(1, |call| call["waiting"] == false)[0]);
        assert!(why.contains("ask again") && why.contains(&id), "{why}");
        assert!(stream || first.header("troth-approval") == Some(&id));
        // Asked again before it was decided, it is the same call.
        assert!(refusal(&office.troth.send(&request)).contains(&id));
        let _ = office.decide("allow", &id, "oncall").exits(0);
        // A call with other arguments, or of another tool, is another call.
        let other = chat(r#"[[tool pay {"to": "bob", "amount": 70}]]"#, stream);
        assert!(!refusal(&office.troth.send(&other)).contains(&id));
        let again = office.troth.send(&request);
        assert_eq!(without_pings(&again), office.direct(&request));
        // Once.
        assert!(!refusal(&office.troth.send(&request)).contains(&id));
        let (calls, _) = office.tool_calls();
        let verdicts: Vec<_> = calls.iter().map(|call| call["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["approve", "approve", "approve", "flag", "approve"]);
        let used: Vec<_> = calls.iter().filter(|call| call["approved"].is_string()).collect();
        assert_eq!((used.len(), &used[0]["approval"]), (1, &json!(id)));
    }
}

/// Every decision that must not count, and what is said of it.
#[test]
fn what_is_no_approval() {
    let office = office(hasty());
    let ask = || {
        let _ = refusal(&office.troth.send(&chat(PAY, false)));
        id(&office.listed(1, |_| true)[0])
    };
    let pending = ask();
    for (decision, id, key, code, said) in [
        ("allow", "01890000-0000-7000-8000-000000000000", "oncall", 1, "no call waits"),
        ("deny", "01890000-0000-7000-8000-000000000000", "oncall", 1, "no call waits"),
        ("allow", "../metrics", "oncall", 64, "not one that"),
        ("allow", &pending, "stranger", 1, "not one of an `[[approver]]`"),
        ("deny", &pending, "stranger", 1, "not one of an `[[approver]]`"),
        // The log's own key approves nothing.
        ("allow", &pending, "troth", 1, "not one of an `[[approver]]`"),
        ("allow", &pending, "nobody", 74, "cannot read"),
    ] {
        let done = office.decide(decision, id, key).exits(code);
        assert!(done.err.contains(said), "{decision} {id} {key}: {}", done.err);
        assert_eq!(office.list()[0]["state"], "pending");
    }
    // Not over the listeners that others reach.
    for path in ["/approvals".to_owned(), format!("/approvals/{pending}")] {
        let publish = office.troth.publish.clone().unwrap();
        for address in [&office.troth.address, &publish] {
            assert!(Request::get(path.clone()).send(address).status >= 400, "{path}");
            assert!(Request::post(path.clone(), &json!({})).send(address).status >= 400, "{path}");
        }
    }
    let one = office.troth.admin(&Request::get(format!("/approvals/{pending}"))).json();
    let post = |body: &Value| office.troth.admin(&Request::post("/approvals", body));
    let unsigned = json!({ "origin": one["origin"], "approval": one["statement"] });
    let mut elsewhere = unsigned.clone();
    elsewhere["origin"] = json!("example.com/other");
    for (body, status) in [
        (unsigned, 403),
        (elsewhere, 404),
        (json!({}), 400),
        (json!({ "origin": "x".repeat(40_000) }), 413),
    ] {
        assert_eq!(post(&body).has_status(status).json()["status"], status);
    }
    // Twice, and after it was used.
    let _ = office.decide("allow", &pending, "oncall").exits(0);
    let again = office.decide("deny", &pending, "second").exits(1);
    assert!(again.err.contains("decided before: it is allowed"), "{}", again.err);
    let _ = office.troth.chat(PAY).has_status(200);
    let used = office.decide("allow", &pending, "oncall").exits(1);
    assert!(used.err.contains("no call waits"), "{}", used.err);
    let (_, entries) = office.tool_calls();
    assert_eq!(entries.iter().filter(|entry| entry.kind() == "approval").count(), 1);
}

#[test]
fn nobody_can_have_another_call_signed_than_the_one_that_is_shown() {
    let office = office(hasty());
    let _ = refusal(&office.troth.chat(PAY));
    let pending = id(&office.listed(1, |_| true)[0]);
    let honest = office.troth.admin(&Request::get(format!("/approvals/{pending}"))).json();
    let changes: [fn(&mut Value); 6] = [
        |call| call["arguments"] = json!(r#"{"to": "bob", "amount": 1}"#),
        |call| call["tool"] = json!("read_mail"),
        |call| call["bundle"]["digest"] = json!("00"),
        |call| call["expires"] = json!(1),
        |call| call["definition"] = json!("00"),
        |call| call["statement"]["id"] = json!("01890000-0000-7000-8000-000000000000"),
    ];
    for (place, change) in changes.iter().enumerate() {
        let mut shown = honest.clone();
        change(&mut shown);
        let home = tempfile::tempdir().unwrap();
        let _ = key(home.path(), "oncall");
        let config = std::fs::read_to_string(office.troth.config()).unwrap();
        std::fs::write(home.path().join("troth.toml"), config).unwrap();
        std::fs::copy(office.troth.home().join("troth.key"), home.path().join("troth.key"))
            .unwrap();
        let liar = UnixListener::bind(home.path().join("troth.sock")).unwrap();
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = liar.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let body = shown.to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        });
        let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let (config, key) = (file("troth.toml"), file("oncall.key"));
        let arguments = ["approve", "allow", &pending, "--key", &key, "--config", &config];
        let done = Troth::command(&arguments, "").exits(1);
        assert!(done.err.contains("nothing was signed"), "{place}: {}", done.err);
        asked.join().unwrap();
    }
}

#[test]
fn a_call_that_nobody_decides_about_expires() {
    let settings = Settings::rules().limit("approval_wait_ms = 60000");
    for stream in [false, true] {
        let office = office(settings.clone().limit("approval_expiry_ms = 300"));
        let answer = office.troth.send(&chat(PAY, stream));
        let why = refusal(&answer);
        assert!(why.contains("in time"), "{why}");
        assert!(office.list().is_empty());
        let (calls, entries) = office.tool_calls();
        assert_eq!(calls[0]["verdict"], "block");
        let outcome = entries.iter().find(|entry| entry.kind() == "outcome").unwrap();
        assert_eq!(outcome.record["verdict"], "block");
    }
}

#[test]
fn what_cannot_be_held_is_refused_at_once() {
    let home = || tempfile::tempdir().unwrap();
    let unlogged = || patient().routes([Route::openai().unlogged()]);
    let with_approvers = |settings: Settings| office(settings);
    let offices: Vec<(&str, Office, &str)> = vec![
        ("no approver", office_of(home(), patient()), "no approver is configured"),
        ("no log", with_approvers(unlogged()), "no log could record it"),
        ("too long", with_approvers(patient().limit("hold_bytes = 16")), "longer than a person"),
    ];
    for (what, office, said) in offices {
        let why = refusal(&office.troth.chat(PAY));
        assert!(why.contains(said) && why.contains("payments-want-a-person"), "{what}: {why}");
    }
    // The desk is full: of all calls, and of one principal's.
    for limit in ["approvals = 1", "approvals_per_principal = 1"] {
        let office = office(hasty().limit(limit));
        let _ = refusal(&office.troth.chat(PAY));
        for stream in [false, true] {
            let other = chat(r#"[[tool pay {"to": "eve", "amount": 7}]]"#, stream);
            let why = refusal(&office.troth.send(&other));
            assert!(why.contains("too many calls"), "{limit}: {why}");
        }
        let (calls, _) = office.tool_calls();
        let verdicts: Vec<_> = calls.iter().map(|call| call["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["approve", "block", "block"]);
    }
    // A block is no question, and shadow asks none.
    let office = office(patient());
    for stream in [false, true] {
        let blocked = chat(r#"[[tool pay {"to": "mallory", "amount": 7}]]"#, stream);
        let answer = office.troth.send(&blocked);
        assert!(!answer.text().contains("amount") && office.list().is_empty());
    }
    let shadow = with_approvers(patient().routes([Route::openai().with(r#"mode = "shadow""#)]));
    let request = chat(PAY, false);
    assert_eq!(shadow.troth.send(&request).text(), shadow.direct(&request));
}

#[test]
fn of_two_approvers_at_once_one_decides() {
    let office = office(patient());
    let asked = office.ask(&chat(PAY, false));
    let id = office.waiting();
    let (allowed, denied) = std::thread::scope(|scope| {
        let allow = scope.spawn(|| office.decide("allow", &id, "oncall"));
        let deny = scope.spawn(|| office.decide("deny", &id, "second"));
        (allow.join().unwrap().code, deny.join().unwrap().code)
    });
    let passed = asked.join().unwrap().text().contains("amount");
    assert_eq!((allowed == Some(0), denied == Some(0)), (passed, !passed));
    let (_, entries) = office.tool_calls();
    assert_eq!(entries.iter().filter(|entry| entry.kind() == "approval").count(), 1);
}

#[test]
fn a_client_that_leaves_leaves_the_call() {
    for stream in [true, false] {
        let office = office(patient());
        let request = chat(PAY, stream);
        if stream {
            let mut live = office.troth.open(&request);
            live.until("waits for a person's approval");
            drop(live);
        } else {
            let mut wire = std::net::TcpStream::connect(&office.troth.address).unwrap();
            wire.write_all(&request.bytes("localhost")).unwrap();
            let _ = office.waiting();
            drop(wire);
        }
        let id = id(&office.listed(1, |call| call["waiting"] == false)[0]);
        let _ = office.decide("allow", &id, "oncall").exits(0);
        let again = office.troth.send(&request);
        assert_eq!(without_pings(&again), office.direct(&request));
        let (calls, entries) = office.tool_calls();
        let told: Vec<_> = calls.iter().map(|call| (&call["verdict"], &call["approval"])).collect();
        let id = json!(id);
        assert_eq!(told, [(&json!("approve"), &id), (&json!("flag"), &id)], "{stream}");
        let outcomes: Vec<_> = entries.iter().filter(|entry| entry.kind() == "outcome").collect();
        assert_eq!(outcomes[0].record["verdict"], "abort");
    }
}

#[test]
fn a_stream_is_kept_alive_while_somebody_decides() {
    let office = office(patient().limit("approval_ping_ms = 20"));
    let prompt = format!("[[say Let me pay that.]] {PAY}");
    let request = chat(&prompt, true);
    let mut live = office.troth.open(&request);
    let id = office.waiting();
    let pings = |body: &[u8]| String::from_utf8_lossy(body).matches(": a tool call waits").count();
    // What stands before the call is out; of the call, nothing.
    live.until("\"me \"");
    while pings(live.so_far()) < 4 {
        assert!(live.more());
    }
    let so_far = String::from_utf8(live.so_far().to_vec()).unwrap();
    assert!(so_far.contains(&id) && !so_far.contains("tool_calls"), "{so_far}");
    let _ = office.decide("allow", &id, "oncall").exits(0);
    let answer = live.finish();
    assert_eq!(without_pings(&answer), office.direct(&request));
    // The pings are under the commitment to what was released.
    let (_, entries) = office.tool_calls();
    let outcome = entries.iter().find(|entry| entry.kind() == "outcome").unwrap();
    assert_eq!(outcome.record["released_after"], json!(answer.body.len()));
}

#[test]
fn all_held_calls_of_an_answer_pass_or_none() {
    let second = r#"[[tool pay {"to": "eve", "amount": 8}]]"#;
    let request = chat(&format!("{PAY} {second}"), false);
    let office = office(patient());
    let asked = office.ask(&request);
    let both = office.listed(2, |call| call["waiting"] == true);
    let (first, second) = (id(&both[0]), id(&both[1]));
    let _ = office.decide("allow", &first, "oncall").exits(0);
    let _ = office.decide("deny", &second, "oncall").exits(0);
    let _ = refusal(&asked.join().unwrap());
    // Leave that was of no use was not spent.
    let left = office.listed(2, |call| call["waiting"] == false);
    assert_eq!((&left[0]["state"], &left[1]["state"]), (&json!("allowed"), &json!("denied")));
    let alone = chat(PAY, false);
    assert_eq!(office.troth.send(&alone).text(), office.direct(&alone));
    // Both, each with its own, whole and streamed.
    for stream in [false, true] {
        let again = r#"[[tool pay {"to": "eve", "amount": 9}]]"#;
        let request = chat(&format!("{PAY} {again}"), stream);
        let asked = office.ask(&request);
        let both = office.listed(3, |call| call["waiting"] == true || call["state"] == "denied");
        for call in both.iter().filter(|call| call["state"] == "pending") {
            let _ = office.decide("allow", &id(call), "second").exits(0);
        }
        let answer = asked.join().unwrap();
        assert_eq!(without_pings(&answer), office.direct(&request), "{stream}");
    }
    let (calls, _) = office.tool_calls();
    let passed = calls.iter().filter(|call| call["verdict"] == "flag").count();
    assert_eq!((calls.len(), passed), (7, 5));
}

#[test]
fn leave_is_for_one_principal() {
    let principal = |id: &str| {
        let digest = Digest::of(id.as_bytes());
        format!("[[principal]]\nid = \"{id}\"\nkey_sha256 = \"{digest}\"\n\n")
    };
    let office = office(hasty().tail(&(principal("alice") + &principal("bob"))));
    let by = |who: &str| {
        let request = chat(PAY, false).header("authorization", &format!("Bearer {who}"));
        office.troth.send(&request)
    };
    let _ = refusal(&by("alice"));
    let id = id(&office.listed(1, |call| call["principal"] == "alice")[0]);
    let _ = office.decide("allow", &id, "oncall").exits(0);
    assert!(!refusal(&by("bob")).contains(&id));
    assert!(by("alice").text().contains("amount"));
    let _ = office.tool_calls();
}

#[test]
fn a_tool_that_was_defined_otherwise_is_another_tool() {
    let office = office(hasty());
    let request = |description: &str| {
        let tool = json!({ "type": "function", "function": { "name": "pay", "description": description } });
        let said = json!([{ "role": "user", "content": PAY }]);
        messages(&json!({ "messages": said, "tools": [tool] }))
    };
    let _ = refusal(&office.troth.send(&request("Pays.")));
    let pending = office.listed(1, |call| call["definition"].is_string());
    let _ = office.decide("allow", &id(&pending[0]), "oncall").exits(0);
    let _ = refusal(&office.troth.send(&request("Pays twice.")));
    let good = request("Pays.");
    assert_eq!(office.troth.send(&good).text(), office.direct(&good));
    let _ = office.tool_calls();
}

#[test]
fn a_reload_with_another_bundle_ends_what_was_held_under_this_one() {
    let office = office(patient());
    let asked = office.ask(&chat(PAY, false));
    let waiting = office.waiting();
    let text = std::fs::read_to_string(office.troth.config()).unwrap();
    let reload = |text: &str| {
        std::fs::write(office.troth.config(), text).unwrap();
        let _ = office.troth.admin(&Request::post("/reload", &Value::Null)).has_status(200);
    };
    // The same bundle under other settings: it waits on.
    reload(&text.replace("approval_wait_ms = 60000", "approval_wait_ms = 1"));
    assert_eq!(office.waiting(), waiting);
    let otherwise = text
        .replace("approval_wait_ms = 60000", "approval_wait_ms = 1")
        .replace("/data/approved\"", "/data/approved-otherwise\"");
    assert_ne!(text, otherwise);
    reload(&otherwise);
    let why = refusal(&asked.join().unwrap());
    assert!(why.contains("withdrawn") && why.contains(&waiting), "{why}");
    let gone = office.decide("allow", &waiting, "oncall").exits(1);
    assert!(gone.err.contains("no call waits"), "{}", gone.err);
    // Leave that was given under one bundle is none under the other.
    let _ = refusal(&office.troth.chat(PAY));
    let _ = office.decide("allow", &id(&office.list()[0]), "oncall").exits(0);
    reload(&text.replace("approval_wait_ms = 60000", "approval_wait_ms = 1"));
    let _ = refusal(&office.troth.chat(PAY));
    // An approver who is none any more has allowed nothing.
    let _ = office.decide("allow", &id(&office.list()[0]), "second").exits(0);
    let at = text.rfind("[[approver]]").unwrap();
    let without = text.get(..at).unwrap();
    reload(&without.replace("approval_wait_ms = 60000", "approval_wait_ms = 1"));
    let _ = refusal(&office.troth.chat(PAY));
    let (calls, _) = office.tool_calls();
    assert!(calls.iter().all(|call| call["approved"].is_null()), "{calls:?}");
}

#[test]
fn a_restart_ends_what_was_held() {
    for kill in [false, true] {
        let mut office = office(patient());
        let asked = office.ask(&chat(PAY, true));
        let waiting = office.waiting();
        if kill {
            office.troth.process().kill();
            let _ = asked.join();
        } else {
            assert!(office.troth.stop().success(), "it does not wait for a person");
            let why = refusal(&asked.join().unwrap());
            assert!(why.contains("the proxy stops"), "{why}");
        }
        office.troth.restart();
        assert!(office.list().is_empty());
        let gone = office.decide("allow", &waiting, "oncall").exits(1);
        assert!(gone.err.contains("no call waits"), "{}", gone.err);
        let (calls, entries) = office.tool_calls();
        assert!(calls.iter().all(|call| call["verdict"] == "block"), "{calls:?}");
        let outcome = entries.iter().find(|entry| entry.kind() == "outcome").unwrap();
        assert_eq!(outcome.record["verdict"], if kill { "abort" } else { "block" });
    }
}

#[test]
fn an_approver_reads_what_waits() {
    let office = office(hasty());
    let _ = refusal(&office.troth.chat(PAY));
    let pending = id(&office.list()[0]);
    for (arguments, said) in [
        (vec!["list"], ["pending", ARGUMENTS, "Money leaves the house.", "anonymous (default)"]),
        (
            vec!["show", &pending],
            ["pending", ARGUMENTS, "payments-want-a-person (approve)", "pay (v1)"],
        ),
        (vec!["list", "--lang", "zh"], ["待审批", ARGUMENTS, "剩余时间", "主体"]),
    ] {
        let told = office.command(&arguments).exits(0);
        for said in said {
            assert!(told.out.contains(said), "{said} is not in\n{}", told.out);
        }
    }
    let one = office.command(&["show", &pending, "--json"]).exits(0);
    let one: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!((&one["arguments"], &one["route"]), (&json!(ARGUMENTS), &json!("v1")));
    // Where no proxy runs there is nothing to decide.
    let mut office = office;
    let _ = office.troth.stop();
    let nobody = office.command(&["list"]).exits(1);
    assert!(nobody.err.contains("no proxy listens"), "{}", nobody.err);
}
