//! A limit on everything that a peer can make large, slow or many.

use std::time::Duration;

use serde::Deserialize;

use crate::approval::Bounds;

/// Bounds, as they are written: each has a default and may be set alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// Bytes of a request's body.
    pub(crate) request_bytes: usize,
    /// Bytes of a whole response's body, and of a stream.
    pub(crate) response_bytes: usize,
    /// Bytes of one stream that wait for a verdict.
    pub(crate) hold_bytes: usize,
    /// Bytes of one event of a stream.
    pub(crate) event_bytes: usize,
    /// Bytes of all bodies in the process; past it, new exchanges get 503.
    pub(crate) buffered_total_bytes: usize,
    /// Exchanges under way; past it, 503.
    pub(crate) exchanges: usize,
    /// Open connections; past it, new ones wait to be accepted.
    pub(crate) connections: usize,
    /// Headers of a request.
    pub(crate) headers: usize,
    /// Bytes of a request's head.
    pub(crate) header_bytes: usize,
    /// Milliseconds for a request's head.
    pub(crate) header_timeout_ms: u64,
    /// Milliseconds for a request's body.
    pub(crate) body_timeout_ms: u64,
    /// Milliseconds to connect to an upstream.
    pub(crate) connect_timeout_ms: u64,
    /// Milliseconds until an upstream's response begins.
    pub(crate) upstream_timeout_ms: u64,
    /// Milliseconds between two packets of a response.
    pub(crate) idle_timeout_ms: u64,
    /// Milliseconds for a client to take what it is sent, 64 KiB or so at a
    /// time; past it its connection ends.
    pub(crate) write_timeout_ms: u64,
    /// Milliseconds that exchanges under way get when the proxy stops.
    pub(crate) drain_timeout_ms: u64,
    /// Milliseconds for a record to be durable; past it the exchange fails closed.
    pub(crate) commit_timeout_ms: u64,
    /// Tool calls that wait for a person, and those that were decided and not
    /// made again yet.
    pub(crate) approvals: usize,
    /// The same of one principal: none fills the desk alone.
    pub(crate) approvals_per_principal: usize,
    /// Milliseconds that an exchange waits for a person before it is refused.
    /// The call stays, and the same call made again finds the decision.
    pub(crate) approval_wait_ms: u64,
    /// Milliseconds that a call and the decision about it stay.
    pub(crate) approval_expiry_ms: u64,
    /// Milliseconds between two comments that keep a stream alive meanwhile.
    pub(crate) approval_ping_ms: u64,
    /// Bytes of remembered screenings.
    pub(crate) cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 8 << 20,
            response_bytes: 64 << 20,
            hold_bytes: 64 << 10,
            event_bytes: 1 << 20,
            buffered_total_bytes: 1 << 30,
            exchanges: 10_000,
            connections: 20_000,
            headers: 100,
            header_bytes: 64 << 10,
            header_timeout_ms: 10_000,
            body_timeout_ms: 60_000,
            connect_timeout_ms: 5_000,
            upstream_timeout_ms: 600_000,
            idle_timeout_ms: 300_000,
            write_timeout_ms: 60_000,
            drain_timeout_ms: 30_000,
            commit_timeout_ms: 10_000,
            approvals: 256,
            approvals_per_principal: 32,
            approval_wait_ms: 60_000,
            approval_expiry_ms: 900_000,
            approval_ping_ms: 10_000,
            cache_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// The limits that must not be zero, by name.
    pub(super) fn named(&self) -> Vec<(&'static str, u64)> {
        let size = |bytes: usize| bytes as u64;
        vec![
            ("request_bytes", size(self.request_bytes)),
            ("response_bytes", size(self.response_bytes)),
            ("hold_bytes", size(self.hold_bytes)),
            ("event_bytes", size(self.event_bytes)),
            ("buffered_total_bytes", size(self.buffered_total_bytes)),
            ("exchanges", size(self.exchanges)),
            ("connections", size(self.connections)),
            ("headers", size(self.headers)),
            ("header_bytes", size(self.header_bytes)),
            ("header_timeout_ms", self.header_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("upstream_timeout_ms", self.upstream_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("write_timeout_ms", self.write_timeout_ms),
            ("drain_timeout_ms", self.drain_timeout_ms),
            ("commit_timeout_ms", self.commit_timeout_ms),
            ("approvals", size(self.approvals)),
            ("approvals_per_principal", size(self.approvals_per_principal)),
            ("approval_wait_ms", self.approval_wait_ms),
            ("approval_expiry_ms", self.approval_expiry_ms),
            ("approval_ping_ms", self.approval_ping_ms),
        ]
    }

    /// Time for a request's body.
    pub(crate) const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// Time for a request's head.
    pub(crate) const fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    /// Time to connect to an upstream.
    pub(crate) const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Time until an upstream's response begins.
    pub(crate) const fn upstream_timeout(&self) -> Duration {
        Duration::from_millis(self.upstream_timeout_ms)
    }

    /// Time between two packets of a response.
    pub(crate) const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// Time for a client to take a piece of what it is sent.
    pub(crate) const fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// Time for a record to be durable.
    pub(crate) const fn commit_timeout(&self) -> Duration {
        Duration::from_millis(self.commit_timeout_ms)
    }

    /// Time that an exchange waits for a person.
    pub(crate) const fn approval_wait(&self) -> Duration {
        Duration::from_millis(self.approval_wait_ms)
    }

    /// Time between two signs of life meanwhile.
    pub(crate) const fn approval_ping(&self) -> Duration {
        Duration::from_millis(self.approval_ping_ms)
    }

    /// Bounds of the desk.
    pub(crate) const fn desk(&self) -> Bounds {
        Bounds {
            calls: self.approvals,
            of_principal: self.approvals_per_principal,
            bytes: self.hold_bytes,
            expiry: Duration::from_millis(self.approval_expiry_ms),
        }
    }

    /// Time for exchanges under way when the proxy stops.
    pub(crate) const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}
