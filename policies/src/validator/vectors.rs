//! Numbers from the standards, and from another implementation of them.

use serde::Deserialize;

use super::Validator;

#[derive(Deserialize)]
struct Vectors {
    check: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    validator: String,
    good: Vec<String>,
    bad: Vec<String>,
}

fn vectors() -> Vectors {
    toml::from_str(include_str!("../../testdata/validators.toml")).unwrap()
}

#[test]
fn accepts_the_good_and_refuses_the_bad() {
    let mut wrong = Vec::new();
    for check in vectors().check {
        let validator = Validator::parse(&check.validator).unwrap();
        for (texts, expected) in [(&check.good, true), (&check.bad, false)] {
            for text in texts {
                if validator.accepts(text.as_bytes()) != expected {
                    wrong.push(format!("{} `{text}` is {}", check.validator, !expected));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A check digit that is worth its name finds every wrong last digit.
#[test]
fn every_other_check_digit_is_refused() {
    let mut passed = Vec::new();
    for check in vectors().check.iter().filter(|check| CHECKED.contains(&&*check.validator)) {
        let validator = Validator::parse(&check.validator).unwrap();
        for good in check.good.iter().filter(|text| text.ends_with(|c: char| c.is_ascii_digit())) {
            let (body, last) = good.split_at(good.len() - 1);
            for digit in ('0'..='9').filter(|digit| last != digit.to_string()) {
                let text = format!("{body}{digit}");
                if validator.accepts(text.as_bytes()) {
                    passed.push(format!("{} `{text}`", check.validator));
                }
            }
        }
    }
    assert_eq!(passed, Vec::<String>::new());
}

/// Nothing that a pattern might bring makes a check panic.
#[test]
fn survives_any_text() {
    for check in vectors().check {
        let validator = Validator::parse(&check.validator).unwrap();
        for text in check.good.iter().chain(&check.bad) {
            for end in 0..=text.len() {
                let _ = validator.accepts(&text.as_bytes()[..end]);
                let _ = validator.accepts(&text.as_bytes()[end..]);
            }
        }
        for byte in 0..=255u8 {
            let _ = validator.accepts(&[byte; 1]);
            let _ = validator.accepts(&[byte; 40]);
        }
    }
}

/// Whose last digit is one check digit over all the others.
const CHECKED: &[&str] = &[
    "cn_resident",
    "us_aba",
    "us_npi",
    "ca_sin",
    "br_cpf",
    "br_cnpj",
    "mx_curp",
    "ar_cuit",
    "uk_nhs",
    "de_steuer_id",
    "fr_nir",
    "pt_nif",
    "nl_bsn",
    "be_rrn",
    "se_personnummer",
    "no_fnr",
    "pl_pesel",
    "cz_rc",
    "ch_ahv",
    "gr_amka",
    "ro_cnp",
    "bg_egn",
    "hr_oib",
    "ee_lt_code",
    "emso",
    "ru_snils",
    "tr_tckn",
    "au_tfn",
    "au_abn",
    "nz_ird",
    "in_aadhaar",
    "jp_my_number",
    "th_id",
    "za_id",
    "il_id",
    "ae_id",
    "sa_id",
    "tw_id",
    "payment_card",
    "iban_registry",
    "us_dea",
];
