#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    troth_policies::fuzzing::bundle(bytes);
});
