//! What a shell makes of a command line: quotes, backslashes, empty and default
//! expansions, `$IFS` and brace lists undone. It is a reading, not a shell: it
//! knows no variables but a few, runs nothing, and errs on the side of showing
//! what could be run. The carets and backticks of other shells go the same way.
//!
//! Words follow the POSIX Shell Command Language (2.2, 2.6) and Bash's brace
//! expansion and `$'...'` quoting.

use crate::{limits, rewrite::Plain, viewbuf::At};

/// What may be the beginning of something to undo.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    pending: Vec<Plain>,
    /// Inside `$'...'`.
    ansi: bool,
    /// Open `$(`.
    substitutions: u8,
    /// Characters left out in a row.
    dropped: u32,
}

enum Reading {
    /// More is needed.
    Partly,
    /// So many characters say nothing.
    Drop(usize),
    /// The first stands for itself.
    Keep,
    /// So many characters say this.
    Say(usize, char),
    /// Of so many characters those in the range are said, commas as spaces.
    Within(usize, std::ops::Range<usize>),
}

impl Shell {
    pub(crate) fn concerns(text: &str) -> bool {
        text.bytes().any(|byte| begins(char::from(byte)))
    }

    pub(crate) fn begins(c: char) -> bool {
        begins(c)
    }

    pub(crate) fn hold(&self) -> Option<usize> {
        self.pending.first().map(|first| first.at.start())
    }

    /// How many bytes of a text say what they say; they count as taken.
    pub(crate) fn passes(&mut self, text: &str) -> usize {
        if !self.pending.is_empty() || self.substitutions > 0 {
            return 0;
        }
        let passed = text.bytes().position(|byte| begins(char::from(byte)));
        let passed = passed.unwrap_or(text.len());
        if passed > 0 {
            self.dropped = 0;
        }
        passed
    }

    pub(crate) fn push(&mut self, c: char, at: At, out: &mut Vec<Plain>) {
        if self.pending.is_empty() && !begins(c) && self.substitutions == 0 {
            self.say(Plain { c, at }, out);
            return;
        }
        self.pending.push(Plain { c, at });
        self.settle(false, out);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<Plain>) {
        self.settle(true, out);
    }

    fn say(&mut self, plain: Plain, out: &mut Vec<Plain>) {
        self.dropped = 0;
        out.push(plain);
    }

    fn drop(&mut self, at: At, out: &mut Vec<Plain>) {
        self.dropped = self.dropped.saturating_add(1);
        if self.dropped >= limits::REMOVED_RUN {
            self.say(Plain { c: ' ', at }, out);
        }
    }

    /// Takes from the front of what is pending while that is decided. What is
    /// pending is short (`limits::SHELL_CHARS`), so this is constant work.
    fn settle(&mut self, ended: bool, out: &mut Vec<Plain>) {
        while let Some(&first) = self.pending.first() {
            let text: Vec<char> = self.pending.iter().map(|piece| piece.c).collect();
            let taken = match self.read(&text) {
                Reading::Partly if !ended && text.len() < limits::SHELL_CHARS => return,
                Reading::Partly | Reading::Keep => {
                    self.say(first, out);
                    1
                }
                Reading::Drop(taken) => {
                    self.turn(&text, taken);
                    self.drop(first.at, out);
                    taken
                }
                Reading::Say(taken, c) => {
                    let last = self.pending.get(taken.saturating_sub(1)).unwrap_or(&first);
                    let at = At::Span(first.at.start(), last.at.end(last.c));
                    self.say(Plain { c, at }, out);
                    taken
                }
                Reading::Within(taken, range) => {
                    let said: Vec<Plain> =
                        self.pending.get(range).map(<[Plain]>::to_vec).unwrap_or_default();
                    if said.is_empty() {
                        self.drop(first.at, out);
                    }
                    for piece in said {
                        let space = Plain { c: ' ', at: piece.at.spread(piece.c) };
                        self.say(if piece.c == ',' { space } else { piece }, out);
                    }
                    taken
                }
            };
            self.pending.drain(..taken.clamp(1, self.pending.len().max(1)));
        }
    }

    /// What leaving these characters out changes.
    fn turn(&mut self, text: &[char], taken: usize) {
        match text.get(..taken).unwrap_or_default() {
            ['$', '\''] => self.ansi = true,
            ['\''] => self.ansi = false,
            ['$', '('] => self.substitutions = self.substitutions.saturating_add(1),
            [')'] => self.substitutions = self.substitutions.saturating_sub(1),
            _ => {}
        }
    }

    fn read(&self, text: &[char]) -> Reading {
        match text {
            ['\'' | '"' | '`' | '^', ..] => Reading::Drop(1),
            [')', ..] if self.substitutions > 0 => Reading::Drop(1),
            ['\\'] => Reading::Partly,
            ['\\', '\n', ..] => Reading::Drop(2),
            ['\\', rest @ ..] if self.ansi => ansi(rest),
            ['\\', ..] => Reading::Drop(1),
            ['$', rest @ ..] => dollar(rest),
            ['{', rest @ ..] => braces(rest),
            _ => Reading::Keep,
        }
    }
}

