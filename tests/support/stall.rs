//! Making a running program's system calls slow.

use std::process::Command;

use crate::{Running, eventually};

/// While it lives, every call of a kind by a process waits first (`strace`, Debian's package).
#[derive(Debug)]
pub struct Stall {
    strace: Running,
}

impl Stall {
    /// Makes each `call` of process `pid` wait for `millis`, from when this returns.
    ///
    /// # Panics
    /// When `strace` cannot be started, or does not take hold of every thread.
    #[must_use]
    pub fn of(pid: u32, call: &str, millis: u64) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-p", &pid.to_string(), "-o", "/dev/null"]);
        strace.args(["-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:delay_enter={}", millis * 1000)]);
        let strace = Running::start(&mut strace);
        eventually("strace holds every thread", || {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let traced = |task: std::fs::DirEntry| {
                let status = std::fs::read_to_string(task.path().join("status")).unwrap();
                status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            };
            tasks.map(Result::unwrap).all(traced).then_some(())
        });
        Self { strace }
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.strace.terminate();
        let _ = self.strace.wait();
    }
}
