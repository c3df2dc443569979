//! Numbers that European states give to persons.

use super::{
    Entry, Test,
    number::{
        all_digits, characters, digits, is_date, is_short_date, luhn, mod_11_10, small, uniform,
        value, weighted,
    },
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "uk_nino", test: Test::Text(uk_nino) },
    Entry { name: "uk_nhs", test: Test::Text(uk_nhs) },
    Entry { name: "de_steuer_id", test: Test::Text(de_steuer_id) },
    Entry { name: "fr_nir", test: Test::Text(fr_nir) },
    Entry { name: "it_codice_fiscale", test: Test::Text(it_codice_fiscale) },
    Entry { name: "es_dni", test: Test::Text(es_dni) },
    Entry { name: "pt_nif", test: Test::Text(pt_nif) },
    Entry { name: "nl_bsn", test: Test::Text(nl_bsn) },
    Entry { name: "be_rrn", test: Test::Text(be_rrn) },
    Entry { name: "se_personnummer", test: Test::Text(se_personnummer) },
    Entry { name: "fi_hetu", test: Test::Text(fi_hetu) },
    Entry { name: "dk_cpr", test: Test::Text(dk_cpr) },
    Entry { name: "no_fnr", test: Test::Text(no_fnr) },
    Entry { name: "pl_pesel", test: Test::Text(pl_pesel) },
    Entry { name: "cz_rc", test: Test::Text(cz_rc) },
    Entry { name: "ie_pps", test: Test::Text(ie_pps) },
    Entry { name: "at_svnr", test: Test::Text(at_svnr) },
    Entry { name: "ch_ahv", test: Test::Text(ch_ahv) },
    Entry { name: "gr_amka", test: Test::Text(gr_amka) },
    Entry { name: "ro_cnp", test: Test::Text(ro_cnp) },
    Entry { name: "bg_egn", test: Test::Text(bg_egn) },
    Entry { name: "hr_oib", test: Test::Text(hr_oib) },
    Entry { name: "ee_lt_code", test: Test::Text(ee_lt_code) },
    Entry { name: "emso", test: Test::Text(emso) },
    Entry { name: "ru_snils", test: Test::Text(ru_snils) },
    Entry { name: "tr_tckn", test: Test::Text(tr_tckn) },
];

/// United Kingdom, national insurance: no check digit, but prefixes that are
/// never given out.
fn uk_nino(text: &[u8]) -> bool {
    let Some([a, b, digits @ .., suffix]) = characters::<9>(text) else { return false };
    !b"DFIQUV".contains(&a)
        && a.is_ascii_uppercase()
        && !b"DFIOQUV".contains(&b)
        && b.is_ascii_uppercase()
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[a, b])
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(&suffix)
}

/// United Kingdom, National Health Service: modulus 11.
pub(super) fn uk_nhs(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<10>(text) else { return false };
    let remainder = weighted(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    !uniform(&body) && (11 - remainder) % 11 == check
}

/// Germany, Steuer-ID: ISO 7064 MOD 11,10, and of its first ten digits one
/// stands there twice or three times and all others once at most.
fn de_steuer_id(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<11>(text) else { return false };
    let count = |digit: u32| body.iter().filter(|known| **known == digit).count();
    let repeated: Vec<usize> = (0..10).map(count).filter(|count| *count > 1).collect();
    body.first() != Some(&0) && matches!(repeated.as_slice(), [2 | 3]) && mod_11_10(&body) == check
}

/// France, numéro de sécurité sociale: 97 less the number modulo 97. Corsica's
/// departments 2A and 2B count as 19 and 18.
fn fr_nir(text: &[u8]) -> bool {
    let Some(all) = characters::<15>(text) else { return false };
    let corsica = match (all.get(5), all.get(6)) {
        (Some(b'2'), Some(b'A')) => Some(9),
        (Some(b'2'), Some(b'B')) => Some(8),
        _ => None,
    };
    let mut plain = [0u32; 15];
    for (place, (slot, byte)) in plain.iter_mut().zip(all).enumerate() {
        *slot = match (place, corsica, char::from(byte).to_digit(10)) {
            (5, Some(_), _) => 1,
            (6, Some(digit), _) => digit,
            (_, _, Some(digit)) => digit,
            _ => return false,
        };
    }
    let [sex, _, _, m1, m2, rest @ ..] = plain;
    let [.., k1, k2] = rest;
    let month = small(&[m1, m2]);
    let body = value(plain.get(..13).unwrap_or_default());
    matches!(sex, 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - body % 97 == u64::from(small(&[k1, k2]))
}

/// Italy, codice fiscale: letters and digits have two values by their place.
fn it_codice_fiscale(text: &[u8]) -> bool {
    let Some([body @ .., check]) = characters::<16>(text) else { return false };
    let sum = body.iter().enumerate().fold(0u32, |sum, (place, byte)| {
        let plain = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => byte.saturating_sub(b'A'),
        };
        let odd = ODD.get(usize::from(plain)).copied().unwrap_or(0);
        sum + u32::from(if place % 2 == 0 { odd } else { plain })
    });
    u32::from(check.wrapping_sub(b'A')) == sum % 26
}

/// Spain, DNI and, with X, Y or Z in front, NIE.
pub(super) fn es_dni(text: &[u8]) -> bool {
    let Some([first, rest @ .., letter]) = characters::<9>(text) else { return false };
    let first = match first {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        other => other,
    };
    let Some(number) = std::iter::once(first)
        .chain(rest)
        .map(|byte| char::from(byte).to_digit(10))
        .collect::<Option<Vec<u32>>>()
    else {
        return false;
    };
    let place = usize::try_from(value(&number) % 23).unwrap_or(usize::MAX);
    !uniform(&number) && b"TRWAGMYFPDXBNJZSQVHLCKE".get(place) == Some(&letter)
}

/// Portugal, NIF: modulus 11.
pub(super) fn pt_nif(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<9>(text) else { return false };
    let remainder = weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    body.first() != Some(&0) && !uniform(&body) && (11 - remainder) % 11 % 10 == check
}

/// The Netherlands, burgerservicenummer: the elfproef.
fn nl_bsn(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<9>(text) else { return false };
    let sum = weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]);
    !uniform(&body) && sum > 0 && sum % 11 == check
}

