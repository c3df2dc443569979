//! `kill -9` under load, again and again: what a client holds in hand keeps holding.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use troth_tests::{Log, Model, Settings, Troth, chat, eventually, receipt_record};

/// What the clients got, by exchange.
#[derive(Default)]
struct Held {
    /// Answers that came to their end.
    answered: Vec<String>,
    receipts: BTreeMap<String, Vec<u8>>,
}

/// Clients that ask without pause, until told to stop, and keep every receipt that they get.
fn load(troth: &Troth, held: &Mutex<Held>, enough: usize, then: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let receipts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // The clients stop even when what is awaited does not come.
        let _guard = Stops(&stop);
        for client in 0..CLIENTS {
            let (stop, receipts) = (&stop, &receipts);
            scope.spawn(move || {
                let prompts =
                    ["hello", "[[secret]]", "[[slow 3 ms]] [[split-secret]]", "[[long 4000]]"];
                for turn in client.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let request = chat(prompts[turn % prompts.len()], turn % 3 == 0);
                    let Some(answer) = request.try_send(&troth.address) else { continue };
                    if !answer.complete {
                        continue;
                    }
                    let exchange = answer.exchange().to_owned();
                    let path = format!("/.well-known/troth/receipts/{exchange}");
                    let receipt = troth_tests::Request::get(path).try_send(&troth.address);
                    let mut held = held.lock().unwrap();
                    held.answered.push(exchange.clone());
                    let whole = receipt.filter(|receipt| receipt.status == 200 && receipt.complete);
                    if let Some(receipt) = whole {
                        held.receipts.insert(exchange, receipt.body);
                        receipts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        eventually("the clients hold receipts", || {
            (receipts.load(Ordering::Relaxed) >= enough).then_some(())
        });
        then();
    });
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every receipt holds by itself, and names the very bytes that the log holds at its index.
fn hold(held: &Held, log: &Log) {
    let entries = log.entries();
    for (exchange, receipt) in &held.receipts {
        log.check_receipt(receipt).unwrap_or_else(|fault| panic!("{exchange}: {fault}"));
        let (index, record) = receipt_record(std::str::from_utf8(receipt).unwrap());
        let entry = &entries[usize::try_from(index).unwrap()];
        assert_eq!(entry.bytes, record, "the log forked under {exchange}");
    }
    let exchanges = log.exchanges();
    for exchange in &held.answered {
        let of =
            |kind: &str| exchanges[exchange].iter().filter(|entry| entry.kind() == kind).count();
        assert_eq!((of("intent"), of("outcome")), (1, 1), "{exchange} was answered");
    }
    for (exchange, entries) in &exchanges {
        let outcomes: Vec<_> = entries.iter().filter(|e| e.kind() == "outcome").collect();
        assert_eq!(outcomes.len(), 1, "{exchange} is open");
    }
}

#[test]
fn chaos_kill_under_load_loses_nothing_that_was_promised() {
    let rounds = if std::env::var_os("TROTH_CHAOS").is_some() { 100 } else { 10 };
    let model = Model::start();
    let mut troth = Troth::start(&Settings::rules(), &model.address);
    let mut all = Held::default();
    for round in 1..=rounds {
        let held = Mutex::new(Held::default());
        let pid = troth.process().id();
        load(&troth, &held, RECEIPTS, || troth_tests::kill_now(pid));
        troth.process().kill();
        troth.restart();
        // What this round's clients hold is proven by the receipts alone, before anything else is
        // written, and the crash is closed: nothing is open.
        let held = held.into_inner().unwrap();
        for receipt in held.receipts.values().take(PROBED) {
            troth.log().check_receipt(receipt).unwrap();
        }
        let audit = troth.log().verify();
        assert_eq!(audit.code, Some(0), "round {round}: {:#}", audit.report);
        all.answered.extend(held.answered);
        all.receipts.extend(held.receipts);
    }
    let (log, _home) = troth.into_log();
    let audit = log.verify().is_clean();
    assert_eq!(audit.report["records"]["intent"], audit.report["records"]["outcome"]);
    hold(&all, &log);
    let crashed = log.entries().iter().filter(|e| e.record["reason"] == "crash").count();
    assert!(crashed > 0, "ten kills under load caught no exchange under way");
}

const CLIENTS: usize = 6;
/// Receipts that the clients of one round hold before the kill.
const RECEIPTS: usize = 12;
/// Receipts of one round that are verified before the next; all are at the end.
const PROBED: usize = 4;
