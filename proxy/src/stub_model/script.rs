//! What the last user message asks for: its `[[...]]` markers, read into a [`Script`].

use std::{borrow::Cow, time::Duration};

use serde_json::Value;

/// How to answer. Made by [`Script::read`]; the default is a canned answer, whole and at once.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The message without its markers.
    pub(super) plain: String,
    pub(super) words: Words,
    pub(super) channel: Channel,
    pub(super) tools: Vec<ToolCall>,
    /// The one choice that is scripted; none: all are.
    pub(super) choice: Option<u64>,
    /// Characters a delta; none: a word.
    pub(super) chunk: Option<usize>,
    pub(super) pace: Duration,
    pub(super) ending: Ending,
    pub(super) error: Option<u16>,
    pub(super) style: Style,
}

/// Where the words come from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Words {
    #[default]
    Canned,
    Said(String),
    Echo,
    Long(usize),
    Secret,
    Scripts,
}

/// Where the words go.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    #[default]
    Content,
    Refusal,
    Reasoning,
}

/// How the answer ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Complete,
    Hang,
    Cut,
}

/// A tool call, its arguments exactly as the message wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// How the bytes look.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) crlf: bool,
    pub(super) comments: bool,
    pub(super) odd: bool,
    /// Cut the wire inside multi-byte characters.
    pub(super) split_utf8: bool,
}

impl Script {
    /// Reads the markers of `message`; linear, for at most [`MARKERS`] of them.
    pub(super) fn read(message: &str) -> Self {
        let mut script = Self::default();
        let mut rest = message;
        for _ in 0..MARKERS {
            let Some((before, after)) = rest.split_once("[[") else { break };
            script.plain.push_str(before);
            rest = if let Some(tail) = script.apply(after) {
                tail
            } else {
                script.plain.push_str("[[");
                after
            };
        }
        script.plain.push_str(rest);
        script.plain = script.plain.trim().to_owned();
        script
    }

    /// Applies the marker that `text` begins with and returns what follows it; none: no marker.
    fn apply<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(call) = text.strip_prefix("tool ") {
            let (call, tail) = tool_call(call)?;
            self.tools.push(call);
            return Some(tail);
        }
        let (marker, tail) = text.split_once("]]")?;
        let (name, argument) = marker.split_once(' ').unwrap_or((marker, ""));
        match name {
            "say" => self.words = Words::Said(with_key(argument).into_owned()),
            "echo" => self.words = Words::Echo,
            "long" => self.words = Words::Long(number(argument)?.min(LONG_BYTES)),
            "secret" => self.words = Words::Secret,
            "split-secret" => {
                self.words = Words::Secret;
                self.chunk = Some(1);
            }
            "utf8" => {
                self.words = Words::Scripts;
                self.style.split_utf8 = true;
            }
            "refuse" => self.channel = Channel::Refusal,
            "reasoning" => self.channel = Channel::Reasoning,
            "choice" => self.choice = Some(argument.trim().parse().ok()?),
            "chunk" => self.chunk = Some(number(argument)?.max(1)),
            "slow" => self.pace = pace(argument)?,
            "crlf" => self.style.crlf = true,
            "comments" => self.style.comments = true,
            "odd" => self.style.odd = true,
            "error" => {
                self.error =
                    Some(argument.trim().parse().ok().filter(|n| (400..=599).contains(n))?);
            }
            "hang" => self.ending = Ending::Hang,
            "cut" => self.ending = Ending::Cut,
            _ => return None,
        }
        Some(tail)
    }

    /// The words to answer with.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match &self.words {
            Words::Canned => canned(&self.plain).into(),
            Words::Said(text) => text.as_str().into(),
            Words::Echo => self.plain.as_str().into(),
            Words::Long(bytes) => {
                FILLER.as_bytes().iter().cycle().take(*bytes).map(|b| char::from(*b)).collect()
            }
            Words::Secret if is_chinese(&self.plain) => {
                format!("访问密钥是 {}，请妥善保管。", fake_key()).into()
            }
            Words::Secret => {
                format!("The access key is {}, keep it to yourself.", fake_key()).into()
            }
            Words::Scripts => MANY_SCRIPTS.into(),
        }
    }
}

/// A key that looks like an AWS access key id and opens nothing. Put together at run time, so that
/// no scanner of source code takes this repository for a leak.
pub(super) fn fake_key() -> String {
    ["AKIA", "QX7T", "4MZP", "2KVD", "6RWN"].concat()
}

/// A stable hash of `text` (FNV-1a): the same message gets the same answer and the same id.
pub(super) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn canned(message: &str) -> &'static str {
    let answers = if is_chinese(message) { CHINESE } else { ENGLISH };
    let count = u64::try_from(answers.len()).unwrap_or(1);
    let index = usize::try_from(fingerprint(message) % count).unwrap_or_default();
    answers.get(index).copied().unwrap_or_default()
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

fn with_key(text: &str) -> Cow<'_, str> {
    if text.contains("$SECRET") { text.replace("$SECRET", &fake_key()).into() } else { text.into() }
}

/// Reads `NAME {json}]]`. The JSON is parsed to find where it ends, because it may hold `]]`.
fn tool_call(text: &str) -> Option<(ToolCall, &str)> {
    let (name, json) = text.split_once(' ')?;
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    let arguments = values.next()?.ok().filter(Value::is_object).and_then(|_| {
        let (arguments, tail) = json.split_at_checked(values.byte_offset())?;
        Some((arguments.trim(), tail.trim_start().strip_prefix("]]")?))
    });
    let (arguments, tail) = arguments?;
    let call = ToolCall { name: name.to_owned(), arguments: with_key(arguments).into_owned() };
    Some((call, tail))
}

fn number(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

fn pace(text: &str) -> Option<Duration> {
    let millis = text.trim().trim_end_matches("ms").trim().parse().ok()?;
    Some(Duration::from_millis(millis).min(LONGEST_PAUSE))
}

const MARKERS: usize = 64;
const LONG_BYTES: usize = 1 << 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const FILLER: &str = "the quick brown fox jumps over the lazy dog and then it rests a while ";

/// Two to four bytes a character, a combining mark, a joined emoji and right-to-left text.
const MANY_SCRIPTS: &str =
    "Grüße, Ελλάδα, Привет, 你好世界，ありがとう, नमस्ते, שלום, e\u{301}, 👩\u{200d}🔬 𝄞.";

const ENGLISH: &[&str] = &[
    "Certainly. The short answer is yes, with two small exceptions.",
    "Here is a summary in one sentence: the weather will stay mild.",
    "A good first step is to write the goal down and read it aloud.",
    "It depends on the season, but most people would start in spring.",
];

const CHINESE: &[&str] = &[
    "好的。简单来说，答案是肯定的，只有两个小例外。",
    "用一句话概括：天气将保持温和。",
    "第一步最好是把目标写下来，再读一遍。",
    "这取决于季节，不过大多数人会从春天开始。",
];
