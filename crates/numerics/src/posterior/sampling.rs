//! NUTS chains on threads (nuts-rs; Hoffman & Gelman 2014). A chain depends on the seed and its
//! number only, so that the draws are the same for any number of threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nuts_rs::rand::rngs::ChaCha8Rng;
use nuts_rs::rand::{Rng, SeedableRng};
use nuts_rs::{Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings};
use rand_distr::{Distribution, StandardNormal};

use crate::error::NumericsError;
use crate::posterior::joint::Joint;
use crate::posterior::log_posterior::LogPosterior;
use crate::posterior::slow_directions::SlowDirections;
use crate::posterior::warm_start::WarmStart;

/// What is asked of the sampler.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Chains.
    pub chains: usize,
    /// Tuning draws of a chain, not kept.
    pub warmup: usize,
    /// Draws of a chain that are kept.
    pub draws: usize,
    /// Same seed, same numbers.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// Acceptance rate that the step size aims at.
    pub target_accept: f64,
    /// A trajectory has at most 2^depth - 1 steps.
    pub max_depth: usize,
}

/// One chain's draws after tuning; shorter than asked for only if stopped.
#[derive(Debug, Clone, Default)]
pub struct ChainDraws {
    /// Reported parameters, draw after draw.
    pub values: Vec<f64>,
    /// Log-density on the unconstrained scale.
    pub log_density: Vec<f64>,
    /// Hamiltonian of each draw.
    pub energy: Vec<f64>,
    /// Depth of each trajectory.
    pub depth: Vec<u32>,
    /// Whether the trajectory ended because of the greatest depth.
    pub depth_reached: Vec<bool>,
    /// Whether the trajectory diverged.
    pub diverging: Vec<bool>,
    /// Step size in use.
    pub step_size: Vec<f64>,
    /// Gradient evaluations, tuning included.
    pub evaluations: u64,
}

/// State of the chains while they run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Draws made so far, tuning included.
    pub made: usize,
    /// Divergences after tuning.
    pub divergences: usize,
    /// Step size of some chain that reported last.
    pub step_size: f64,
}

/// A density in coordinates where it is nearly standard normal.
pub trait Target: Clone + Send + Sync {
    /// Number of coordinates.
    fn dim(&self) -> usize;
    /// Log-density and its gradient.
    fn evaluate(&mut self, z: &[f64], dz: &mut [f64]) -> Result<f64, NumericsError>;
    /// Parameters as they are reported.
    fn report(&self, z: &[f64]) -> Vec<f64>;
}

/// All random effects integrated out.
#[derive(Debug, Clone)]
pub struct CollapsedTarget {
    posterior: LogPosterior,
    start: WarmStart,
    gradient: Vec<f64>,
}

impl CollapsedTarget {
    /// The posterior in the coordinates of its mode.
    #[must_use]
    pub fn new(posterior: &LogPosterior, start: WarmStart) -> Self {
        CollapsedTarget { posterior: posterior.clone(), gradient: vec![0.0; posterior.dim()], start }
    }
}

impl Target for CollapsedTarget {
    fn dim(&self) -> usize {
        self.gradient.len()
    }

    fn evaluate(&mut self, z: &[f64], dz: &mut [f64]) -> Result<f64, NumericsError> {
        let mut x = vec![0.0; z.len()];
        self.start.place(z, &mut x);
        let value = self.posterior.evaluate(&x, &mut self.gradient)?;
        self.start.pull_back(&self.gradient, dz);
        Ok(value)
    }

    fn report(&self, z: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; z.len()];
        self.start.place(z, &mut x);
        self.posterior.constrain(&x)
    }
}

/// Some random effects sampled.
#[derive(Debug, Clone)]
pub struct JointTarget {
    posterior: Joint,
    start: WarmStart,
    slow: Arc<SlowDirections>,
    x: Vec<f64>,
    gradient: Vec<f64>,
}

impl JointTarget {
    /// The posterior in the coordinates of the mode of its parameters.
    pub fn new(posterior: &LogPosterior, start: WarmStart) -> Result<Self, NumericsError> {
        let (joint, slow) = Joint::at(posterior, &start.centre)?;
        let d = joint.dim();
        Ok(JointTarget { posterior: joint, start, slow: Arc::new(slow), x: vec![0.0; d], gradient: vec![0.0; d] })
    }
}

impl Target for JointTarget {
    fn dim(&self) -> usize {
        self.x.len()
    }

    fn evaluate(&mut self, z: &[f64], dz: &mut [f64]) -> Result<f64, NumericsError> {
        let low = self.start.centre.len();
        let (x_low, x_effects) = self.x.split_at_mut(low);
        self.start.place(&z[..low], x_low);
        x_effects.copy_from_slice(&z[low..]);
        self.slow.stretch(x_effects);
        let value = self.posterior.evaluate(&self.x, &mut self.gradient)?;
        self.start.pull_back(&self.gradient[..low], &mut dz[..low]);
        dz[low..].copy_from_slice(&self.gradient[low..]);
        self.slow.stretch(&mut dz[low..]);
        Ok(value)
    }

    fn report(&self, z: &[f64]) -> Vec<f64> {
        let low = self.start.centre.len();
        let mut x = vec![0.0; low];
        self.start.place(&z[..low], &mut x);
        self.posterior.frame().constrain(&x)
    }
}

struct Density<T>(T);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(NumericsError);

impl LogpError for Refused {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl<T: Target> HasDims for Density<T> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_string(), self.0.dim() as u64)])
    }
}

