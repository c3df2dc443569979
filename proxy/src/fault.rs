//! What can go wrong with an exchange, whose fault it is, and whether trying
//! again can help. `rescue` turns these into responses, by type.

use http::StatusCode;

use crate::{dialect::DecodeFault, ledger::EvidenceFault};

/// An exchange that cannot be answered by its upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The client's: no route has this path.
    #[error("no route answers this path")]
    NoRoute,
    /// The client's: the route's dialect does not know this method and path.
    #[error("this path is not one that the route's dialect knows")]
    NoEndpoint,
    /// The client's: no key, or one that nobody has.
    #[error("the key is missing or unknown")]
    Unauthenticated,
    /// The client's: a body past the bound.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The client's: a body that did not come in time.
    #[error("the body did not come in time")]
    SlowBody,
    /// The client's: it left while it sent.
    #[error("the body ended early")]
    BrokenBody,
    /// The client's: a coded body.
    #[error("`content-encoding` is not accepted: send the body as it is")]
    Encoded,
    /// The client's: text in another charset.
    #[error("the charset must be UTF-8")]
    Charset,
    /// The client's: a body that cannot be read strictly.
    #[error(transparent)]
    Decode(#[from] DecodeFault),
    /// Ours: too many exchanges or bytes; later it may pass.
    #[error("the proxy is at its limit of {what}")]
    Overloaded {
        /// The limit.
        what: &'static str,
    },
    /// Ours: no memory for the answer; later it may pass.
    #[error("the proxy is at its limit of buffered bytes")]
    NoRoom,
    /// Ours: no evidence, so no exchange.
    #[error(transparent)]
    Evidence(#[from] EvidenceFault),
    /// Ours: a detector did not answer and its mode refuses.
    #[error("a detector did not answer in time, and the configuration refuses then")]
    Unscreened,
    /// The upstream's: it cannot be reached.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// The upstream's: it did not answer in time.
    #[error("the upstream did not answer in time")]
    UpstreamTimeout,
    /// The upstream's: an answer that cannot be read or is too large.
    #[error("the upstream's answer cannot be screened: {what}")]
    UpstreamAnswer {
        /// What is wrong with it, without content.
        what: &'static str,
    },
    /// Ours: a bug.
    #[error("an internal error")]
    Internal,
}

impl Fault {
    /// The HTTP status.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute | Self::NoEndpoint => StatusCode::NOT_FOUND,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody | Self::Decode(_) => StatusCode::BAD_REQUEST,
            Self::Encoded | Self::Charset => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded { .. } | Self::NoRoom | Self::Evidence(_) | Self::Unscreened => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable | Self::UpstreamAnswer { .. } => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A word for programs, and for the record's `reason`.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::NoEndpoint => "unknown_path",
            Self::Unauthenticated => "invalid_api_key",
            Self::TooLarge { .. } => "request_too_large",
            Self::SlowBody => "request_timeout",
            Self::BrokenBody => "broken_body",
            Self::Encoded => "unsupported_encoding",
            Self::Charset => "unsupported_charset",
            Self::Decode(_) => "invalid_request",
            Self::Overloaded { .. } | Self::NoRoom => "overloaded",
            Self::Evidence(_) => "evidence_unavailable",
            Self::Unscreened => "unscreened",
            Self::Unreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamAnswer { .. } => "upstream_answer",
            Self::Internal => "internal",
        }
    }

    /// Whether it happened before an intent was written: a refusal that only a
    /// heartbeat counts.
    pub(crate) const fn is_before_intent(&self) -> bool {
        matches!(
            self,
            Self::NoEndpoint
                | Self::Unauthenticated
                | Self::TooLarge { .. }
                | Self::SlowBody
                | Self::BrokenBody
                | Self::Encoded
                | Self::Charset
                | Self::Overloaded { .. }
        )
    }

    /// Whether the same request may pass later.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Overloaded { .. }
                | Self::NoRoom
                | Self::Evidence(_)
                | Self::Unscreened
                | Self::Unreachable
                | Self::UpstreamTimeout
        )
    }
}
