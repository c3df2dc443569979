//! Check digits of cards, people, accounts and companies.

use super::{Entry, Test};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    // ISO/IEC 7812: payment cards, IMEIs.
    Entry { name: "luhn", test: Test::Text(luhn) },
    // GB 11643: area, birth date and ISO 7064 MOD 11-2 of a resident ID card.
    Entry { name: "cn_id", test: Test::Text(cn_id) },
    // ISO 13616: MOD 97 of a bank account number.
    Entry { name: "iban", test: Test::Text(iban) },
    // GB 32100: the unified social credit code 统一社会信用代码.
    Entry { name: "uscc", test: Test::Text(uscc) },
];

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}

fn luhn(text: &[u8]) -> bool {
    let digits: Vec<u32> = text.iter().filter_map(|byte| digit(*byte)).collect();
    // Zeros, and one digit over and over, pass the sum and are nobody's card.
    if digits.len() < 12 || digits.iter().all(|d| Some(d) == digits.first()) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &d)| match (place % 2, d) {
            (0, d) => d,
            (_, d) if d > 4 => d * 2 - 9,
            (_, d) => d * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn cn_id(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X'))
        .collect();
    let (Some(body), [.., last]) = (text.get(..17), text.as_slice()) else { return false };
    let digits: Vec<u32> = body.iter().filter_map(|byte| digit(*byte)).collect();
    if text.len() != 18 || digits.len() != 17 {
        return false;
    }
    let number = |from: usize, to: usize| {
        digits.get(from..to).unwrap_or_default().iter().fold(0u32, |n, d| n * 10 + d)
    };
    let (province, year, month, day) =
        (number(0, 2), number(6, 10), number(10, 12), number(12, 14));
    if !(11..=91).contains(&province)
        || !(1880..=2099).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return false;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, weight)| d * weight).sum();
    let check = (12 - sum % 11) % 11;
    match last {
        b'x' | b'X' => check == 10,
        last => digit(*last) == Some(check),
    }
}

fn iban(text: &[u8]) -> bool {
    let plain: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let Some((head, body)) = plain.split_at_checked(4) else { return false };
    if !(11..=30).contains(&body.len()) {
        return false;
    }
    let remainder = body.iter().chain(head).try_fold(0u32, |sum, byte| {
        let value = char::from(*byte).to_digit(36)?;
        Some(if value < 10 { (sum * 10 + value) % 97 } else { (sum * 100 + value) % 97 })
    });
    remainder == Some(1)
}

fn uscc(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Vec<usize> = text
        .iter()
        .filter_map(|byte| {
            let byte = byte.to_ascii_uppercase();
            ALPHABET.iter().position(|known| *known == byte)
        })
        .collect();
    let (Some(body), [.., last]) = (values.get(..17), values.as_slice()) else { return false };
    if values.len() != 18 {
        return false;
    }
    let (sum, _) = body
        .iter()
        .fold((0usize, 1usize), |(sum, weight), value| (sum + value * weight, weight * 3 % 31));
    (31 - sum % 31) % 31 == *last
}
