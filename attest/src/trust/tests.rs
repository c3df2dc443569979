use crate::keys::Signer;

use super::*;

fn key(n: u8) -> String {
    Signer::generate("example.com/log", [n; 32]).unwrap().verifier().to_string()
}

fn witness(n: u8) -> String {
    Signer::generate("example.com/w", [n; 32]).unwrap().witness_verifier().to_string()
}

fn two_levels() -> String {
    let mut text = format!("# a comment\n\nlog {}\t https://example.com/\n", key(1));
    for n in 1..=3 {
        text.push_str(&format!("witness X{n} {}\n", witness(10 + n)));
        text.push_str(&format!("  witness Y{n} {} https://w.example/\n", witness(20 + n)));
    }
    text + "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup both all X Y\nquorum both\n"
}

#[test]
fn quorums_of_groups_of_groups() {
    let policy = TrustPolicy::parse(&two_levels()).unwrap();
    // X1 Y1 X2 Y2 X3 Y3 are witnesses 0 to 5.
    for (cosigned, holds) in [
        (&[][..], false),
        (&[0, 2][..], false),
        (&[0, 2, 1][..], true),
        (&[0, 1, 3, 5][..], false),
        (&[4, 2, 5][..], true),
        (&[0, 1, 2, 3, 4, 5][..], true),
    ] {
        assert_eq!(policy.satisfied_by(cosigned), holds, "{cosigned:?}");
    }
    // What it displays as is the same policy.
    assert_eq!(TrustPolicy::parse(&policy.to_string()).unwrap(), policy);
    let plain = TrustPolicy::for_log(&key(1).parse().unwrap());
    assert_eq!(TrustPolicy::parse(&plain.to_string()).unwrap(), plain);
    assert!(plain.satisfied_by(&[]));
}

#[test]
fn malformed_policies_are_refused_with_their_line() {
    let (log, w) = (key(1), witness(2));
    for (text, line) in [
        (String::new(), 0),
        (format!("log {log}\n"), 0),
        ("quorum none\nquorum none\n".to_owned(), 2),
        ("quorum w\n".to_owned(), 1),
        (format!("log {log}\nlog {log}\nquorum none\n"), 2),
        (format!("log {w}\nquorum none\n"), 1),
        (format!("witness w {log}\nquorum w\n"), 1),
        (format!("witness none {w}\nquorum none\n"), 1),
        (format!("witness w {w}\nwitness v {w}\nquorum none\n"), 2),
        (format!("witness w {w}\ngroup g 2 w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g 0 w\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g any\nquorum g\n"), 2),
        (format!("witness w {w}\ngroup g any w\ngroup h any w g\nquorum h\n"), 3),
        ("group g any g\nquorum g\n".to_owned(), 1),
        ("grop\n".to_owned(), 1),
        ("quorum none\r\n".to_owned(), 1),
    ] {
        assert_eq!(TrustPolicy::parse(&text).unwrap_err().line, line, "{text}");
    }
}
