//! An operator's keyword library: imported into a bundle, counted, found in traffic's texts.

use std::{fs, path::Path};

use serde_json::Value;
use troth_tests::{Finished, Troth};

/// A home with a bundle in it, as `troth init` writes it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("troth");
    let _ = Troth::command(&["init", target.to_str().unwrap()], "").exits(0);
    home
}

fn bundle(home: &tempfile::TempDir) -> String {
    home.path().join("troth/bundle").to_str().unwrap().to_owned()
}

fn write(home: &tempfile::TempDir, name: &str, text: &[u8]) -> String {
    let path = home.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(bundle: &str, rest: &[&str]) -> Finished {
    let arguments: Vec<&str> =
        ["lexicon", "import", "--into", bundle].into_iter().chain(rest.iter().copied()).collect();
    Troth::command(&arguments, "")
}

fn count(bundle: &str) -> (i32, Value) {
    let done = Troth::command(&["lexicon", "count", bundle, "--json"], "");
    (done.code.unwrap(), serde_json::from_str(&done.out).unwrap())
}

/// How many terms a class has.
fn of(counts: &Value, class: &str) -> u64 {
    let classes = counts["classes"].as_array().unwrap();
    classes.iter().find(|one| one["class"] == class).map_or(0, |one| one["count"].as_u64().unwrap())
}

/// Everything under a directory, to tell whether anything was written.
fn everything(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_library_is_imported_counted_and_found() {
    let home = home();
    let bundle = bundle(&home);
    // Line by line, with a byte order mark and Windows' line ends; as a table with a head.
    let lines =
        write(&home, "a.txt", "\u{feff}# ours\r\nForbidden Phrase\r\n违禁短语\r\n".as_bytes());
    let table = write(
        &home,
        "b.csv",
        "term,class,severity\n\"one, two\",A.2.e,high\n另一个词,\"A.1.c,A.1.b\"\nｆｏｒｂｉｄｄｅｎ  phrase,A.1.f\n"
            .as_bytes(),
    );
    let done = import(&bundle, &[&lines, &table, "--class", "A.1.g"]).exits(0);
    assert!(done.out.contains("4 terms read, 1 said again; 4 new, 4 in `keyword`"), "{}", done.out);
    let (code, counts) = count(&bundle);
    assert_eq!((code, &counts["total"], &counts["met"]), (1, &4.into(), &false.into()));
    let by_class = ["A.1.b", "A.1.c", "A.1.f", "A.1.g", "A.2.e"].map(|class| of(&counts, class));
    // The phrase that two files say has the class that one of them gives it.
    assert_eq!(by_class, [1, 1, 1, 1, 1]);

    let _ = Troth::command(&["policy", "check", &bundle], "").exits(0);
    let _ = Troth::command(&["policy", "test", &bundle], "").exits(0);
    let texts = "{\"id\":\"1\",\"text\":\"a for\\u200bbidden\\n phrase here\"}\n\
                 {\"id\":\"2\",\"text\":\"这里有违禁短语。\"}\n\
                 {\"id\":\"3\",\"text\":\"one, two\"}\n\
                 {\"id\":\"4\",\"text\":\"unforbidden phrases\"}\n";
    let scan = ["scan", "--no-models", "--bundle", &bundle];
    let out = Troth::command(&scan, texts).exits(0).out;
    let said: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&str> = said.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["flag", "flag", "flag", "allow"], "{out}");
    assert_eq!(said[2]["findings"][0]["detector"], "keyword-high");
    assert_eq!(said[0]["policies"][0], "keyword");
}

#[test]
fn importing_again_adds_and_replacing_begins_afresh() {
    let home = home();
    let bundle = bundle(&home);
    let one =
        write(&home, "one.tsv", "alpha beta\tA.1.a\thigh\ngamma delta\tA.1.a\tlow\n".as_bytes());
    let two = write(&home, "two.txt", "alpha beta\tA.1.b\nepsilon zeta\tA.1.b\n".as_bytes());
    let _ = import(&bundle, &[&one]).exits(0);
    let done = import(&bundle, &[&two]).exits(0);
    assert!(done.out.contains("2 terms read, 0 said again; 1 new, 3 in `keyword`"), "{}", done.out);
    let (_, counts) = count(&bundle);
    assert_eq!((of(&counts, "A.1.a"), of(&counts, "A.1.b")), (2, 2));
    // What stays of a term is the gravest severity that it ever had.
    let high = fs::read_to_string(format!("{bundle}/lexicons/keyword-high.txt")).unwrap();
    assert!(high.contains("alpha beta\tA.1.a,A.1.b\n"), "{high}");
    let _ = import(&bundle, &[&two, "--replace"]).exits(0);
    let (_, counts) = count(&bundle);
    assert_eq!((&counts["total"], of(&counts, "A.1.a")), (&2.into(), 0));
    assert!(!Path::new(&bundle).join("lexicons/keyword-high.txt").exists(), "a list of nothing");
    let _ = Troth::command(&["policy", "check", &bundle], "").exits(0);
}

/// A refusal names the file and the line, never the term, and writes nothing.
#[test]
fn what_is_refused_is_told_by_line_and_nothing_is_written() {
    let home = home();
    let bundle = bundle(&home);
    let before = everything(Path::new(&bundle));
    let long = "secretword".repeat(30);
    let bad = format!("fine\nsecret\u{7}word\n{long}\n\u{200b}\nsecretword\tA.9.z\n");
    let bad = write(&home, "bad.txt", bad.as_bytes());
    let done = import(&bundle, &[&bad]).exits(1);
    for (line, why) in [(2, "U+0007"), (3, "longer than"), (4, "no visible"), (5, "no class")] {
        let told = done.err.lines().find(|told| told.contains(&format!("bad.txt:{line}: ")));
        assert!(told.is_some_and(|told| told.contains(why)), "line {line} in:\n{}", done.err);
    }
    assert!(!done.err.contains("secret"), "a term was quoted:\n{}", done.err);
    let csv = write(&home, "bad.csv", b"good,A.1.a,grave\na,b,c,d\n");
    let done = import(&bundle, &[&csv]).exits(1);
    assert!(done.err.contains("bad.csv:1: no severity"), "{}", done.err);
    assert!(done.err.contains("bad.csv:2: 4 fields"), "{}", done.err);
    // GB 18030 for two characters.
    let encoded = write(&home, "gbk.txt", &[0xd6, 0xd0, 0xce, 0xc4, b'\n']);
    let done = import(&bundle, &[&encoded]).exits(1);
    assert!(done.err.contains("not UTF-8"), "{}", done.err);
    let good = write(&home, "good.txt", b"good term\n");
    let _ = import(&bundle, &[&good, "--class", "B.1"]).exits(64);
    // A file of that name that a person wrote is not overwritten.
    let theirs = Path::new(&bundle).join("detectors/secrets.toml");
    assert!(theirs.exists());
    let _ = import(&bundle, &[&good, "--name", "secrets"]).exits(64);
    assert_eq!(everything(Path::new(&bundle)), before);
    let nowhere = home.path().join("nowhere");
    let _ = import(nowhere.to_str().unwrap(), &[&good]).exits(64);
    assert!(!nowhere.exists());
}

/// The exit code says whether the library is as large as GB/T 45654 asks for.
#[test]
fn the_count_is_met_by_ten_thousand_terms_in_their_classes() {
    let home = home();
    let bundle = bundle(&home);
    let mut text = String::new();
    let mut add = |class: &str, count: usize| {
        (0..count).for_each(|number| text.push_str(&format!("{class}词条{number}号\t{class}\n")));
    };
    ('a'..='h').for_each(|letter| add(&format!("A.1.{letter}"), 200));
    ('a'..='i').for_each(|letter| add(&format!("A.2.{letter}"), 100));
    add("A.4.a", 7500);
    let file = write(&home, "library.txt", text.as_bytes());
    let _ = import(&bundle, &[&file]).exits(0);
    let (code, counts) = count(&bundle);
    assert_eq!((code, &counts["total"], &counts["met"]), (0, &10_000.into(), &true.into()));
    let table = Troth::command(&["lexicon", "count", &bundle], "").exits(0).out;
    assert!(table.contains("至少") && table.contains("Inciting secession"), "{table}");
    // One term fewer of one class.
    let fewer = text.replacen("A.2.i词条0号\tA.2.i\n", "A.4.a另外\tA.4.a\n", 1);
    let file = write(&home, "library.txt", fewer.as_bytes());
    let _ = import(&bundle, &[&file, "--replace"]).exits(0);
    let done = Troth::command(&["lexicon", "count", &bundle], "").exits(1);
    assert!(done.err.contains("A.2.i") && !done.err.contains("A.2.h"), "{}", done.err);
}

#[test]
fn the_starter_lexicon_is_counted_too() {
    let (code, counts) = count("builtin:lexicon");
    assert_eq!(code, 1, "a starter lexicon is no library for every class");
    assert!(counts["total"].as_u64().unwrap() > 5000);
    assert_eq!(of(&counts, "A.1.a"), 0);
}
