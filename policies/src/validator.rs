//! Checks on a match that a pattern cannot make.

/// One check, by its name in `detectors/*.toml`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Validator {
    /// ISO/IEC 7812: payment cards, IMEIs.
    Luhn,
    /// GB 11643: area, birth date and ISO 7064 MOD 11-2 of a resident ID card.
    CnId,
    /// ISO 13616: MOD 97 of a bank account number.
    Iban,
    /// GB 32100: the unified social credit code 统一社会信用代码.
    Uscc,
    /// At least so many thousandths of a bit per byte (Shannon, over the match).
    Entropy(u32),
    /// A JSON Web Token whose header is JSON with an `alg`.
    Jwt,
}

impl Validator {
    /// The validator of that name; `entropy:3.5` carries bits per byte.
    pub(crate) fn parse(name: &str) -> Option<Validator> {
        Some(match name {
            "luhn" => Validator::Luhn,
            "cn_id" => Validator::CnId,
            "iban" => Validator::Iban,
            "uscc" => Validator::Uscc,
            "jwt" => Validator::Jwt,
            _ => {
                let (whole, part) = name.strip_prefix("entropy:")?.split_once('.')?;
                let whole: u32 = whole.parse().ok().filter(|bits| *bits < 8)?;
                let tenths: u32 = part.parse().ok().filter(|_| part.len() == 1)?;
                Validator::Entropy(whole * 1000 + tenths * 100)
            }
        })
    }

    /// Whether the matched text passes.
    pub(crate) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Validator::Luhn => luhn(text),
            Validator::CnId => cn_id(text),
            Validator::Iban => iban(text),
            Validator::Uscc => uscc(text),
            Validator::Entropy(least) => entropy_millibits(text) >= f64::from(least),
            Validator::Jwt => jwt(text),
        }
    }
}

/// The names, for diagnostics.
pub(crate) const NAMES: &str =
    "`luhn`, `cn_id`, `iban`, `uscc`, `jwt`, or `entropy:` with bits per byte (`entropy:3.0`)";

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

/// Shannon entropy in thousandths of a bit per byte.
fn entropy_millibits(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total: u32 = counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / f64::from(total);
            -share * share.log2()
        })
        .sum();
    bits * 1000.0
}

fn jwt(text: &[u8]) -> bool {
    let header = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(header.len());
    let (mut value, mut count) = (0u32, 0u32);
    for byte in header {
        let Some(digit) = crate::bitrun::Code::Base64.value(*byte) else { return false };
        value = ((value << 6) | u32::from(digit)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((value >> count) & 0xff).unwrap_or(0));
        }
    }
    serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_its_standard_accepts() {
        for (name, text, good) in [
            ("luhn", "4111 1111 1111 1111", true),
            ("luhn", "4111 1111 1111 1112", false),
            ("luhn", "0000 0000 0000 0000", false),
            ("luhn", "378282246310005", true),
            ("cn_id", "11010519491231002X", true),
            ("cn_id", "110105194912310021", false),
            ("cn_id", "440524188001010014", true),
            ("cn_id", "440524188013010014", false),
            ("iban", "GB82 WEST 1234 5698 7654 32", true),
            ("iban", "GB82 WEST 1234 5698 7654 33", false),
            ("iban", "DE89370400440532013000", true),
            ("uscc", "91350100M000100Y43", true),
            ("uscc", "91350100M000100Y44", false),
            ("entropy:3.0", "aaaaaaaaaaaaaaaab", false),
            ("entropy:3.0", "a8F2k0Qz9XwLp3", true),
            ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", true),
            ("jwt", "eyJhIjoxfQ.eyJzdWIiOiIxIn0.c2ln", false),
        ] {
            let validator = Validator::parse(name).unwrap();
            assert_eq!(validator.accepts(text.as_bytes()), good, "{name} {text}");
        }
    }

    #[test]
    fn knows_no_other_names() {
        for name in ["", "luhn2", "entropy", "entropy:9.0", "entropy:3", "entropy:3.25"] {
            assert_eq!(Validator::parse(name), None, "{name}");
        }
    }
}
