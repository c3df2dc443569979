//! Checks of wallets: addresses, keys and seed phrases with the checksums that
//! their standards give them.

use bech32::{Bech32, Bech32m, primitives::decode::CheckedHrpstring};
use bip39::{Language, Mnemonic};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::{Entry, Test};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    // Base58Check: Bitcoin, Litecoin, Dogecoin and TRON addresses, keys in WIF,
    // extended keys (BIP 32). The last four bytes are a double SHA-256's first.
    Entry { name: "base58check", test: Test::Text(base58check) },
    // Bech32 and Bech32m (BIP 173, BIP 350): segregated witness and others.
    Entry { name: "bech32", test: Test::Text(bech32) },
    // ERC-55: the case of an Ethereum address's letters is its checksum.
    Entry { name: "eip55", test: Test::Text(eip55) },
    // BIP 39: twelve to twenty-four English words, of which the last carries
    // a checksum.
    Entry { name: "bip39", test: Test::Text(bip39) },
];

fn base58check(text: &[u8]) -> bool {
    // An extended key, the longest of these, has 82 bytes in 112 characters.
    let mut bytes = [0u8; 96];
    let Ok(length) = bs58::decode(text).onto(&mut bytes) else { return false };
    let decoded = bytes.get(..length).unwrap_or_default();
    let Some(at) = length.checked_sub(4).filter(|at| *at > 0) else { return false };
    let Some((body, check)) = decoded.split_at_checked(at) else { return false };
    Sha256::digest(Sha256::digest(body)).starts_with(check)
}

fn bech32(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    CheckedHrpstring::new::<Bech32>(text).is_ok() || CheckedHrpstring::new::<Bech32m>(text).is_ok()
}

/// In one case an address carries no checksum and passes, unless hardly any
/// digit differs: `0x000...0` is nobody's.
fn eip55(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    if text.len() != 40 || !text.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let mut seen = [false; 16];
    for digit in text.iter().filter_map(|byte| char::from(*byte).to_digit(16)) {
        if let Some(flag) = usize::try_from(digit).ok().and_then(|digit| seen.get_mut(digit)) {
            *flag = true;
        }
    }
    if seen.iter().filter(|flag| **flag).count() < 6 {
        return false;
    }
    let mixed = text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase);
    if !mixed {
        return true;
    }
    let hash = Keccak256::digest(text.to_ascii_lowercase());
    text.iter()
        .zip(hash.iter().flat_map(|byte| [byte >> 4, byte & 15]))
        .all(|(byte, nibble)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble >= 8))
}

/// Words may be numbered, and parted by commas or lines.
fn bip39(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    (12..=24).contains(&words.len())
        && Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::validator::Validator;

    #[test]
    fn accepts_what_its_standard_accepts() {
        for (name, text, good) in [
            // The first block's address, and one with another last letter.
            ("base58check", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true),
            ("base58check", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", false),
            // BIP 13's example of a script hash, and TRON's of a token.
            ("base58check", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", true),
            ("base58check", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", true),
            ("base58check", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", false),
            ("base58check", "1111111111111111111114oLvT2", true),
            ("base58check", "1OIl", false),
            // BIP 173 and BIP 350.
            ("bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", true),
            ("bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", false),
            ("bech32", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true),
            // ERC-55.
            ("eip55", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", true),
            ("eip55", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", true),
            ("eip55", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", false),
            ("eip55", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", true),
            ("eip55", "0x0000000000000000000000000000000000000000", false),
            // BIP 39, in a list as well.
            (
                "bip39",
                "legal winner thank year wave sausage worth useful legal winner thank yellow",
                true,
            ),
            (
                "bip39",
                "legal winner thank year wave sausage worth useful legal winner thank yoga",
                false,
            ),
            (
                "bip39",
                "1. legal 2. winner 3. thank, year\nwave sausage worth useful legal winner thank yellow",
                true,
            ),
            (
                "bip39",
                "legal winner thank year wave sausage worth useful legal winner thank",
                false,
            ),
            ("bip39", "they went home early because rain fell over every garden this month", false),
        ] {
            let validator = Validator::parse(name).unwrap();
            assert_eq!(validator.accepts(text.as_bytes()), good, "{name} {text}");
        }
    }
}
