//! Programs that run beside the test, and end with it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Stopwatch, eventually};

/// A program that was started; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts `command` with its standard error read as it comes.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start `{name}`: {e}"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self { name, child, said, listener: Some(listener) }
    }

    /// The address that the program says it listens at for `what` (`proxy`, `publish`, ...).
    ///
    /// # Panics
    /// When it ends, or [`PATIENCE`] does, before it says so.
    pub fn address(&mut self, what: &str) -> String {
        eventually(&format!("`{}` says where its {what} listens", self.name), || {
            let address = self.said().iter().find_map(|line| listening(line, what));
            if address.is_none()
                && let Some(status) = self.child.try_wait().unwrap()
            {
                panic!("`{}` ended with {status} before it listened:\n{}", self.name, self.tale());
            }
            address
        })
    }

    /// The lines of its standard error so far.
    ///
    /// # Panics
    /// When the thread that reads them did.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// The same as one text.
    #[must_use]
    pub fn tale(&self) -> String {
        self.said().join("\n")
    }

    /// `kill -9`: no destructor, no drain, no goodbye.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM, without waiting.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.id()), signal).unwrap();
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        let status = eventually(&format!("`{name}` ends"), || self.child.try_wait().unwrap());
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
        status
    }

    /// True while the program runs.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let tale = self.tale();
            let tail = tale.char_indices().rev().nth(TALE).map_or(0, |(at, _)| at);
            // Shown by the test runner only for the test that failed.
            let mut err = std::io::stderr().lock();
            let _ = std::io::Write::write_fmt(
                &mut err,
                format_args!("--- what `{}` said ---\n{}\n", self.name, &tale[tail..]),
            );
        }
    }
}

/// `kill -9` of a process that somebody else waits for.
///
/// # Panics
/// When the signal cannot be sent.
pub fn kill_now(id: u32) {
    kill_process(pid(id), Signal::KILL).unwrap();
}

fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).unwrap()
}

/// Finds the address in a line like `listening address=127.0.0.1:8080 what=proxy`, or its JSON.
fn listening(line: &str, what: &str) -> Option<String> {
    let words: Vec<_> =
        line.split(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c))).collect();
    (words.contains(&"listening") && words.contains(&what))
        .then(|| words.iter().find(|word| word.parse::<std::net::SocketAddr>().is_ok()))
        .flatten()
        .map(ToString::to_string)
}

/// What a program that ended left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none: a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Finished {
    /// Itself, if it exited with `code`.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }
}

/// Runs a program of this workspace to its end.
///
/// # Panics
/// When it cannot be started, or runs longer than `patience`.
pub fn run<A: AsRef<OsStr>>(
    command: &mut Command,
    arguments: impl IntoIterator<Item = A>,
    input: &str,
    patience: Duration,
) -> Finished {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // A program that needs no input may be gone already.
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    });
    let out = drain(child.stdout.take().unwrap());
    let err = drain(child.stderr.take().unwrap());
    let watch = Stopwatch::start();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if watch.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end; it said:\n{}", err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    feeder.join().unwrap();
    Finished { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How many characters of a program's words a failed test shows.
const TALE: usize = 4000;
