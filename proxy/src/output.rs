//! The one place that writes to standard output and error.

use std::io::{self, Write};

/// A line on standard output. A closed pipe is the reader's wish, not a fault.
///
/// # Errors
/// Anything else that keeps the line from being written.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}") {
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => Err(fault),
        _ => Ok(()),
    }
}

/// A line on standard error, for people.
pub(crate) fn note(text: &str) {
    // Nothing can be told of a standard error that takes nothing.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    use std::io::IsTerminal;
    io::stderr().is_terminal()
}
