//! Checks of credentials: checksums that services put into their tokens, and
//! the marks of examples that are not credentials at all.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bech32::{Bech32, primitives::decode::CheckedHrpstring};

use super::{Entry, Test, number, token::entropy};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    // GitHub's and npm's CRC-32 in base 62.
    Entry { name: "github_crc", test: Test::Text(github_crc) },
    // Grafana's CRC-32 in hexadecimal.
    Entry { name: "grafana_crc", test: Test::Text(grafana_crc) },
    // A Discord token's first part is a number in base64.
    Entry { name: "discord_id", test: Test::Text(discord_id) },
    // The Bech32 checksum of an age identity.
    Entry { name: "age_key", test: Test::Text(age_key) },
    // Base64 of a name, a colon and a password.
    Entry { name: "basic_auth", test: Test::Text(basic_auth) },
    // A password in a URL or a connection string, and not the word for one.
    Entry { name: "url_password", test: Test::Text(url_password) },
    // Not an example: no `EXAMPLE`, no rows of one letter, not the alphabet.
    Entry { name: "genuine", test: Test::Text(genuine) },
    // Letters and digits in the value.
    Entry { name: "mixed", test: Test::Text(mixed) },
    // As `entropy`, of the value alone and not of the name before it.
    Entry { name: "value_entropy", test: Test::AtLeast(value_entropy) },
];

/// GitHub, and npm since it is GitHub's: the last six characters are the
/// CRC-32 of the thirty before them, in base 62, padded with zeros.
fn github_crc(text: &[u8]) -> bool {
    let Some(at) = text.iter().rposition(|byte| *byte == b'_') else { return false };
    let body = text.get(at.saturating_add(1)..).unwrap_or_default();
    let Some(split) = body.len().checked_sub(6) else { return false };
    let Some((random, check)) = body.split_at_checked(split) else { return false };
    let value = check.iter().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        Some(value * 62 + u64::from(digit))
    });
    value == Some(u64::from(crc32fast::hash(random)))
}

/// Grafana: after the last `_`, the CRC-32 of all before it as eight
/// hexadecimal digits, least significant byte first.
fn grafana_crc(text: &[u8]) -> bool {
    let Some(at) = text.iter().rposition(|byte| *byte == b'_') else { return false };
    let Some((body, check)) = text.split_at_checked(at) else { return false };
    let Some((_, check)) = check.split_first() else { return false };
    hex::encode(crc32fast::hash(body).to_le_bytes()).as_bytes() == check.to_ascii_lowercase()
}

/// Discord: the part before the first dot is the bot's numeric id in base64.
fn discord_id(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    base64(first)
        .is_some_and(|id| (17..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
}

/// age: Bech32 (BIP 173), whose last six characters are its checksum.
fn age_key(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| CheckedHrpstring::new::<Bech32>(text).is_ok())
}

/// HTTP Basic: base64 of a user's name, a colon and a password (RFC 7617).
fn basic_auth(text: &[u8]) -> bool {
    let start = text.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
    let Some(decoded) = base64(text.get(start..).unwrap_or_default()) else { return false };
    let Some(at) = decoded.iter().position(|byte| *byte == b':') else { return false };
    at > 0
        && at.saturating_add(2) < decoded.len()
        && decoded.iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// The password of `scheme://user:password@host` or `...;Password=password`: not
/// what stands there in manuals.
fn url_password(text: &[u8]) -> bool {
    let (text, sign) = match text.iter().rposition(|byte| *byte == b'@') {
        Some(at) => (text.get(..at).unwrap_or_default(), b':'),
        None => (text, b'='),
    };
    let from = text.iter().rposition(|byte| *byte == sign).map_or(0, |at| at.saturating_add(1));
    let password = text.get(from..).unwrap_or_default().to_ascii_lowercase();
    // A port and what follows it is not a password.
    let port = password.iter().all(u8::is_ascii_digit) && password.len() < 6;
    !port
        && !number::uniform(&password)
        && memchr::memmem::find(&password, b"passw").is_none()
        && !WORDS.iter().any(|word| word.as_bytes() == password)
}

/// Not an example: manuals write `EXAMPLE`, `your-token`, rows of one letter,
/// and the alphabet where a credential would stand.
fn genuine(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    if MARKS.iter().any(|mark| memchr::memmem::find(&lower, mark.as_bytes()).is_some()) {
        return false;
    }
    let mut same = (0u8, 0u32);
    let mut rising = (0u8, 0u32);
    for byte in lower.iter().copied() {
        same = if same.0 == byte { (byte, same.1 + 1) } else { (byte, 1) };
        let follows = rising.0.checked_add(1) == Some(byte) && byte.is_ascii_alphanumeric();
        rising = if follows { (byte, rising.1 + 1) } else { (byte, 1) };
        if (same.1 >= SAME && byte.is_ascii_alphanumeric()) || rising.1 >= RISING {
            return false;
        }
    }
    true
}

/// Both letters and digits in the value: neither prose nor a number.
fn mixed(text: &[u8]) -> bool {
    let value = value(text);
    value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && !number::uniform(value)
}

fn value_entropy(text: &[u8], millibits: u32) -> bool {
    entropy(value(text), millibits)
}

/// What stands after the name, the sign and the quotation mark of an assignment.
fn value(text: &[u8]) -> &[u8] {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`');
    let mut text = text;
    while let Some((last, rest)) = text.split_last() {
        if !ends(last) {
            break;
        }
        text = rest;
    }
    // A trailing `=` is base64's padding and not the sign.
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = text.get(..text.len().saturating_sub(padding)).unwrap_or_default();
    let from = body
        .iter()
        .rposition(|byte| ends(byte) || matches!(byte, b'=' | b':' | b',' | b'>' | 128..))
        .map_or(0, |at| at.saturating_add(1));
    body.get(from..).unwrap_or_default()
}

/// What base64 says, standard or URL-safe, with padding or without.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let plain: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    LENIENT.decode(plain).ok()
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// So many equal characters in a row are a row of `x`, not chance: in random
/// base 62 such a row is met once in ten million tokens.
const SAME: u32 = 6;
/// So many letters or digits in their order are the alphabet.
const RISING: u32 = 8;

/// What manuals write into an example.
const MARKS: &[&str] = &[
    "example",
    "placeholder",
    "your_",
    "your-",
    "yourtoken",
    "yourkey",
    "yoursecret",
    "changeme",
    "redacted",
    "dummy",
    "<",
    "...",
    "***",
    "insert_",
    "replace",
    "xxxxx",
];

/// What stands for a password in manuals.
const WORDS: &[&str] = &[
    "pass", "pwd", "secret", "postgres", "mysql", "guest", "root", "admin", "user", "username",
    "test", "token", "s3cr3t", "foobar", "hunter2",
];
