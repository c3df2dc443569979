//! The ONNX Runtime shared library: found, loaded once, and never by guesswork.
//!
//! `ort` panics when any of its functions is called before a library is loaded,
//! and it loads whatever `libonnxruntime.so` the system happens to have. So the
//! only way to a session in this crate is through a [`Runtime`], and the only way
//! to a [`Runtime`] is an explicit path.

use std::env;
use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::elf;

/// The loaded ONNX Runtime, with telemetry off.
///
/// There is one in a process: the library keeps global state, and `ort` allows a
/// single environment. Loading the same file again gives the same runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
}

/// Why there is no runtime. Every message that an operator can act on says how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No library was configured and none is in the cache.
    #[error(
        "the ONNX Runtime library is not at `{path}`: run `make runtime`, or name one with `runtime` under [classifiers] or with TROTH_ONNXRUNTIME"
    )]
    NotFetched {
        /// Where `make runtime` would have put it.
        path: PathBuf,
    },
    /// The configuration or the environment names a file that is not there.
    #[error(
        "{named_by} names `{path}`, which is not a file: correct it, or remove it and run `make runtime`"
    )]
    NotThere {
        /// Who named the path.
        named_by: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// Neither a home nor a cache directory is known.
    #[error(
        "no ONNX Runtime library is configured, and neither XDG_CACHE_HOME nor HOME says where `make runtime` put one"
    )]
    NoCache,
    /// The file cannot be loaded as a shared library.
    #[error(
        "`{path}` cannot be loaded as a shared library (run `make runtime` for a good one): {reason}"
    )]
    NotLoadable {
        /// The path.
        path: PathBuf,
        /// What the dynamic linker said.
        reason: String,
    },
    /// The file is a shared library, of something else.
    #[error("`{path}` is not an ONNX Runtime library (run `make runtime` for a good one)")]
    NotOnnxRuntime {
        /// The path.
        path: PathBuf,
    },
    /// The library is older than the interface that this program was built for.
    #[error(
        "`{path}` is ONNX Runtime `{found}`, but 1.{needed} or newer is needed: run `make runtime`"
    )]
    TooOld {
        /// The path.
        path: PathBuf,
        /// Its version, as it says.
        found: String,
        /// The minor version needed.
        needed: u32,
    },
    /// Another library was loaded before in this process.
    #[error(
        "`{loaded}` is loaded already, and a process can hold one ONNX Runtime: `{wanted}` needs a restart"
    )]
    AlreadyLoaded {
        /// What is loaded.
        loaded: PathBuf,
        /// What was asked for.
        wanted: PathBuf,
    },
    /// The library loaded and then failed.
    #[error("ONNX Runtime at `{path}` failed to start: {reason}")]
    Failed {
        /// The path.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

/// What this process has loaded. The environment is `None` when the library was
/// loaded and then failed to start; `ort` would go on using it, so no other may be.
static LOADED: Mutex<Option<(PathBuf, Option<Environment>)>> = Mutex::new(None);

/// The version that `make runtime` fetches (`runtime/fetch.sh` pins its digests).
const FETCHED_VERSION: &str = "1.31.1";

impl Runtime {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// [`RuntimeError`]: the file is missing, is no ONNX Runtime, is too old, or
    /// another one is loaded already.
    pub fn load(path: &Path) -> Result<Self, RuntimeError> {
        if !path.is_file() {
            return Err(RuntimeError::NotThere {
                named_by: "the ONNX Runtime path",
                path: path.into(),
            });
        }
        // `ort` resolves a relative path against the executable, not the working
        // directory: it is given absolute ones only.
        let path = path.canonicalize().map_err(|error| RuntimeError::NotLoadable {
            path: path.into(),
            reason: error.to_string(),
        })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some((at, Some(environment))) if *at == path => {
                return Ok(Self { environment: environment.clone(), path });
            }
            Some((at, None)) if *at == path => {
                let reason = "it failed before in this process".into();
                return Err(RuntimeError::Failed { path, reason });
            }
            Some((at, _)) => {
                return Err(RuntimeError::AlreadyLoaded { loaded: at.clone(), wanted: path });
            }
            None => {}
        }
        // `ort` asserts on what a library answers; a library that lies is an error
        // here, not the end of the process.
        let started = panic::catch_unwind(AssertUnwindSafe(|| start(&path)));
        let (environment, failure) = match started {
            Ok(Ok(environment)) => (Some(environment), None),
            Ok(Err(Start::NotLoaded(error))) => return Err(error),
            Ok(Err(Start::NotStarted(reason))) => (None, Some(reason)),
            Err(_) => (None, Some("the library answers in an unknown way".into())),
        };
        *loaded = Some((path.clone(), environment.clone()));
        match (environment, failure) {
            (Some(environment), _) => Ok(Self { environment, path }),
            (None, reason) => {
                Err(RuntimeError::Failed { path, reason: reason.unwrap_or_default() })
            }
        }
    }

    /// Where the library is: `configured`, else what `TROTH_ONNXRUNTIME` names,
    /// else the cache that `make runtime` fills.
    ///
    /// # Errors
    /// [`RuntimeError::NotThere`] when a named file is missing (a named file is never
    /// passed over for the next place), [`RuntimeError::NotFetched`] when nothing is
    /// named and the cache is empty.
    pub fn locate(configured: Option<&Path>) -> Result<PathBuf, RuntimeError> {
        locate(configured, &|name| env::var_os(name))
    }

    /// The library that is loaded.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn locate(
    configured: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, RuntimeError> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = |path: PathBuf, named_by| {
        if path.is_file() { Ok(path) } else { Err(RuntimeError::NotThere { named_by, path }) }
    };
    if let Some(path) = configured {
        return named(path.into(), "`runtime` under [classifiers]");
    }
    if let Some(path) = set("TROTH_ONNXRUNTIME") {
        return named(path, "TROTH_ONNXRUNTIME");
    }
    let cache = set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .ok_or(RuntimeError::NoCache)?;
    let path = cache
        .join("troth/onnxruntime")
        .join(FETCHED_VERSION)
        .join(format!("libonnxruntime.so.{FETCHED_VERSION}"));
    if path.is_file() { Ok(path) } else { Err(RuntimeError::NotFetched { path }) }
}

