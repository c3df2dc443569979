//! The Python client that checks receipts: real ones, from every place where an application gets
//! them, and thousands of false ones, of which it says exactly what `troth-audit` says.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use troth_attest::{TrustPolicy, verify_receipt};
use troth_tests::{Finished, Model, Request, Route, Settings, Troth, eventually, python};

/// The shipped file, as `python` finds it from `tests/python`.
const CLIENT: &str = "../../attest/clients/troth_receipt.py";

/// Runs one case of the script against a fresh proxy that sends receipts along.
fn client(case: &str) {
    let model = Model::start();
    let route = Route::openai().with("inline_receipt = true");
    let troth = Troth::start(&Settings::rules().routes([route]), &model.address);
    let policy = troth.home().join("troth.policy");
    let arguments = [case, &troth.address, policy.to_str().unwrap()];
    let _ = python().script("receipt_test.py", &arguments).exits(0);
    let (log, _home) = troth.into_log();
    let _ = log.verify().is_clean();
}

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            client(stringify!($case));
        })+

        const CASES: &[&str] = &[$(stringify!($case)),+];
    };
}

cases! {
    a_blocked_request_has_its_receipt,
    a_fetched_receipt_confirms_request_and_response,
    a_redacted_answer_is_what_was_released,
    a_stream_carries_its_receipt,
    an_inline_receipt_needs_no_network,
    no_receipt_says_why,
}

#[test]
fn every_case_of_the_script_is_run() {
    let listed = python().script("receipt_test.py", &["--list"]).exits(0).out;
    assert_eq!(listed.lines().collect::<Vec<_>>(), CASES);
}

/// A receipt of a real log, with its policy, in files.
fn real_receipt(home: &Path) -> (Troth, Model) {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    let answer = troth.chat("hello").has_status(200);
    let receipt = troth.receipt(answer.exchange()).has_status(200);
    std::fs::write(home.join("receipt"), receipt.body).unwrap();
    std::fs::write(home.join("content"), &answer.body).unwrap();
    std::fs::copy(troth.home().join("troth.policy"), home.join("policy")).unwrap();
    (troth, model)
}

/// One receipt, and what the Python client says of it.
struct Case {
    what: String,
    receipt: Vec<u8>,
    policy: String,
    entry: Option<Vec<u8>>,
    code: u64,
    expected: Option<u64>,
}

impl Case {
    fn read(line: &str) -> Self {
        let case: Value = serde_json::from_str(line).unwrap();
        let bytes = |name: &str| case[name].as_str().map(|text| BASE64_STANDARD.decode(text));
        Self {
            what: case["what"].as_str().unwrap().to_owned(),
            receipt: bytes("receipt").unwrap().unwrap(),
            policy: case["policy"].as_str().unwrap().to_owned(),
            entry: bytes("entry").map(Result::unwrap),
            code: case["code"].as_u64().unwrap(),
            expected: case["expected"].as_u64(),
        }
    }

    /// The exit code that `troth-audit receipt` has for it, by the library that it is made of.
    fn code_by_library(&self) -> u64 {
        let Ok(policy) = TrustPolicy::parse(&self.policy) else { return 64 };
        let verified = verify_receipt(&self.receipt, &policy, self.entry.as_deref());
        verified.map_or_else(|fault| fault.exit_code(), |receipt| receipt.exit_code()).into()
    }

