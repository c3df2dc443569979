//! Numbers of persons, companies and telephones in China.

use super::{
    Entry, Test,
    number::{all_digits, characters, digits, is_date, luhn, small, uniform, value, weighted},
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "cn_resident", test: Test::Text(cn_resident) },
    Entry { name: "cn_mobile", test: Test::Text(cn_mobile) },
    Entry { name: "cn_landline", test: Test::Text(cn_landline) },
    Entry { name: "cn_bank_card", test: Test::Text(cn_bank_card) },
    Entry { name: "cn_plate", test: Test::Text(cn_plate) },
    Entry { name: "hk_id", test: Test::Text(hk_id) },
    Entry { name: "tw_id", test: Test::Text(tw_id) },
];

/// GB 11643 with ISO 7064 MOD 11-2: a province, a day that exists, and the
/// check character. Also the residence permits of people from Hong Kong, Macao
/// and Taiwan (81 to 83) and the permanent residence card of foreigners since
/// 2023, which begins with 9 and the province.
fn cn_resident(text: &[u8]) -> bool {
    let Some([body @ .., check]) = characters::<18>(text) else { return false };
    let d = all_digits(&body);
    let Some([p1, p2, p3, _, _, _, y1, y2, y3, y4, m1, m2, d1, d2, ..]) =
        d.first_chunk::<17>().copied()
    else {
        return false;
    };
    let province = if p1 == 9 { small(&[p2, p3]) } else { small(&[p1, p2]) };
    let year = small(&[y1, y2, y3, y4]);
    let sum = weighted(&d, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let expected = usize::try_from(sum % 11).ok().and_then(|at| b"10X98765432".get(at));
    is_province(province)
        && (1880..2100).contains(&year)
        && is_date(year, small(&[m1, m2]), small(&[d1, d2]))
        && expected == Some(&check)
}

/// GB/T 2260: the first two digits of a place.
fn is_province(code: u32) -> bool {
    matches!(
        code,
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83
    )
}

/// A mobile telephone: a segment that is given to an operator, and not one of
/// the numbers that stand in examples.
fn cn_mobile(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [a, b, c, rest @ ..] = all;
    let segment = match (a, b) {
        (1, 3 | 5 | 8 | 9) => !matches!((b, c), (5, 4) | (9, 4)),
        (1, 4) => matches!(c, 4..=9),
        (1, 6) => matches!(c, 2 | 5 | 6 | 7),
        (1, 7) => c <= 8,
        _ => false,
    };
    segment
        && !uniform(&rest)
        && !matches!(
            value(&all),
            13_800_138_000
                | 13_812_345_678
                | 13_912_345_678
                | 13_512_345_678
                | 13_712_345_678
                | 18_812_345_678
                | 15_812_345_678
                | 13_712_345_679
                | 18_612_345_678
                | 13_612_345_678
                | 15_012_345_678
                | 18_012_345_678
                | 13_012_345_678
        )
}

/// A landline with its area: three digits for the largest cities, else four.
fn cn_landline(text: &[u8]) -> bool {
    let all = all_digits(text);
    let all: Vec<u32> = match all.as_slice() {
        // Abroad the zero of the area is left out, or not.
        [8, 6, 0, rest @ ..]
        | [0, 0, 8, 6, 0, rest @ ..]
        | [8, 6, rest @ ..]
        | [0, 0, 8, 6, rest @ ..] => std::iter::once(0).chain(rest.iter().copied()).collect(),
        all => all.to_vec(),
    };
    let (area, local) = match all.as_slice() {
        [0, a @ 1..=2, b, rest @ ..] if (*a, *b) != (2, 6) && (*a == 2 || *b == 0) => {
            (small(&[*a, *b]), rest)
        }
        [0, a @ 3..=9, b, c, rest @ ..] => (small(&[*a, *b, *c]), rest),
        _ => return false,
    };
    area > 0
        && matches!(local.len(), 7 | 8)
        && matches!(local.first(), Some(2..=8))
        && !uniform(local)
        && value(local) != 12_345_678
}

/// A bank card: an issuer's number of UnionPay, or of the Industrial and
/// Commercial Bank from before it (9558), and Luhn.
fn cn_bank_card(text: &[u8]) -> bool {
    let all = all_digits(text);
    let issuer = all.starts_with(&[6, 2]) || all.starts_with(&[9, 5, 5, 8]);
    let rest = all.get(6..).unwrap_or_default();
    (16..=19).contains(&all.len()) && issuer && !uniform(rest) && luhn(&all)
}

/// A plate: at least one of its last characters is a digit.
fn cn_plate(text: &[u8]) -> bool {
    let end: Vec<u8> = text.iter().rev().take(6).copied().collect();
    end.iter().any(u8::is_ascii_digit)
}

/// Hong Kong: one or two letters, six digits, and a check modulo 11.
fn hk_id(text: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'(' | b')');
    let from = text.iter().rposition(|byte| !part(byte)).map_or(0, |at| at.saturating_add(1));
    let values: Vec<u32> = text
        .get(from..)
        .unwrap_or_default()
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(36))
        .collect();
    let sum = match values.len() {
        // A single letter stands behind a space, which counts 36.
        8 => 36 * 9 + weighted(&values, &[8, 7, 6, 5, 4, 3, 2, 1]),
        9 => weighted(&values, &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        _ => return false,
    };
    let numbers = values.get(values.len().saturating_sub(7)..).unwrap_or_default();
    !uniform(numbers.get(..6).unwrap_or_default()) && sum.is_multiple_of(11)
}

/// Taiwan: a letter that is a place, the sex (or 8 and 9 for residents), and a
/// weighted sum.
fn tw_id(text: &[u8]) -> bool {
    let Some([letter, rest @ ..]) = characters::<10>(text) else { return false };
    let d = all_digits(&rest);
    let Some(place) = PLACES.iter().position(|known| *known == letter) else { return false };
    let place = u32::try_from(place).unwrap_or(0) + 10;
    let sum = place / 10 + place % 10 * 9 + weighted(&d, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    d.len() == 9
        && matches!(d.first(), Some(1 | 2 | 8 | 9))
        && !uniform(d.get(1..).unwrap_or_default())
        && value(&d) != 123_456_789
        && sum.is_multiple_of(10)
}

/// Taiwan's places in the order of their numbers, which begin at ten.
const PLACES: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
