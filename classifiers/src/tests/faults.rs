//! Models that are altered, torn or not what they say: named, and nothing panics.

use super::*;
use crate::{ManifestError, Provider};

fn refusal(model: &Model) -> String {
    model.open(&one_worker()).unwrap_err().to_string()
}

#[test]
fn one_altered_byte_of_any_file_is_refused() {
    for file in ["model.onnx", "tokenizer.json"] {
        let model = Model::new("marker");
        let whole = fs::read(model.path(file)).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(model.path(file), &altered).unwrap();
            let error = model.open(&one_worker()).unwrap_err();
            assert!(
                matches!(&error, OpenError::Manifest { error: ManifestError::Altered { path, .. }, .. } if path == file),
                "{error}"
            );
            assert!(Classifiers::verify(&model.source()).is_err());
        }
        fs::write(model.path(file), [&whole[..], b"x"].concat()).unwrap();
        assert!(Classifiers::verify(&model.source()).is_err());
        fs::write(model.path(file), &whole).unwrap();
        assert_eq!(Classifiers::verify(&model.source()).unwrap().len(), 1);
        fs::remove_file(model.path(file)).unwrap();
        assert!(refusal(&model).contains("cannot be read"));
    }
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let cases = [
        ("version = 1", "version = 2", "`version` is not 1"),
        ("stride = 24", "stride = 33", "`stride` is 1 token to one `window`"),
        ("stride = 24", "stride = 0", "`stride` is 1 token to one `window`"),
        ("window = 32", "window = 0", "`window` is 1 to 65536 tokens"),
        ("window = 32", "window = 65537", "`window` is 1 to 65536 tokens"),
        ("[\"marker\"]", "[]", "`labels` has 1 to 256 entries"),
        ("[\"marker\"]", "[\"a\", \"a\"]", "`labels` names one label twice"),
        ("path = \"model.onnx\"", "path = \"../model.onnx\"", "a `path` is not a plain file name"),
        ("path = \"model.onnx\"", "path = \"/etc/passwd\"", "a `path` is not a plain file name"),
        ("path = \"model.onnx\"", "path = \"tokenizer.json\"", "two `file` entries have one path"),
        (
            "role = \"model\"",
            "role = \"card\"",
            "there is not exactly one `file` whose `role` is `model`",
        ),
        (
            "role = \"tokenizer\"",
            "role = \"model\"",
            "there is not exactly one `file` whose `role` is `model`",
        ),
        ("sha256 = \"", "sha256 = \"0", "a `sha256` is not 64 lower-case hex digits"),
        ("licence", "license", "license"),
        ("name = \"test\"", "name = \"\"", "`name` has 1 to 100 bytes"),
        ("version = 1", "version = \"", "manifest.toml"),
    ];
    for (old, new, expected) in cases {
        let said = refusal(&Model::new("marker").edit(old, new));
        assert!(said.contains(expected), "{old} -> {new}: {said}");
    }
}

#[test]
fn a_directory_without_a_manifest_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = ModelSource::Directory(directory.path().into());
    assert!(matches!(Classifiers::verify(&source), Err(OpenError::NoModels { .. })));
    let missing = ModelSource::Directory(directory.path().join("missing"));
    assert!(matches!(Classifiers::verify(&missing), Err(OpenError::Unreadable { .. })));
}

#[test]
fn a_model_that_is_not_what_its_manifest_says_is_refused_at_opening() {
    let cases = [
        ("nanalways", "a score is not a number from 0 to 1"),
        ("twolabels", "the model scores 2 labels, its manifest names 1"),
        ("pertoken", "it gave 16 scores for 1 labels"),
        ("otherinput", "the model has no input `input_ids`"),
        ("opset", "cpu: "),
    ];
    for (name, expected) in cases {
        let said = refusal(&Model::new(name));
        assert!(said.contains("the model `test` cannot be run"), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
    }
    let said = refusal(&Model::new("marker").edit("output = \"scores\"", "output = \"other\""));
    assert!(said.contains("the model has no output `other`"), "{said}");
}

#[test]
fn a_torn_model_or_tokenizer_is_refused() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let whole = fs::read(crate_root.join("models/sentinel/model.onnx")).unwrap();
    for length in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        let said = refusal(&Model::of(&whole[..length]));
        assert!(said.contains("the model `test` cannot be run"), "{length}: {said}");
    }
    let model = Model::new("marker");
    let json = fs::read(model.path("tokenizer.json")).unwrap();
    fs::write(model.path("tokenizer.json"), &json[..json.len() / 2]).unwrap();
    model.describe();
    assert!(refusal(&model).contains("the tokenizer of `test` cannot be used"));
}

#[test]
fn a_score_that_is_no_score_is_a_failure_and_not_a_low_score() {
    for name in ["nan", "toolarge"] {
        let classifiers = Model::new(name).open(&one_worker()).unwrap();
        assert_eq!(scored(&classifiers, "plain").unwrap().label("marker"), Some(0));
        let error = scored(&classifiers, &format!("plain {MARKER}")).unwrap_err();
        assert!(
            matches!(&error, ScoreError::Failed(why) if why.contains("not a number from 0 to 1"))
        );
        assert!(scored(&classifiers, "plain").is_ok());
    }
}

#[test]
fn a_session_that_throws_fails_one_text() {
    let classifiers = Model::new("throws").open(&one_worker()).unwrap();
    let secret = "the words of a stranger";
    let error = scored(&classifiers, secret).unwrap_err();
    assert!(matches!(error, ScoreError::Failed(_)));
    assert!(!error.to_string().contains("stranger"));
    assert!(matches!(scored(&classifiers, secret), Err(ScoreError::Failed(_))));
}

#[test]
fn a_provider_that_is_absent_is_named_and_the_next_applies() {
    let model = Model::new("marker");
    let gpu = Options { providers: vec![Provider::TensorRt, Provider::Cuda], ..one_worker() };
    let error = model.open(&gpu).unwrap_err().to_string();
    assert!(error.contains("tensorrt: ") && error.contains("cuda: "), "{error}");
    let providers = vec![Provider::Cuda, Provider::Cpu];
    let classifiers = model.open(&Options { providers, ..one_worker() }).unwrap();
    assert_eq!(classifiers.models()[0].provider, Some(Provider::Cpu));
    assert!(scored(&classifiers, "text").is_ok());
}

#[test]
fn options_out_of_range_are_refused() {
    let model = Model::new("marker");
    let wrong = [
        Options { providers: Vec::new(), ..one_worker() },
        Options { workers: 0, ..one_worker() },
        Options { workers: 65, ..one_worker() },
        Options { queue: 0, ..one_worker() },
        Options { max_windows: 0, ..one_worker() },
    ];
    for options in wrong {
        assert!(matches!(model.open(&options), Err(OpenError::Options(_))));
    }
}
