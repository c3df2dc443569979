//! Where fuzzing starts: the published vectors, a small real log, and the
//! attacks that somebody thought of.

use crate::commit::Commitment;
use crate::hash::Hash;
use crate::record::{
    Anchor, ApprovalDecision, Boot, Close, CommitmentDocument, Config, Encoded, Erasure, Heartbeat,
    Intent, KeyChange, Outcome, Record, RecordVerdict, RouteCounters, Statement, TestRun, ToolCall,
};
use crate::testing;
use crate::wal::{Reader, SegmentName};
use crate::witness::AddCheckpoint;
use crate::{Log, Signer};

use super::{LOG, POLICY, WITNESS, WITNESSED, receipts};

/// The seeds of a target.
pub(super) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "checkpoint" => texts(checkpoints()),
        "frame" => frames(),
        "note" => texts(notes()),
        "policy" => texts(policies()),
        "proof" => proofs(),
        "receipt" => issued(),
        "record" => records(),
        "tile" => tiles(),
        _ => witness(),
    }
}

fn texts(texts: Vec<String>) -> Vec<Vec<u8>> {
    texts.into_iter().map(String::into_bytes).collect()
}

/// The published checkpoint of seven entries.
const TEXT: &str = "example.com/guard-log\n7\nEvKAi8pMShoFMXCjvEsCuz6D/gv4VOQsdbNQL7mqlaI=\n";

fn checkpoints() -> Vec<String> {
    let empty = Hash::empty_root();
    vec![
        TEXT.to_owned(),
        format!("example.com/guard-log\n0\n{empty}\n"),
        format!("example.com/guard-log\n1\n{empty}\n"),
        TEXT.replace("\n7", "\n0"),
        "example.com/guard-log\n70000\nSetbsr+kDfnOsfkN53+XtlnD6O006VHSKx5qKVKBi8w=\n".to_owned(),
        format!("example.com/other\n4611686018427387903\n{empty}\n"),
        format!("example.com/other\n4611686018427387904\n{empty}\n"),
        format!("o\r\n10\n{empty}\n"),
        TEXT.replace("\n7", "\n07"),
        TEXT.replace("\n7", "\n+7"),
        TEXT.replace("aI=", "aJ="),
        format!("{TEXT}extension\n"),
        format!("\u{feff}{TEXT}"),
    ]
}

fn notes() -> Vec<String> {
    let (log, witness) = (LOG.signature_line(TEXT), WITNESS.cosignature_line(TEXT, 1_679_315_147));
    let later = WITNESS.cosignature_line(TEXT, 1_679_315_148);
    let stranger = Signer::generate(LOG.name(), [9; 32]).unwrap().signature_line(TEXT);
    let grease = |n: usize| "\u{2014} grease AAAAAAAA\n".repeat(n);
    let of = |lines: &str| format!("{TEXT}\n{lines}");
    let blank = "one\n\ntwo\n\n";
    vec![
        of(&log),
        of(&format!("{log}{witness}")),
        of(&format!("{grease}{log}{witness}{later}", grease = grease(2))),
        of(&format!("{log}{log}{stranger}")),
        of(&format!("{log}{}", grease(63))),
        of(&format!("{log}{}", grease(64))),
        of(&witness),
        of(&stranger),
        of(&log.replace("RDz", "RD0")),
        of(&log.replace('+', "-")),
        of(&log).replace('7', "8"),
        of(&log).replace('\n', "\r\n"),
        format!("{blank}\n{}", LOG.signature_line(blank)),
        TEXT.to_owned(),
    ]
}

fn policies() -> Vec<String> {
    let witness = |n: u8| Signer::generate("w", [n; 32]).unwrap().witness_verifier().to_string();
    let mut groups = format!("# two of three, and one\nlog {}\t https://l/\n", LOG.verifier());
    for n in 1..=4 {
        groups += &format!("witness w{n} {} https://w{n}/\n", witness(n));
    }
    groups += "group a 2 w1 w2 w3\ngroup b all a w4\n\nquorum b\n";
    vec![
        POLICY.to_string(),
        WITNESSED.to_string(),
        groups.replace("group a 2", "group a any"),
        groups.replace("group a 2", "group a 4"),
        groups.replace("w3\n", "w3 w3\n"),
        groups.replace("quorum b", "quorum c"),
        groups.replace('\n', "\r\n"),
        groups,
    ]
}

