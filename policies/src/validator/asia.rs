//! Numbers that states of Asia, Africa and the Pacific give to persons.

use super::{
    Entry, Test,
    number::{
        all_digits, characters, digits, is_date, is_short_date, luhn, small, uniform, value,
        weighted,
    },
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "au_tfn", test: Test::Text(au_tfn) },
    Entry { name: "au_medicare", test: Test::Text(au_medicare) },
    Entry { name: "au_abn", test: Test::Text(au_abn) },
    Entry { name: "nz_ird", test: Test::Text(nz_ird) },
    Entry { name: "in_aadhaar", test: Test::Text(in_aadhaar) },
    Entry { name: "jp_my_number", test: Test::Text(jp_my_number) },
    Entry { name: "kr_rrn", test: Test::Text(kr_rrn) },
    Entry { name: "sg_nric", test: Test::Text(sg_nric) },
    Entry { name: "my_nric", test: Test::Text(my_nric) },
    Entry { name: "th_id", test: Test::Text(th_id) },
    Entry { name: "id_nik", test: Test::Text(id_nik) },
    Entry { name: "vn_cccd", test: Test::Text(vn_cccd) },
    Entry { name: "za_id", test: Test::Text(za_id) },
    Entry { name: "il_id", test: Test::Text(il_id) },
    Entry { name: "ae_id", test: Test::Text(ae_id) },
    Entry { name: "sa_id", test: Test::Text(sa_id) },
];

