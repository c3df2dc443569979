//! Payment cards, bank accounts, and addresses of machines and of mail.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Entry, Test,
    america::nanp,
    number::{all_digits, luhn, small, uniform},
};

/// What this file knows.
pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "payment_card", test: Test::Text(payment_card) },
    Entry { name: "iban_registry", test: Test::Text(iban_registry) },
    Entry { name: "public_ipv4", test: Test::Text(public_ipv4) },
    Entry { name: "public_ipv6", test: Test::Text(public_ipv6) },
    Entry { name: "e164", test: Test::Text(e164) },
    Entry { name: "phone_digits", test: Test::Text(phone_digits) },
    Entry { name: "mailbox", test: Test::Text(mailbox) },
];

/// ISO/IEC 7812: an issuer's range with a length that it issues, and Luhn.
fn payment_card(text: &[u8]) -> bool {
    let all = all_digits(text);
    let [a, b, c, d, ..] = all.as_slice() else { return false };
    let (two, four) = (small(&[*a, *b]), small(&[*a, *b, *c, *d]));
    let lengths: &[usize] = match (two, four) {
        (40..=49, _) => &[13, 16, 19],
        (51..=55, _) | (_, 2221..=2720) => &[16],
        (34 | 37, _) => &[15],
        (_, 3528..=3589) => &[16, 17, 18, 19],
        (36 | 38 | 39, _) | (_, 3000..=3059) => &[14, 16],
        (_, 6011) | (64 | 65, _) | (60 | 81 | 82, _) => &[16],
        (62, _) => &[16, 17, 18, 19],
        (_, 2200..=2204) => &[16, 17, 18, 19],
        (_, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => {
            &[12, 13, 14, 15, 16, 17, 18, 19]
        }
        (_, 2131 | 1800) => &[15],
        _ => return false,
    };
    lengths.contains(&all.len()) && luhn(&all)
}

/// ISO 13616: a country of the registry with its length, and MOD 97.
fn iban_registry(text: &[u8]) -> bool {
    let plain: Vec<u8> = text
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_uppercase)
        .collect();
    let Some((head, body)) = plain.split_at_checked(4) else { return false };
    let known = IBAN
        .iter()
        .any(|(country, length)| head.starts_with(country.as_bytes()) && plain.len() == *length);
    let remainder = body.iter().chain(head).try_fold(0u32, |sum, byte| {
        let value = char::from(*byte).to_digit(36)?;
        Some(if value < 10 { (sum * 10 + value) % 97 } else { (sum * 100 + value) % 97 })
    });
    known && !uniform(body) && remainder == Some(1)
}

/// An address that is somebody's: not private, local, reserved, or for manuals.
fn public_ipv4(text: &[u8]) -> bool {
    let start = text
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .map_or(0, |at| at + 1);
    let address = std::str::from_utf8(text.get(start..).unwrap_or_default()).ok();
    let Some(address) = address.and_then(|text| text.parse::<Ipv4Addr>().ok()) else {
        return false;
    };
    let [a, b, c, d] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || [a, b, c, d] == [1, 2, 3, 4]
        // Public resolvers, which are nobody's.
        || matches!((a, b, c, d), (8, 8, 8, 8) | (8, 8, 4, 4) | (1, 1, 1, 1) | (9, 9, 9, 9)
            | (1, 0, 0, 1) | (114, 114, 114, 114) | (223, 5, 5, 5) | (223, 6, 6, 6)))
}

/// A global unicast address that is not for manuals (RFC 3849, RFC 9637).
fn public_ipv6(text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    let Some([a, b, ..]) = address.map(|address| address.segments()) else { return false };
    (0x2000..0x4000).contains(&a) && (a, b) != (0x2001, 0x0db8) && a != 0x3fff
}

/// ITU-T E.164: a country's code that is assigned, at most fifteen digits, and
/// in North America an area and an exchange that exist.
fn e164(text: &[u8]) -> bool {
    let all = all_digits(text);
    let all = match all.as_slice() {
        [0, 0, rest @ ..] => rest,
        all => all,
    };
    let zone = match all {
        [1, ..] => return all.len() == 11 && nanp(text),
        [7, ..] => all.len() == 11,
        [2, 0 | 7, ..] | [3, 0..=4 | 6 | 9, ..] | [4, 0 | 1 | 3..=9, ..] | [5, 1..=8, ..] => true,
        [6, 0..=6, ..] | [8, 1 | 2 | 4 | 6, ..] | [9, 0..=5 | 8, ..] => true,
        [a, b, c, ..] => ZONES.iter().any(|(zone, last)| *zone == a * 10 + b && last.contains(c)),
        _ => false,
    };
    zone && (9..=15).contains(&all.len()) && !uniform(all.get(3..).unwrap_or_default())
}

/// As many digits as a telephone number has within its country.
fn phone_digits(text: &[u8]) -> bool {
    let all = all_digits(text);
    (8..=13).contains(&all.len())
        && !uniform(all.get(2..).unwrap_or_default())
        && !matches!(all.as_slice(), [.., 5, 5, 5, 0, 1, _, _])
}

/// A person's address of electronic mail: not one of the names that RFC 2606
/// keeps for manuals, nor of the mailboxes that RFC 2142 gives to machines.
fn mailbox(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some(at) = lower.iter().position(|byte| *byte == b'@') else { return false };
    let Some((local, host)) = lower.split_at_checked(at) else { return false };
    let host = host.get(1..).unwrap_or_default();
    let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
    let (Some(top), Some(second)) = (labels.last(), labels.iter().rev().nth(1)) else {
        return false;
    };
    !local.starts_with(b".")
        && !local.ends_with(b".")
        && !MACHINES.iter().any(|name| name.as_bytes() == local)
        && !FILES.iter().any(|name| name.as_bytes() == *top)
        && !MANUALS.iter().any(|name| name.as_bytes() == *second || name.as_bytes() == *top)
        && labels.iter().all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with(b"-")
                && !label.ends_with(b"-")
        })
}

/// Country codes of three digits: the first two, and the third.
const ZONES: &[(u32, &[u32])] = &[
    (21, &[1, 2, 3, 6, 8]),
    (22, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (23, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (24, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (25, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    (26, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (29, &[0, 1, 7, 8, 9]),
    (35, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (37, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    (38, &[0, 1, 2, 3, 5, 6, 7, 9]),
    (42, &[0, 1, 3]),
    (50, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (59, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (67, &[0, 2, 3, 4, 5, 6, 7, 8, 9]),
    (68, &[0, 1, 2, 3, 5, 6, 7, 8, 9]),
    (69, &[0, 1, 2]),
    (85, &[0, 2, 3, 5, 6]),
    (88, &[0, 6]),
    (96, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    (97, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (99, &[2, 3, 4, 5, 6, 8]),
];

/// Nobody reads there.
const MACHINES: &[&str] = &[
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "mailer-daemon",
    "postmaster",
    "hostmaster",
    "webmaster",
    "abuse",
    "root",
    "git",
    "nobody",
    "user",
    "username",
    "you",
    "your",
    "youremail",
    "your-email",
    "your.email",
    "email",
    "name",
    "someone",
    "test",
    "foo",
    "bar",
];

/// Ends of file names that look like top-level domains after an `@2x`.
const FILES: &[&str] =
    &["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "html", "local"];

/// Names that stand in manuals.
const MANUALS: &[&str] = &[
    "example",
    "test",
    "invalid",
    "localhost",
    "domain",
    "yourdomain",
    "company",
    "yourcompany",
    "contoso",
    "acme",
];

/// Country and length of the account numbers of the SWIFT registry.
const IBAN: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];
