//! The collapsed log-posterior against definitions: densities that integrate to one, gradients that
//! are differences, the likelihood of the dense covariance matrix, and draws that do not depend on
//! the number of threads.

use std::sync::Arc;

use numerics::covariance::{correlation_factor, lkj, Block, Working};
use numerics::linalg::gamma::ln_gamma;
use numerics::posterior::Collapsed;
use numerics::posterior::Prior;
use numerics::posterior::WarmStart;
use numerics::posterior::{sample, CollapsedTarget, JointTarget, Plan};
use numerics::posterior::{LogPosterior, Priors};
use numerics::{Column, CrossProducts, FactorInput, Fit, Input};

const PROPER: [Prior; 11] = [
    Prior::Normal(0.4, 1.5),
    Prior::StudentT(3.0, -0.5, 2.0),
    Prior::Cauchy(0.3, 0.7),
    Prior::HalfNormal(2.0),
    Prior::HalfStudentT(4.0, 1.5),
    Prior::HalfCauchy(1.2),
    Prior::Exponential(0.8),
    Prior::Gamma(2.5, 1.5),
    Prior::InvGamma(3.0, 2.0),
    Prior::Uniform(-1.0, 3.0),
    Prior::Uniform(0.0, 2.0),
];

/// ∫ f over an interval by the substitution x = tan(t) and Simpson's rule.
fn integral(f: impl Fn(f64) -> f64, (low, high): (f64, f64)) -> f64 {
    let (a, b, n) = (low.atan(), high.atan(), 200_000);
    let h = (b - a) / n as f64;
    // The ends are left out: there the density is zero or the substitution infinite.
    (0..n)
        .map(|i| {
            let t = a + (i as f64 + 0.5) * h;
            let slope = 1.0 + t.tan().powi(2);
            f(t.tan()) * slope * h
        })
        .sum()
}

#[test]
fn proper_priors_integrate_to_one() {
    for prior in PROPER {
        let total = integral(|x| prior.log_density(x).0.exp(), prior.support());
        assert!((total - 1.0).abs() < 1e-6, "{prior:?}: {total}");
    }
}

#[test]
fn slopes_of_priors_are_differences() {
    for prior in PROPER {
        for x in [0.11, 0.5, 1.3, 1.9] {
            let h = 1e-6;
            let difference = (prior.log_density(x + h).0 - prior.log_density(x - h).0) / (2.0 * h);
            let slope = prior.log_density(x).1;
            assert!((slope - difference).abs() < 1e-7 * (1.0 + slope.abs()), "{prior:?} at {x}: {slope} {difference}");
        }
    }
}

#[test]
fn gamma_function_at_half_integers() {
    let mut product = std::f64::consts::PI.sqrt();
    for i in 0..20 {
        let x = i as f64 + 0.5;
        assert!((ln_gamma(x) - product.ln()).abs() < 1e-13 * (1.0 + product.ln().abs()), "{x}");
        product *= x;
    }
}

/// det(R)^(η-1) times the Jacobian of y ↦ R's entries below the diagonal, by differences.
fn lkj_by_definition(y: &[f64], k: usize, eta: f64) -> f64 {
    let entries = |y: &[f64]| {
        let mut l = vec![0.0; k * k];
        correlation_factor(y, k, &mut l);
        let at = |i: usize, j: usize| (0..k).map(|t| l[i * k + t] * l[j * k + t]).sum::<f64>();
        let below: Vec<f64> = (0..k).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect();
        let det: f64 = (0..k).map(|i| l[i * k + i].powi(2)).product();
        (below, det)
    };
    let m = y.len();
    let mut jacobian = vec![0.0; m * m];
    for c in 0..m {
        let (mut up, mut down) = (y.to_vec(), y.to_vec());
        up[c] += 1e-6;
        down[c] -= 1e-6;
        let (up, down) = (entries(&up).0, entries(&down).0);
        (0..m).for_each(|r| jacobian[r * m + c] = (up[r] - down[r]) / 2e-6);
    }
    // Row by row below the diagonal, entry r depends on y[..=r] and earlier rows' columns: the
    // determinant by elimination.
    let mut log_det = 0.0;
    for j in 0..m {
        let pivot = (j..m).max_by(|&a, &b| jacobian[a * m + j].abs().total_cmp(&jacobian[b * m + j].abs())).unwrap();
        (0..m).for_each(|t| jacobian.swap(j * m + t, pivot * m + t));
        log_det += jacobian[j * m + j].abs().ln();
        for i in j + 1..m {
            let f = jacobian[i * m + j] / jacobian[j * m + j];
            (j..m).for_each(|t| jacobian[i * m + t] -= f * jacobian[j * m + t]);
        }
    }
    (eta - 1.0) * entries(y).1.ln() + log_det
}

