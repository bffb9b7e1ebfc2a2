//! Long work stopped from outside: a flag that the work looks at between its steps.
//!
//! The flag is the thread's own, so that callers of the numerics need not hand it on; what gives work to
//! other threads takes it along ([`Stop::current`], [`Stop::within`]).

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

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
}
