//! `troth scan`

use std::{
    io::{BufRead, Write},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use troth_policies::{Channel, Principal, Surface};

use super::{CliFault, bundle_place, runtime};
use crate::{
    boot,
    clock::Mark,
    config::{self, OnDeadline, Place},
    dialect::{Decoded, Piece, Place as TextPlace, ToolCall},
    judge::{Court, Judgement, Rulings},
    screener::{Screener, Screening},
    tasks::Tasks,
};

/// Screen JSON Lines from standard input.
///
/// Each line is `{"id": "...", "text": "...", "surface": "user_prompt"}`;
/// surfaces: user_prompt (the default), tool_output, tool_call,
/// tool_definition, model_output, system_prompt, social_text. The output keeps
/// the order. A line that is not valid gets `{"id": null, "error": "..."}`, the
/// run goes on, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  printf '%s\\n' '{\"id\":\"1\",\"text\":\"Ignore all previous instructions.\"}' | troth scan")]
pub(super) struct Scan {
    /// Detectors and models of this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// This bundle instead: `builtin:NAME` of one that ships, or a directory.
    #[arg(long, value_name = "DIR")]
    bundle: Option<String>,
    /// Texts at once; the number of cores when it is left out.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Rules alone, without models.
    #[arg(long)]
    no_models: bool,
}

/// One line of the input. Unknown keys are the user's own.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    text: String,
    #[serde(default = "user_prompt")]
    surface: Surface,
}

const fn user_prompt() -> Surface {
    Surface::UserPrompt
}

impl Scan {
    pub(super) fn run(&self) -> Result<(), CliFault> {
        let threads = self.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        if threads == 0 {
            return Err(CliFault::Usage("`--threads` must not be 0".to_owned()));
        }
        let screener = Arc::new(self.screener(threads)?);
        let bad = runtime()?.block_on(scan(screener, threads))?;
        if bad > 0 {
            return Err(CliFault::Failed(format!("{bad} lines could not be read")));
        }
        Ok(())
    }

    fn screener(&self, threads: usize) -> Result<Screener, CliFault> {
        let config = self.config.as_deref().map(boot::configuration).transpose()?;
        let place = match (&self.bundle, &config) {
            (Some(typed), _) => bundle_place(typed),
            (None, Some(config)) => config.bundle.clone(),
            (None, None) => Place::Builtin,
        };
        let (_, bundle) = boot::bundle(&place)?;
        let settings = match &config {
            Some(config) => config.classifiers.clone(),
            None => Some(config::Classifiers {
                models: Place::Builtin,
                runtime: None,
                providers: vec![troth_classifiers::Provider::Cpu],
                workers: None,
                deadline: OFFLINE_DEADLINE,
                on_deadline: OnDeadline::Refuse,
            }),
        };
        let models = settings
            .filter(|_| !self.no_models)
            .map(|settings| {
                // Nobody waits for one answer here: a text gets the time it
                // needs, and there are no more texts at once than threads.
                boot::models(&config::Classifiers {
                    workers: settings.workers.or(Some(threads)),
                    deadline: OFFLINE_DEADLINE,
                    ..settings
                })
            })
            .transpose()?;
        // Rows of a data set seldom repeat.
        Ok(Screener::new(bundle, models, 0))
    }
}

