//! The arrows between crates are those of the architecture: the leaves know neither each other nor
//! HTTP, so that an auditor builds a verifier without hyper and ONNX Runtime.

use std::{collections::BTreeSet, process::Command, time::Duration};

use serde_json::Value;
use troth_tests::{run, workspace};

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace());
    run(&mut command, arguments, "", Duration::from_secs(60)).exits(0).out
}

/// The names of what `package` depends on directly, its tests' needs included.
fn direct(package: &str) -> BTreeSet<String> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--frozen"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|p| p["name"] == package).expect("a member of the workspace");
    let names = found["dependencies"].as_array().unwrap().iter();
    names.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

/// The names of all that is linked into `package` or runs in its build.
fn linked(package: &str) -> BTreeSet<String> {
    let edges = "normal,build";
    let tree =
        cargo(&["tree", "--frozen", "--package", package, "--edges", edges, "--prefix", "none"]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn ours(names: &BTreeSet<String>) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("troth-")).collect()
}

#[test]
fn leaves_know_none_of_ours() {
    for leaf in LEAVES {
        assert_eq!(ours(&direct(leaf)), [""; 0], "{leaf}");
    }
}

#[test]
fn the_proxy_alone_translates() {
    assert_eq!(ours(&direct("troth-proxy")), LEAVES);
}

#[test]
fn tests_know_all_and_nothing_knows_them() {
    let all = ["troth-attest", "troth-classifiers", "troth-policies", "troth-proxy"];
    assert_eq!(ours(&direct("troth-tests")), all);
    for package in all {
        assert!(!direct(package).contains("troth-tests"), "{package}");
    }
}

#[test]
fn each_leaf_links_only_what_its_work_needs() {
    let cases = [
        ("troth-attest", &["ort", "tokenizers", "cedar-policy", "regex-automata"][..]),
        ("troth-policies", &["ort", "tokenizers", "ed25519-dalek", "rustix", "rustls"][..]),
        ("troth-classifiers", &["cedar-policy", "ed25519-dalek", "rustls"][..]),
    ];
    for (leaf, foreign) in cases {
        let linked = linked(leaf);
        assert!(
            linked.contains(leaf) && linked.len() > 5,
            "`cargo tree` printed a tree: {linked:?}"
        );
        for name in HTTP.iter().chain(foreign) {
            assert!(!linked.contains(*name), "{leaf} links {name}");
        }
        // An auditor may be given a log's address: its client is a blocking one, over TLS.
        assert!(leaf == "troth-attest" || !linked.contains("rustls"), "{leaf} links rustls");
    }
}

const LEAVES: [&str; 3] = ["troth-attest", "troth-classifiers", "troth-policies"];

/// What no leaf may link: HTTP servers, and the runtime under them.
const HTTP: [&str; 7] = ["hyper", "hyper-util", "h2", "tower", "tokio", "reqwest", "axum"];
