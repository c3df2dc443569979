#![doc = include_str!("../README.md")]

mod automaton;
mod bitrun;
mod bundle;
mod compile;
mod count;
mod decision;
mod detector;
mod diagnostic;
mod engine;
mod event;
mod example;
mod explain;
mod finding;
mod flow;
mod fold;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod glob;
mod hold;
mod judge;
mod labels;
mod layer;
mod lexicon;
mod limits;
mod manifest;
mod nearest;
mod pattern;
mod risk;
mod scanner;
mod segment;
mod source;
mod tomlfile;
mod trace;
mod unescape;
mod validator;
mod viewbuf;

pub use bundle::{Bundle, Compiled, DetectorInfo, DetectorKind};
pub use count::{ClassCount, TermCounts};
pub use decision::{Decision, Determining, Verdict};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use event::{Action, Call, Event, Principal, PrincipalKind, Resource};
pub use example::{TestCase, TestReport};
pub use explain::{Change, Considered, Explanation, Found, Least, Part, Question, Reason};
pub use finding::{Cleared, Finding, Screened, Severity, Skip, View};
pub use flow::tools::Offer;
pub use hold::Hold;
pub use lexicon::{Term, TermFault};
pub use manifest::{AttributeKind, Covers};
pub use risk::{Class, Classes, LEAST_TERMS};
pub use segment::{Channel, Origin, Segment, Surface};
pub use source::Source;
pub use trace::{Trace, UnreadableTrace};
