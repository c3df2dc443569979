//! What the checks of numbers share: reading them, summing them, and calendars.

/// The last `N` digits of a text, across the separators that people write.
/// `None` where there are fewer, or something else stands among them. What
/// stands before them (a name of the number, say) is not looked at.
pub(super) fn digits<const N: usize>(text: &[u8]) -> Option<[u32; N]> {
    let mut out = [0; N];
    let mut from_end = text.iter().rev().filter(|byte| !is_separator(**byte));
    for slot in out.iter_mut().rev() {
        *slot = char::from(*from_end.next()?).to_digit(10)?;
    }
    Some(out)
}

/// The last `N` ASCII letters and digits, in capitals, across separators.
pub(super) fn characters<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let mut from_end = text.iter().rev().filter(|byte| !is_separator(**byte));
    for slot in out.iter_mut().rev() {
        let byte = *from_end.next()?;
        if !byte.is_ascii_alphanumeric() {
            return None;
        }
        *slot = byte.to_ascii_uppercase();
    }
    Some(out)
}

/// All digits of a text, whatever stands between them.
pub(super) fn all_digits(text: &[u8]) -> Vec<u32> {
    text.iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect()
}

/// What stands between the parts of a number.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+')
}

/// The sum of digits times weights, as far as there are both.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .fold(0, |sum, (digit, weight)| sum.saturating_add(digit.saturating_mul(*weight)))
}

/// The number that digits write.
pub(super) fn value(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |all, digit| all.saturating_mul(10).saturating_add(u64::from(*digit)))
}

/// The small number that two or four digits write.
pub(super) fn small(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |all, digit| all.saturating_mul(10).saturating_add(*digit))
}

/// Whether all are the same: such a number passes many sums and is nobody's.
pub(super) fn uniform<T: PartialEq>(digits: &[T]) -> bool {
    digits.iter().all(|digit| digits.first() == Some(digit))
}

/// The Luhn sum (ISO/IEC 7812-1, Annex B), last digit the check.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0u32, |sum, (place, &digit)| {
        let doubled = match (place % 2, digit) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit.saturating_mul(2).saturating_sub(9),
            (_, digit) => digit.saturating_mul(2),
        };
        sum.saturating_add(doubled)
    });
    sum.is_multiple_of(10)
}

/// ISO/IEC 7064 MOD 11,10: the check digit of those before it.
pub(super) fn mod_11_10(digits: &[u32]) -> u32 {
    let product = digits.iter().fold(10, |product, digit| {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    (11 - product) % 10
}

/// Whether a day exists in the Gregorian calendar.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether a day exists in a year of which only two digits are known.
pub(super) fn is_short_date(year: u32, month: u32, day: u32) -> bool {
    is_date(1900u32.saturating_add(year), month, day)
        || is_date(2000u32.saturating_add(year), month, day)
}