/// Screens all lines; returns how many could not be read.
async fn scan(screener: Arc<Screener>, threads: usize) -> Result<u64, CliFault> {
    let tasks = Tasks::default();
    let (sender, lines) = tokio::sync::mpsc::channel(threads * 4);
    let reader = tokio::task::spawn_blocking(move || read_lines(&sender));
    let lines = futures_util::stream::unfold(lines, |mut lines| async {
        lines.recv().await.map(|line| (line, lines))
    });
    let mut answers = std::pin::pin!(
        lines
            .map(|line: Result<String, String>| {
                let screener = screener.clone();
                tasks.run("line", async move { one(&screener, line).await })
            })
            .buffered(threads * 2)
    );
    let failed = |fault: std::io::Error| CliFault::Io(format!("cannot write: {fault}"));
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut bad = 0;
    while let Some(answer) = answers.next().await {
        let (answer, good) = answer.unwrap_or_else(|| (error("an internal error"), false));
        bad += u64::from(!good);
        writeln!(out, "{answer}").map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    reader
        .await
        .map_err(|fault| CliFault::Internal(fault.to_string()))?
        .map_err(|fault| CliFault::Io(format!("cannot read standard input: {fault}")))?;
    Ok(bad)
}

/// Reads lines within a bound; a longer one is a bad line, not a full memory.
fn read_lines(sender: &tokio::sync::mpsc::Sender<Result<String, String>>) -> std::io::Result<()> {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let mut bounded = std::io::Read::take(&mut input, LINE_BYTES + 1);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let whole = line.last() == Some(&b'\n');
        let line = if !whole && line.len() as u64 > LINE_BYTES {
            skip_line(&mut input)?;
            Err(format!("a line of more than {LINE_BYTES} bytes"))
        } else {
            String::from_utf8(line).map_err(|_| "a line that is not UTF-8".to_owned())
        };
        if line.as_ref().is_ok_and(|line| line.trim().is_empty()) {
            continue;
        }
        if sender.blocking_send(line).is_err() {
            return Ok(());
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// One line's answer, and whether the line was good.
async fn one(screener: &Screener, line: Result<String, String>) -> (String, bool) {
    let parsed = line.and_then(|line| {
        serde_json::from_str::<Line>(&line).map_err(|fault| {
            format!("not a line of scan: {} at column {}", kind(&fault), fault.column())
        })
    });
    match parsed {
        Ok(line) => (screen(screener, &line).await, true),
        Err(why) => (error(&why), false),
    }
}

/// What is wrong with a line, without its content.
fn kind(fault: &serde_json::Error) -> &'static str {
    match fault.classify() {
        serde_json::error::Category::Data => "wants `id` and `text` as strings, a known `surface`",
        _ => "it is not JSON",
    }
}

fn error(why: &str) -> String {
    json!({ "id": null, "error": why }).to_string()
}

async fn screen(screener: &Screener, line: &Line) -> String {
    let started = Mark::now();
    let decoded = decoded(line);
    let screening = screener.screen(&decoded.pieces).await;
    let principal = Principal::anonymous();
    let court = Court { bundle: screener.bundle(), principal: &principal, model: "" };
    let trace = court.trace(&decoded.pieces, &screening.findings);
    let mut judgement = match line.surface {
        Surface::ModelOutput | Surface::ToolCall => {
            court.answer(&decoded, &screening.findings, &trace, &Rulings::new())
        }
        _ => court.request(&decoded, &screening.findings, &trace),
    };
    if screening.missed.is_some() {
        judgement.raise(troth_policies::Verdict::Block);
    }
    told(line, &screening, &judgement, started.micros())
}

fn decoded(line: &Line) -> Decoded {
    let channel = line.surface.channel();
    let origin = line.surface.origin();
    let piece = Piece {
        pointer: "/text".to_owned(),
        channel,
        origin,
        tool: None,
        text: line.text.clone(),
        place: TextPlace::Assembled,
        choice: matches!(channel, Channel::ToolCall).then_some(0),
    };
    let mut decoded = Decoded { pieces: vec![piece], ..Decoded::default() };
    match line.surface {
        Surface::ToolOutput => decoded.results.push(String::new()),
        Surface::ToolDefinition => decoded.offers.push(String::new()),
        Surface::ToolCall => {
            decoded.calls.push(ToolCall::new(String::new(), line.text.clone(), 0));
        }
        _ => {}
    }
    decoded
}

fn told(line: &Line, screening: &Screening, judgement: &Judgement, micros: u64) -> String {
    let scores: serde_json::Map<String, serde_json::Value> =
        screening.scores.iter().map(|(label, score)| (label.clone(), json!(score))).collect();
    let findings: Vec<_> = screening
        .findings
        .iter()
        .map(|finding| {
            json!({
                "detector": &*finding.detector,
                "category": &*finding.category,
                "score": finding.score_ppm,
                "start": finding.span.start,
                "end": finding.span.end,
            })
        })
        .collect();
    let policies: Vec<_> = judgement.policies.iter().map(|policy| &policy.id).collect();
    json!({
        "id": line.id,
        "verdict": judgement.verdict.as_str(),
        "scores": scores,
        "findings": findings,
        "policies": policies,
        "coverage": screening.coverage.to_json(),
        "us": micros,
    })
    .to_string()
}

const LINE_BYTES: u64 = 16 << 20;
const OFFLINE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(600);
