use std::collections::HashMap;
use std::fs;
use std::process::Command;

use super::*;

fn located(
    configured: Option<&Path>,
    variables: &[(&str, &Path)],
) -> Result<PathBuf, RuntimeError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    locate(configured, &|name| variables.get(name).map(|path| path.as_os_str().into()))
}

#[test]
fn the_configured_library_comes_first_and_the_cache_last() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "library").unwrap();
        path
    };
    let in_cache = "troth/onnxruntime/1.31.1/libonnxruntime.so.1.31.1";
    let configured = place("configured.so");
    let variable = place("variable.so");
    let xdg = place(&format!("xdg/{in_cache}"));
    let dot_cache = place(&format!(".cache/{in_cache}"));
    let xdg_home = home.path().join("xdg");
    let both = [("XDG_CACHE_HOME", xdg_home.as_path()), ("HOME", home.path())];
    let all = [both[0], both[1], ("TROTH_ONNXRUNTIME", variable.as_path())];
    assert_eq!(located(Some(&configured), &all).unwrap(), configured);
    assert_eq!(located(None, &all).unwrap(), variable);
    assert_eq!(located(None, &both).unwrap(), xdg);
    assert_eq!(located(None, &both[1..]).unwrap(), dot_cache);
    let empty = [("TROTH_ONNXRUNTIME", Path::new("")), ("XDG_CACHE_HOME", Path::new("")), both[1]];
    assert_eq!(located(None, &empty).unwrap(), dot_cache);
}

#[test]
fn a_library_that_is_named_and_missing_is_not_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing.so");
    let error = located(Some(&missing), &[]).unwrap_err().to_string();
    assert!(error.contains("`runtime` under [classifiers]") && error.contains("make runtime"));
    let error = located(None, &[("TROTH_ONNXRUNTIME", &missing)]).unwrap_err().to_string();
    assert!(error.contains("TROTH_ONNXRUNTIME") && error.contains("missing.so"));
    let error = located(None, &[("HOME", home.path())]).unwrap_err();
    assert!(matches!(error, RuntimeError::NotFetched { .. }));
    assert!(error.to_string().contains("make runtime"));
    assert!(matches!(located(None, &[]).unwrap_err(), RuntimeError::NoCache));
}

/// Loads what `TROTH_TEST_LIBRARY` names; run in a process of its own by the tests
/// below, since a process can load one library only. Does nothing otherwise.
#[test]
fn child_that_loads() {
    let Some(path) = env::var_os("TROTH_TEST_LIBRARY") else { return };
    let outcome = match Runtime::load(Path::new(&path)) {
        Ok(runtime) => format!("loaded {}", runtime.path().display()),
        Err(error) => format!("refused {error}"),
    };
    fs::write(env::var_os("TROTH_TEST_OUTCOME").unwrap(), outcome).unwrap();
}

/// What loading `path` comes to, in a process of its own that must end well.
fn outcome(path: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("outcome");
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "runtime::tests::child_that_loads", "--test-threads=1"])
        .env("TROTH_TEST_LIBRARY", path)
        .env("TROTH_TEST_OUTCOME", &report)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    fs::read_to_string(report).unwrap()
}

#[test]
fn what_is_no_library_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.so");
    fs::write(&text, "not a shared library\n").unwrap();
    let empty = directory.path().join("empty.so");
    fs::write(&empty, "").unwrap();
    for path in [&text, &empty] {
        let said = outcome(path);
        assert!(said.starts_with("refused") && said.contains("make runtime"), "{said}");
        assert!(said.contains("cannot be loaded as a shared library"), "{said}");
    }
    assert!(outcome(directory.path()).contains("is not a file"));
    assert!(outcome(&directory.path().join("missing.so")).contains("is not a file"));
}

/// The linker would map what is not there: without the check before it, a cut library
/// ends the process with SIGBUS.
#[test]
fn a_torn_library_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read(Runtime::locate(None).unwrap()).unwrap();
    let torn = directory.path().join("torn.so");
    for length in [5, 63, 64, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&torn, &whole[..length]).unwrap();
        let said = outcome(&torn);
        assert!(said.starts_with("refused") && said.contains("make runtime"), "{length}: {said}");
    }
}

/// A shared library made on the spot, with the compiler that links this test.
fn compiled(directory: &Path, code: &str) -> PathBuf {
    let (source, library) = (directory.join("made.c"), directory.join("made.so"));
    fs::write(&source, code).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    library
}

#[test]
fn a_library_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let library = compiled(directory.path(), "int answer(void) { return 42; }\n");
    let said = outcome(&library);
    assert!(said.contains("is not an ONNX Runtime library"), "{said}");
    assert!(said.contains("make runtime"), "{said}");
}

#[test]
fn an_old_library_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let code = r#"
        static const void *api(unsigned version) { (void)version; return 0; }
        static const char *version(void) { return "1.17.1"; }
        static const struct { const void *(*api)(unsigned); const char *(*version)(void); }
            base = { api, version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    let said = outcome(&compiled(directory.path(), code));
    assert!(said.contains("is ONNX Runtime `1.17.1`, but 1.31 or newer is needed"), "{said}");
    assert!(said.contains("make runtime"), "{said}");
}

#[test]
fn a_library_that_lies_is_an_error_and_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let none = compiled(directory.path(), "const void *OrtGetApiBase(void) { return 0; }\n");
    let said = outcome(&none);
    assert!(said.starts_with("refused"), "{said}");
    let code = r#"
        static const void *api(unsigned version) { (void)version; return 0; }
        static const char *version(void) { return "1.31.1"; }
        static const struct { const void *(*api)(unsigned); const char *(*version)(void); }
            base = { api, version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    let said = outcome(&compiled(directory.path(), code));
    assert!(said.starts_with("refused") && said.contains("failed to start"), "{said}");
}

#[test]
fn the_fetched_library_loads_and_no_second_one() {
    let path = Runtime::locate(None).unwrap();
    assert!(outcome(&path).starts_with("loaded"));
    let runtime = Runtime::load(&path).unwrap();
    assert_eq!(Runtime::load(&path).unwrap().path(), runtime.path());
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.so");
    fs::copy(&path, &copy).unwrap();
    assert!(matches!(Runtime::load(&copy), Err(RuntimeError::AlreadyLoaded { .. })));
}
