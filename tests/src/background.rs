//! A runtime that outlives every test: each test has its own, which takes all of its tasks along when it ends.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// How long something in the background may take before a test gives up.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // Ours and another crypto provider are compiled in, so rustls wants to be told; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("test-background")
            .enable_all()
            .build()
            .expect("the machine has two more threads")
    })
}

/// Runs something on the background runtime; what it starts lives on. It need not be `Send`, only what makes it.
pub(crate) async fn run<T, F>(work: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let handle = runtime().handle();
    handle.spawn_blocking(move || handle.block_on(work())).await.expect("the background task does not panic")
}

/// The same from where nothing can be awaited, such as `drop`. `None` if it took too long.
pub(crate) fn run_blocking<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (done, answer) = mpsc::channel();
    let handle = runtime().handle();
    handle.spawn_blocking(move || {
        // Nobody listens any more if the wait below ended first.
        let _ = done.send(handle.block_on(work()));
    });
    answer.recv_timeout(ANSWER_WAIT_MAX).ok()
}