#[test]
fn lkj_is_the_determinants_power_up_to_a_constant() {
    for (k, eta) in [(2, 1.0), (2, 2.5), (3, 1.0), (3, 2.0), (4, 3.0)] {
        let m = k * (k - 1) / 2;
        let points = [vec![0.1; m], (0..m).map(|i| 0.7 - 0.3 * i as f64).collect(), vec![-0.9; m]];
        let constants: Vec<f64> =
            points.iter().map(|y| lkj(y, k, eta, &mut vec![0.0; m]) - lkj_by_definition(y, k, eta)).collect();
        for c in &constants {
            assert!((c - constants[0]).abs() < 1e-6, "k {k}, eta {eta}: {constants:?}");
        }
    }
    // The constant too: over y of a 2 x 2 matrix the density integrates to one.
    let total = integral(|y| lkj(&[y], 2, 2.5, &mut [0.0]).exp(), (f64::NEG_INFINITY, f64::INFINITY));
    assert!((total - 1.0).abs() < 1e-6, "{total}");
}

/// A reproducible stream of numbers in (-1, 1).
fn noise(count: usize, mut state: u64) -> Vec<f64> {
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

struct Rows {
    y: Vec<f64>,
    x: Vec<f64>,
    weights: Vec<f64>,
    g: Vec<u32>,
    h: Vec<u32>,
}

fn rows() -> Rows {
    let n = 60;
    let x: Vec<f64> = noise(n, 1).iter().map(|v| 5.0 + 2.0 * v).collect();
    let g: Vec<u32> = (0..n as u32).map(|i| i % 7).collect();
    let h: Vec<u32> = (0..n as u32).map(|i| (i / 3) % 5).collect();
    let (e, bg, bh) = (noise(n, 2), noise(14, 3), noise(5, 4));
    let y = (0..n)
        .map(|i| {
            let l = g[i] as usize;
            100.0 + 3.0 * x[i] + 4.0 * bg[l] + bg[l + 7] * x[i] + 2.0 * bh[h[i] as usize] + 3.0 * e[i]
        })
        .collect();
    Rows { y, x, weights: noise(n, 5).iter().map(|v| 1.5 + v).collect(), g, h }
}

/// Two columns: dependent, in two blocks, in one diagonal block.
fn kinds() -> [Vec<Block>; 3] {
    [vec![Block::us(2)], vec![Block::us(1); 2], vec![Block::diag(2)]]
}

fn products(r: &Rows, crossed: bool, blocks: &[Block]) -> Arc<CrossProducts> {
    let columns = vec![Column::Constant(1.0), Column::Values(&r.x)];
    let first = FactorInput { codes: &r.g, levels: 7, columns: columns.clone(), blocks: blocks.to_vec() };
    let second =
        FactorInput { codes: &r.h, levels: 5, columns: vec![Column::Constant(1.0)], blocks: vec![Block::us(1)] };
    let factors = if crossed { vec![second, first] } else { vec![first] };
    Arc::new(CrossProducts::build(&Input { y: &r.y, weights: Some(&r.weights), x: columns, factors }).unwrap())
}

fn priors(crossed: bool, blocks: &[Block], beta: [Prior; 2], sigma: Prior) -> Priors {
    let sds = vec![Prior::HalfStudentT(3.0, 5.0), Prior::Uniform(0.0, 9.0)];
    let (mut sd, mut eta) = (vec![sds], vec![vec![2.0; blocks.len()]]);
    if crossed {
        sd.insert(0, vec![Prior::Gamma(2.0, 0.5)]);
        eta.insert(0, vec![1.0]);
    }
    Priors { beta: beta.to_vec(), sigma, sd, eta }
}

fn every_model() -> Vec<LogPosterior> {
    let r = rows();
    let wide = [Prior::Normal(90.0, 30.0), Prior::Flat];
    let bounded = [Prior::StudentT(3.0, 90.0, 30.0), Prior::Uniform(-2.0, 9.0)];
    let mut out = Vec::new();
    for crossed in [false, true] {
        for blocks in &kinds() {
            for (beta, sigma) in [(wide, Prior::Exponential(0.3)), (bounded, Prior::Uniform(0.5, 20.0))] {
                let cp = products(&r, crossed, blocks);
                let priors = priors(crossed, blocks, beta, sigma);
                for prior_only in [false, true] {
                    out.push(LogPosterior::new(cp.clone(), priors.clone(), prior_only).unwrap());
                }
            }
        }
    }
    out
}

fn start_of(posterior: &LogPosterior) -> Vec<f64> {
    let fit = Fit::optimise(posterior.data().clone(), true, None).unwrap();
    posterior.near(&fit.state.beta, fit.sigma(), &fit.raw_lambda())
}

#[test]
fn gradient_is_a_difference_in_every_kind_of_model() {
    for mut posterior in every_model() {
        let mut x = start_of(&posterior);
        x.iter_mut().zip(noise(20, 9)).for_each(|(x, e)| *x += 0.4 * e);
        let mut gradient = vec![0.0; x.len()];
        posterior.evaluate(&x, &mut gradient).unwrap();
        let mut other = gradient.clone();
        for j in 0..x.len() {
            let at = x[j];
            let h = 1e-5;
            x[j] = at + h;
            let up = posterior.evaluate(&x, &mut other).unwrap();
            x[j] = at - h;
            let down = posterior.evaluate(&x, &mut other).unwrap();
            x[j] = at;
            let difference = (up - down) / (2.0 * h);
            assert!(
                (difference - gradient[j]).abs() < 1e-5 * (1.0 + difference.abs()),
                "{j}: {difference} {gradient:?}"
            );
        }
    }
}

/// -½ (log|V| + rᵀV⁻¹r + n log 2π) by the dense covariance matrix of y.
fn dense_log_likelihood(r: &Rows, crossed: bool, d: &[f64]) -> f64 {
    let n = r.y.len();
    let at = if crossed { 4 } else { 3 };
    let (s0, s1) = (d[at], d[at + 1]);
    let rho = d.get(at + 2).copied().unwrap_or(0.0);
    let mut v = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            if r.g[i] == r.g[j] {
                v[i * n + j] += s0 * s0 + rho * s0 * s1 * (r.x[i] + r.x[j]) + s1 * s1 * r.x[i] * r.x[j];
            }
            if crossed && r.h[i] == r.h[j] {
                v[i * n + j] += d[3] * d[3];
            }
        }
        v[i * n + i] += d[2] * d[2] / r.weights[i];
    }
    numerics::linalg::small::cholesky(&mut v, n).unwrap();
    let mut e: Vec<f64> = (0..n).map(|i| r.y[i] - d[0] - d[1] * r.x[i]).collect();
    numerics::linalg::small::solve_lower(&v, n, &mut e, 1);
    let log_det: f64 = (0..n).map(|i| 2.0 * v[i * n + i].ln()).sum();
    -0.5 * (log_det + e.iter().map(|v| v * v).sum::<f64>() + n as f64 * (2.0 * std::f64::consts::PI).ln())
}

