//! `troth-audit monitor`: follows a log until it is told to end.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use troth_attest::{Clock as _, FaultKind, LogSource, Monitor, MonitorError, Round, SystemClock};

use super::output::{self, Bar};
use super::{Usage, args, log, read_policy};

/// One round, or one after another until a signal.
pub(crate) fn run(args: &args::Monitor) -> anyhow::Result<u8> {
    let policy = read_policy(&args.policy)?;
    let source = log::open(&args.log)?;
    let age = Duration::from_secs(args.max_age);
    let state = args.state.display();
    let monitor = Monitor::open(policy, Some(age), &args.state);
    let mut monitor = monitor.map_err(usage).with_context(|| format!("`{state}`"))?;
    let stop = Stop::default();
    if !args.once {
        stop.on_signal().context("cannot wait for signals")?;
    }
    let source = Stoppable { source: source.as_ref(), stop: &stop };
    let mut last: Option<Round> = None;
    let mut tampered = false;
    loop {
        // Only the first round may have a whole log before it.
        let bar = last.is_none().then(|| Bar::new("following"));
        let show = |progress| bar.iter().for_each(|bar| bar.show(progress));
        let now = SystemClock.now_micros();
        let round = monitor.round(&source, now, show).map_err(usage)?;
        drop(bar);
        let interrupted = stop.is_set() && has_unreadable(&round);
        if !interrupted && (args.once || last.as_ref().is_none_or(|last| round.differs_from(last)))
        {
            tell(&round, args)?;
        }
        tampered |= round.exit_code == 1;
        let code = if interrupted { 0 } else { round.exit_code };
        let code = if tampered { 1 } else { code };
        last = Some(round);
        if args.once || stop.wait(Duration::from_secs(args.interval)) {
            return Ok(code);
        }
    }
}

fn has_unreadable(round: &Round) -> bool {
    round.faults.iter().any(|fault| fault.kind == FaultKind::Unreadable)
}

fn tell(round: &Round, args: &args::Monitor) -> io::Result<()> {
    let mut round = round.clone();
    let whole = round.evidence.map(|below| args.state.join(below).display().to_string());
    round.evidence = whole;
    if args.json { output::json(&round) } else { output::round(&round) }
}

/// What the user must change, as opposed to what cannot be read.
fn usage(fault: MonitorError) -> anyhow::Error {
    match fault {
        MonitorError::Untrusted(_) | MonitorError::OtherLog { .. } => {
            Usage(fault.to_string()).into()
        }
        fault => fault.into(),
    }
}

/// Set once, by a signal.
#[derive(Debug, Clone, Default)]
struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    fn on_signal(&self) -> Result<(), ctrlc::Error> {
        let stop = self.clone();
        ctrlc::set_handler(move || {
            let (set, changed) = &*stop.0;
            *set.lock().unwrap_or_else(PoisonError::into_inner) = true;
            changed.notify_all();
        })
    }

    fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until it is set; tells whether it is.
    fn wait(&self, span: Duration) -> bool {
        let (set, changed) = &*self.0;
        let guard = set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, span, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A log that is read no further once the program is to end.
#[derive(Debug)]
struct Stoppable<'a> {
    source: &'a dyn LogSource,
    stop: &'a Stop,
}

impl Stoppable<'_> {
    fn check(&self) -> io::Result<()> {
        if self.stop.is_set() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl LogSource for Stoppable<'_> {
    fn read(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.check()?;
        self.source.read(path, limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.check()?;
        self.source.read_range(path, offset, length)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.check()?;
        self.source.list(directory)
    }

    fn pin(&self, path: &str) -> io::Result<Option<u64>> {
        self.source.pin(path)
    }
}
