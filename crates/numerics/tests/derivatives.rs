//! Exact derivatives against central differences, on designs of every shape.

use numerics::covariance::{directions, Block, Working};
use numerics::criterion::curvature::hessian;
use numerics::criterion::Profiled;
use numerics::{Column, CrossProducts, FactorInput, Input};

/// A small deterministic generator: tests need variety, not quality.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }
}

struct Data {
    y: Vec<f64>,
    x: Vec<f64>,
    w: Vec<f64>,
    outer: Vec<u32>,
    inner: Vec<u32>,
    crossed: Vec<u32>,
}

fn data(n: usize) -> Data {
    let mut rng = Lcg(7);
    let outer: Vec<u32> = (0..n).map(|i| (i % 6) as u32).collect();
    let inner: Vec<u32> = (0..n).map(|i| (i % 6 * 3 + i / 6 % 3) as u32).collect();
    let crossed: Vec<u32> = (0..n).map(|i| (i * 7 / 3 % 5) as u32).collect();
    let x: Vec<f64> = (0..n).map(|_| 3.0 + rng.next()).collect();
    let y = (0..n).map(|i| x[i] * (1.0 + f64::from(outer[i]) * 0.3) + f64::from(crossed[i]) + rng.next()).collect();
    let w = (0..n).map(|_| 1.0 + rng.next()).collect();
    Data { y, x, w, outer, inner, crossed }
}

fn factor<'a>(codes: &'a [u32], levels: usize, columns: Vec<Column<'a>>, blocks: Vec<Block>) -> FactorInput<'a> {
    FactorInput { codes, levels, columns, blocks }
}

fn models(d: &Data, weights: bool) -> Vec<CrossProducts> {
    let one = Column::Constant(1.0);
    let x = Column::Values(&d.x);
    let shapes = [
        vec![factor(&d.outer, 6, vec![one, x], vec![Block::us(2)])],
        vec![factor(&d.inner, 18, vec![one, x], vec![Block::diag(2)])],
        vec![
            factor(&d.inner, 18, vec![one], vec![Block::us(1)]),
            factor(&d.outer, 6, vec![one, x], vec![Block::us(2)]),
        ],
        vec![
            factor(&d.outer, 6, vec![one, x], vec![Block::us(2)]),
            factor(&d.crossed, 5, vec![one, x], vec![Block::us(1); 2]),
        ],
        vec![
            factor(&d.inner, 18, vec![one], vec![Block::us(1)]),
            factor(&d.outer, 6, vec![x], vec![Block::us(1)]),
            factor(&d.crossed, 5, vec![one, x], vec![Block::us(2)]),
        ],
    ];
    let build = |factors| {
        let input = Input { y: &d.y, weights: weights.then_some(&d.w[..]), x: vec![one, x], factors };
        CrossProducts::build(&input).expect("a regular design")
    };
    shapes.into_iter().map(build).collect()
}

fn lambda(cp: &CrossProducts, x: &[f64]) -> Working {
    let mut next = x.iter();
    let one = |f: &numerics::Factor| {
        let mut l = vec![0.0; f.k * f.k];
        f.free_entries().iter().for_each(|&(i, j)| l[i * f.k + j] = *next.next().expect("enough"));
        l
    };
    cp.factors.iter().map(one).collect()
}

fn free(cp: &CrossProducts, g: &[Vec<f64>]) -> Vec<f64> {
    cp.factors.iter().zip(g).flat_map(|(f, g)| f.free_entries().into_iter().map(|(i, j)| g[i * f.k + j])).collect()
}

/// Points with regular and with singular Λ.
fn points(m: usize) -> Vec<Vec<f64>> {
    let mut rng = Lcg(3);
    let regular: Vec<f64> = (0..m).map(|i| 0.4 + 0.1 * i as f64 + 0.2 * rng.next()).collect();
    let singular = regular.iter().enumerate().map(|(i, v)| if i == m - 1 { 0.0 } else { *v }).collect();
    vec![regular, singular]
}

fn each(check: impl Fn(&CrossProducts, bool, &[f64])) {
    let d = data(90);
    for weights in [false, true] {
        for cp in models(&d, weights) {
            for reml in [false, true] {
                points(cp.n_theta()).iter().for_each(|x| check(&cp, reml, x));
            }
        }
    }
}

#[test]
fn the_gradient_is_the_limit_of_differences_of_the_criterion() {
    each(|cp, reml, x| {
        let mut state = Profiled::new(cp, reml).expect("fits in memory");
        state.evaluate(cp, &lambda(cp, x)).expect("positive");
        let exact = free(cp, &state.gradient(cp));
        for (i, g) in exact.iter().enumerate() {
            let mut at = |h: f64| {
                let mut x = x.to_vec();
                x[i] += h;
                state.evaluate(cp, &lambda(cp, &x)).expect("positive")
            };
            let h = 1e-4;
            let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            assert!((slope - g).abs() < 1e-7 * (1.0 + g.abs()), "{i}: {slope} {g}");
        }
    });
}

#[test]
fn the_hessian_is_the_limit_of_differences_of_the_gradient() {
    each(|cp, reml, x| {
        let m = x.len();
        let mut state = Profiled::new(cp, reml).expect("fits in memory");
        let mut gradient = |x: &[f64]| {
            state.evaluate(cp, &lambda(cp, x)).expect("positive");
            free(cp, &state.gradient(cp))
        };
        let difference: Vec<Vec<f64>> = (0..m)
            .map(|i| {
                let mut at = |h: f64| {
                    let mut x = x.to_vec();
                    x[i] += h;
                    gradient(&x)
                };
                let h = 1e-4;
                let (a, b, c, d) = (at(h), at(-h), at(2.0 * h), at(-2.0 * h));
                (0..m).map(|j| (8.0 * (a[j] - b[j]) - (c[j] - d[j])) / (12.0 * h)).collect()
            })
            .collect();
        gradient(x);
        let exact = hessian(cp, &state, &directions(&cp.factors, x));
        let size = exact.iter().fold(1.0f64, |s, v| s.max(v.abs()));
        for i in 0..m {
            for j in 0..m {
                let (want, got) = (difference[i][j], exact[i * m + j]);
                assert!((want - got).abs() < 1e-8 * size, "{i} {j}: {want} {got}");
            }
        }
    });
}
