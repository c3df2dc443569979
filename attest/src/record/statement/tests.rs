use crate::testing::{NOW, signer, witness};

use super::*;

/// A change of a good statement, and what it is refused for.
type Change = (fn(&mut Statement), StatementFault);

const ORIGIN: &str = "example.com/guard-log";

fn signed() -> Statement {
    let text = "an answer went out\nthat should not have";
    Statement::signed(StatementKind::Incident, ORIGIN, vec![3, 17], text, NOW, &witness()).unwrap()
}

/// The message as its documentation spells it.
#[test]
fn what_is_signed() {
    let statement = signed();
    assert_eq!(
        statement.message(StatementKind::Incident, ORIGIN),
        format!(
            "troth/v1/statement\nincident\nexample.com/guard-log\n{}\n1795000000000000\n3,17\n\
             an answer went out\nthat should not have",
            witness().verifier()
        )
    );
    let bare = Statement { records: Vec::new(), ..statement };
    assert!(bare.message(StatementKind::Stop, ORIGIN).contains("\n1795000000000000\n\nan answer"));
}

#[test]
fn every_part_is_under_the_signature() {
    let good = signed();
    assert_eq!(good.check(StatementKind::Incident, ORIGIN), Ok(()));
    for kind in [StatementKind::Review, StatementKind::Stop] {
        assert_eq!(good.check(kind, ORIGIN), Err(StatementFault::Signature));
    }
    let other = "example.com/other";
    assert_eq!(good.check(StatementKind::Incident, other), Err(StatementFault::Signature));
    let changes: &[Change] = &[
        (|s| s.at += 1, StatementFault::Signature),
        (|s| s.key = signer().verifier().to_string(), StatementFault::Signature),
        (|s| s.key = witness().witness_verifier().to_string(), StatementFault::Key),
        (|s| s.key = "nobody".to_owned(), StatementFault::Key),
        (|s| s.records = vec![3, 18], StatementFault::Signature),
        (|s| s.records = vec![317], StatementFault::Signature),
        (|s| s.records = vec![17, 3], StatementFault::Records),
        (|s| s.records = vec![3, 3, 17], StatementFault::Records),
        (|s| s.statement.push('.'), StatementFault::Signature),
        (|s| s.statement.clear(), StatementFault::Text),
        (|s| s.signature.truncate(40), StatementFault::Signature),
        (|s| s.signature = String::new(), StatementFault::Signature),
    ];
    for (place, (change, fault)) in changes.iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(bad.check(StatementKind::Incident, ORIGIN), Err(*fault), "{place}");
    }
}

#[test]
fn bounds_hold_at_the_bound_and_one_past_it() {
    let sign = |records: Vec<u64>, text: &str| {
        Statement::signed(StatementKind::Review, ORIGIN, records, text, NOW, &witness()).map(drop)
    };
    let records = |count: usize| (0..).take(count).collect::<Vec<u64>>();
    assert_eq!(sign(records(MAX_RECORDS), "seen"), Ok(()));
    assert_eq!(sign(records(MAX_RECORDS + 1), "seen"), Err(StatementFault::Records));
    assert_eq!(sign(Vec::new(), &"x".repeat(MAX_STATEMENT_BYTES)), Ok(()));
    assert_eq!(sign(Vec::new(), &"x".repeat(MAX_STATEMENT_BYTES + 1)), Err(StatementFault::Text));
    assert_eq!(sign(Vec::new(), " \n"), Err(StatementFault::Text));
    assert_eq!(sign(Vec::new(), "a\u{1b}[2Jb"), Err(StatementFault::Text));
    let statement = signed();
    assert_eq!(statement.check_place(18, NOW, 0), Ok(()));
    assert_eq!(statement.check_place(17, NOW, 0), Err(StatementFault::Later));
    assert_eq!(statement.check_place(18, NOW + 9, 9), Ok(()));
    assert_eq!(statement.check_place(18, NOW + 10, 9), Err(StatementFault::Time));
    assert_eq!(statement.check_place(18, NOW - 10, 9), Err(StatementFault::Time));
}

/// The largest statement has room in a record, whatever must be escaped.
#[test]
fn the_largest_statement_fits() {
    let name = "n".repeat(256);
    let signer = Signer::generate(&name, [3; 32]).unwrap();
    let records = (crate::json::MAX_INTEGER - 63..=crate::json::MAX_INTEGER).collect();
    let text = "\"\n".repeat(MAX_STATEMENT_BYTES / 2);
    let at = crate::json::MAX_INTEGER;
    let statement =
        Statement::signed(StatementKind::Incident, ORIGIN, records, &text, at, &signer).unwrap();
    assert!(super::super::Encoded::new(StatementKind::Incident.record(statement)).is_ok());
}
