//! The load generator: `wrk` for whole answers, a client of our own for streams.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use troth_tests::{Request, Stopwatch, chat, run};

use crate::table::Row;

/// A load that every target gets alike.
#[derive(Debug)]
pub(crate) struct Load {
    script: PathBuf,
}

impl Load {
    /// Writes what `wrk` needs into `home`.
    pub(crate) fn new(home: &Path) -> Self {
        let script = home.join("chat.lua");
        std::fs::write(&script, SCRIPT).unwrap();
        Self { script }
    }

    /// Loads the server at `address`; `processes` are the ones whose time counts as its cost.
    pub(crate) fn measure(&self, name: &'static str, address: &str, processes: &[u32]) -> Row {
        let _ = self.wrk(address, 16, WARM_UP);
        let single = self.wrk(address, 1, SINGLE);
        let before = cpu_ticks(processes);
        let full = self.wrk(address, 64, FULL);
        let spent = cpu_ticks(processes).saturating_sub(before);
        Row {
            name,
            rate: full.rate,
            full_p50: full.p50,
            full_p99: full.p99,
            p50: single.p50,
            p99: single.p99,
            // Ticks are 1/100 s on Linux.
            cpu: (!processes.is_empty())
                .then(|| Duration::from_millis(spent * 10) / full.requests.max(1)),
            first_delta: first_delta(address),
        }
    }

    fn wrk(&self, address: &str, connections: u32, seconds: u32) -> Wrk {
        let (count, time) = (connections.to_string(), format!("{seconds}s"));
        let threads = connections.min(2).to_string();
        let script = self.script.to_str().unwrap();
        let url = format!("http://{address}/v1/chat/completions");
        let arguments = [
            "--latency",
            "--connections",
            &count,
            "--threads",
            &threads,
            "--duration",
            &time,
            "--timeout",
            "10s",
            "--script",
            script,
            &url,
        ];
        let patience = Duration::from_secs(60);
        let done = run(&mut Command::new("wrk"), arguments, "", patience).exits(0);
        Wrk::read(&done.out)
    }
}

/// What one run of `wrk` printed.
struct Wrk {
    rate: f64,
    requests: u32,
    p50: Duration,
    p99: Duration,
}

impl Wrk {
    fn read(text: &str) -> Self {
        let faults = ["Non-2xx", "Socket errors"];
        let fault = text.lines().find(|line| faults.iter().any(|fault| line.contains(fault)));
        assert_eq!(fault, None, "a load of failures measures nothing:\n{text}");
        let after = |label: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(label));
            line.unwrap_or_else(|| panic!("no `{label}` in:\n{text}")).trim()
        };
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
        Self {
            rate: after("Requests/sec:").parse().unwrap(),
            requests: requests.expect("a count of requests").0.parse().unwrap(),
            p50: duration(after("50%")),
            p99: duration(after("99%")),
        }
    }
}

/// Reads `12.34us`, `1.20ms` or `1.02s`.
fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().unwrap();
    let unit = match text.strip_prefix(digits) {
        Some("us") => 1e-6,
        Some("ms") => 1e-3,
        Some("s") => 1.0,
        other => panic!("no unit of time: {other:?}"),
    };
    Duration::from_secs_f64(number * unit)
}

/// The median time to the first words of a stream.
fn first_delta(address: &str) -> Duration {
    let sample = |turn: usize| {
        let prompt = format!("{STREAM} {turn}");
        let request: Request = chat(&prompt, true);
        let watch = Stopwatch::start();
        let mut live = request.open(address);
        live.until("first");
        let time = watch.elapsed();
        let whole = live.finish();
        assert!(whole.complete && whole.text().contains("[DONE]"));
        time
    };
    let mut samples: Vec<_> = (0..STREAMS).map(sample).collect();
    samples.sort_unstable();
    samples.get(STREAMS / 2).copied().unwrap_or_default()
}

/// User and system time of `processes`, in ticks.
fn cpu_ticks(processes: &[u32]) -> u64 {
    let ticks = |id: &u32| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in parentheses and may hold anything.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(field(11)? + field(12)?)
    };
    processes.iter().filter_map(ticks).sum()
}

const WARM_UP: u32 = 2;
const SINGLE: u32 = 5;
const FULL: u32 = 8;
const STREAMS: usize = 15;
const STREAM: &str = "[[slow 40 ms]] [[say first and then, after a little while, all the rest]]";

/// A request of 1 KB that is never twice the same; the model echoes it.
const SCRIPT: &str = r#"
local sentence = "The committee will look at the plan again in spring, when the numbers are in. "
local text = string.rep(sentence, 11)
local head = '{"model":"troth-stub","messages":[{"role":"user","content":"[[echo]] '
local tail = '"}]}'
local thread, threads, turn = 0, 0, 0
function setup(t) t:set("thread", threads); threads = threads + 1 end
function init() math.randomseed(thread); turn = math.random(1, 1000000000) end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
function request()
  turn = turn + 1
  return wrk.format(nil, nil, nil, head .. turn .. " " .. text .. turn .. tail)
end
"#;
