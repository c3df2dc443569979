use crate::testing::{NOW, approval, exchange, signer, witness};

use super::*;

/// A change of a good approval, and what it is refused for.
type Change = (fn(&mut Approval), ApprovalFault);

const ORIGIN: &str = "example.com/guard-log";

fn allowed() -> Approval {
    approval(&exchange(2), ApprovalDecision::Allow)
}

/// The message as its documentation spells it.
#[test]
fn what_is_signed() {
    let approval = allowed();
    let lines = [
        "troth/v1/approval",
        "allow",
        ORIGIN,
        &approval.key,
        &exchange(2),
        &exchange(1),
        "dGVuYW50LXBzZXVkb255bQ",
        "cHJpbmNpcGFsLXBzZXVkbw",
        "send_mail",
        &Digest::of(b"tool").to_string(),
        "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY",
        &Digest::of(b"bundle").to_string(),
        "1795000900000000",
        "",
    ];
    assert_eq!(approval.message(ORIGIN), lines.join("\n"));
    let bare = Approval { definition: None, ..approval };
    assert!(bare.message(ORIGIN).contains("send_mail\n\nBgYG"));
}

#[test]
fn every_part_is_under_the_signature() {
    let good = allowed();
    assert_eq!(good.check(ORIGIN), Ok(()));
    assert_eq!(good.check("example.com/other"), Err(ApprovalFault::Signature));
    let changes: &[Change] = &[
        (|a| a.bundle = Digest::of(b"other"), ApprovalFault::Signature),
        (|a| a.call = Commitment([5; 32]), ApprovalFault::Signature),
        (|a| a.decision = ApprovalDecision::Deny, ApprovalFault::Signature),
        (|a| a.definition = None, ApprovalFault::Signature),
        (|a| a.definition = Some(Digest::of(b"other")), ApprovalFault::Signature),
        (|a| a.exchange = exchange(3), ApprovalFault::Signature),
        (|a| a.expires += 1, ApprovalFault::Signature),
        (|a| a.id = exchange(3), ApprovalFault::Signature),
        (|a| a.principal.push('A'), ApprovalFault::Signature),
        (|a| a.tenant.push('A'), ApprovalFault::Signature),
        (|a| a.tool.push('s'), ApprovalFault::Signature),
        (|a| a.key = signer().verifier().to_string(), ApprovalFault::Signature),
        (|a| a.key = witness().witness_verifier().to_string(), ApprovalFault::Key),
        (|a| a.key = "nobody".to_owned(), ApprovalFault::Key),
        (|a| a.signature.truncate(40), ApprovalFault::Signature),
        (|a| a.signature.clear(), ApprovalFault::Signature),
        (|a| a.tool = "send\nmail".to_owned(), ApprovalFault::Form),
        (|a| a.tool = "t".repeat(129), ApprovalFault::Form),
        (|a| a.tenant.clear(), ApprovalFault::Form),
        (|a| a.principal = "p p".to_owned(), ApprovalFault::Form),
        (|a| a.id = "7".repeat(65), ApprovalFault::Form),
        (|a| a.exchange = "é".to_owned(), ApprovalFault::Form),
    ];
    for (place, (change, fault)) in changes.iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(changed.check(ORIGIN), Err(*fault), "change {place}");
    }
}

#[test]
fn a_field_with_no_place_in_a_record_is_not_signed() {
    let odd = Approval { tool: "a b".to_owned(), ..allowed() };
    assert_eq!(odd.signed(ORIGIN, &signer()), Err(ApprovalFault::Form));
}

#[test]
fn it_holds_until_it_expires() {
    let good = allowed();
    let expires = good.expires;
    assert!(expires > NOW);
    for (time, tolerance, held) in [
        (NOW, 0, Ok(())),
        (expires, 0, Ok(())),
        (expires + 1, 0, Err(ApprovalFault::Expired)),
        (expires + 9, 9, Ok(())),
        (expires + 10, 9, Err(ApprovalFault::Expired)),
        (u64::MAX, 9, Err(ApprovalFault::Expired)),
    ] {
        assert_eq!(good.check_time(time, tolerance), held, "{time} {tolerance}");
    }
}

/// Neither the name nor the arguments can be mistaken for a part of the other.
#[test]
fn what_is_committed_to() {
    assert_eq!(
        Approval::content("pay", r#"{"to":"你"}"#),
        r#"["pay","{\"to\":\"你\"}"]"#.as_bytes()
    );
    assert_ne!(Approval::content("a", "\",\"b"), Approval::content("a\",\"", "b"));
}

/// The largest approval has room in a record.
#[test]
fn the_largest_approval_fits() {
    let signer = Signer::generate(&"n".repeat(256), [3; 32]).unwrap();
    let id = "i".repeat(MAX_ID_BYTES);
    let large = Approval {
        exchange: id.clone(),
        expires: crate::json::MAX_INTEGER,
        principal: id.clone(),
        tenant: id.clone(),
        tool: "\\".repeat(MAX_TOOL_BYTES),
        id,
        ..allowed()
    };
    let record = super::super::Record::Approval(Box::new(large.signed(ORIGIN, &signer).unwrap()));
    assert!(super::super::Encoded::new(record).is_ok());
}