#[test]
fn collapsed_likelihood_is_that_of_the_dense_covariance_matrix() {
    let r = rows();
    for crossed in [false, true] {
        for blocks in &kinds() {
            let cp = products(&r, crossed, blocks);
            let beta = [Prior::Flat; 2];
            let posterior = LogPosterior::new(cp.clone(), priors(crossed, blocks, beta, Prior::Flat), false).unwrap();
            let mut x = start_of(&posterior);
            x.iter_mut().zip(noise(20, 11)).for_each(|(x, e)| *x += 0.3 * e);
            let reported = posterior.constrain(&x);
            let (beta, lam, sigma) = posterior.parameters_of(&reported).unwrap();
            let expected = dense_log_likelihood(&r, crossed, &reported);
            for mut collapsed in [Collapsed::new(cp.clone()).unwrap(), Collapsed::general(cp.clone()).unwrap()] {
                let value = collapsed.evaluate(&beta, &lam, sigma).unwrap().value;
                assert!((value - expected).abs() < 1e-8 * expected.abs(), "{crossed} {blocks:?}: {value} {expected}");
            }
        }
    }
}

#[test]
fn the_short_way_of_one_factor_is_the_general_way() {
    let r = rows();
    for blocks in &kinds() {
        let cp = products(&r, false, blocks);
        let lam = Working::from(vec![vec![0.7, 0.0, -0.3, 0.9]]);
        let one = Collapsed::new(cp.clone()).unwrap().evaluate(&[0.2, -0.1], &lam, 0.6).unwrap();
        let two = Collapsed::general(cp.clone()).unwrap().evaluate(&[0.2, -0.1], &lam, 0.6).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-10 * (1.0 + a.abs());
        assert!(close(one.value, two.value) && close(one.log_sigma, two.log_sigma));
        assert!(one.beta.iter().zip(&two.beta).all(|(a, b)| close(*a, *b)), "{one:?} {two:?}");
        assert!(one.lam[0].iter().zip(&two.lam[0]).all(|(a, b)| close(*a, *b)), "{one:?} {two:?}");
    }
}

