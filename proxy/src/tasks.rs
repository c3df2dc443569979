//! The one place where tasks are spawned: tracked, named, drained.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// All tasks of one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `task` to its end; `drain` waits for it.
    #[expect(clippy::disallowed_methods, reason = "the file that owns spawning")]
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        use tracing::Instrument;
        // The handle is dropped on purpose: the tracker holds the task.
        drop(tokio::spawn(
            self.tracker.track_future(task.instrument(tracing::debug_span!("task", name))),
        ));
    }

    /// Runs `task` on any thread; resolves to its value, or to nothing when it
    /// panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.spawn(name, async move {
            // Nobody waits any more when this fails.
            drop(sender.send(task.await));
        });
        async { receiver.await.ok() }
    }

    /// Resolves when the server was told to stop.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Tells all tasks to stop, without waiting.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all tasks have ended, at most `within`. False: some had not.
    pub(crate) async fn drain(&self, within: Duration) -> bool {
        self.stop();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}
