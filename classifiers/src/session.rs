//! One ONNX Runtime session: one model, one thread.

use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{TensorRef, ValueType};

use crate::manifest::ModelInfo;
use crate::provider::Provider;
use crate::runtime::Runtime;

/// A session that answers with one score for each label.
pub(crate) struct Inference {
    session: Session,
    input: String,
    output: String,
    labels: usize,
}

impl Inference {
    /// Opens `model` on the first of `providers` that takes it, and says which.
    ///
    /// The error names what each provider said.
    pub(crate) fn open(
        model: &[u8],
        info: &ModelInfo,
        providers: &[Provider],
        runtime: &Runtime,
    ) -> Result<(Self, Provider), String> {
        let mut refusals = Vec::new();
        for provider in providers {
            match session(model, *provider, runtime) {
                Ok(session) => {
                    let mut inference = Self {
                        session,
                        input: info.input.clone(),
                        output: info.output.clone(),
                        labels: info.labels.len(),
                    };
                    inference.check()?;
                    return Ok((inference, *provider));
                }
                Err(error) => refusals.push(format!("{provider}: {}", bounded(&error.to_string()))),
            }
        }
        if refusals.is_empty() {
            return Err("no provider is configured".into());
        }
        Err(refusals.join("; "))
    }

    /// Scores one window: a number in 0..=1 for each label.
    pub(crate) fn run(&mut self, ids: &[i64]) -> Result<Vec<f32>, String> {
        let input = TensorRef::from_array_view(([1, ids.len()], ids)).map_err(said)?;
        let inputs = ort::inputs![self.input.as_str() => input];
        let outputs = self.session.run(inputs).map_err(said)?;
        let output = outputs.get(&self.output).ok_or("the model gave no output of that name")?;
        let (_, scores) = output.try_extract_tensor::<f32>().map_err(said)?;
        if scores.len() != self.labels {
            return Err(format!("it gave {} scores for {} labels", scores.len(), self.labels));
        }
        // Not a number is not a low score: a comparison with it is false whatever the
        // threshold, so that it would pass everything.
        if !scores.iter().all(|score| (0.0..=1.0).contains(score)) {
            return Err("a score is not a number from 0 to 1".into());
        }
        Ok(scores.to_vec())
    }

    /// That the graph is what the manifest says, found at opening and not at the first
    /// request.
    fn check(&mut self) -> Result<(), String> {
        let inputs = self.session.inputs();
        let [input] = inputs else {
            return Err(format!("the model has {} inputs, not 1", inputs.len()));
        };
        if input.name() != self.input {
            return Err(format!("the model has no input `{}`", bounded(&self.input)));
        }
        let outputs = self.session.outputs();
        let Some(output) = outputs.iter().find(|output| output.name() == self.output) else {
            return Err(format!("the model has no output `{}`", bounded(&self.output)));
        };
        if let ValueType::Tensor { shape, .. } = output.dtype()
            && let Some(width) = shape.last().filter(|width| **width >= 0)
            && usize::try_from(*width).ok() != Some(self.labels)
        {
            return Err(format!(
                "the model scores {width} labels, its manifest names {}",
                self.labels
            ));
        }
        // Both shapes matter: the shortest window, and one long enough for every layer.
        self.run(&[1])?;
        self.run(&[1; 16])?;
        Ok(())
    }
}

fn session(model: &[u8], provider: Provider, runtime: &Runtime) -> ort::Result<Session> {
    let mut builder: SessionBuilder = Session::builder(runtime.environment())?
        .with_execution_providers([provider.registration()])?
        // One session per worker: a second thread inside an operator would take its
        // core from another worker, and is up to six times slower on a busy machine.
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?;
    builder.commit_from_memory(model)
}

fn said<R>(error: ort::Error<R>) -> String {
    bounded(&error.to_string())
}

/// The first line of what the runtime says, cut: it can be pages long.
fn bounded(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
