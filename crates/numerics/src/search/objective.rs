//! The criterion as the optimiser sees it: free entries of triangular factors, in a frame.
//!
//! A singular Σ has many triangular factors of nearly the same criterion: where a pivot is zero, the
//! entries below it can be moved into the next column. Seen from the eigenvectors of Σ, largest
//! first, the columns without variance are simply zero, and Newton's method converges again.

use crate::covariance::parameters::{free_from, lambda_from};
use crate::criterion::curvature;
use crate::criterion::profiled::Profiled;
use crate::error::NumericsError;
use crate::linalg::small;
use crate::products::crossproducts::CrossProducts;
use crate::search::optimise::{hessian, Objective, Point};

/// Random effects of the later factors above which an evaluation is dear.
const DEAR: usize = 400;

/// Random effects above which what is held for each of them counts.
const LONG: usize = 5000;

/// The criterion with its state at the point evaluated last.
pub(crate) struct Search<'a> {
    pub(crate) cp: &'a CrossProducts,
    pub(crate) state: Profiled,
    pub(crate) evaluations: usize,
    /// Evaluations that it may make.
    pub(crate) limit: usize,
    /// Λ = frame · L(x), a block-diagonal rotation for each factor.
    frames: Vec<Vec<f64>>,
    turned: bool,
    gradient: Vec<Vec<f64>>,
    last: Vec<f64>,
    exact: bool,
}

impl<'a> Search<'a> {
    pub(crate) fn new(cp: &'a CrossProducts, reml: bool) -> Result<Self, NumericsError> {
        let state = Profiled::new(cp, reml)?;
        Ok(Search {
            cp,
            state,
            evaluations: 0,
            limit: usize::MAX,
            frames: cp.factors.iter().map(|f| small::identity(f.k)).collect(),
            turned: false,
            gradient: Vec::new(),
            last: Vec::new(),
            exact: curvature::affordable(cp),
        })
    }

    /// Gradient evaluations are dear: spend fewer.
    pub(crate) fn dear(&self) -> bool {
        self.cp.q_rest() > DEAR
    }

    /// Λ of each factor at a point.
    pub(crate) fn lambda(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let lam = lambda_from(self.cp, x);
        if !self.turned {
            return lam;
        }
        let turn = |((q, l), f): ((&Vec<f64>, &Vec<f64>), &crate::products::crossproducts::Factor)| {
            small::product(q, l, (f.k, f.k, f.k))
        };
        self.frames.iter().zip(&lam).zip(&self.cp.factors).map(turn).collect()
    }

    /// The point of the present frame with the same ΛΛᵀ, diagonal entries not negative.
    pub(crate) fn coordinates(&self, lam: &[Vec<f64>]) -> Vec<f64> {
        let turn = |((q, l), f): ((&Vec<f64>, &Vec<f64>), &crate::products::crossproducts::Factor)| {
            let k = f.k;
            let mut seen = vec![0.0; k * k];
            small::gemm_tn(&mut seen, q, l, (k, k, k), 1.0);
            f.blockwise(&seen, |block, size| small::lower_factor_of_gram(block, size, size))
        };
        let triangular: Vec<Vec<f64>> = self.frames.iter().zip(lam).zip(&self.cp.factors).map(turn).collect();
        free_from(self.cp, &triangular)
    }

    /// The frame is that of the working basis.
    pub(crate) fn is_straight(&self) -> bool {
        !self.turned
    }

    /// Back to the frame of the working basis.
    pub(crate) fn straighten(&mut self) {
        if self.turned {
            self.frames = self.cp.factors.iter().map(|f| small::identity(f.k)).collect();
            self.turned = false;
            self.last.clear();
        }
    }

    /// The frame of the eigenvectors of each block of ΛΛᵀ, largest first, and the point in it.
    pub(crate) fn reframe(&mut self, at: &Point) -> Option<Point> {
        let lam = self.lambda(&at.x);
        for ((frame, l), f) in self.frames.iter_mut().zip(&lam).zip(&self.cp.factors) {
            *frame = f.blockwise(l, |block, size| {
                let (_, vectors) = small::symmetric_eigen(&small::gram(block, size), size);
                (0..size * size).map(|e| vectors[e / size * size + size - 1 - e % size]).collect()
            });
        }
        self.turned = true;
        self.last.clear();
        let x = self.coordinates(&lam);
        self.at(x)
    }

