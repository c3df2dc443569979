//! Every token is seen.

use proptest::prelude::*;

use super::*;

/// Ordinary text of `length` characters: English, Chinese, code.
fn prose(kind: usize, length: usize) -> String {
    let unit = [
        "The ferry leaves at nine, and whoever misses it waits for the next one. ",
        "渡船九点出发，错过的人只能等下一班，请提前到达码头。",
        "    for (size_t i = 0; i < count; ++i) { total += items[i].price * 1.2e3; }\n",
        // No white space anywhere: pieces are cut between characters.
        "aGVsbG8gd29ybGQ+PT0vYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=",
    ][kind % 4];
    unit.chars().cycle().take(length).collect()
}

#[test]
fn a_marker_is_seen_wherever_it_stands() {
    let classifiers = Model::new("marker").open(&one_worker()).unwrap();
    proptest!(ProptestConfig::with_cases(48), |(
        kind in 0_usize..4,
        length in 0_usize..20_000,
        place in 0.0_f64..=1.0,
    )| {
        let plain: Vec<char> = prose(kind, length).chars().collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a place in a text of at most 20000 characters")]
        let at = (place * plain.len() as f64) as usize;
        let (before, after) = plain.split_at(at);
        let marked: String = before.iter().chain([&MARKER]).chain(after).collect();
        let plain: String = plain.iter().collect();
        let scores = scored(&classifiers, &marked).unwrap();
        prop_assert_eq!(scores.label("marker"), Some(1_000_000));
        prop_assert_eq!(scores.unseen_bytes, 0);
        let scores = scored(&classifiers, &plain).unwrap();
        prop_assert_eq!(scores.label("marker"), Some(0));
    });
}

#[test]
fn a_tokenizer_that_truncates_and_pads_is_overruled() {
    let model = Model::new("marker");
    let file = model.path("tokenizer.json");
    let json = fs::read_to_string(&file).unwrap();
    let cutting = json.replacen(
        "\"truncation\":null,\"padding\":null",
        "\"truncation\":{\"direction\":\"Right\",\"max_length\":16,\"strategy\":\"LongestFirst\",\"stride\":0},\
         \"padding\":{\"strategy\":{\"Fixed\":16},\"direction\":\"Right\",\"pad_to_multiple_of\":null,\
         \"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"<pad>\"}",
        1,
    );
    assert_ne!(json, cutting);
    fs::write(file, cutting).unwrap();
    model.describe();
    let classifiers = model.open(&one_worker()).unwrap();
    let text = format!("{}{MARKER}", prose(0, 9_000));
    assert_eq!(scored(&classifiers, &text).unwrap().label("marker"), Some(1_000_000));
    assert_eq!(scored(&classifiers, "one").unwrap().tokens, 1);
}

#[test]
fn a_text_that_spells_special_tokens_is_text() {
    let classifiers = builtin();
    let plain = scored(&classifiers, "pad").unwrap();
    let spelt = scored(&classifiers, "<pad>").unwrap();
    assert!(spelt.tokens > plain.tokens);
    let model = Model::new("marker");
    let file = model.path("tokenizer.json");
    let special = "\"added_tokens\":[{\"id\":0,\"content\":\"<pad>\",\"single_word\":false,\"lstrip\":false,\
         \"rstrip\":false,\"normalized\":false,\"special\":true}]";
    let json = fs::read_to_string(&file).unwrap().replacen("\"added_tokens\":[]", special, 1);
    assert!(json.contains(special));
    fs::write(file, json).unwrap();
    model.describe();
    let classifiers = model.open(&one_worker()).unwrap();
    assert_eq!(scored(&classifiers, "<pad>").unwrap().tokens, spelt.tokens);
}

#[test]
fn what_is_past_the_last_window_is_counted() {
    let model = Model::new("marker");
    // Three windows of 32 every 24 tokens: 80 tokens, here one for each character.
    let classifiers = model.open(&Options { max_windows: 3, ..one_worker() }).unwrap();
    let at_the_bound: String = std::iter::repeat_n('山', 80).collect();
    let scores = scored(&classifiers, &at_the_bound).unwrap();
    assert_eq!((scores.tokens, scores.windows, scores.unseen_bytes), (80, 3, 0));
    let past = format!("{at_the_bound}水{MARKER}");
    let scores = scored(&classifiers, &past).unwrap();
    assert_eq!((scores.tokens, scores.windows), (80, 3));
    assert_eq!(scores.unseen_bytes, 3 + 4);
    assert_eq!(scores.label("marker"), Some(0));
    let far: String = std::iter::repeat_n('山', 20_000).collect();
    let scores = scored(&classifiers, &far).unwrap();
    assert_eq!(scores.unseen_bytes, (20_000 - 80) * 3);
}

#[test]
fn an_empty_text_has_no_windows() {
    let scores = scored(&builtin(), "").unwrap();
    assert_eq!((scores.tokens, scores.windows, scores.unseen_bytes), (0, 0, 0));
    assert!(scores.labels.iter().all(|(_, ppm)| *ppm == 0));
}

#[test]
fn any_text_has_scores() {
    let classifiers = builtin();
    proptest!(ProptestConfig::with_cases(300), |(text in any::<String>())| {
        let scores = scored(&classifiers, &text).unwrap();
        prop_assert_eq!(scores.labels.len(), 3);
        prop_assert_eq!(scores.unseen_bytes, 0);
        // A lone mark, such as U+0DD6, counts as alphabetic and is normalised away.
        if text.chars().any(|c| c.is_ascii_alphanumeric() || ('一'..='龥').contains(&c)) {
            prop_assert!(scores.tokens > 0);
        }
    });
    // What decomposes, combines, shrinks or grows when it is normalised.
    for text in [
        "\u{fdfa}",
        "e\u{301}\u{301}\u{301}",
        "\u{1f468}\u{200d}\u{1f469}\u{fe0f}",
        "\u{e0041}",
        "\u{0}\u{feff}",
        "ﷺ\u{300}ß",
    ] {
        let repeated = text.repeat(4_000);
        assert_scored(scored(&classifiers, text));
        assert_scored(scored(&classifiers, &repeated));
    }
}

fn assert_scored(scores: Result<Scores, ScoreError>) {
    assert!(scores.is_ok(), "{scores:?}");
}
