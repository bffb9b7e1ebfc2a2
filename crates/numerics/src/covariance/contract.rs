//! What every structure keeps, whatever it is: a new one is added to [`every`].

use crate::covariance::structure::BasisChanges;
use crate::covariance::{add_bend, directions, lambda_from, pull_back, theta_of, Block, Factor};
use crate::linalg::small;

/// Blocks of every kind and of a few sizes.
fn every() -> Vec<Block> {
    (1..=4).flat_map(|size| [Block::us(size), Block::diag(size)]).collect()
}

/// Numbers between -1 and 1, the same ones always.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// θ with standard deviations well above zero.
fn point(block: &Block, seed: u64) -> Vec<f64> {
    let scales = block.scale_parameters();
    numbers(block.parameters(), seed).into_iter().zip(scales).map(|(v, s)| if s { 1.5 + v } else { v }).collect()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + b.abs()))
}

#[test]
fn names_lead_back_to_their_structures() {
    for block in every() {
        assert_eq!(Block::named(block.name(), block.size()).expect("known"), block);
    }
    assert!(Block::named("nonsense", 2).is_err());
}

#[test]
fn parameters_and_factors_are_one_another() {
    for block in every() {
        let theta = point(&block, 1);
        let lam = block.factor(&theta);
        assert_eq!(lam.len(), block.size() * block.size());
        assert_eq!(block.theta(&lam), theta, "{block:?}");
        assert_eq!(block.entries().len(), block.parameters());
        assert_eq!(block.scale_parameters().len(), block.parameters());
        assert!(close(&block.canonical(&lam), &lam, 1e-14), "{block:?}");
    }
}

#[test]
fn derivatives_are_limits_of_differences() {
    for block in every() {
        let (theta, d_lam) = (point(&block, 2), numbers(block.size() * block.size(), 3));
        let directions = block.directions(&theta);
        let value = |theta: &[f64]| small::dot(&block.factor(theta), &d_lam);
        let slope = block.pull_back(&theta, &d_lam);
        let m = theta.len();
        let bend = block.bend(&theta, &d_lam).unwrap_or_else(|| vec![0.0; m * m]);
        for r in 0..m {
            let at = |h: f64| {
                let mut x = theta.clone();
                x[r] += h;
                x
            };
            let difference: Vec<f64> = block
                .factor(&at(1e-5))
                .iter()
                .zip(block.factor(&at(-1e-5)))
                .map(|(up, down)| (up - down) / 2e-5)
                .collect();
            assert!(close(&directions[r], &difference, 1e-8), "{block:?} {r}");
            assert!((slope[r] - (value(&at(1e-5)) - value(&at(-1e-5))) / 2e-5).abs() < 1e-8, "{block:?} {r}");
            let (up, down) = (block.pull_back(&at(1e-5), &d_lam), block.pull_back(&at(-1e-5), &d_lam));
            let second: Vec<f64> = up.iter().zip(&down).map(|(up, down)| (up - down) / 2e-5).collect();
            assert!(close(&bend[r * m..(r + 1) * m], &second, 1e-8), "{block:?} {r}");
        }
    }
}

#[test]
fn patterns_span_the_covariances() {
    for block in every() {
        let (k, sigma) = (block.size(), small::gram(&block.factor(&point(&block, 4)), block.size()));
        let mut rebuilt = vec![0.0; k * k];
        for pattern in block.patterns() {
            let (i, j) = pattern[0];
            pattern.iter().for_each(|&(a, b)| rebuilt[a * k + b] += sigma[i * k + j]);
            assert!(pattern.iter().all(|&(a, b)| pattern.contains(&(b, a))), "{block:?}");
        }
        assert!(close(&rebuilt, &sigma, 1e-14), "{block:?}");
        assert!(close(&block.nearest(&sigma), &sigma, 1e-14), "{block:?}");
    }
}

#[test]
fn changes_of_basis_stay_within_those_allowed() {
    for block in every() {
        let k = block.size();
        let mut gram = small::gram(&numbers(k * k, 5), k);
        (0..k).for_each(|j| gram[j * k + j] += 1.0);
        for t in [block.whitening(&gram, 10.0), block.frame(&block.factor(&point(&block, 6)))] {
            let diagonal = (0..k * k).all(|e| e / k == e % k || t[e] == 0.0);
            let scalar = diagonal && (0..k).all(|j| t[j * k + j] == t[0]);
            let allowed = match block.basis_changes() {
                BasisChanges::Any => true,
                BasisChanges::Diagonal => diagonal,
                BasisChanges::Scalar => scalar,
            };
            assert!(allowed, "{block:?}: {t:?}");
            // What is allowed leaves the covariance within the structure.
            let changed = small::product(&t, &block.factor(&point(&block, 7)), (k, k, k));
            let own = block.canonical(&changed);
            assert!(close(&small::gram(&own, k), &small::gram(&changed, k), 1e-12), "{block:?}");
            assert!(close(&block.factor(&block.theta(&own)), &own, 1e-12), "{block:?}");
        }
    }
}

