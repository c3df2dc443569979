use crate::testing::exchange;
use crate::testing::sim::SimDisk;

use super::*;

fn open(disk: &SimDisk) -> Vault {
    Vault::open(Arc::new(disk.clone())).unwrap()
}

/// The day of `exchange`'s ids.
fn day() -> Day {
    day_of(&exchange(0)).unwrap()
}

fn erase(vault: &Vault, tenants: &[&String]) {
    let tenants = tenants.iter().map(|tenant| (*tenant).clone()).collect();
    let plan = Plan::new(day(), tenants, "asked for", 0).unwrap();
    vault.begin(&plan).unwrap();
    vault.bury(&plan).unwrap();
    vault.end(&plan).unwrap();
}

#[test]
fn a_key_lasts_until_it_is_erased_and_nothing_takes_its_place() {
    let disk = SimDisk::default();
    let vault = open(&disk);
    let (acme, other) = (vault.pseudonym("tenant", "acme"), vault.pseudonym("tenant", "other"));
    let commit = |vault: &Vault, tenant: &str, n| {
        vault.committer(tenant, &exchange(n)).unwrap().commit("request", b"hello")
    };
    let (first, of_other) = (commit(&vault, &acme, 1), commit(&vault, &other, 1));
    assert_eq!(commit(&vault, &acme, 1), first);
    assert_eq!(commit(&open(&disk), &acme, 1), first);
    let opening = vault.opener(&acme, &exchange(1)).unwrap().unwrap().opening("request");
    assert!(opening.confirms(&first, b"hello"));
    erase(&vault, &[&acme]);
    for vault in [vault, open(&disk)] {
        // Nothing opens, and what still comes is committed to each time anew.
        assert!(vault.opener(&acme, &exchange(1)).unwrap().is_none());
        let again = commit(&vault, &acme, 1);
        assert_ne!(again, first);
        assert_ne!(again, commit(&vault, &acme, 1));
        assert!(!opening.confirms(&again, b"hello"));
        assert!(vault.opener(&acme, &exchange(1)).unwrap().is_none());
        // Another tenant's day is as it was.
        assert_eq!(commit(&vault, &other, 1), of_other);
    }
    assert_eq!(disk.files(&format!("{KEYS}/{acme}")), [day().to_string()]);
    let left = Disk::read(&disk, &day_path(&acme, day()), 64).unwrap().unwrap();
    assert_eq!(left, TOMBSTONE);
}

#[test]
fn keys_are_found_by_tenant_and_day() {
    let disk = SimDisk::default();
    let vault = open(&disk);
    let tenants = ["a", "b", "c"].map(|name| vault.pseudonym("tenant", name));
    for tenant in &tenants {
        vault.committer(tenant, &exchange(0)).unwrap();
        vault.committer(tenant, &exchange(86_400_000)).unwrap();
    }
    let days = |from: &str, to: &str| from.parse::<Day>().unwrap()..=to.parse().unwrap();
    erase(&vault, &[&tenants[2]]);
    // A damaged key is a key to destroy.
    disk.change(&day_path(&tenants[1], day()), |bytes| bytes.truncate(5));
    let found = vault.find(None, &days("2026-11-18", "2026-11-18")).unwrap();
    assert_eq!((found.keys.len(), found.keys[&day()].len(), found.erased), (1, 2, 1));
    let found = vault.find(Some(&tenants[0]), &days("2026-11-01", "2026-12-31")).unwrap();
    assert_eq!((found.keys.len(), found.erased), (2, 0));
    let found = vault.find(Some(&tenants[2]), &days("2026-11-18", "2026-11-18")).unwrap();
    assert_eq!((found.keys.len(), found.erased), (0, 1));
    let found = vault.find(Some("../../wal"), &days("1970-01-01", "9999-12-31")).unwrap();
    assert_eq!((found.keys.len(), found.erased), (0, 0));
}

#[test]
fn a_damaged_plan_is_no_plan() {
    let disk = SimDisk::default();
    let vault = open(&disk);
    let tenant = vault.pseudonym("tenant", "acme");
    let plan = Plan::new(day(), vec![tenant], "asked for", 0).unwrap();
    vault.begin(&plan).unwrap();
    assert_eq!(vault.plans().unwrap(), std::slice::from_ref(&plan));
    let path = format!("vault/erasing/{}", plan.id);
    let whole = Disk::read(&disk, &path, 1024).unwrap().unwrap();
    for length in 0..whole.len() {
        disk.change(&path, |bytes| bytes.truncate(length));
        assert!(matches!(vault.plans(), Err(VaultError::Damaged)), "{length}");
        disk.change(&path, |bytes| bytes.clone_from(&whole));
    }
    let text = String::from_utf8(whole).unwrap();
    let tenants = text.find("\"tenants\":[\"").unwrap() + 12;
    let mut bad = text.clone();
    bad.replace_range(tenants..tenants + 22, "../../pseudonyms/../../");
    disk.change(&path, |bytes| *bytes = bad.into_bytes());
    assert!(matches!(vault.plans(), Err(VaultError::Damaged)));
}
