//! Which hardware runs a model.

use std::fmt;
use std::str::FromStr;

use ort::ep;
use ort::ep::ExecutionProviderDispatch;

/// An execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// NVIDIA TensorRT.
    TensorRt,
    /// NVIDIA CUDA.
    Cuda,
    /// The processor; in every library.
    Cpu,
}

impl Provider {
    /// Its name in the configuration and in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
        }
    }

    /// The registration, which fails loudly. The default of ONNX Runtime is to fall
    /// back to the processor in silence, and then a record would name hardware that
    /// never ran; `is_available` answers true on machines without a GPU.
    pub(crate) fn registration(self) -> ExecutionProviderDispatch {
        match self {
            Self::TensorRt => ep::TensorRT::default().with_fp16(true).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
        }
        .error_on_failure()
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        [Self::TensorRt, Self::Cuda, Self::Cpu]
            .into_iter()
            .find(|provider| provider.as_str() == name)
            .ok_or_else(|| UnknownProvider(name.chars().take(40).collect()))
    }
}

/// A provider's name that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a provider: expected `tensorrt`, `cuda` or `cpu`")]
pub struct UnknownProvider(String);
