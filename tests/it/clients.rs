//! Official clients, unmodified: what they assert is in `tests/python/`.

use std::collections::BTreeSet;

use troth_tests::{Model, Settings, Troth, python};

/// Runs one case of the `openai` SDK's script through a fresh proxy.
fn openai(case: &str) {
    let model = Model::start();
    let troth = Troth::start(&Settings::rules(), &model.address);
    let script = python().script("openai_sdk.py", &[case, &troth.address, &model.address]);
    let _ = script.exits(0);
    let (log, _home) = troth.into_log();
    let _ = log.verify().is_clean();
}

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            openai(stringify!($case));
        })+

        const CASES: &[&str] = &[$(stringify!($case)),+];
    };
}

cases! {
    a_benign_prompt_passes,
    a_block_is_not_retried,
    a_block_raises_bad_request,
    a_clean_answer_is_byte_exact,
    a_secret_in_an_answer_is_redacted,
    a_split_secret_never_appears,
    a_stream_arrives_delta_by_delta,
    errors_of_the_upstream_keep_their_type,
    every_choice_is_screened,
    models_are_listed,
    reasoning_is_screened,
    refusals_are_screened,
    tool_arguments_pass_and_are_screened,
    what_nobody_named_is_refused,
}

#[test]
fn every_case_of_the_script_is_run() {
    let listed = python().script("openai_sdk.py", &["--list"]).exits(0).out;
    let listed: BTreeSet<_> = listed.lines().collect();
    assert_eq!(listed, CASES.iter().copied().collect());
}
