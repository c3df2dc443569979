use std::path::{Path, PathBuf};

use super::*;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz")
}

fn replay<'a>(inputs: impl Iterator<Item = &'a [u8]>) {
    let (accepted, refused): (Vec<bool>, Vec<bool>) = inputs.map(sse).partition(|yes| *yes);
    let (accepted, refused) = (accepted.len(), refused.len());
    assert!(accepted > 2 && refused > 2, "{accepted} accepted, {refused} refused");
}

/// With `TROTH_FUZZ_SEEDS` the seeds are also written below that directory.
#[test]
fn seeds_hold() {
    let seeds = seeds();
    if let Some(directory) = std::env::var_os("TROTH_FUZZ_SEEDS") {
        let directory = Path::new(&directory).join("sse");
        std::fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
    replay(seeds.iter().map(Vec::as_slice));
}

#[test]
fn kept_inputs_hold() {
    let file = fuzz().join("corpus/sse");
    let corpus =
        std::fs::read(&file).unwrap_or_else(|fault| panic!("`{}`: {fault}", file.display()));
    // Each input is its length (u32 big-endian) and its bytes.
    let (mut rest, mut inputs) = (corpus.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().expect("a whole corpus");
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let (input, after) = after.split_at_checked(length).expect("a whole corpus");
        inputs.push(input);
        rest = after;
    }
    replay(inputs.into_iter());
}

#[test]
fn the_target_has_a_program() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"sse\""));
    let program = std::fs::read_to_string(fuzz().join("targets/sse.rs")).unwrap();
    assert!(program.contains("troth_proxy::fuzzing::sse(bytes)"));
}

fn seeds() -> Vec<Vec<u8>> {
    let chunk = |delta: &str| {
        format!("{{\"choices\": [{{\"index\": 0, \"delta\": {delta}, \"finish_reason\": null}}]}}")
    };
    let said = chunk("{\"role\": \"assistant\", \"content\": \"Good \\u4f60 \\\"morning\\\"\"}");
    let call = chunk(
        "{\"tool_calls\": [{\"index\": 0, \"id\": \"c1\", \"function\": \
         {\"name\": \"send\", \"arguments\": \"{\\\"to\\\": \\\"bob\\\"}\"}}]}",
    );
    let tokens = "{\"choices\": [{\"index\": 1, \"delta\": {}, \"logprobs\": {\"content\": [\
         {\"token\": \"a\", \"logprob\": -1, \"bytes\": [97], \"top_logprobs\": []}]}}]}";
    let streams = [
        format!("data: {said}\n\ndata: {call}\n\ndata: [DONE]\n\n"),
        format!("\u{feff}: keepalive\r\n\r\nevent: x\rid: 7\rdata: {said}\r\rdata:{tokens}"),
        format!(
            "data: {}\ndata: {}\n\n",
            "{\"choices\": [{\"index\": 0,", "\"delta\": {\"content\": \"x\"}}]}"
        ),
        format!(
            "data: {}\n\n",
            chunk("{\"reasoning\": {\"a\": [\"b\", {\"c\": \"d\"}]}, \"refusal\": \"no\"}")
        ),
        format!(
            "data: {}\n\n",
            chunk("{\"function_call\": {\"name\": \"f\", \"arguments\": \"{}\"}}")
        ),
        "data: a\n\ndata\n\ndata:\n\n".to_owned(),
        "data: {\"choices\": []}\n\n".to_owned(),
        "data: {\"choices\": [{\"index\": 0, \"index\": 1}]}\n\n".to_owned(),
        "Data: x\n\n".to_owned(),
        "\n\r\n\r\r\n\n".to_owned(),
        String::new(),
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for stream in &streams {
        for cuts in [[49; 4], [0, 3, 17, 1]] {
            seeds.push([&cuts, stream.as_bytes()].concat());
        }
    }
    seeds.push(b"\x01\x01\x01\x01data: \xff\n\n".to_vec());
    seeds
}
