//! Runs of base64, base32 and hexadecimal characters and of variation
//! selectors, decoded as they go by.
//!
//! A run may begin with characters that are not part of what is encoded, so it
//! is decoded from each alignment (four for base64, eight for base32, two for
//! hexadecimal, one for selectors, each of which is a byte). What
//! comes out is a text of its own, with views of its own, that holds back by
//! itself: a run is released as soon as nothing in it can become a match, and
//! an embedded image does not stall a stream.
//!
//! A run too short to hide the shortest pattern is not decoded at all, unless
//! a chunk ends inside it.
//!
//! Any character can be the beginning of some encoding of anything, so holding
//! an encoded match from its very first bit would hold the last letter of
//! every word. The first three bytes of an encoded match (four characters of
//! base64: `sk-`, `ign`) are therefore not part of the finding, and are not
//! held: the hold begins when three decoded bytes agree with a pattern.

use crate::{automaton::steps, engine::Context, finding::View, layer::Layer, limits, viewbuf::At};

/// How characters carry bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Base64,
    Hex,
    /// RFC 4648 section 6, in upper case.
    Base32,
    /// The same in lower case; no encoder mixes them, and words do.
    Base32Lower,
    /// VS1 to VS16 are the bytes 0 to 15, VS17 to VS256 the others.
    Selectors,
}

impl Code {
    /// All of them, in the order of a layer's runs.
    pub(crate) const ALL: [Code; 5] =
        [Code::Base64, Code::Hex, Code::Base32, Code::Base32Lower, Code::Selectors];
    /// How many of them are written in ASCII; those come first.
    pub(crate) const ASCII: usize = 4;

    fn bits(self) -> u32 {
        match self {
            Code::Base64 => 6,
            Code::Hex => 4,
            Code::Base32 | Code::Base32Lower => 5,
            Code::Selectors => 8,
        }
    }

    /// After so many characters a byte begins at a character again.
    fn period(self) -> usize {
        match self {
            Code::Base64 => 4,
            Code::Hex => 2,
            Code::Base32 | Code::Base32Lower => 8,
            Code::Selectors => 1,
        }
    }

    fn view(self) -> View {
        match self {
            Code::Base64 => View::Base64,
            Code::Hex => View::Hex,
            Code::Base32 | Code::Base32Lower => View::Base32,
            Code::Selectors => View::Selectors,
        }
    }

    /// The bits of a character of the code: both base64 alphabets in one.
    pub(crate) fn value(self, byte: u8) -> Option<u8> {
        match (self, byte) {
            (Code::Base64, b'A'..=b'Z') => Some(byte - b'A'),
            (Code::Base64, b'a'..=b'z') => Some(byte - b'a' + 26),
            (Code::Base64, b'0'..=b'9') => Some(byte - b'0' + 52),
            (Code::Base64, b'+' | b'-') => Some(62),
            (Code::Base64, b'/' | b'_') => Some(63),
            (Code::Hex, b'0'..=b'9') => Some(byte - b'0'),
            (Code::Hex, b'a'..=b'f') => Some(byte - b'a' + 10),
            (Code::Hex, b'A'..=b'F') => Some(byte - b'A' + 10),
            (Code::Base32, b'A'..=b'Z') => Some(byte - b'A'),
            (Code::Base32Lower, b'a'..=b'z') => Some(byte - b'a'),
            (Code::Base32 | Code::Base32Lower, b'2'..=b'7') => Some(byte - b'2' + 26),
            _ => None,
        }
    }

    /// The same of any character.
    fn value_of(self, c: char) -> Option<u8> {
        match (self, u32::from(c)) {
            (Code::Selectors, code @ 0xfe00..=0xfe0f) => u8::try_from(code - 0xfe00).ok(),
            (Code::Selectors, code @ 0xe0100..=0xe01ef) => u8::try_from(code - 0xe0100 + 16).ok(),
            (_, code) => u8::try_from(code).ok().and_then(|byte| self.value(byte)),
        }
    }

    /// The fewest characters that can hide so many bytes.
    pub(crate) fn chars_for(self, bytes: usize) -> usize {
        match self {
            Code::Base64 => bytes.saturating_mul(4).div_ceil(3),
            Code::Hex => bytes.saturating_mul(2),
            Code::Base32 | Code::Base32Lower => bytes.saturating_mul(8).div_ceil(5),
            Code::Selectors => bytes,
        }
    }
}

/// A character of a run: its bits and its raw span.
#[derive(Clone, Copy, Debug)]
struct Digit {
    value: u8,
    start: usize,
    end: usize,
}