#[test]
fn draws_do_not_depend_on_the_number_of_threads() {
    let r = rows();
    let cp = products(&r, true, &[Block::us(2)]);
    let priors = priors(true, &[Block::us(2)], [Prior::Flat; 2], Prior::HalfNormal(9.0));
    let mut posterior = LogPosterior::new(cp, priors, false).unwrap();
    let x = start_of(&posterior);
    let start = WarmStart::from(&mut posterior, x).unwrap();
    let plan = Plan { chains: 3, warmup: 60, draws: 40, seed: 5, threads: 1, target_accept: 0.8, max_depth: 8 };
    let collapsed = CollapsedTarget::new(&posterior, start.clone());
    let joint = JointTarget::new(&posterior, start).unwrap();
    let threaded = Plan { threads: 3, ..plan };
    for (one, three) in [
        (sample(&collapsed, plan, &mut |_| true).unwrap(), sample(&collapsed, threaded, &mut |_| true).unwrap()),
        (sample(&joint, plan, &mut |_| true).unwrap(), sample(&joint, threaded, &mut |_| true).unwrap()),
    ] {
        assert_eq!(one.len(), 3);
        for (a, b) in one.iter().zip(&three) {
            assert_eq!(a.values, b.values);
            assert_eq!(a.depth.len(), 40);
            assert_eq!(a.values.len(), 40 * posterior.dim());
        }
        assert_ne!(one[0].values, one[1].values);
    }
}

#[test]
fn stopped_chains_keep_their_draws() {
    let r = rows();
    let cp = products(&r, false, &[Block::us(2)]);
    let mut posterior =
        LogPosterior::new(cp, priors(false, &[Block::us(2)], [Prior::Flat; 2], Prior::HalfNormal(9.0)), false).unwrap();
    let x = start_of(&posterior);
    let start = WarmStart::from(&mut posterior, x).unwrap();
    let plan = Plan { chains: 2, warmup: 5, draws: 50_000_000, seed: 5, threads: 2, target_accept: 0.8, max_depth: 8 };
    let target = CollapsedTarget::new(&posterior, start);
    let chains = sample(&target, plan, &mut |p| p.made < 100).unwrap();
    for chain in &chains {
        assert!(chain.depth.len() < 50_000_000);
        assert_eq!(chain.values.len(), chain.depth.len() * posterior.dim());
    }
    assert!(chains.iter().any(|c| !c.depth.is_empty()));
}