    /// A block of several columns has a direction with little variance beside the others.
    pub(crate) fn nearly_singular(&self, x: &[f64]) -> bool {
        let lam = self.lambda(x);
        lam.iter().zip(&self.cp.factors).any(|(l, f)| {
            f.block_ranges().filter(|r| r.len() > 1).any(|r| {
                let size = r.len();
                let block = f.block(l, &r);
                let (values, _) = small::symmetric_eigen(&small::gram(&block, size), size);
                let (low, high) = (values[0].max(0.0).sqrt(), values[size - 1].max(0.0).sqrt());
                low < 0.02 * high.max(1.0)
            })
        })
    }

    /// Evaluate at a point, unless that is where the state is.
    pub(crate) fn at(&mut self, x: Vec<f64>) -> Option<Point> {
        let (f, g) = if self.last == x { (self.state.criterion, self.seen_gradient()) } else { self.evaluate(&x)? };
        Some(Point { x, f, g })
    }

    /// The gradient at the state, in the free entries of the frame.
    fn seen_gradient(&self) -> Vec<f64> {
        if !self.turned {
            return free_from(self.cp, &self.gradient);
        }
        let turn = |((q, g), f): ((&Vec<f64>, &Vec<f64>), &crate::products::crossproducts::Factor)| {
            let mut seen = vec![0.0; f.k * f.k];
            small::gemm_tn(&mut seen, q, g, (f.k, f.k, f.k), 1.0);
            seen
        };
        let seen: Vec<Vec<f64>> = self.frames.iter().zip(&self.gradient).zip(&self.cp.factors).map(turn).collect();
        free_from(self.cp, &seen)
    }

    /// The state at a point: a line search may have looked beyond the one that it chose.
    pub(crate) fn visit(&mut self, x: &[f64]) -> Option<()> {
        if self.last != x {
            self.evaluate(x)?;
        }
        Some(())
    }

    /// The gradient in every entry of Λ at any Λ, which becomes no point of the search.
    pub(crate) fn gradient_at(&mut self, lam: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
        self.evaluations += 1;
        self.last.clear();
        self.state.evaluate(self.cp, lam).ok()?;
        Some(self.state.gradient(self.cp))
    }

    /// The criterion alone at any Λ, which becomes no point of the search.
    pub(crate) fn value_at(&mut self, lam: &[Vec<f64>]) -> Option<f64> {
        self.evaluations += 1;
        self.last.clear();
        self.state.evaluate(self.cp, lam).ok()
    }

    /// The Hessian, exact or by differences.
    pub(crate) fn hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        let forward = self.dear();
        self.exact_hessian(at).or_else(|| hessian(self, at, forward))
    }
}

impl Objective for Search<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        self.last.clear();
        let lam = self.lambda(x);
        let f = self.state.evaluate(self.cp, &lam).ok()?;
        self.gradient = self.state.gradient(self.cp);
        self.last.extend_from_slice(x);
        Some((f, self.seen_gradient()))
    }

    fn approximate_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        if self.turned {
            return (at.x.len() <= 40).then(|| self.hessian(at)).flatten();
        }
        self.visit(&at.x)?;
        // The other form is quicker, but holds three arrays of a row for each random effect.
        if self.cp.factors.len() == 1 && self.cp.q() > LONG {
            let directions = curvature::free_directions(self.cp);
            return Some(curvature::average_information(self.cp, &self.state, &directions));
        }
        let size = self.cp.q() * self.cp.n_theta();
        (size < 40_000_000).then(|| self.state.average_information(self.cp, &self.gradient))
    }

    fn rounding(&self, _: f64) -> f64 {
        self.state.rounding(self.cp)
    }

    fn spent(&self) -> bool {
        self.evaluations >= self.limit
    }

    fn exact_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        if !self.exact {
            return None;
        }
        self.visit(&at.x)?;
        let mut directions = curvature::free_directions(self.cp);
        if self.turned {
            for (i, d) in &mut directions {
                let k = self.cp.factors[*i].k;
                *d = small::product(&self.frames[*i], d, (k, k, k));
            }
        }
        Some(curvature::hessian(self.cp, &self.state, &directions))
    }
}
