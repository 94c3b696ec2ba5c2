//! A thread on which a store waits for its server: who asks may itself be a task, which must not wait.

use std::sync::mpsc::sync_channel;

use tokio::runtime::Runtime;

/// The thread; there until the end, when it may be dropped by a task.
pub(crate) struct Aside(Option<Runtime>);

impl Aside {
    /// # Errors
    /// The machine has no threads left.
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for an answer; nothing where the thread has ended.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = sync_channel(1);
        self.0.as_ref()?.spawn(async move {
            // Whoever asked is waiting, unless the program ends.
            let _ = sender.send(work.await);
        });
        receiver.recv().ok()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
