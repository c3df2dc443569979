//! Numbers that American states give to persons, and their telephones.

use super::{
    Entry, Test,
    number::{characters, digits, luhn, small, uniform, value, weighted},
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "us_ssn", test: Test::Text(us_ssn) },
    Entry { name: "us_itin", test: Test::Text(us_itin) },
    Entry { name: "us_ein", test: Test::Text(us_ein) },
    Entry { name: "us_aba", test: Test::Text(us_aba) },
    Entry { name: "us_npi", test: Test::Text(us_npi) },
    Entry { name: "us_dea", test: Test::Text(us_dea) },
    Entry { name: "nanp", test: Test::Text(nanp) },
    Entry { name: "ca_sin", test: Test::Text(ca_sin) },
    Entry { name: "br_cpf", test: Test::Text(br_cpf) },
    Entry { name: "br_cnpj", test: Test::Text(br_cnpj) },
    Entry { name: "mx_curp", test: Test::Text(mx_curp) },
    Entry { name: "ar_cuit", test: Test::Text(ar_cuit) },
    Entry { name: "cl_rut", test: Test::Text(cl_rut) },
];

/// United States, social security: no check digit, but areas, groups and
/// serials that are never given out, and the numbers of advertisements.
fn us_ssn(text: &[u8]) -> bool {
    let Some(all) = digits::<9>(text) else { return false };
    let [a1, a2, a3, g1, g2, s1, s2, s3, s4] = all;
    let (area, group, serial) = (small(&[a1, a2, a3]), small(&[g1, g2]), small(&[s1, s2, s3, s4]));
    !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !uniform(&all)
        && !matches!(value(&all), 78_051_120 | 219_099_999 | 457_555_462 | 123_456_789)
}

/// United States, taxpayers without social security.
fn us_itin(text: &[u8]) -> bool {
    let Some([9, _, _, g1, g2, ..]) = digits::<9>(text) else { return false };
    matches!(small(&[g1, g2]), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// United States, employers: the prefixes that the Internal Revenue Service assigns.
fn us_ein(text: &[u8]) -> bool {
    let Some(all) = digits::<9>(text) else { return false };
    let [p1, p2, ..] = all;
    !uniform(&all)
        && value(&all) != 123_456_789
        && matches!(
            small(&[p1, p2]),
            1..=6 | 10..=16 | 20..=27 | 30..=48 | 50..=68 | 71..=77 | 80..=88 | 90..=95 | 98 | 99
        )
}

/// United States, routing number of a bank: weights 3, 7, 1, and the districts
/// of the Federal Reserve.
fn us_aba(text: &[u8]) -> bool {
    let Some(all) = digits::<9>(text) else { return false };
    let [p1, p2, ..] = all;
    matches!(small(&[p1, p2]), 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&all, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// United States, providers of health care: Luhn with the prefix 80840.
fn us_npi(text: &[u8]) -> bool {
    let Some(all) = digits::<10>(text) else { return false };
    let prefixed: Vec<u32> = [8, 0, 8, 4, 0].into_iter().chain(all).collect();
    matches!(all.first(), Some(1 | 2)) && luhn(&prefixed)
}

/// United States, prescribers of controlled substances.
fn us_dea(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<7>(text) else { return false };
    !uniform(&body) && weighted(&body, &[1, 2, 1, 2, 1, 2]) % 10 == check
}

/// North American telephone numbers: no area or exchange begins with 0 or 1 or
/// ends in 11, and 555-0100 to 555-0199 belong to films.
pub(super) fn nanp(text: &[u8]) -> bool {
    // The sign of an extension.
    let text = text.strip_suffix(b"x").unwrap_or(text);
    let Some(all) = digits::<10>(text) else { return false };
    let [a, a1, a2, e, e1, e2, l1, l2, ..] = all;
    a >= 2
        && e >= 2
        && (a1, a2) != (1, 1)
        && (e1, e2) != (1, 1)
        && (e, e1, e2, l1, l2) != (5, 5, 5, 0, 1)
        && !uniform(&all)
        && value(&all) != 2_345_678_901
}

/// Canada, social insurance: Luhn; 0 and 8 are not given to persons.
fn ca_sin(text: &[u8]) -> bool {
    let Some(all) = digits::<9>(text) else { return false };
    !matches!(all.first(), Some(0 | 8)) && !uniform(&all) && luhn(&all)
}

/// Brazil, CPF: two check digits modulo 11.
fn br_cpf(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [body @ .., k1, k2] = all;
    let check = |sum: u32| sum * 10 % 11 % 10;
    let first = check(weighted(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = check(weighted(&body, &[11, 10, 9, 8, 7, 6, 5, 4, 3]) + 2 * first);
    !uniform(&all) && (k1, k2) == (first, second)
}

/// Brazil, CNPJ, which may hold letters from July 2026 on: a character counts
/// what its ASCII code is above `0`.
fn br_cnpj(text: &[u8]) -> bool {
    let Some(all) = characters::<14>(text) else { return false };
    let values = all.map(|byte| u32::from(byte - b'0'));
    let [body @ .., k1, k2] = values;
    let check = |sum: u32| match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let first = check(weighted(&body, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = check(weighted(&body, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3]) + 2 * first);
    !uniform(&all) && (k1, k2) == (first, second)
}

/// Mexico, CURP: a weighted sum over an alphabet with `Ñ` after `N`.
fn mx_curp(text: &[u8]) -> bool {
    let Some([body @ .., check]) = characters::<18>(text) else { return false };
    let sum = body.iter().zip((2u32..=18).rev()).fold(0u32, |sum, (byte, weight)| {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'N' => byte - b'A' + 10,
            _ => byte.saturating_sub(b'A').saturating_add(11),
        };
        sum + u32::from(value) * weight
    });
    char::from(check).to_digit(10) == Some((10 - sum % 10) % 10)
}

/// Argentina, CUIT and CUIL: modulus 11.
fn ar_cuit(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<11>(text) else { return false };
    let rest = weighted(&body, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let [p1, p2, ..] = body;
    matches!(small(&[p1, p2]), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34)
        && (11 - rest) % 11 == check
}

/// Chile, RUT: modulus 11, `K` is ten.
fn cl_rut(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let Some(body) = digits::<8>(body).or_else(|| {
        let seven = digits::<7>(body)?;
        let mut eight = [0; 8];
        for (slot, digit) in eight.iter_mut().skip(1).zip(seven) {
            *slot = digit;
        }
        Some(eight)
    }) else {
        return false;
    };
    let rest = (11 - weighted(&body, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    !uniform(&body)
        && match last.to_ascii_uppercase() {
            b'K' => rest == 10,
            digit => char::from(digit).to_digit(10) == Some(rest),
        }
}
