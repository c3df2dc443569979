//! The sources keep the house rules that no lint holds.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use troth_tests::workspace;

/// A source file of the workspace.
struct Source {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The lines that are not comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn member(&self) -> &str {
        self.path.components().next().unwrap().as_os_str().to_str().unwrap()
    }
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for member in MEMBERS {
        collect(&workspace().join(member), &mut sources);
    }
    assert!(sources.len() > 50, "the sources were found");
    sources
}

fn collect(directory: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.strip_prefix(workspace()).unwrap().into(), text });
        }
    }
}

#[test]
fn no_file_is_over_the_limit() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert_eq!(long, [], "split by idea: 120 to 400 lines read well");
}

#[test]
fn modules_are_named_for_their_noun() {
    for source in sources() {
        assert_ne!(source.path.file_name().unwrap(), "mod.rs", "{}", source.path.display());
    }
}

#[test]
fn nothing_is_switched_off_or_left_for_later() {
    // Written in two halves, so that this file does not hold what it looks for.
    let banned = [
        concat!("#[", "allow("),
        concat!("#![", "allow("),
        concat!("#[", "ignore"),
        concat!("#[", "should_panic"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("unsafe", " {"),
    ];
    let mut found = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            found.extend(
                banned
                    .iter()
                    .filter(|call| line.contains(*call))
                    .map(|call| format!("{}:{number}: {call}", source.path.display())),
            );
        }
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX:")] {
            if source.text.contains(word) {
                found.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn each_owned_call_has_one_owner_in_a_crate() {
    let owned = [
        concat!("tokio::", "spawn("),
        concat!("task::", "spawn("),
        concat!("unbounded_", "channel("),
        concat!("Instant::", "now("),
        concat!("SystemTime::", "now("),
        concat!("env::", "set_var("),
        concat!("process::", "exit("),
    ];
    let mut owners: BTreeMap<(String, &str), Vec<PathBuf>> = BTreeMap::new();
    for source in sources() {
        // A bench measures time by itself.
        if source.path.components().any(|part| part.as_os_str() == "benches") {
            continue;
        }
        for call in owned {
            if source.code().any(|(_, line)| line.contains(call)) {
                assert!(
                    source.text.contains(concat!("expect(clippy::", "disallowed_methods")),
                    "{} calls `{call}` and does not own it",
                    source.path.display()
                );
                let key = (source.member().to_owned(), call);
                owners.entry(key).or_default().push(source.path.clone());
            }
        }
    }
    for ((member, call), files) in owners {
        assert_eq!(files.len(), 1, "`{call}` in {member} has more than one owner: {files:?}");
    }
}

#[test]
fn each_crate_is_introduced_by_its_readme() {
    for member in MEMBERS {
        let root = workspace().join(member);
        let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
        let last = readme.lines().rev().find(|line| line.starts_with("## "));
        assert_eq!(last, Some("## Invariants"), "{member}/README.md ends with what it does not do");
        let lib = if member == "tests" { "support/lib.rs" } else { "src/lib.rs" };
        let lib = std::fs::read_to_string(root.join(lib)).unwrap();
        assert!(lib.starts_with("#![doc = include_str!(\"../README.md\")]"), "{member}");
    }
}

const MEMBERS: [&str; 5] = ["attest", "classifiers", "policies", "proxy", "tests"];
const LINES: usize = 800;
