use std::sync::Arc;

use troth_attest::{LogConfig, Signer, SystemClock};

use super::*;

const ORIGIN: &str = "example.com/troth/test";

fn log(directory: &std::path::Path) -> Log {
    let signer = Signer::generate(ORIGIN, [1; 32]).unwrap();
    Log::open(LogConfig::new(directory, ORIGIN, signer), Arc::new(SystemClock)).unwrap()
}

#[test]
fn what_is_no_order_is_refused() {
    let good = r#"{"origin":"o","tenant":"t","from":"2026-01-01","to":"2026-01-01","reason":"r"}"#;
    let Ok(Order::Erase(order)) = Order::parse(ERASE, good.as_bytes()) else { panic!() };
    assert_eq!(
        (order.tenant.as_deref(), order.all_tenants, order.today),
        (Some("t"), false, false)
    );
    let again = Order::Erase(order);
    assert_eq!(Order::parse(again.path(), &again.body()), Ok(again));
    for (from, to) in [
        ("\"reason\":\"r\"", "\"reason\":\"r\",\"all_tenant\":true"),
        ("\"reason\":\"r\"", "\"reason\":\"r\",\"reason\":\"s\""),
        (",\"reason\":\"r\"", ""),
        ("\"t\"", "7"),
        ("{", "[{"),
        ("}", "}x"),
    ] {
        let bad = good.replacen(from, to, 1);
        let refused = Order::parse(ERASE, bad.as_bytes()).unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(!refused.why.contains("2026"), "{}", refused.why);
    }
    assert!(Order::parse(STATEMENT, good.as_bytes()).is_err());
}

#[test]
fn an_erasure_names_whose_keys() {
    let directory = tempfile::tempdir().unwrap();
    let log = log(directory.path());
    let order = |tenant: Option<&str>, all_tenants, from: &str, to: &str| {
        Order::Erase(EraseOrder {
            origin: ORIGIN.to_owned(),
            tenant: tenant.map(str::to_owned),
            all_tenants,
            from: from.to_owned(),
            to: to.to_owned(),
            reason: "asked for".to_owned(),
            today: false,
        })
    };
    let day = "2020-02-02";
    for (order, status) in [
        (order(None, false, day, day), StatusCode::BAD_REQUEST),
        (order(Some(""), false, day, day), StatusCode::BAD_REQUEST),
        (order(Some("t"), true, day, day), StatusCode::BAD_REQUEST),
        (order(Some("t"), false, "2020-2-2", day), StatusCode::BAD_REQUEST),
        (order(Some("t"), false, day, "2020-02-30"), StatusCode::BAD_REQUEST),
        (order(Some("t"), false, day, "2020-02-01"), StatusCode::UNPROCESSABLE_ENTITY),
        (order(Some("t"), false, day, "9999-01-01"), StatusCode::UNPROCESSABLE_ENTITY),
        (order(Some("t"), false, day, day), StatusCode::NOT_FOUND),
        (order(None, true, day, day), StatusCode::NOT_FOUND),
    ] {
        let refused = order.carry_out(&log).unwrap_err();
        assert_eq!(refused.status, status, "{order:?}: {}", refused.why);
    }
    log.close().unwrap();
    let closed = order(Some("t"), false, day, day).carry_out(&log).unwrap_err();
    assert_eq!(closed.status, StatusCode::NOT_FOUND);
}
