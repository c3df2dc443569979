use std::{
    future::{pending, ready},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt;
use troth_attest::{ApprovalFault, Log, LogConfig, Signer};
use troth_policies::Verdict;

use super::*;
use crate::config::Secret;

const ORIGIN: &str = "example.com/troth/test";
const NOW: u64 = 1_795_000_000_000_000;
const FOREVER: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Stopped(AtomicU64);

impl Clock for Stopped {
    fn now_micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn bounds() -> Bounds {
    Bounds { calls: 3, of_principal: 2, bytes: 64, expiry: Duration::from_secs(900) }
}

fn bundle() -> Digest {
    Digest::of(b"bundle")
}

/// A desk, its clock, and a log for the commitments.
struct Office {
    desk: Desk,
    clock: Arc<Stopped>,
    log: Log,
    _home: tempfile::TempDir,
    oncall: Signer,
    second: Signer,
    approvers: Vec<Approver>,
    exchanges: Mutex<u32>,
}

fn office() -> Office {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(Stopped(AtomicU64::new(NOW)));
    let signer = Signer::generate(ORIGIN, [1; 32]).unwrap();
    let log =
        Log::open(LogConfig::new(home.path(), ORIGIN, signer), Arc::new(SystemClock)).unwrap();
    let key = |name, seed| Signer::generate(name, [seed; 32]).unwrap();
    let (oncall, second) = (key("example.com/oncall", 2), key("example.com/second", 3));
    let approver = |id: &str, key: &Signer| Approver { id: id.to_owned(), key: key.verifier() };
    let approvers = vec![approver("oncall", &oncall), approver("second", &second)];
    let desk = Desk::by(clock.clone());
    let exchanges = Mutex::new(0);
    Office { desk, clock, log, _home: home, oncall, second, approvers, exchanges }
}

fn ask() -> Ask {
    Ask {
        exchange: "0".into(),
        route: "chat".to_owned(),
        origin: ORIGIN.to_owned(),
        tenant: "acme".to_owned(),
        principal: "agent".to_owned(),
        tenant_pseudonym: "dGVuYW50".to_owned(),
        principal_pseudonym: "cHJpbmNpcGFs".to_owned(),
        tool: "pay".to_owned(),
        definition: Some(Digest::of(b"pay")),
        arguments: Secret(r#"{"amount":1}"#.to_owned()),
        bundle: bundle(),
        bundle_name: "payments".to_owned(),
        policies: Vec::new(),
    }
}

impl Office {
    /// Another exchange makes this call.
    fn hold(&self, mut ask: Ask) -> Result<Held, NotApproved> {
        let mut number = self.exchanges.lock().unwrap();
        *number += 1;
        ask.exchange = number.to_string().into();
        let committer = |id: &str| self.log.committer(&ask.tenant.clone(), id);
        self.desk.hold(ask.clone(), committer, &bounds(), &self.approvers)
    }

    fn statement(&self, held: &Held) -> Approval {
        self.desk.one(held.id()).unwrap().statement
    }

    /// What the first approver signs about it.
    fn signed(&self, held: &Held, decision: ApprovalDecision) -> Approval {
        let statement = Approval { decision, ..self.statement(held) };
        statement.signed(ORIGIN, &self.oncall).unwrap()
    }

    fn decide(&self, approval: &Approval) -> Result<Deciding, Undecided> {
        self.desk.decide(approval, ORIGIN, &self.approvers, bundle())
    }

    fn allow(&self, held: &Held) {
        self.decide(&self.signed(held, ApprovalDecision::Allow)).unwrap().enter();
    }

    fn deny(&self, held: &Held) {
        self.decide(&self.signed(held, ApprovalDecision::Deny)).unwrap().enter();
    }
}

/// What can be told at once.
fn told(held: &mut Held) -> Option<Result<(), Why>> {
    let told = held.allowed(FOREVER, pending()).now_or_never()?;
    Some(told.map_err(|refused| refused.why))
}

#[tokio::test]
async fn one_approval_lets_one_call_pass() {
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    let id = held.id().clone();
    assert_eq!(told(&mut held), None);
    office.allow(&held);
    assert_eq!(told(&mut held), Some(Ok(())));
    let statement = office.statement(&held);
    let pass = held.spend(&office.approvers).unwrap();
    assert_eq!(pass, Pass { id: id.clone(), call: statement.call });
    // The same call again is another call.
    let mut again = office.hold(ask()).unwrap();
    assert_ne!(*again.id(), id);
    assert_eq!(told(&mut again), None);
}

#[tokio::test]
async fn a_call_that_is_made_again_finds_its_decision() {
    type Decide = fn(&Office, &Held);
    let cases: [(Decide, Option<Result<(), Why>>); 3] =
        [(Office::allow, Some(Ok(()))), (Office::deny, Some(Err(Why::Denied))), (|_, _| {}, None)];
    for (decide, found) in cases {
        let office = office();
        let mut held = office.hold(ask()).unwrap();
        let (id, out) = (held.id().clone(), held.allowed(Duration::ZERO, pending()).await);
        let waiting = NotApproved { id: Some(id.clone()), why: Why::Waiting };
        assert_eq!(out, Err(waiting.clone()));
        assert_eq!(
            (waiting.verdict(), held.not(Why::Denied).verdict()),
            (Verdict::Approve, Verdict::Block)
        );
        decide(&office, &held);
        drop(held);
        let mut again = office.hold(ask()).unwrap();
        assert_eq!(*again.id(), id);
        assert_eq!(told(&mut again), found);
        // Two at once are two calls.
        let mut beside = office.hold(ask()).unwrap();
        assert_ne!(*beside.id(), id);
        assert_eq!(told(&mut beside), None);
    }
}

#[tokio::test]
async fn leave_is_for_the_same_call_only() {
    type Change = (&'static str, fn(&mut Ask));
    let changes: [Change; 8] = [
        ("arguments", |ask| ask.arguments.0.push(' ')),
        ("tool", |ask| ask.tool.push('s')),
        ("definition", |ask| ask.definition = Some(Digest::of(b"pay more"))),
        ("no definition", |ask| ask.definition = None),
        ("principal", |ask| ask.principal.push('2')),
        ("tenant", |ask| ask.tenant.push('2')),
        ("route", |ask| ask.route.push('2')),
        ("bundle", |ask| ask.bundle = Digest::of(b"another")),
    ];
    for (what, change) in changes {
        let office = office();
        let held = office.hold(ask()).unwrap();
        let id = held.id().clone();
        office.allow(&held);
        drop(held);
        let mut other = ask();
        change(&mut other);
        let mut held = office.hold(other).unwrap();
        assert_ne!(*held.id(), id, "{what}");
        assert_eq!(told(&mut held), None, "{what}");
        assert_eq!(held.spend(&office.approvers).unwrap_err().why, Why::Waiting, "{what}");
        // The one that was allowed still is.
        assert_eq!(told(&mut office.hold(ask()).unwrap()), Some(Ok(())), "{what}");
    }
}

/// What an approver may send, and what comes of it.
#[tokio::test]
async fn what_is_no_decision_changes_nothing() {
    type Change = fn(&Office, Approval) -> Approval;
    fn resigned(office: &Office, approval: Approval) -> Approval {
        approval.signed(ORIGIN, &office.oncall).unwrap()
    }
    let stranger = |approval: Approval| {
        approval.signed(ORIGIN, &Signer::generate("example.com/oncall", [7; 32]).unwrap()).unwrap()
    };
    let cases: [(&str, Change, Undecided); 14] = [
        ("id", |o, a| resigned(o, Approval { id: "7".to_owned(), ..a }), Undecided::Unknown),
        (
            "call",
            |o, a| resigned(o, Approval { call: Commitment([0; 32]), ..a }),
            Undecided::OtherCall,
        ),
        (
            "bundle",
            |o, a| resigned(o, Approval { bundle: Digest::of(b""), ..a }),
            Undecided::OtherCall,
        ),
        ("tool", |o, a| resigned(o, Approval { tool: "p".to_owned(), ..a }), Undecided::OtherCall),
        (
            "definition",
            |o, a| resigned(o, Approval { definition: None, ..a }),
            Undecided::OtherCall,
        ),
        (
            "exchange",
            |o, a| resigned(o, Approval { exchange: "9".to_owned(), ..a }),
            Undecided::OtherCall,
        ),
        (
            "expires",
            |o, a| resigned(o, Approval { expires: a.expires + 1, ..a }),
            Undecided::OtherCall,
        ),
        (
            "principal",
            |o, a| resigned(o, Approval { principal: "p".to_owned(), ..a }),
            Undecided::OtherCall,
        ),
        (
            "tenant",
            |o, a| resigned(o, Approval { tenant: "t".to_owned(), ..a }),
            Undecided::OtherCall,
        ),
        (
            "later fields",
            |_, mut a| {
                a.x.insert("n".to_owned(), troth_attest::Json::Bool(true));
                a
            },
            Undecided::OtherCall,
        ),
        ("no key", |_, a| Approval { key: "k".to_owned(), ..a }, Undecided::Stranger),
        (
            "another's key",
            |o, a| Approval { key: o.second.verifier().to_string(), ..a },
            Undecided::Signature(ApprovalFault::Signature),
        ),
        (
            "another decision",
            |_, a| Approval { decision: ApprovalDecision::Deny, ..a },
            Undecided::Signature(ApprovalFault::Signature),
        ),
        (
            "no signature",
            |_, a| Approval { signature: String::new(), ..a },
            Undecided::Signature(ApprovalFault::Signature),
        ),
    ];
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    let good = office.signed(&held, ApprovalDecision::Allow);
    for (what, change, fault) in cases {
        let refused = office.decide(&change(&office, good.clone())).unwrap_err();
        assert_eq!(refused, fault, "{what}");
        assert_eq!(told(&mut held), None, "{what}");
    }
    assert_eq!(office.decide(&stranger(good.clone())).unwrap_err(), Undecided::Stranger);
    let elsewhere = good.clone().signed("example.com/other", &office.oncall).unwrap();
    let fault = Undecided::Signature(ApprovalFault::Signature);
    assert_eq!(office.decide(&elsewhere).unwrap_err(), fault);
    let other_log = office.desk.decide(&good, "example.com/other", &office.approvers, bundle());
    assert_eq!(other_log.unwrap_err(), Undecided::Unknown);
    // A decision that the log did not take leaves the call as it was.
    drop(office.decide(&good).unwrap());
    assert_eq!(told(&mut held), None);
    office.decide(&good).unwrap().enter();
    assert_eq!(told(&mut held), Some(Ok(())));
}

#[tokio::test]
async fn of_two_approvers_the_first_decides() {
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    let allow = office.signed(&held, ApprovalDecision::Allow);
    let deny = office.statement(&held).signed(ORIGIN, &office.second).unwrap();
    let first = office.decide(&allow).unwrap();
    assert_eq!(office.decide(&deny).unwrap_err(), Undecided::Before("deciding"));
    // Not before it is in the log.
    assert_eq!(told(&mut held), None);
    first.enter();
    assert_eq!(office.decide(&deny).unwrap_err(), Undecided::Before("allowed"));
    assert_eq!(office.decide(&allow).unwrap_err(), Undecided::Before("allowed"));
    assert_eq!(told(&mut held), Some(Ok(())));
    held.spend(&office.approvers).unwrap();
    assert_eq!(office.decide(&allow).unwrap_err(), Undecided::Unknown);
}

/// Whatever ends a call but an approval refuses whoever waits for it, and no
/// statement about it counts any more.
#[tokio::test]
async fn what_ends_a_call() {
    type End = fn(&Office);
    let ends: [(&str, End, Why); 3] = [
        ("time", |office| office.clock.0.store(NOW + 900_000_000, Ordering::Relaxed), Why::Expired),
        ("a reload", |office| office.desk.keep_bundle(Digest::of(b"another")), Why::Withdrawn),
        (
            "the same call elsewhere",
            |office| {
                let ids: Vec<String> =
                    office.desk.all().into_iter().map(|call| call.statement.id).collect();
                ids.iter().for_each(|id| office.desk.withdraw(id));
            },
            Why::Withdrawn,
        ),
    ];
    for (what, end, why) in ends {
        for decided in [false, true] {
            let office = office();
            let mut held = office.hold(ask()).unwrap();
            let approval = office.signed(&held, ApprovalDecision::Allow);
            if decided {
                office.allow(&held);
            }
            end(&office);
            assert_eq!(office.decide(&approval).unwrap_err(), Undecided::Unknown, "{what}");
            assert_eq!(told(&mut held), Some(Err(why)), "{what}");
            assert_eq!(held.spend(&office.approvers).unwrap_err().why, why, "{what}");
            assert_eq!(office.desk.len(), 0, "{what}");
        }
    }
    // One moment before, it still holds.
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    office.allow(&held);
    office.clock.0.fetch_add(899_999_999, Ordering::Relaxed);
    assert_eq!(told(&mut held), Some(Ok(())));
    held.spend(&office.approvers).unwrap();
}

#[tokio::test]
async fn a_bundle_that_is_not_in_force_any_more_is_not_approved_under() {
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    let approval = office.signed(&held, ApprovalDecision::Allow);
    let now = Digest::of(b"another");
    let refused = office.desk.decide(&approval, ORIGIN, &office.approvers, now).unwrap_err();
    assert_eq!(refused, Undecided::OtherBundle);
    assert_eq!(told(&mut held), Some(Err(Why::Withdrawn)));
}

#[tokio::test]
async fn a_key_that_is_no_approvers_any_more_has_allowed_nothing() {
    let office = office();
    let held = office.hold(ask()).unwrap();
    office.allow(&held);
    let only_the_second = office.approvers.split_at(1).1;
    assert_eq!(held.spend(only_the_second).unwrap_err().why, Why::Withdrawn);
    assert_eq!(office.desk.len(), 0);
}

#[tokio::test]
async fn a_proxy_that_stops_waits_for_nobody() {
    let office = office();
    let mut held = office.hold(ask()).unwrap();
    let out = held.allowed(FOREVER, ready(())).await;
    assert_eq!(out.unwrap_err().why, Why::Stopping);
    assert_eq!(office.desk.len(), 0);
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    for (decision, told) in
        [(ApprovalDecision::Allow, Ok(())), (ApprovalDecision::Deny, Err(Why::Denied))]
    {
        let office = office();
        let mut held = office.hold(ask()).unwrap();
        let approval = office.signed(&held, decision);
        // The second ends at its first poll: only the bell has the first polled again.
        let both = async {
            tokio::join!(held.allowed(FOREVER, pending()), async {
                office.decide(&approval).unwrap().enter();
            })
        };
        let (woken, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        assert_eq!(woken.map_err(|refused| refused.why), told);
    }
}

#[tokio::test]
async fn the_desk_is_bounded() {
    let office = office();
    let call = |principal: &str, amount: u32| Ask {
        principal: principal.to_owned(),
        arguments: Secret(format!("{{\"amount\":{amount}}}")),
        ..ask()
    };
    let first = office.hold(call("a", 1)).unwrap();
    let _second = office.hold(call("a", 2)).unwrap();
    let full = |ask| office.hold(ask).map(|held| held.id().clone()).unwrap_err();
    assert_eq!(full(call("a", 3)), NotApproved { id: None, why: Why::Full });
    let _other = office.hold(call("b", 1)).unwrap();
    assert_eq!(full(call("c", 1)).why, Why::Full);
    // What was denied, and nobody waits for, makes room.
    office.deny(&first);
    assert_eq!(full(call("c", 1)).why, Why::Full);
    drop(first);
    let _third = office.hold(call("c", 1)).unwrap();
    let long = Ask { arguments: Secret("x".repeat(65)), ..ask() };
    assert_eq!(full(long).why, Why::TooLong);
    // Who has left a call waiting has filled the desk all the same.
    let nobody = office.desk.hold(ask(), |id| office.log.committer("acme", id), &bounds(), &[]);
    assert_eq!(nobody.map(|held| held.id().clone()).unwrap_err().why, Why::NoApprover);
}

#[tokio::test]
async fn an_approver_sees_what_is_signed() {
    let office = office();
    let held = office.hold(ask()).unwrap();
    let seen = office.desk.one(held.id()).unwrap();
    let content = Approval::content(&seen.ask.tool, &seen.ask.arguments.0);
    assert!(seen.opening.confirms(&seen.statement.call, &content));
    assert!(!seen.opening.confirms(&seen.statement.call, b"[\"pay\",\"{}\"]"));
    // No log line shows the arguments.
    assert!(!format!("{seen:?} {:?} {held:?}", office.desk).contains("amount"));
}