    /// The exit code of the program itself.
    fn code_by_program(&self, troth: &Troth, home: &Path) -> Option<i32> {
        let [receipt, policy, entry] = ["case", "case-policy", "case-entry"].map(|n| home.join(n));
        std::fs::write(&receipt, &self.receipt).unwrap();
        std::fs::write(&policy, &self.policy).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut arguments =
            vec!["receipt".to_owned(), text(&receipt), "--policy".to_owned(), text(&policy)];
        if let Some(bytes) = &self.entry {
            std::fs::write(&entry, bytes).unwrap();
            arguments.extend(["--entry".to_owned(), text(&entry)]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        troth.log().audit(&arguments).code
    }
}

/// One in so many cases is also given to the program itself; all that a person thought of are.
const SAMPLE: usize = 40;

#[test]
fn the_client_says_of_every_receipt_what_the_auditor_says() {
    let home = tempfile::tempdir().unwrap();
    let (troth, _model) = real_receipt(home.path());
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let arguments = [path("receipt"), path("policy")];
    let script = python().script("receipt_attacks.py", &arguments.each_ref().map(String::as_str));
    let mut by_code: BTreeMap<u64, usize> = BTreeMap::new();
    let mut disagreements = String::new();
    for (number, line) in script.exits(0).out.lines().enumerate() {
        let case = Case::read(line);
        *by_code.entry(case.code).or_default() += 1;
        let library = case.code_by_library();
        let mut said = vec![case.code, case.expected.unwrap_or(case.code), library];
        let thought_of = case.expected.is_some() && !case.what.contains(" as ");
        if thought_of || number % SAMPLE == 0 {
            let program = case.code_by_program(&troth, home.path()).unwrap();
            said.push(program.try_into().unwrap());
        }
        if said.iter().any(|code| *code != library) {
            writeln!(disagreements, "{}: client, expected, library, program {said:?}", case.what)
                .unwrap();
        }
    }
    println!("receipts by exit code: {by_code:?}");
    assert_eq!(disagreements, "");
    let at_least = [(0, 1000), (1, 4000), (3, 20), (5, 10), (64, 40)];
    for (code, count) in at_least {
        assert!(by_code.get(&code).is_some_and(|found| *found >= count), "{code}: {by_code:?}");
    }
}

#[test]
fn the_command_exits_as_the_auditor_does() {
    let home = tempfile::tempdir().unwrap();
    let (troth, _model) = real_receipt(home.path());
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (receipt, policy) = (path("receipt"), path("policy"));
    std::fs::write(home.path().join("other"), "other content").unwrap();
    std::fs::write(home.path().join("not-text"), b"\xff").unwrap();
    let released = format!("response.released={}", path("content"));
    let other = format!("response.released={}", path("other"));
    let unopened = format!("arguments/0={}", path("content"));
    let witness = "witness w example.com/w1+4bafb710+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
    let strict = std::fs::read_to_string(&policy).unwrap();
    let strict = strict.replace("quorum none", &format!("{witness}\nquorum w"));
    std::fs::write(home.path().join("strict"), strict).unwrap();
    let (nowhere, text, strict) = (path("nowhere"), path("not-text"), path("strict"));
    for (code, arguments) in [
        (0, &[&receipt, "--policy", &policy][..]),
        (0, &[&receipt, "--policy", &policy, "--content", &released]),
        (0, &[&receipt, "--policy", &policy, "--content", &released, "--json"]),
        (1, &[&receipt, "--policy", &policy, "--content", &other]),
        (1, &[&policy, "--policy", &policy]),
        (1, &[&policy, "--policy", &policy, "--json"]),
        (1, &["-", "--policy", &policy]),
        (1, &[&receipt, "--policy", &policy, "--entry", &text]),
        (3, &[&receipt, "--policy", &strict]),
        (64, &[&receipt, "--policy", &policy, "--content", &unopened]),
        (64, &[&receipt, "--policy", &policy, "--content", "request"]),
        (64, &[&receipt, "--policy", &receipt]),
        (64, &[&receipt, "--policy", &text]),
        (64, &[&receipt]),
        (64, &["--policy", &policy]),
        (64, &[&receipt, "--policy", &policy, "--no-such-option"]),
        (74, &[&nowhere, "--policy", &policy]),
        (74, &[&receipt, "--policy", &nowhere]),
        (74, &[&receipt, "--policy", &policy, "--entry", &nowhere]),
        (74, &[&receipt, "--policy", &policy, "--content", &format!("request={nowhere}")]),
        (0, &["--help"]),
    ] {
        let client = python().script(CLIENT, arguments).exits(code);
        let auditor = troth.log().audit(&[&["receipt"], arguments].concat()).exits(code);
        agree(&client, &auditor, arguments);
    }
}

/// What is printed for programs is the same too; errors are one line, without a traceback.
fn agree(client: &Finished, auditor: &Finished, arguments: &[&str]) {
    if arguments.contains(&"--json") {
        let [client, auditor] =
            [client, auditor].map(|done| serde_json::from_str::<Value>(&done.out).unwrap());
        for name in ["status", "origin", "index", "size", "root", "record", "openings", "content"] {
            assert_eq!(client.get(name), auditor.get(name), "{name}");
        }
    }
    assert!(!client.err.contains("Traceback"), "{arguments:?}: {}", client.err);
}

#[test]
fn a_published_receipt_needs_the_record_from_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let (mut troth, _model) = real_receipt(home.path());
    let exchange = troth.chat("hello").has_status(200).exchange().to_owned();
    let publish = troth.publish.clone().unwrap();
    let receipt = eventually("the receipt is published", || {
        let path = format!("/.well-known/troth/receipts/{exchange}");
        Some(Request::get(path).send(&publish)).filter(|answer| answer.status == 200)
    });
    let [file, record] = ["published", "record"].map(|name| home.path().join(name));
    std::fs::write(&file, &receipt.body).unwrap();
    let _ = troth.stop();
    let entries = troth.log().exchanges();
    let outcome = entries[&exchange].iter().find(|entry| entry.kind() == "outcome").unwrap();
    std::fs::write(&record, &outcome.bytes).unwrap();
    let policy = home.path().join("policy");
    let [file, record, policy] = [&file, &record, &policy].map(|path| path.to_str().unwrap());
    let _ = python().script(CLIENT, &[file, "--policy", policy]).exits(64);
    let whole = [file, "--policy", policy, "--entry", record];
    assert!(python().script(CLIENT, &whole).exits(0).out.contains(&exchange));
}