impl<T: Target> CpuLogpFunc for Density<T> {
    type LogpError = Refused;
    type FlowParameters = ();
    type ExpandedVector = ();

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn logp(&mut self, z: &[f64], dz: &mut [f64]) -> Result<f64, Refused> {
        let value = self.0.evaluate(z, dz).map_err(Refused)?;
        if dz.iter().all(|v| v.is_finite()) {
            Ok(value)
        } else {
            Err(Refused(NumericsError::NonFinite("the gradient of the log-posterior")))
        }
    }

    fn expand_vector<R: Rng + ?Sized>(&mut self, _: &mut R, _: &[f64]) -> Result<(), CpuMathError> {
        Ok(())
    }
}

/// A generator that depends on a seed and the number of a stream only.
pub(crate) fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// Run the chains. `poll` is called a few times a second with the progress; where it answers
/// false the chains stop, and what they have drawn is returned.
pub fn sample<T: Target>(
    target: &T,
    plan: Plan,
    poll: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<ChainDraws>, NumericsError> {
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    let divergences = AtomicUsize::new(0);
    let step_bits = std::sync::atomic::AtomicU64::new(0);
    let results: Mutex<Vec<(usize, Result<ChainDraws, NumericsError>)>> = Mutex::new(Vec::new());
    let (send, wake) = std::sync::mpsc::channel::<()>();
    let workers = plan.threads.clamp(1, plan.chains.max(1));
    // Each chain's products run on threads of its own: it waits for no other chain, and rayon's common
    // pool, which is dead in a forked process, is not asked.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let pool = || rayon::ThreadPoolBuilder::new().num_threads((cores / workers).max(1)).build();
    let pools: Vec<rayon::ThreadPool> =
        (0..workers).map(|_| pool()).collect::<Result<_, _>>().map_err(|e| NumericsError::Sampler(e.to_string()))?;
    let now = || Progress {
        made: made.load(Ordering::Relaxed),
        divergences: divergences.load(Ordering::Relaxed),
        step_size: f64::from_bits(step_bits.load(Ordering::Relaxed)),
    };
    std::thread::scope(|scope| {
        for pool in &pools {
            let send = send.clone();
            let (stop, next, finished, made) = (&stop, &next, &finished, &made);
            let (divergences, step_bits, results) = (&divergences, &step_bits, &results);
            scope.spawn(move || loop {
                let chain = next.fetch_add(1, Ordering::Relaxed);
                if chain >= plan.chains {
                    // The receiver lives as long as the scope.
                    let _ = send.send(());
                    break;
                }
                let report = |diverging: bool, step: f64| {
                    made.fetch_add(1, Ordering::Relaxed);
                    divergences.fetch_add(usize::from(diverging), Ordering::Relaxed);
                    step_bits.store(step.to_bits(), Ordering::Relaxed);
                    !stop.load(Ordering::Relaxed)
                };
                let one = pool.install(|| run_chain(target, plan, chain, &report));
                results.lock().unwrap_or_else(PoisonError::into_inner).push((chain, one));
                finished.fetch_add(1, Ordering::Relaxed);
                let _ = send.send(());
            });
        }
        drop(send);
        while finished.load(Ordering::Relaxed) < plan.chains {
            let outcome = wake.recv_timeout(Duration::from_millis(100));
            if !poll(now()) {
                stop.store(true, Ordering::Relaxed);
            }
            if matches!(outcome, Err(std::sync::mpsc::RecvTimeoutError::Disconnected)) {
                break;
            }
        }
    });
    // Chains may end before they are looked at; the last report is of everything.
    poll(now());
    let mut all = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by_key(|(chain, _)| *chain);
    all.into_iter().map(|(_, draws)| draws).collect()
}

fn run_chain<T: Target>(
    target: &T,
    plan: Plan,
    chain: usize,
    report: &dyn Fn(bool, f64) -> bool,
) -> Result<ChainDraws, NumericsError> {
    let failed = |e: &dyn std::fmt::Display| NumericsError::Sampler(format!("chain {}: {e}", chain + 1));
    let d = target.dim();
    let mut rng = stream(plan.seed, chain as u64 + 1);
    let mut density = Density(target.clone());
    let mut z: Vec<f64> = (0..d).map(|_| StandardNormal.sample(&mut rng)).collect();
    // A start beyond the density's reach is drawn back towards the centre.
    let mut scratch = vec![0.0; d];
    let mut tries = 0;
    while density.logp(&z, &mut scratch).is_err() && tries < 30 {
        z.iter_mut().for_each(|v| *v *= 0.5);
        tries += 1;
    }
    let mut settings = DiagNutsSettings {
        num_tune: plan.warmup as u64,
        num_draws: plan.draws as u64,
        maxdepth: plan.max_depth as u64,
        ..DiagNutsSettings::default()
    };
    settings.adapt_options.step_size_settings.target_accept = plan.target_accept;
    settings.adapt_options.step_size_settings.initial_step = 0.5;
    let mut sampler = settings.new_chain(chain as u64, CpuMath::new(density), &mut rng).map_err(|e| failed(&e))?;
    sampler.set_position(&z).map_err(|e| failed(&e))?;
    let mut out = ChainDraws::default();
    for i in 0..plan.warmup + plan.draws {
        let (z, _, stats, progress) = sampler.expanded_draw().map_err(|e| failed(&e))?;
        out.evaluations += progress.num_steps;
        let kept = i >= plan.warmup;
        if kept {
            out.values.extend(target.report(&z));
            out.log_density.push(stats.point.logp);
            out.energy.push(stats.point.energy);
            out.depth.push(stats.depth as u32);
            out.depth_reached.push(stats.maxdepth_reached);
            out.diverging.push(progress.diverging);
            out.step_size.push(progress.step_size);
        }
        if !report(kept && progress.diverging, progress.step_size) {
            break;
        }
    }
    Ok(out)
}