/// A decoded byte and its raw span.
#[derive(Clone, Copy, Debug)]
struct Decoded {
    value: u8,
    start: usize,
    end: usize,
}

/// The run that the text is in, if any.
#[derive(Clone, Debug)]
pub(crate) struct BitRun {
    code: Code,
    depth: u8,
    /// Characters of the run so far.
    len: usize,
    /// Characters since its last line break.
    line: usize,
    broken: bool,
    /// The characters, while the run is too short to be decoded.
    short: Vec<Digit>,
    /// The decodings, once it is long enough.
    alignments: Vec<Alignment>,
    skipped: u64,
}

impl BitRun {
    pub(crate) fn new(code: Code, depth: u8) -> BitRun {
        BitRun {
            code,
            depth,
            len: 0,
            line: 0,
            broken: false,
            short: Vec::new(),
            alignments: Vec::new(),
            skipped: 0,
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Whether the text is in a run.
    pub(crate) fn is_open(&self) -> bool {
        self.len > 0
    }

    /// Takes one character with its raw span.
    pub(crate) fn push(&mut self, cx: &mut Context<'_>, c: char, start: usize, end: usize) {
        match self.code.value_of(c) {
            Some(value) => self.take(cx, Digit { value, start, end }),
            None if self.len == 0 => {}
            // Mail and PEM break base64 into lines of 64 or 76 characters.
            None if matches!(c, '\n' | '\r') && self.breaks_line() => self.broken = true,
            None => self.finish(cx),
        }
    }

    fn breaks_line(&self) -> bool {
        self.code == Code::Base64
            && (self.broken || (self.line >= LINE_CHARS && self.line.is_multiple_of(4)))
    }

    fn take(&mut self, cx: &mut Context<'_>, digit: Digit) {
        if std::mem::take(&mut self.broken) {
            self.line = 0;
        }
        self.len = self.len.saturating_add(1);
        self.line = self.line.saturating_add(1);
        steps::take();
        let least = cx.engine.hidden_chars(self.code);
        let most = cx.engine.run_bytes();
        if self.len > most {
            if self.len == most.saturating_add(1) {
                cx.run_bound(self.code.view(), digit.start, digit.end);
                self.end_alignments(cx);
            }
            let bytes = digit.end.saturating_sub(digit.start);
            self.skipped = self.skipped.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            return;
        }
        if self.alignments.is_empty() {
            self.short.push(digit);
            if self.len >= least {
                self.decode(cx);
            }
            return;
        }
        self.alignments.iter_mut().for_each(|one| one.push(cx, digit));
    }

    fn decode(&mut self, cx: &mut Context<'_>) {
        let (code, depth) = (self.code, self.depth.saturating_add(1));
        self.alignments =
            (0..code.period()).map(|skip| Alignment::new(code, depth, skip)).collect();
        for digit in std::mem::take(&mut self.short) {
            self.alignments.iter_mut().for_each(|one| one.push(cx, digit));
        }
    }

    /// Decides what can be decided. A short run that is still open may become
    /// a long one, so from here on it is decoded as it comes: what it holds is
    /// what its decodings hold. One that ends short held nothing in vain.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        if self.short.len() > LEAD_BYTES {
            self.decode(cx);
        }
        self.alignments.iter_mut().for_each(|one| one.settle(cx));
    }

    /// Ends the run.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        self.end_alignments(cx);
        self.short.clear();
        self.len = 0;
        self.line = 0;
        self.broken = false;
        if self.skipped > 0 {
            cx.skip(self.code.view(), std::mem::take(&mut self.skipped));
        }
    }

    fn end_alignments(&mut self, cx: &mut Context<'_>) {
        for mut one in std::mem::take(&mut self.alignments) {
            one.finish(cx);
        }
    }

    /// Where the undecided part begins in the raw text.
    pub(crate) fn hold(&self) -> Option<usize> {
        self.alignments.iter().filter_map(Alignment::hold).min()
    }

    /// The same run one decoding deeper, for a text that has been the same as
    /// this one so far.
    pub(crate) fn deepen(mut self) -> BitRun {
        self.depth = self.depth.saturating_add(1);
        if self.depth >= limits::DECODE_DEPTH {
            return BitRun::new(self.code, self.depth);
        }
        for one in &mut self.alignments {
            one.deepen();
        }
        self
    }
}

/// Bits of characters on their way to bytes.
#[derive(Clone, Debug)]
struct Bits {
    code: Code,
    value: u32,
    count: u32,
    /// Where the first character with an unused bit begins.
    start: usize,
}