/// Belgium, rijksregisternummer: 97 less the number modulo 97, with a 2 in
/// front for those born from 2000 on.
fn be_rrn(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, rest @ ..] = all;
    let [.., k1, k2] = rest;
    let body = value(all.get(..9).unwrap_or_default());
    let check = u64::from(small(&[k1, k2]));
    // Numbers of residents without a birth certificate add 20 or 40 to the month.
    let (month, day) = (small(&[m1, m2]), small(&[d1, d2]));
    let date = is_short_date(small(&[y1, y2]), month % 20, day);
    date && month < 53 && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
}

/// Sweden, personnummer and samordningsnummer (day and 60): Luhn.
fn se_personnummer(text: &[u8]) -> bool {
    let Some(all) = digits::<10>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = all;
    let day = small(&[d1, d2]);
    let day = if day > 60 { day - 60 } else { day };
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), day) && luhn(&all)
}

/// Finland, henkilötunnus: the nine digits modulo 31 are a character.
fn fi_hetu(text: &[u8]) -> bool {
    let digits = all_digits(text.get(..text.len().saturating_sub(1)).unwrap_or_default());
    let Some(last) = text.last().map(u8::to_ascii_uppercase) else { return false };
    let Some([d1, d2, m1, m2, y1, y2, ..]) = digits.first_chunk::<9>().copied() else {
        return false;
    };
    let place = usize::try_from(value(&digits) % 31).unwrap_or(usize::MAX);
    digits.len() == 9
        && is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY".get(place) == Some(&last)
}

/// Denmark, CPR: a date. Its modulus 11 holds no longer for all since 2007.
fn dk_cpr(text: &[u8]) -> bool {
    let Some([d1, d2, m1, m2, y1, y2, ..]) = digits::<10>(text) else { return false };
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
}

