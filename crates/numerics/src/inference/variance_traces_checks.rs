use super::*;
use crate::covariance::{Block, Working};
use crate::factor::{apply_lambda, multiply, Blocked};
use crate::products::{Column, FactorInput, Input};

/// A design of crossed, nested and sloped factors with pseudo-random values.
fn products(nested: bool) -> CrossProducts {
    let n = 90;
    let mut state = 17u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let (y, x): (Vec<f64>, Vec<f64>) = (0..n).map(|_| (next(), next())).unzip();
    let fine: Vec<u32> = (0..n).map(|_| (next() * 12.0) as u32).collect();
    let middle: Vec<u32> = fine.iter().map(|c| if nested { c / 3 } else { (next() * 4.0) as u32 }).collect();
    let coarse: Vec<u32> = fine.iter().map(|c| c / 6).collect();
    let slope = vec![Column::Constant(1.0), Column::Values(&x)];
    let one = vec![Column::Constant(1.0)];
    // faer's kernels take over from 24 columns on: the last factor has 30 levels.
    let wide: Vec<u32> = (0..n as u32).map(|i| if nested { fine[i as usize] / 6 } else { i % 30 }).collect();
    let last = if nested { 2 } else { 30 };
    let factors = vec![
        FactorInput { codes: &fine, levels: 12, columns: slope.clone(), blocks: vec![Block::us(2)] },
        FactorInput { codes: &middle, levels: 4, columns: slope, blocks: vec![Block::diag(2)] },
        FactorInput { codes: &coarse, levels: 2, columns: one.clone(), blocks: vec![Block::us(1)] },
        FactorInput { codes: &wide, levels: last, columns: one.clone(), blocks: vec![Block::us(1)] },
    ];
    let input = Input { y: &y, weights: None, x: one, factors };
    CrossProducts::build(&input).expect("builds")
}

/// C itself, q x q: ZᵀZ - ZᵀZΛΩ⁻¹ΛᵀZᵀZ.
fn full(cp: &CrossProducts, lam: &Working) -> Vec<f64> {
    let q = cp.q();
    let zz = multiply(cp, &small::identity(q), q);
    let mut half = apply_lambda(cp, lam, &zz, q, true);
    let mut factor = Blocked::new(cp).expect("fits");
    factor.factor(cp, lam).expect("positive");
    factor.forward(cp, &mut half, q);
    let mut c = zz;
    small::gemm_tn(&mut c, &half, &half, (q, q, q), -1.0);
    c
}

#[test]
fn traces_by_blocks_are_those_of_the_whole_matrix() {
    for nested in [false, true] {
        let cp = products(nested);
        let scale = |k: usize, s: f64| -> Vec<f64> {
            (0..k * k).map(|e| s * [0.9, 0.0, -0.4, 0.7][if k == 1 { 0 } else { e }]).collect()
        };
        let mut lam: Working = cp.factors.iter().map(|f| scale(f.k, 1.0)).collect();
        lam.last_mut().expect("has factors").fill(0.0); // a variance of zero
        let c = full(&cp, &lam);
        let q = cp.q();
        let mut patterns = Vec::new();
        for f in &cp.factors {
            for r in f.patterns() {
                let mut b = vec![0.0; q * q];
                for l in 0..f.levels {
                    for (i, j) in r.iter().copied() {
                        b[(f.offset + l * f.k + i) * q + f.offset + l * f.k + j] = 1.0;
                    }
                }
                patterns.push(small::product(&c, &b, (q, q, q)));
            }
        }
        let m = patterns.len();
        let traces = variance_traces(&cp, &lam).expect("works");
        for r in 0..m {
            let single: f64 = (0..q).map(|i| patterns[r][i * q + i]).sum();
            assert!((traces.single[r] - single).abs() < 1e-10 * single.abs(), "{nested} {r}");
            for s in 0..m {
                let want = product_trace(&patterns[r], &patterns[s], q);
                let got = traces.pairs[r * m + s];
                assert!((got - want).abs() < 1e-10 * (1.0 + want.abs()), "{nested} {r} {s}: {got} {want}");
            }
        }
        assert_eq!(components(&cp).len(), if nested { 2 } else { 1 });
    }
}