impl Bits {
    fn new(code: Code) -> Bits {
        Bits { code, value: 0, count: 0, start: 0 }
    }

    /// Takes a character; gives a byte with its raw span when one is complete.
    fn push(&mut self, digit: Digit) -> Option<Decoded> {
        if self.count == 0 {
            self.start = digit.start;
        }
        self.value = (self.value << self.code.bits()) | u32::from(digit.value);
        self.count = self.count.saturating_add(self.code.bits());
        let left = self.count.checked_sub(8)?;
        let value = u8::try_from((self.value >> left) & 0xff).unwrap_or(0);
        let start = std::mem::replace(&mut self.start, digit.start);
        self.count = left;
        self.value &= (1u32 << left).saturating_sub(1);
        Some(Decoded { value, start, end: digit.end })
    }
}

/// One decoding of a run.
///
/// What is looked into is *text*: a stretch of valid UTF-8 without control
/// characters. Anything else ends the stretch as the end of input would, and a
/// stretch too short to hold a match costs nothing more, so that an image in
/// base64 is passed over at the speed of decoding it.
#[derive(Clone, Debug)]
struct Alignment {
    code: Code,
    depth: u8,
    /// Characters still to be passed over.
    skip: usize,
    bits: Bits,
    /// A character of UTF-8 that is not complete.
    partial: Vec<u8>,
    partial_start: usize,
    /// The stretch so far, while it is too short to look into.
    stretch: Vec<(char, At)>,
    stretch_bytes: usize,
    layer: Option<Box<Layer>>,
}

impl Alignment {
    fn new(code: Code, depth: u8, skip: usize) -> Alignment {
        Alignment {
            code,
            depth,
            skip,
            bits: Bits::new(code),
            partial: Vec::new(),
            partial_start: 0,
            stretch: Vec::new(),
            stretch_bytes: 0,
            layer: None,
        }
    }

    fn push(&mut self, cx: &mut Context<'_>, digit: Digit) {
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return;
        }
        if let Some(byte) = self.bits.push(digit) {
            self.byte(cx, byte);
        }
    }

    fn byte(&mut self, cx: &mut Context<'_>, byte: Decoded) {
        if self.partial.is_empty() {
            if byte.value.is_ascii() {
                self.char(cx, char::from(byte.value), At::Span(byte.start, byte.end));
                return;
            }
            self.partial_start = byte.start;
        }
        self.partial.push(byte.value);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let c = text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                self.partial.clear();
                self.char(cx, c, At::Span(self.partial_start, byte.end));
            }
            Err(error) if error.error_len().is_some() => {
                // What was begun is no character; this byte may begin one.
                let again = self.partial.len() > 1;
                self.partial.clear();
                self.finish(cx);
                if again {
                    self.byte(cx, byte);
                }
            }
            Err(_) => {}
        }
    }

    fn char(&mut self, cx: &mut Context<'_>, c: char, at: At) {
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
            self.finish(cx);
        } else if let Some(layer) = &mut self.layer {
            layer.feed_char(cx, c, at);
        } else {
            self.stretch.push((c, at));
            self.stretch_bytes = self.stretch_bytes.saturating_add(c.len_utf8());
            if self.stretch_bytes >= cx.engine.shortest() {
                self.look(cx);
            }
        }
    }

    fn look(&mut self, cx: &mut Context<'_>) {
        let mut layer = Box::new(Layer::decoded(cx, self.depth, self.code.view()));
        for (c, at) in self.stretch.drain(..) {
            layer.feed_char(cx, c, at);
        }
        self.layer = Some(layer);
    }

    fn settle(&mut self, cx: &mut Context<'_>) {
        if self.stretch_bytes >= LEAD_BYTES && self.layer.is_none() {
            self.look(cx);
        }
        if let Some(layer) = &mut self.layer {
            layer.settle(cx);
        }
    }

    /// Ends the stretch.
    fn finish(&mut self, cx: &mut Context<'_>) {
        if let Some(mut layer) = self.layer.take() {
            layer.finish(cx);
        }
        self.stretch.clear();
        self.stretch_bytes = 0;
    }

    fn deepen(&mut self) {
        self.depth = self.depth.saturating_add(1);
        if let Some(layer) = &mut self.layer {
            layer.deepen();
        }
    }

    fn hold(&self) -> Option<usize> {
        self.layer.as_ref().and_then(|layer| layer.hold())
    }
}

/// Bytes of an encoded match before the finding begins.
pub(crate) const LEAD_BYTES: usize = 3;

/// Lines of encoded text are at least so long.
pub(crate) const LINE_CHARS: usize = 40;
