//! Long work stopped from outside: a flag that the work looks at between its steps.
//!
//! The flag is the thread's own, so that callers of the numerics need not hand it on; what gives work to
//! other threads takes it along ([`Stop::current`], [`Stop::within`]).

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::Arc;
use std::time::Duration;

use crate::error::NumericsError;

thread_local! {
    static CURRENT: RefCell<Stop> = RefCell::new(Stop::default());
}

/// A request to stop, shared by those who may make it and those who heed it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<Arc<AtomicBool>>);

impl Stop {
    /// A flag, not raised.
    #[must_use]
    pub fn new() -> Self {
        Stop(Some(Arc::new(AtomicBool::new(false))))
    }

    /// The flag of the work that this thread does; one that is never raised if it has none.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with(|c| c.borrow().clone())
    }

    /// Ask the work to stop.
    pub fn request(&self) {
        if let Some(flag) = &self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the work was asked to stop.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// An error if the work was asked to stop.
    pub fn check(&self) -> Result<(), NumericsError> {
        if self.requested() {
            Err(NumericsError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Do work under this flag, on this thread.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Restore(Stop);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.with(|c| c.swap(&RefCell::new(std::mem::take(&mut self.0))));
            }
        }
        let _restore = Restore(CURRENT.with(|c| c.replace(self.clone())));
        work()
    }
}

/// Do work that has no places to stop at, such as another library's, on a thread of its own, and leave it
/// there when this thread's work is asked to stop: it ends by itself, and nobody hears of it.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, NumericsError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let stop = Stop::current();
    if stop.0.is_none() {
        return Ok(work());
    }
    let (send, done) = channel();
    let worker = std::thread::spawn(move || send.send(work()).is_ok());
    loop {
        match done.recv_timeout(PAUSE) {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Timeout) => stop.check()?,
            // No answer will come: the work panicked.
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(_) => return Err(NumericsError::Interrupted),
            },
        }
    }
}

/// An error if the work of this thread was asked to stop.
pub fn check() -> Result<(), NumericsError> {
    CURRENT.with(|c| c.borrow().check())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_under_the_flag_is_stopped() {
        let stop = Stop::new();
        stop.within(|| {
            assert!(check().is_ok());
            Stop::current().request();
            assert_eq!(check(), Err(NumericsError::Interrupted));
            Stop::new().within(|| assert!(check().is_ok()));
            assert!(check().is_err());
        });
        assert!(check().is_ok());
    }

    #[test]
    fn work_apart_is_waited_for_unless_stopped() {
        assert_eq!(apart(|| 3), Ok(3));
        let stop = Stop::new();
        stop.within(|| {
            assert_eq!(apart(|| 3), Ok(3));
            Stop::current().request();
            let (hold, held) = channel::<()>();
            assert_eq!(apart(move || held.recv().is_ok()), Err(NumericsError::Interrupted));
            drop(hold);
        });
    }
}
