//! The threads that native work runs on: bounded in number, and never those of a parent process.
//!
//! rayon's own pool is made once, by as many threads as `RAYON_NUM_THREADS` says, and is dead in a forked child: work
//! given to it there waits for ever.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, TryLockError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::CoreError;

/// Threads at most, whatever `RAYON_NUM_THREADS` asks for.
const MOST: usize = 256;
/// Looks at a lock before it is taken for one that was held when the process was forked.
pub(crate) const LOOKS: usize = 10_000;

/// The pool and the process that it belongs to.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Do work without the interpreter's lock, on threads of this process.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| run(work))
}

thread_local! {
    /// A pool of this thread alone. Tasks that small work shares out stay here: not in rayon's own pool, which
    /// a forked process does not have.
    static ALONE: Option<ThreadPool> = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
}

/// Do small work on this thread: to hand it to another takes longer than a small fit's evaluation.
pub(crate) fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> PyResult<T> {
    if ALONE.with(Option::is_some) {
        Ok(work())
    } else {
        run(work)
    }
}

/// Do work on threads of this process.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> PyResult<T> {
    Ok(own()?.install(work))
}

/// This process's pool.
fn own() -> PyResult<Arc<ThreadPool>> {
    let process = std::process::id();
    let found = with_lock(|held| held.as_ref().filter(|(owner, _)| *owner == process).map(|(_, pool)| pool.clone()));
    if let Some(Some(pool)) = found {
        return Ok(pool);
    }
    let made = Arc::new(build(asked_for())?);
    let kept = with_lock(|held| match held {
        Some((owner, pool)) if *owner == process => pool.clone(),
        _ => {
            // A parent's pool is not dropped: its threads, which would be told, are not here.
            std::mem::forget(held.replace((process, made.clone())));
            made.clone()
        }
    });
    Ok(kept.unwrap_or(made))
}

/// The lock is held for a few instructions; one that stays held is a copy of a parent's.
fn with_lock<T>(use_it: impl Fn(&mut Option<(u32, Arc<ThreadPool>)>) -> T) -> Option<T> {
    for _ in 0..LOOKS {
        match POOL.try_lock() {
            Ok(mut held) => return Some(use_it(&mut held)),
            Err(TryLockError::Poisoned(held)) => return Some(use_it(&mut held.into_inner())),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}

fn asked_for() -> usize {
    let there = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.trim().parse::<usize>().ok());
    asked.filter(|&n| n > 0).unwrap_or(there).min(MOST)
}

/// A pool of so many threads, or of one where the system gives no more.
fn build(threads: usize) -> PyResult<ThreadPool> {
    let pool = |n| ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("partialpool {i}")).build();
    pool(threads)
        .or_else(|_| pool(1))
        .map_err(|e| CoreError::new_err(format!("the system gives no thread ({e}); end other processes")))
}
