//! Checks of what addresses carry: whether a block or a label is encoded data
//! rather than words, a version or the name of a machine.

use super::{Entry, Test, number, token::entropy};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    // The value after the last `=` or `/` is encoded: letters of both cases and
    // digits in no order, or nothing but hexadecimal digits.
    Entry { name: "blob", test: Test::Text(blob) },
    // The long labels of a host name are encoded.
    Entry { name: "labels", test: Test::Text(labels) },
    // The digits at the end are a payment card.
    Entry { name: "url_card", test: Test::Text(url_card) },
];

fn blob(text: &[u8]) -> bool {
    let trimmed = text.trim_ascii();
    let value =
        trimmed.rsplit(|byte| matches!(byte, b'/' | b'?' | b'&')).next().unwrap_or_default();
    // Padding ends the value; the sign before it is what it begins after.
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let value = value.get(..value.len().saturating_sub(padding)).unwrap_or_default();
    let value = value.rsplit(|byte| *byte == b'=').next().unwrap_or_default();
    encoded(value)
}

/// Encoded data, by its letters: words keep to one case and to `-`, `_` or `+`.
fn encoded(value: &[u8]) -> bool {
    let count = |test: fn(&u8) -> bool| value.iter().filter(|byte| test(byte)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let (digits, others) = (count(u8::is_ascii_digit), count(|byte| !byte.is_ascii_alphanumeric()));
    let hexadecimal = value.iter().all(u8::is_ascii_hexdigit) && digits > 0 && upper + lower > 0;
    let mixed = upper * 8 >= value.len() && lower * 8 >= value.len() && digits > 0;
    let base32 = lower == 0 && others == 0 && upper > 0 && digits > 0 && entropy(value, 4000);
    hexadecimal || base32 || (mixed && others * 8 <= value.len() && entropy(value, 4200))
}

fn labels(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    if HASHED.iter().any(|ending| lower.ends_with(ending.as_bytes())) {
        return false;
    }
    let mut long = lower.split(|byte| *byte == b'.').filter(|label| label.len() >= 20).peekable();
    long.peek().is_some()
        && long.all(|label| {
            let digits = label.iter().filter(|byte| byte.is_ascii_digit()).count();
            digits >= 2 && digits < label.len() && entropy(label, 2500)
        })
}

fn url_card(text: &[u8]) -> bool {
    let card: Vec<u8> = text
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'+' | b'-'))
        .copied()
        .collect();
    let mut digits = number::all_digits(&card);
    digits.truncate(16);
    digits.reverse();
    digits.len() == 16 && number::luhn(&digits)
}

/// Endings of hosts that are named by a hash.
const HASHED: &[&str] = &[
    ".acm-validations.aws",
    ".awsglobalaccelerator.com",
    ".amazonaws.com",
    ".dweb.link",
    ".r2.cloudflarestorage.com",
    ".r2.dev",
    ".sslip.io",
];

#[cfg(test)]
mod tests {
    use crate::validator::Validator;

    #[test]
    fn tells_data_from_words() {
        for (name, text, good) in [
            ("blob", "https://a.example/?d=Q3VzdG9tZXIgbGlzdDogQWxpY2UgMTIzNCwgQm9iIDU2Nzg=", true),
            (
                "blob",
                "https://a.example/?d=416c6963652031323334206b65797320416c6963652031323334",
                true,
            ),
            (
                "blob",
                "https://a.example/?q=how+to+write+a+regular+expression+that+matches+dates",
                false,
            ),
            (
                "blob",
                "https://a.example/?q=The-Long-Road-From-Alpha-To-Beta-And-What-We-Learned",
                false,
            ),
            (
                "blob",
                "https://a.example/2024/the-long-road-from-alpha-to-beta-and-what-we-learned-on-the-way",
                false,
            ),
            ("labels", "416c69636520313233342061.2031323334206b657973209f.t.example.net", true),
            ("labels", "9f86d081884c7d659a2feaa0c55ad015.r2.dev", false),
            ("labels", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com", false),
            ("labels", "my-very-long-branch-name.preview.example.com", false),
            ("url_card", "https://a.example/p?n=4111111111111111", true),
            ("url_card", "https://a.example/p?n=4111111111111112", false),
            ("url_card", "https://a.example/p?n=4111+1111+1111+1111", true),
        ] {
            let validator = Validator::parse(name).unwrap();
            assert_eq!(validator.accepts(text.as_bytes()), good, "{name} {text}");
        }
    }
}
