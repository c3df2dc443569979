use super::*;

const GOOD: &str = r#"
version = 1
[[route]]
name = "chat"
path = "/v1"
upstream = "http://127.0.0.1:9000/base/"
dialect = "openai"
log = "main"
[[log]]
name = "main"
directory = "troth-log"
origin = "example.com/troth/dev"
key = "troth.key"
"#;

fn check(text: &str) -> Result<Config, ConfigFaults> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("troth.key"), "a key").unwrap();
    read(&home.path().join("troth.toml"), text, &|name| {
        (name == "KEY").then(|| "Bearer x".to_owned())
    })
}

#[test]
fn defaults_are_the_safe_ones() {
    let config = check(GOOD).unwrap();
    let route = config.routes.first().unwrap();
    assert_eq!((route.mode, route.commit), (Mode::Enforce, Commit::Sealed));
    assert_eq!((route.stream, route.opaque), (StreamMode::Gate, OpaqueMode::Record));
    assert_eq!(route.upstream.base, "/base");
    assert_eq!(config.bundle, Place::Builtin);
    let classifiers = config.classifiers.unwrap();
    assert_eq!(classifiers.on_deadline, OnDeadline::Refuse);
    assert_eq!(classifiers.deadline, Duration::from_millis(250));
    assert!(config.logs.first().unwrap().directory.ends_with("troth-log"));
    assert!(config.logs.first().unwrap().directory.is_absolute(), "relative to the file");
    assert_eq!(config.limits.request_bytes, 8_388_608);
}

#[test]
fn all_faults_are_told_at_once() {
    let text = r#"
version = 2
colour = "red"
[listen]
address = "localhost"
[[route]]
name = "a b"
path = "v1"
upstream = "ftp://x"
dialect = "opanai"
mode = "loose"
commit = "witnessed"
log = "none"
credential = { header = "x y", env = "NOPE" }
[[route]]
name = "two"
path = "/two"
upstream = "http://u:p@h"
[classifiers]
providers = ["gpu"]
deadline_ms = 0
[[principal]]
id = "p"
tenant = "acme"
key_sha256 = "12"
[[approver]]
id = "a"
verifier_key = "a+b+c"
[limits]
hold_bytes = 0
approval_wait_ms = 0
"#;
    let faults = check(text).unwrap_err();
    let told = faults.messages().join("\n");
    for expected in [
        "`version` 2",
        "unknown key `colour`",
        "`listen.address` is not an address",
        "`a b` is not a name",
        "a route's path begins with `/`",
        "`ftp://x` is not an upstream",
        "unknown word `opanai`",
        "unknown word `loose`",
        "`witnessed` needs a log with witnesses",
        "no log is called `none`",
        "`x y` is not a header name",
        "environment variable `NOPE`",
        "a route needs a `log`",
        "`http://u:p@h` is not an upstream",
        "unknown provider `gpu`",
        "`classifiers.deadline_ms` must not be 0",
        "no tenant is called `acme`",
        "`key_sha256` is not 64",
        "`limits.hold_bytes` must not be 0",
        "`limits.approval_wait_ms` must not be 0",
        "approver `a` has nowhere to decide",
        "the key of approver `a` is not a verifier key",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    // Each with its line.
    assert!(faults.to_string().contains("\n5:11: `listen.address`"), "{faults}");
}

#[test]
fn a_credential_is_never_shown() {
    let text = GOOD.replace(
        "log = \"main\"",
        "log = \"main\"\ncredential = { header = \"authorization\", env = \"KEY\" }",
    );
    let config = check(&text).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("Sensitive") && !shown.contains("Bearer x"), "{shown}");
}

#[test]
fn an_approver_is_one_name_and_one_key_that_signs() {
    use troth_attest::Signer;
    let key = |seed| Signer::generate("example.com/oncall", [seed; 32]).unwrap();
    let one =
        |id: &str, key: &str| format!("[[approver]]\nid = \"{id}\"\nverifier_key = \"{key}\"\n");
    let with = |approvers: &str| format!("{GOOD}\n[admin]\nsocket = \"s\"\n{approvers}");
    let (first, second) = (key(1).verifier().to_string(), key(2).verifier().to_string());
    let good = check(&with(&(one("a", &first) + &one("b", &second)))).unwrap();
    let expected = Approver { id: "a".to_owned(), key: key(1).verifier() };
    assert_eq!((good.approvers.len(), good.approvers.first()), (2, Some(&expected)));
    for (approvers, fault) in [
        (one("a", &first) + &one("a", &second), "two approvers have the same `id`"),
        (one("a", &first) + &one("b", &first), "two approvers have the same `verifier_key`"),
        (one("a", &key(1).witness_verifier().to_string()), "is not a verifier key"),
    ] {
        let told = check(&with(&approvers)).unwrap_err().messages().join("\n");
        assert!(told.contains(fault), "{fault} is not in\n{told}");
    }
}