/// Australia, tax file number: modulus 11.
fn au_tfn(text: &[u8]) -> bool {
    let Some(all) = digits::<9>(text) else { return false };
    !uniform(&all) && weighted(&all, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// Australia, Medicare: the ninth digit is the check, then the number of the issue.
fn au_medicare(text: &[u8]) -> bool {
    let Some([body @ .., check, issue]) = digits::<10>(text) else { return false };
    matches!(body.first(), Some(2..=6))
        && issue != 0
        && weighted(&body, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == check
}

/// Australia, business number: a sole trader's names a person. Modulus 89.
fn au_abn(text: &[u8]) -> bool {
    let Some([first, rest @ ..]) = digits::<11>(text) else { return false };
    first != 0
        && ((first - 1) * 10 + weighted(&rest, &[1, 3, 5, 7, 9, 11, 13, 15, 17, 19]))
            .is_multiple_of(89)
}

/// New Zealand, Inland Revenue: modulus 11, with other weights where it gives ten.
fn nz_ird(text: &[u8]) -> bool {
    let nine = digits::<9>(text).or_else(|| {
        let eight = digits::<8>(text)?;
        let mut nine = [0; 9];
        for (slot, digit) in nine.iter_mut().skip(1).zip(eight) {
            *slot = digit;
        }
        Some(nine)
    });
    let Some(all) = nine else { return false };
    let [body @ .., check] = all;
    let first = (11 - weighted(&body, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    let second = (11 - weighted(&body, &[7, 4, 3, 2, 5, 2, 7, 6]) % 11) % 11;
    let expected = if first == 10 { second } else { first };
    (10_000_000..150_000_000).contains(&value(&all)) && expected == check
}

/// India, Aadhaar: Verhoeff; the first digit is neither 0 nor 1.
fn in_aadhaar(text: &[u8]) -> bool {
    let Some(all) = digits::<12>(text) else { return false };
    matches!(all.first(), Some(2..=9)) && !uniform(&all) && verhoeff(&all)
}

/// Japan, My Number マイナンバー: modulus 11.
fn jp_my_number(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<12>(text) else { return false };
    let rest = weighted(&body, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    !uniform(&body) && (if rest <= 1 { 0 } else { 11 - rest }) == check
}

/// Korea, resident registration 주민등록번호: a date. The check digit of those
/// given since October 2020 is random.
fn kr_rrn(text: &[u8]) -> bool {
    let Some([y1, y2, m1, m2, d1, d2, sex, ..]) = digits::<13>(text) else { return false };
    let century = match sex {
        1 | 2 | 5 | 6 => 1900,
        3 | 4 | 7 | 8 => 2000,
        _ => return false,
    };
    is_date(century + small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
}

/// Singapore, NRIC and FIN: a letter by the sum modulo 11.
fn sg_nric(text: &[u8]) -> bool {
    let Some([kind, rest @ .., letter]) = characters::<9>(text) else { return false };
    let d = all_digits(&rest);
    let sum = weighted(&d, &[2, 7, 6, 5, 4, 3, 2]);
    let (more, letters): (u32, &[u8]) = match kind {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"KLJNPQRTUWX"),
        _ => return false,
    };
    let place = (sum + more) % 11;
    let place = if kind == b'M' { 10 - place } else { place };
    let expected = usize::try_from(place).ok().and_then(|place| letters.get(place));
    d.len() == 7 && !uniform(&d) && expected == Some(&letter)
}

/// Malaysia, MyKad: a date and a place of birth that exists.
fn my_nric(text: &[u8]) -> bool {
    let Some([y1, y2, m1, m2, d1, d2, p1, p2, ..]) = digits::<12>(text) else { return false };
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
        && matches!(small(&[p1, p2]), 1..=16 | 21..=68 | 71..=72 | 74..=79 | 82..=93 | 98..=99)
}

/// Thailand, citizens: modulus 11.
fn th_id(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<13>(text) else { return false };
    let sum = weighted(&body, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(body.first(), Some(1..=8)) && (11 - sum % 11) % 10 == check
}

/// Indonesia, NIK: a province, and a date whose day adds 40 for women.
fn id_nik(text: &[u8]) -> bool {
    let Some([p1, p2, _, _, _, _, d1, d2, m1, m2, y1, y2, s1, s2, s3, s4]) = digits::<16>(text)
    else {
        return false;
    };
    let day = small(&[d1, d2]);
    let day = if day > 40 { day - 40 } else { day };
    matches!(small(&[p1, p2]), 11..=21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81..=82 | 91..=97)
        && is_short_date(small(&[y1, y2]), small(&[m1, m2]), day)
        && small(&[s1, s2, s3, s4]) != 0
}

/// Viet Nam, căn cước: a province and the digit of century and sex.
fn vn_cccd(text: &[u8]) -> bool {
    let Some(all) = digits::<12>(text) else { return false };
    let [p1, p2, p3, century, ..] = all;
    (1..=96).contains(&small(&[p1, p2, p3])) && century <= 3 && !uniform(&all)
}

/// South Africa: a date, the digit of citizenship, and Luhn.
fn za_id(text: &[u8]) -> bool {
    let Some(all) = digits::<13>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, _, _, _, _, citizen, former, _] = all;
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
        && citizen <= 2
        && matches!(former, 8 | 9)
        && luhn(&all)
}

/// Israel: Luhn over nine digits.
fn il_id(text: &[u8]) -> bool {
    digits::<9>(text).is_some_and(|all| !uniform(&all) && luhn(&all))
}

/// United Arab Emirates: 784, a year of birth, and Luhn.
fn ae_id(text: &[u8]) -> bool {
    let Some(all) = digits::<15>(text) else { return false };
    let [7, 8, 4, y1, y2, y3, y4, ..] = all else { return false };
    (1900..2100).contains(&small(&[y1, y2, y3, y4])) && luhn(&all)
}

/// Saudi Arabia: 1 for citizens and 2 for residents, and Luhn.
fn sa_id(text: &[u8]) -> bool {
    digits::<10>(text)
        .is_some_and(|all| matches!(all.first(), Some(1 | 2)) && !uniform(&all) && luhn(&all))
}

/// The check of Verhoeff over the dihedral group of ten elements.
fn verhoeff(digits: &[u32]) -> bool {
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let permuted = |digit: u32, times: usize| {
        (0..times % 8).fold(digit, |digit, _| {
            usize::try_from(digit).ok().and_then(|at| VERHOEFF.get(at)).copied().unwrap_or(digit)
        })
    };
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (place, digit)| product(sum, permuted(*digit, place)));
    sum == 0
}

/// The permutation that is applied once more at each place.
const VERHOEFF: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
