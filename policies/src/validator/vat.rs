//! Numbers for value-added tax, by the two letters in front of them.

use super::{
    Entry, Test,
    europe::{es_dni, hr_oib, ie_pps, pt_nif},
    number::{all_digits, luhn, mod_11_10, small, uniform, value, weighted},
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[Entry { name: "eu_vat", test: Test::Text(eu_vat) }];

/// The number is of the form and has the check digits of its member state.
fn eu_vat(text: &[u8]) -> bool {
    let plain: Vec<u8> = text
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_uppercase)
        .collect();
    let Some((country, body)) = plain.split_at_checked(2) else { return false };
    let d = all_digits(body);
    let only_digits = d.len() == body.len();
    if uniform(&d) {
        return false;
    }
    match (country, body.len(), only_digits) {
        (b"AT", 9, false) => body.first() == Some(&b'U') && austria(&d),
        (b"BE", 10, true) => body.first().is_some_and(|b| matches!(b, b'0' | b'1')) && belgium(&d),
        (b"BG", 9, true) => bulgaria(&d),
        (b"CZ", 8, true) => czechia(&d),
        (b"DE", 9, true) => split(&d).is_some_and(|(body, check)| mod_11_10(body) == check),
        (b"DK", 8, true) => weighted(&d, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        (b"EE", 9, true) => weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10),
        (b"EL", 9, true) => greece(&d),
        (b"ES", 9, false) => es_dni(body) || spain(body),
        (b"FI", 8, true) => finland(&d),
        (b"FR", 11, true) => france(&d),
        (b"HR", 11, true) => hr_oib(body),
        (b"HU", 8, true) => weighted(&d, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10),
        (b"IE", 8 | 9, false) => ie_pps(body),
        (b"IT", 11, true) => luhn(&d),
        (b"LT", 9, true) => lithuania(&d),
        (b"LU", 8, true) => {
            value(d.get(..6).unwrap_or_default()) % 89
                == u64::from(small(d.get(6..).unwrap_or_default()))
        }
        (b"MT", 8, true) => weighted(&d, &[3, 4, 6, 7, 8, 9, 10, 1]).is_multiple_of(37),
        (b"NL", 12, false) => body.get(9) == Some(&b'B') && netherlands(body, &d),
        (b"PL", 10, true) => split(&d).is_some_and(|(body, check)| {
            weighted(body, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == check
        }),
        (b"PT", 9, true) => pt_nif(body),
        (b"RO", 2..=10, true) => romania(&d),
        (b"SE", 12, true) => d.ends_with(&[0, 1]) && d.get(..10).is_some_and(luhn),
        (b"SI", 8, true) => split(&d).is_some_and(|(body, check)| {
            let rest = 11 - weighted(body, &[8, 7, 6, 5, 4, 3, 2]) % 11;
            rest != 11 && rest % 10 == check
        }),
        (b"SK", 10, true) => value(&d).is_multiple_of(11),
        _ => false,
    }
}

/// All digits but the last, and the last.
fn split(digits: &[u32]) -> Option<(&[u32], u32)> {
    let (check, body) = digits.split_last()?;
    Some((body, *check))
}

fn austria(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        let sum = body.iter().enumerate().fold(0u32, |sum, (place, digit)| {
            let doubled = digit * 2;
            sum + if place % 2 == 0 { *digit } else { doubled / 10 + doubled % 10 }
        });
        (100 - sum - 4) % 10 == check
    })
}

fn belgium(digits: &[u32]) -> bool {
    let body = value(digits.get(..8).unwrap_or_default());
    97 - body % 97 == u64::from(small(digits.get(8..).unwrap_or_default()))
}

fn bulgaria(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        let first = weighted(body, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let second = weighted(body, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11;
        (if first == 10 { second % 10 } else { first }) == check
    })
}

fn czechia(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        let rest = weighted(body, &[8, 7, 6, 5, 4, 3, 2]) % 11;
        body.first() != Some(&9)
            && match rest {
                0 => 1,
                1 => 0,
                rest => 11 - rest,
            } == check
    })
}

fn greece(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        weighted(body, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == check
    })
}

/// The tax number of a Spanish company: a letter, seven digits, and a check
/// that is a digit or a letter.
fn spain(body: &[u8]) -> bool {
    let (Some(first), Some(last)) = (body.first(), body.last()) else { return false };
    let d = all_digits(body.get(1..8).unwrap_or_default());
    if d.len() != 7 || !b"ABCDEFGHJNPQRSUVW".contains(first) {
        return false;
    }
    let sum = d.iter().enumerate().fold(0u32, |sum, (place, digit)| {
        let doubled = digit * 2;
        sum + if place % 2 == 1 { *digit } else { doubled / 10 + doubled % 10 }
    });
    let check = (10 - sum % 10) % 10;
    let letter = usize::try_from(check).ok().and_then(|at| b"JABCDEFGHI".get(at));
    char::from(*last).to_digit(10) == Some(check) || letter == Some(last)
}

fn finland(digits: &[u32]) -> bool {
    weighted(digits, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11)
}

fn france(digits: &[u32]) -> bool {
    let Some((key, siren)) = digits.split_at_checked(2) else { return false };
    luhn(siren) && (12 + 3 * (value(siren) % 97)) % 97 == u64::from(small(key))
}

fn lithuania(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        let first = weighted(body, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let second = weighted(body, &[3, 4, 5, 6, 7, 8, 9, 1]) % 11;
        (if first == 10 { second % 10 } else { first }) == check
    })
}

/// A natural person's number is checked as a whole modulo 97 since 2020, a
/// legal one's by the elfproef.
fn netherlands(body: &[u8], digits: &[u32]) -> bool {
    let elf = digits.get(..9).is_some_and(|nine| {
        split(nine)
            .is_some_and(|(body, check)| weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == check)
    });
    let whole = b"NL".iter().chain(body).fold(0u64, |sum, byte| {
        let value = u64::from(char::from(*byte).to_digit(36).unwrap_or(0));
        (if value < 10 { sum * 10 } else { sum * 100 } + value) % 97
    });
    elf || whole == 1
}

fn romania(digits: &[u32]) -> bool {
    split(digits).is_some_and(|(body, check)| {
        let weights = [7, 5, 3, 2, 1, 7, 5, 3, 2];
        let skipped = weights.len().saturating_sub(body.len());
        let sum = weighted(body, weights.get(skipped..).unwrap_or_default());
        // Fewer than six digits are found by chance among order numbers.
        digits.len() >= 6 && sum * 10 % 11 % 10 == check
    })
}
