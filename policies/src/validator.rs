//! Checks on a match that a pattern cannot make.
//!
//! Each file beneath has a list of entries; a new one is a function, a line in
//! its file's list and a case in the tests. A check sees the bytes of the match
//! in the view in which it was found, must take time linear in them, and must
//! give the same answer for the same bytes always.

mod america;
mod asia;
mod carried;
mod china;
mod credential;
mod europe;
mod identity;
mod number;
mod payment;
mod token;
mod vat;
#[cfg(test)]
mod vectors;
mod wallet;

/// The lists, in the order in which diagnostics name them.
const LISTS: &[&[Entry]] = &[
    identity::ENTRIES,
    token::ENTRIES,
    credential::ENTRIES,
    payment::ENTRIES,
    china::ENTRIES,
    america::ENTRIES,
    europe::ENTRIES,
    vat::ENTRIES,
    wallet::ENTRIES,
    carried::ENTRIES,
    asia::ENTRIES,
];

/// A check by its name in `detectors/*.toml`.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    test: Test,
}

/// What is done with a match.
#[derive(Clone, Copy, Debug)]
enum Test {
    /// Its text passes or not.
    Text(fn(&[u8]) -> bool),
    /// Some measure of it is at least so many thousandths: `name:3.0`.
    AtLeast(fn(&[u8], u32) -> bool),
}

/// One check, as a detector asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validator {
    test: Test,
    least: u32,
}

impl Validator {
    /// The validator of that name; `entropy:3.5` carries bits per byte.
    pub(crate) fn parse(name: &str) -> Option<Validator> {
        let (name, least) = match name.split_once(':') {
            Some((name, least)) => (name, Some(thousandths(least)?)),
            None => (name, None),
        };
        let entry = LISTS.iter().copied().flatten().find(|entry| entry.name == name)?;
        match (entry.test, least) {
            (test @ Test::Text(_), None) => Some(Validator { test, least: 0 }),
            (test @ Test::AtLeast(_), Some(least)) => Some(Validator { test, least }),
            _ => None,
        }
    }

    /// Whether the matched text passes.
    pub(crate) fn accepts(self, text: &[u8]) -> bool {
        match self.test {
            Test::Text(test) => test(text),
            Test::AtLeast(test) => test(text, self.least),
        }
    }
}

/// The names, for diagnostics.
pub(crate) fn names() -> String {
    let mut all = String::new();
    for entry in LISTS.iter().copied().flatten() {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push('`');
        all.push_str(entry.name);
        if matches!(entry.test, Test::AtLeast(_)) {
            all.push_str(":3.0");
        }
        all.push('`');
    }
    all
}

/// `3.5` as 3500; below 8, which is all that a byte can carry.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.')?;
    let whole: u32 = whole.parse().ok().filter(|bits| *bits < 8)?;
    let tenths: u32 = part.parse().ok().filter(|_| part.len() == 1)?;
    Some(whole * 1000 + tenths * 100)
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
        for name in ["", "luhn2", "entropy", "entropy:9.0", "entropy:3", "entropy:3.25", "luhn:3.0"]
        {
            assert!(Validator::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn no_two_have_one_name() {
        let mut names: Vec<_> = LISTS.iter().copied().flatten().map(|entry| entry.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(names.iter().all(|name| super::names().contains(&format!("`{name}"))));
    }
}
