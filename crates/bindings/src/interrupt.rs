//! Ctrl-C during long native work: the work runs on a thread of its own, while the calling thread, which
//! alone hears of signals, asks Python for them.

use std::sync::mpsc::{channel, RecvTimeoutError};
use std::time::Duration;

use numerics::interrupt::Stop;
use numerics::NumericsError;
use pyo3::prelude::*;

use crate::pool::{alone, run};
use crate::raise;

/// Rows above which a pass over them may take long.
pub(crate) const MANY_ROWS: usize = 100_000;
/// Random effects above which work on them may take long; a thread costs less than one evaluation then.
pub(crate) const MANY_EFFECTS: usize = 500;

/// How often signals are asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Do `work` without the interpreter. Where it may take `long`, a signal whose handler raises stops it,
/// and what the handler raised is the result.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    long: bool,
    work: impl FnOnce() -> Result<T, NumericsError> + Send,
) -> PyResult<T> {
    interruptible_by(py, long, |stop| if long { run(|| stop.within(work)) } else { alone(work) })
}

/// As [`interruptible`], for work that waits for something first: it is called on a thread that is none of
/// the pool's, with the flag that stops it, and hands to the pool what is to be done there.
pub(crate) fn interruptible_by<T: Send>(
    py: Python<'_>,
    long: bool,
    work: impl FnOnce(&Stop) -> PyResult<Result<T, NumericsError>> + Send,
) -> PyResult<T> {
    if !long {
        return py.detach(|| work(&Stop::default()))?.map_err(raise);
    }
    py.detach(|| {
        let stop = Stop::new();
        let mut raised: Option<PyErr> = None;
        let (send, done) = channel::<()>();
        let out = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                // Dropped at the end, however it comes.
                let _send = send;
                work(&stop)
            });
            while raised.is_none() && done.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                raised = Python::attach(|py| py.check_signals()).err();
            }
            if raised.is_some() {
                stop.request();
            }
            worker.join()
        });
        match (raised, out) {
            (Some(e), _) => Err(e),
            (None, Ok(out)) => out?.map_err(raise),
            (None, Err(panic)) => std::panic::resume_unwind(panic),
        }
    })
}
