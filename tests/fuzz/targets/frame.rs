#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    troth_attest::fuzzing::frame(bytes);
});