enum Start {
    /// Nothing of the file stays in the process.
    NotLoaded(RuntimeError),
    /// The library is in the process, and of no use.
    NotStarted(String),
}

fn start(path: &Path) -> Result<Environment, Start> {
    if let Some(reason) = elf::torn(path) {
        let reason = reason.into();
        return Err(Start::NotLoaded(RuntimeError::NotLoadable { path: path.into(), reason }));
    }
    let builder = ort::init_from(path).map_err(|error| Start::NotLoaded(refusal(path, &error)))?;
    let environment = builder
        .with_name("troth")
        // On by default in the published builds.
        .with_telemetry(false)
        // The library would write to stderr by itself, and what it writes can quote
        // tensor names and shapes of a request. Failures come back as errors.
        .with_logger(Arc::new(|_, _, _, _, _| {}))
        .build()
        .map_err(|error| Start::NotStarted(error.to_string()))?;
    environment.set_log_level(LogLevel::Fatal);
    Ok(environment)
}

fn refusal(path: &Path, error: &LoadDynamicError) -> RuntimeError {
    let path = path.to_path_buf();
    match error {
        LoadDynamicError::MissingApi { .. } => RuntimeError::NotOnnxRuntime { path },
        LoadDynamicError::BadVersion { version_str, .. } => RuntimeError::TooOld {
            path,
            found: version_str.chars().take(40).collect(),
            needed: ort::MINOR_VERSION,
        },
        LoadDynamicError::InvalidVersionString => RuntimeError::NotOnnxRuntime { path },
        LoadDynamicError::Dlopen { error, .. } => {
            RuntimeError::NotLoadable { path, reason: error.to_string() }
        }
    }
}

#[cfg(test)]
mod tests;