fn proofs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..2 {
        for (size, second) in [(0, 0), (1, 0), (7, 2), (8, 4), (64, 63), (70, 33), (33, 70)] {
            seeds.push(vec![kind, 0, size, 0, second]);
            for edit in 0..7 {
                seeds.push(vec![kind, 0, size, 0, second, 0, edit, 1, 1, 1]);
            }
            seeds.extend([1, 2, 3].map(|turned| vec![kind, 0, size, 0, second, turned, 0, 3]));
        }
    }
    for numbers in [[0, 0], [1, u64::MAX], [1 << 61, 1 << 62], [u64::MAX, u64::MAX]] {
        let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
        seeds.push([2].into_iter().chain(bytes).chain([7; 66]).collect());
    }
    seeds
}

fn tiles() -> Vec<Vec<u8>> {
    let mut seeds = texts(
        [
            "tile/0/000",
            "tile/0/x001/x234/067",
            "tile/0/273.p/112",
            "tile/1/001.p/17",
            "tile/7/000.p/1",
            "tile/entries/x001/000.p/255",
            "tile/0/x018/x014/x398/x509/x481/983",
            "tile/8/000",
            "tile/0/x000/001",
            "tile/0/001.p/256",
            "tile/0/01",
            "tile/data/000",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    seeds.push(b"\0\x03one\0\0\0\x05three".to_vec());
    seeds.push(b"\0\x03one\0\x09short".to_vec());
    seeds.push(vec![7; 64]);
    seeds
}

fn written(record: Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoded::new(record).unwrap().stamp(testing::NOW, &mut bytes);
    bytes
}

fn records() -> Vec<Vec<u8>> {
    let exchange = testing::exchange(1);
    let call = ToolCall { exchange: exchange.clone(), tool: "t".to_owned(), ..ToolCall::default() };
    let held = ToolCall {
        approval: Some(exchange.clone()),
        approved: Some(Commitment([6; 32])),
        verdict: RecordVerdict::Flag,
        ..call.clone()
    };
    let bare_intent = Intent { exchange: exchange.clone(), ..Intent::default() };
    let bare_outcome = Outcome { exchange: exchange.clone(), ..Outcome::default() };
    let statement =
        Statement { statement: "\"\\\n\u{1}\u{7f}文".to_owned(), ..Statement::default() };
    let counters = RouteCounters { accepted: 3, ..RouteCounters::default() };
    let heartbeat =
        Heartbeat { routes: [("r".to_owned(), counters)].into(), ..Heartbeat::default() };
    let kinds = [
        Record::Boot(Boot::default()),
        Record::Config(Config::default()),
        Record::Commitment(CommitmentDocument::default()),
        Record::Intent(testing::intent(&exchange, 1)),
        Record::Intent(bare_intent),
        Record::Outcome(Box::new(testing::outcome(&exchange, 5))),
        Record::Outcome(Box::new(bare_outcome)),
        Record::ToolCall(call),
        Record::ToolCall(held),
        Record::Approval(Box::new(testing::approval(&exchange, ApprovalDecision::Deny))),
        Record::Test(TestRun::default()),
        Record::Heartbeat(heartbeat),
        Record::Incident(statement.clone()),
        Record::Review(statement.clone()),
        Record::Stop(statement),
        Record::Anchor(Anchor::default()),
        Record::Key(KeyChange::default()),
        Record::Erasure(Erasure::default()),
        Record::Close(Close::default()),
    ];
    let mut seeds: Vec<_> = kinds.into_iter().map(written).collect();
    for text in [
        r#"{"kind":"hologram","time":42,"v":1}"#,
        r#"{"a":[1,{"b":true}],"kind":"intent","time":42,"v":2}"#,
        r#"{"kind":"close","intents":1,"outcomes":1,"time":42,"v":1}"#,
        r#"{"intents":1,"kind":"close","outcomes":1,"time":9007199254740992,"v":1}"#,
        r#"{"intents":1,"kind":"close","outcomes":1,"time":1,"time":1,"v":1}"#,
        r#"{"intents":1.0,"kind":"close","outcomes":null,"time":1,"v":1}"#,
        r#"{"intents":1,"kind":"close","outcomes":1,"time":1,"v":1,"x":{"n":[{}]}}"#,
    ] {
        seeds.push(text.as_bytes().to_vec());
    }
    // Spellings that only the fast reader could take for the canonical one.
    let outcome = written(Record::Outcome(Box::new(testing::outcome(&exchange, 5))));
    let outcome = String::from_utf8(outcome).unwrap();
    for (from, to) in [
        ("\"judge\":12", "\"judge\":012"),
        ("\"judge\":12", "\"judge\":9007199254740992"),
        ("\"judge\":12", "\"judge\":12,\"judge\":12"),
        ("\"judge\":12", "\"z\":12"),
        ("\"intent\":5", "\"intent\":05"),
        ("\"time\":1", "\"time\":01"),
        ("[\"injection\"]", "[]"),
        ("\"segments\":2", "\"segments\":2,\"skipped\":0"),
        ("\"upstream_status\":200", "\"upstream_status\":65536"),
        ("\"score_ppm\":993120", "\"score_ppm\":4294967296"),
        ("BwcHBwc\"", "BwcHBwd\""),
        ("\"enforced\"", "\"forced\""),
    ] {
        assert!(outcome.contains(from), "{from}");
        seeds.push(outcome.replacen(from, to, 1).into_bytes());
    }
    seeds
}

/// The segments of a real log of a few records, and their frames.
fn frames() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let clock = testing::StoppedClock::at(testing::NOW);
    let log = Log::open(testing::config(directory.path()), clock).unwrap();
    let config = testing::begin(&log);
    let _ = testing::complete(&log, &testing::exchange(1), config);
    log.close().unwrap();
    drop(log);
    let mut seeds = Vec::new();
    let with_mode = |mode: u8, bytes: &[u8]| [&[mode], bytes].concat();
    for file in std::fs::read_dir(directory.path().join("wal")).unwrap() {
        let file = file.unwrap();
        assert!(SegmentName::parse(file.file_name().to_str().unwrap()).is_some());
        let segment = std::fs::read(file.path()).unwrap();
        let mut source = segment.as_slice();
        let (_, mut reader) = Reader::open(&mut source).unwrap().unwrap();
        while let Some(frame) = reader.next(&mut source).unwrap() {
            seeds.extend([0, 1].map(|mode| with_mode(mode, frame.bytes())));
            // Its end, its numbers and its first entry's length, changed under good checksums.
            for place in [frame.bytes().len() - 1, 7, 15, 19, 23, 65] {
                let mut changed = with_mode(1, frame.bytes());
                *changed.get_mut(place + 1).unwrap() ^= 1;
                seeds.push(changed);
            }
        }
        seeds.push(with_mode(2, &segment));
        seeds.push(with_mode(2, segment.get(..segment.len() - 9).unwrap()));
    }
    // A header with two open intents, then two frames; then what happens to them.
    let mut script = vec![3; 49];
    script.extend([2, 2, 2, 1, 5, 9, 2, 200, 7, 1, 0, 3, 1]);
    seeds.push(script.clone());
    for edit in 0..4 {
        seeds.push([&script, [0, 190, edit, 1].as_slice()].concat());
        seeds.push([&script, [3, 0, edit, 1, 0, 99, 0].as_slice()].concat());
    }
    seeds
}

fn issued() -> Vec<Vec<u8>> {
    let both = ["request", "response.released"];
    let whole = receipts::issued(1, 7, Some(&both), true);
    let text = String::from_utf8(whole.clone()).unwrap();
    let mut seeds = vec![
        whole,
        receipts::issued(0, 1, Some(&[]), false),
        receipts::issued(0, 7, Some(&["request"]), false),
        receipts::issued(1, 2, None, true),
        receipts::issued(2, 5, Some(&[]), true),
        receipts::issued(3, 7, Some(&[]), false),
        receipts::issued(6, 7, None, false),
        receipts::issued(1, 7, Some(&["arguments/0"]), false),
    ];
    seeds.extend(texts(vec![
        text.replace("index 1", "index 2"),
        text.replace("index 1", "index 01"),
        text.replace('\n', "\r\n"),
        text.replace("extra ", "extra\t"),
        text.replace("\n\n", "\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"),
        format!("\u{feff}{text}"),
        format!("{text}\u{2014} grease AAAAAAAA\n"),
    ]));
    seeds
}

fn witness() -> Vec<Vec<u8>> {
    let note = format!("{TEXT}\n{}", LOG.signature_line(TEXT));
    let proof = |count: usize| vec![Hash::empty_root(); count];
    let ask = |old, proof: Vec<Hash>| AddCheckpoint { old, proof, note: note.clone().into() };
    let mut seeds: Vec<_> = [(0, 0), (3, 3), (70_000, 63), (7, 64), (4_611_686_018_427_387_903, 1)]
        .map(|(old, count)| ask(old, proof(count)).to_bytes())
        .into();
    let (line, later) = (WITNESS.cosignature_line(TEXT, 7), WITNESS.cosignature_line(TEXT, 8));
    let other = WITNESS.cosignature_line("other\n", 7);
    seeds.extend(texts(vec![
        line.clone(),
        format!("\u{2014} grease AAAAAAAA\n{line}{later}"),
        format!("{line}{other}"),
        line.replace('\n', "\r\n"),
        "old 01\n\nnote\n".to_owned(),
        "old 1\n\n\nnote".to_owned(),
    ]));
    seeds
}
