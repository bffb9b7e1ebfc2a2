//! A fit that any number of threads may ask at once.
//!
//! Most questions read: they hold a share of the fit, and no lock while they work. A few need the factor as
//! scratch memory: these take turns, and change a copy if somebody reads meanwhile. No lock is held while the
//! interpreter's is waited for, nor taken on a thread of the pool, which may be given other work while it waits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use numerics::covariance::Working;
use numerics::fit::Convergence;
use numerics::{CrossProducts, Fit, NumericsError};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::interrupt::interruptible_by;
use crate::pool::{alone, run, LOOKS};

/// Between looks at a fit that another thread works with.
const NAP: Duration = Duration::from_micros(200);
/// How long a reader waits before signals are asked for.
const PATIENCE: Duration = Duration::from_millis(50);

/// What makes the fit again, bit by bit.
struct Origin {
    cp: Arc<CrossProducts>,
    reml: bool,
    lambda: Working,
    convergence: Convergence,
    hessian: Vec<f64>,
}

impl Origin {
    fn fit(&self) -> Result<Arc<Fit>, NumericsError> {
        let (convergence, hessian) = (self.convergence.clone(), self.hessian.clone());
        Fit::at_working(self.cp.clone(), self.reml, &self.lambda, convergence, hessian).map(Arc::new)
    }
}

/// A fit, shared by threads.
pub(crate) struct SharedFit {
    origin: Origin,
    /// Nothing: work on it was stopped or failed, and it is to be made again.
    fit: Mutex<Option<Arc<Fit>>>,
    /// The process whose thread holds the lock; 0 if none does.
    holder: AtomicU32,
}

/// The lock, held by a thread of this process.
struct Turn<'a> {
    holder: &'a AtomicU32,
    fit: MutexGuard<'a, Option<Arc<Fit>>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Release);
    }
}

/// What came of waiting for a turn.
enum Waited<'a> {
    Turn(Turn<'a>),
    /// The lock is a copy of one that was held when this process was forked: nobody will release it.
    Abandoned,
    GivenUp,
}

impl SharedFit {
    pub(crate) fn new(fit: Fit) -> Self {
        let origin = Origin {
            cp: fit.cp.clone(),
            reml: fit.state.reml,
            lambda: fit.state.blocked.lam.clone(),
            convergence: fit.convergence.clone(),
            hessian: fit.hessian.clone(),
        };
        SharedFit { origin, fit: Mutex::new(Some(Arc::new(fit))), holder: AtomicU32::new(0) }
    }

    pub(crate) fn cp(&self) -> &CrossProducts {
        &self.origin.cp
    }

    /// A share of the fit, to be read.
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<Arc<Fit>> {
        if let Some(fit) = self.fit.try_lock().ok().and_then(|held| held.clone()) {
            return Ok(fit);
        }
        loop {
            let until = Instant::now() + PATIENCE;
            match py.detach(|| self.share(|| Instant::now() > until))? {
                Some(fit) => return fit.map_err(raise),
                None => py.check_signals()?,
            }
        }
    }

    fn share(&self, give_up: impl Fn() -> bool) -> PyResult<Option<Result<Arc<Fit>, NumericsError>>> {
        let mut turn = match self.wait(give_up) {
            Waited::Turn(turn) => turn,
            Waited::Abandoned => return run(|| self.origin.fit()).map(Some),
            Waited::GivenUp => return Ok(None),
        };
        if turn.fit.is_none() {
            match run(|| self.origin.fit())? {
                Ok(fit) => *turn.fit = Some(fit),
                Err(e) => return Ok(Some(Err(e))),
            }
        }
        Ok(turn.fit.clone().map(Ok))
    }

    /// Do work that changes the fit on its way and leaves it as it was, unless it fails.
    pub(crate) fn work<T: Send>(
        &self,
        py: Python<'_>,
        long: bool,
        work: impl FnOnce(&mut Fit) -> Result<T, NumericsError> + Send,
    ) -> PyResult<T> {
        interruptible_by(py, long, |stop| {
            let mut turn = match self.wait(|| stop.requested()) {
                Waited::Turn(turn) => Some(turn),
                Waited::Abandoned => None,
                Waited::GivenUp => return Ok(Err(NumericsError::Interrupted)),
            };
            let held = turn.as_mut().and_then(|turn| turn.fit.take());
            let work = || stop.within(|| self.worked(held, work));
            let done = if long { run(work) } else { alone(work) }?;
            Ok(done.map(|(out, fit)| {
                if let Some(turn) = turn.as_mut().filter(|_| !stop.requested()) {
                    *turn.fit = Some(fit);
                }
                out
            }))
        })
    }

    fn worked<T>(
        &self,
        held: Option<Arc<Fit>>,
        work: impl FnOnce(&mut Fit) -> Result<T, NumericsError>,
    ) -> Result<(T, Arc<Fit>), NumericsError> {
        let mut fit = held.map_or_else(|| self.origin.fit(), Ok)?;
        let out = work(Arc::make_mut(&mut fit))?;
        Ok((out, fit))
    }

    fn wait(&self, give_up: impl Fn() -> bool) -> Waited<'_> {
        let process = std::process::id();
        let mut looks = 0;
        loop {
            let fit = match self.fit.try_lock() {
                Ok(fit) => Some(fit),
                // The fit was taken out by the work that panicked.
                Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(fit) = fit {
                self.holder.store(process, Ordering::Release);
                return Waited::Turn(Turn { holder: &self.holder, fit });
            }
            let holder = self.holder.load(Ordering::Acquire);
            looks = if holder == process { 0 } else { looks + 1 };
            // A share is taken within a few instructions, by a thread that does not say who it is.
            if looks > LOOKS || holder != 0 && holder != process {
                return Waited::Abandoned;
            }
            if give_up() {
                return Waited::GivenUp;
            }
            if holder == process {
                std::thread::sleep(NAP);
            } else {
                std::thread::yield_now();
            }
        }
    }
}