/// Norway, fødselsnummer and D-number (day and 40): two check digits.
fn no_fnr(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [d1, d2, m1, m2, y1, y2, ..] = all;
    let day = small(&[d1, d2]);
    let day = if day > 40 { day - 40 } else { day };
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), day)
        && weighted(&all, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Poland, PESEL: weights 1, 3, 7, 9; the month carries the century.
fn pl_pesel(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = all;
    let month = small(&[m1, m2]);
    is_short_date(small(&[y1, y2]), month % 20, small(&[d1, d2]))
        && weighted(&all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Czechia and Slovakia, rodné číslo: a multiple of 11; women's months add
/// 50, and full days add 20.
fn cz_rc(text: &[u8]) -> bool {
    let Some(all) = digits::<10>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, _, _, _, check] = all;
    let month = small(&[m1, m2]) % 50;
    let month = if month > 20 { month - 20 } else { month };
    let body = value(all.get(..9).unwrap_or_default());
    is_short_date(small(&[y1, y2]), month, small(&[d1, d2])) && body % 11 % 10 == u64::from(check)
}

/// Ireland, PPS: modulus 23; a second letter counts nine times.
pub(super) fn ie_pps(text: &[u8]) -> bool {
    let end = text.iter().rposition(u8::is_ascii_digit).map_or(0, |at| at + 1);
    let Some((numbers, letters)) = text.split_at_checked(end) else { return false };
    let Some(body) = digits::<7>(numbers) else { return false };
    let letter = |place: usize| {
        let byte = letters.get(place)?.to_ascii_uppercase();
        byte.is_ascii_uppercase().then(|| u32::from(byte - b'A') + 1)
    };
    let Some(check) = letter(0) else { return false };
    // `W` as the second letter was a spouse's, and counts nothing.
    let second = match letter(1) {
        None | Some(23) => 0,
        Some(value) => value,
    };
    (weighted(&body, &[8, 7, 6, 5, 4, 3, 2]) + second * 9) % 23 == check % 23 && letters.len() <= 2
}

/// Austria, Sozialversicherungsnummer: the fourth digit is the check.
fn at_svnr(text: &[u8]) -> bool {
    let Some(all) = digits::<10>(text) else { return false };
    let [first, .., m1, m2, _, _] = all;
    let check = all.get(3).copied();
    let month = small(&[m1, m2]);
    // Months 13 to 15 are given where a day has no numbers left.
    first != 0
        && (1..=15).contains(&month)
        && Some(weighted(&all, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11) == check
}

/// Switzerland, AHV number: 756 and an EAN-13 check digit.
fn ch_ahv(text: &[u8]) -> bool {
    let Some(all) = digits::<13>(text) else { return false };
    all.starts_with(&[7, 5, 6])
        && weighted(&all, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Greece, AMKA: a date and Luhn.
fn gr_amka(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [d1, d2, m1, m2, y1, y2, ..] = all;
    is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2])) && luhn(&all)
}

/// Romania, CNP: modulus 11, ten is one.
fn ro_cnp(text: &[u8]) -> bool {
    let Some([sex, y1, y2, m1, m2, d1, d2, rest @ ..]) = digits::<13>(text) else {
        return false;
    };
    let [c1, c2, s1, s2, s3, check] = rest;
    let body = [sex, y1, y2, m1, m2, d1, d2, c1, c2, s1, s2, s3];
    let remainder = weighted(&body, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    sex != 0
        && is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
        && (if remainder == 10 { 1 } else { remainder }) == check
}

/// Bulgaria, EGN: modulus 11; months add 20 or 40 outside the twentieth century.
fn bg_egn(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<10>(text) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = body;
    is_short_date(small(&[y1, y2]), small(&[m1, m2]) % 20, small(&[d1, d2]))
        && weighted(&body, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == check
}

/// Croatia, OIB: ISO 7064 MOD 11,10.
pub(super) fn hr_oib(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<11>(text) else { return false };
    !uniform(&body) && mod_11_10(&body) == check
}

/// Estonia and Lithuania: modulus 11, with other weights where it gives ten.
fn ee_lt_code(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<11>(text) else { return false };
    let [sex, y1, y2, m1, m2, d1, d2, ..] = body;
    let first = weighted(&body, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(&body, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let expected = if first == 10 { second % 10 } else { first };
    (1..=8).contains(&sex)
        && is_short_date(small(&[y1, y2]), small(&[m1, m2]), small(&[d1, d2]))
        && expected == check
}

/// Slovenia and its neighbours, EMŠO: modulus 11.
fn emso(text: &[u8]) -> bool {
    let Some([body @ .., check]) = digits::<13>(text) else { return false };
    let [d1, d2, m1, m2, y1, y2, y3, ..] = body;
    let year = small(&[y1, y2, y3]);
    let year = if year < 800 { 2000 + year } else { 1000 + year };
    let remainder = weighted(&body, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    is_date(year, small(&[m1, m2]), small(&[d1, d2])) && (11 - remainder) % 11 == check
}

/// Russia, СНИЛС: a weighted sum modulo 101.
fn ru_snils(text: &[u8]) -> bool {
    let Some([body @ .., k1, k2]) = digits::<11>(text) else { return false };
    !uniform(&body) && weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == small(&[k1, k2])
}

/// Türkiye, T.C. kimlik no: two check digits.
fn tr_tckn(text: &[u8]) -> bool {
    let Some([body @ .., tenth, last]) = digits::<11>(text) else { return false };
    let odd = weighted(&body, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(&body, &[0, 1, 0, 1, 0, 1, 0, 1, 0]);
    let sum: u32 = body.iter().sum();
    body.first() != Some(&0) && (odd * 7 + 90 - even) % 10 == tenth && (sum + tenth) % 10 == last
}

/// What a codice fiscale's characters count at odd places, `0` and `A` first.
const ODD: [u8; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
