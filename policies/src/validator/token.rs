//! What tells a token from a word: its entropy, its structure.

use super::{Entry, Test};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    // A JSON Web Token whose header is JSON with an `alg`.
    Entry { name: "jwt", test: Test::Text(jwt) },
    // At least so many bits per byte (Shannon, over the match).
    Entry { name: "entropy", test: Test::AtLeast(entropy) },
];

pub(super) fn entropy(text: &[u8], millibits: u32) -> bool {
    entropy_millibits(text) >= f64::from(millibits)
}

/// Shannon entropy in thousandths of a bit per byte.
fn entropy_millibits(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total: u32 = counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / f64::from(total);
            -share * share.log2()
        })
        .sum();
    bits * 1000.0
}

fn jwt(text: &[u8]) -> bool {
    let header = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(header.len());
    let (mut value, mut count) = (0u32, 0u32);
    for byte in header {
        let Some(digit) = crate::bitrun::Code::Base64.value(*byte) else { return false };
        value = ((value << 6) | u32::from(digit)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((value >> count) & 0xff).unwrap_or(0));
        }
    }
    serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}