fn begins(c: char) -> bool {
    matches!(c, '\'' | '"' | '`' | '^' | '\\' | '$' | '{')
}

/// An escape of `$'...'`; hexadecimal ones are undone with all others.
fn ansi(rest: &[char]) -> Reading {
    match rest {
        ['n' | 't' | 'r' | 'v' | 'f', ..] => Reading::Say(2, ' '),
        // Left for the reading of escapes, which looks at this one.
        ['x' | 'u' | 'U', ..] => Reading::Keep,
        [first, ..] if first.is_digit(8) => {
            let digits = rest.iter().take(3).take_while(|c| c.is_digit(8)).count();
            if digits < 3 && digits == rest.len() {
                return Reading::Partly;
            }
            let value = rest
                .iter()
                .take(digits)
                .filter_map(|c| c.to_digit(8))
                .fold(0u32, |value, digit| value.saturating_mul(8).saturating_add(digit));
            let c = char::from_u32(value).filter(|c| *c != '\0').unwrap_or(' ');
            Reading::Say(digits.saturating_add(1), c)
        }
        _ => Reading::Drop(1),
    }
}

fn dollar(rest: &[char]) -> Reading {
    match rest {
        [] | ['I'] | ['I', 'F'] => Reading::Partly,
        ['I', 'F', 'S', ..] => Reading::Say(4, ' '),
        ['\'' | '"' | '@' | '*' | '(' | '0'..='9', ..] => Reading::Drop(2),
        ['{', inside @ ..] => parameter(inside),
        _ => Reading::Keep,
    }
}

/// `${...}`, from behind the brace.
fn parameter(inside: &[char]) -> Reading {
    let stop = inside.iter().position(|c| c.is_whitespace() || matches!(c, '}' | '{' | '$'));
    let Some(close) = stop else { return Reading::Partly };
    if inside.get(close) != Some(&'}') {
        return Reading::Keep;
    }
    let inside = inside.get(..close).unwrap_or_default();
    let name = inside.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
    let taken = close.saturating_add(3);
    // The characters of the text begin after `${`.
    let from = |skip: usize| Reading::Within(taken, name + 2 + skip..close.saturating_add(2));
    let known: String = inside.iter().take(name).collect();
    match inside.get(name..).unwrap_or_default() {
        _ if known == "IFS" => Reading::Say(taken, ' '),
        [':', '-' | '=' | '+', ..] => from(2),
        ['-' | '=' | '+', ..] => from(1),
        // The first character of these is the root's name.
        [':', '0', ':', '1'] if matches!(known.as_str(), "PATH" | "HOME" | "PWD" | "SHELL") => {
            Reading::Say(taken, '/')
        }
        [] if matches!(known.as_str(), "HOME" | "PATH" | "PWD" | "USER" | "SHELL" | "TMPDIR") => {
            Reading::Keep
        }
        // What is not set says nothing.
        _ => Reading::Drop(taken),
    }
}

/// `{rm,-rf,/}`, from behind the brace. JSON, blocks and ranges are none.
fn braces(rest: &[char]) -> Reading {
    let stop = rest.iter().position(|c| {
        c.is_whitespace() || matches!(c, '}' | '{' | '"' | '\'' | ':' | ';' | '$' | '\\')
    });
    match stop {
        None => Reading::Partly,
        Some(at) if rest.get(at) == Some(&'}') => {
            let list = rest.get(..at).unwrap_or_default();
            if list.contains(&',') {
                Reading::Within(at.saturating_add(2), 1..at.saturating_add(1))
            } else {
                Reading::Keep
            }
        }
        Some(_) => Reading::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let (mut shell, mut out) = (Shell::default(), Vec::new());
        for (start, c) in text.char_indices() {
            shell.push(c, At::Same(start), &mut out);
            assert!(shell.pending.len() <= limits::SHELL_CHARS, "`{text}` waits for too much");
        }
        shell.finish(&mut out);
        out.into_iter().map(|piece| piece.c).collect()
    }

    #[test]
    fn reads_what_a_shell_runs() {
        for (text, expected) in [
            ("r\"\"m -r'f' /", "rm -rf /"),
            ("r\\m -rf \\\n/", "rm -rf /"),
            ("rm$IFS-rf${IFS}/", "rm -rf /"),
            ("cat$IFS$9/etc/passwd", "cat /etc/passwd"),
            ("{rm,-rf,/}", "rm -rf /"),
            ("w$@ho$*am$1i", "whoami"),
            ("${x:-rm} -rf ${y-/}", "rm -rf /"),
            ("r${u}m -rf ${HOME:0:1}", "rm -rf /"),
            ("rm -rf ${HOME} $HOME", "rm -rf ${HOME} $HOME"),
            ("$(printf rm) -rf `echo /`", "printf rm -rf echo /"),
            ("$'\\162\\155' -rf", "rm -rf"),
            ("p^o^w^ershell", "powershell"),
            ("{\"cmd\": \"ls {a..c}\"}", "{cmd: ls {a..c}}"),
            ("f() { a; }; ${", "f() { a; }; ${"),
            ("$", "$"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