#[test]
fn directions_without_variance_are_found_and_taken_off() {
    for block in every() {
        let k = block.size();
        let mut theta = point(&block, 8);
        let (entries, last) = (block.entries(), k - 1);
        entries.iter().zip(&mut theta).filter(|((i, _), _)| *i == last).for_each(|(_, v)| *v *= 1e-9);
        let lam = block.factor(&theta);
        let null = block.null_directions(&lam, 1e-6);
        assert_eq!(null.len(), 1, "{block:?}");
        let image = small::product(&null[0], &lam, (1, k, k));
        assert!((small::dot(&null[0], &null[0]) - 1.0).abs() < 1e-14 && small::dot(&image, &image).sqrt() < 1e-6);
        let clean = block.without_noise(&lam, 1e-6);
        assert!(block.null_directions(&clean, 1e-14).len() == 1 && close(&clean, &lam, 1e-8), "{block:?}");
        assert_eq!(block.is_narrow(&lam, 0.02), k > 1 && block.correlations() > 0, "{block:?}");
        assert!(block.null_directions(&block.start(1.0, 0.1), 1e-6).is_empty());
    }
}

#[test]
fn correlations_are_those_of_their_numbers() {
    for block in every() {
        let (k, y) = (block.size(), numbers(block.correlations(), 9));
        let l = block.correlation_factor(&y);
        let r = small::gram(&l, k);
        assert!((0..k).all(|j| (r[j * k + j] - 1.0).abs() < 1e-14), "{block:?}");
        let reported = block.reported_correlations(&l);
        assert_eq!(reported.len(), block.correlations());
        assert!(close(&block.correlation_matrix(&reported), &r, 1e-14), "{block:?}");
        assert!(close(&block.near_correlations(&l, &vec![1.0; k]), &y, 1e-12), "{block:?}");
        let (d_l, mut slope, mut prior) = (numbers(k * k, 10), vec![0.0; y.len()], vec![0.0; y.len()]);
        block.correlation_pull_back(&y, &l, &d_l, &mut slope);
        block.correlation_prior(&y, 2.0, &mut prior);
        for r in 0..y.len() {
            let at = |h: f64| {
                let mut y = y.clone();
                y[r] += h;
                let value = small::dot(&block.correlation_factor(&y), &d_l);
                (value, block.correlation_prior(&y, 2.0, &mut vec![0.0; y.len()]))
            };
            let (up, down) = (at(1e-5), at(-1e-5));
            assert!((slope[r] - (up.0 - down.0) / 2e-5).abs() < 1e-8, "{block:?} {r}");
            assert!((prior[r] - (up.1 - down.1) / 2e-5).abs() < 1e-7, "{block:?} {r}");
        }
    }
}

#[test]
fn blocks_of_several_factors_follow_one_another() {
    let factors =
        [Factor::new(5, vec![Block::us(2), Block::diag(2)], 0), Factor::new(3, vec![Block::diag(1), Block::us(3)], 20)];
    let m = factors.iter().map(Factor::parameters).sum();
    let x = numbers(m, 11);
    let lam = lambda_from(&factors, &x);
    assert_eq!(theta_of(&factors, &lam), x);
    let d_lam = [numbers(16, 12), numbers(16, 13)];
    let slope = pull_back(&factors, &x, &d_lam);
    for ((i, d), s) in directions(&factors, &x).iter().zip(&slope) {
        assert!((small::dot(d, &d_lam[*i]) - s).abs() < 1e-14);
    }
    let mut h = vec![1.0; m * m];
    add_bend(&factors, &x, &d_lam, &mut h);
    assert!(h.iter().all(|v| *v == 1.0), "both are linear");
    assert_eq!(factors[0].run_of(&[0, 1]), Some(0..2));
    assert_eq!(factors[0].run_of(&[3]), Some(3..4));
    assert_eq!(factors[0].run_of(&[2, 3]), None);
    assert_eq!(factors[1].free_entries()[..2], [(0, 0), (1, 1)]);
    assert!(factors.iter().all(Factor::is_restricted));
}
