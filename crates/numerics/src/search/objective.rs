//! The criterion as the optimiser sees it: the parameters of Λ, in a frame.
//!
//! A singular Σ has many triangular factors of nearly the same criterion: where a pivot is zero, the
//! entries below it can be moved into the next column. Seen from the eigenvectors of Σ, largest
//! first, the columns without variance are simply zero, and Newton's method converges again.

use crate::covariance::{
    add_bend, canonical, directions, lambda_from, pull_back, theta_of, Direction, Factor, Working,
};
use crate::criterion::Criterion;
use crate::linalg::small;
use crate::search::optimise::{hessian, Objective, Point};

/// A criterion with its state at the point evaluated last.
pub(crate) struct Search<C> {
    pub(crate) criterion: C,
    pub(crate) evaluations: usize,
    /// Evaluations that it may make.
    pub(crate) limit: usize,
    /// Λ = frame · L(x), a block-diagonal rotation for each factor.
    frames: Vec<Vec<f64>>,
    turned: bool,
    gradient: Working,
    last: Vec<f64>,
}

/// A frame that changes nothing.
fn straight(factors: &[Factor]) -> Vec<Vec<f64>> {
    factors.iter().map(|f| small::identity(f.k)).collect()
}

/// `QᵀM` for each factor.
fn seen_from(factors: &[Factor], frames: &[Vec<f64>], matrices: &Working) -> Working {
    let one = |((q, m), f): ((&Vec<f64>, &Vec<f64>), &Factor)| {
        let mut seen = vec![0.0; f.k * f.k];
        small::gemm_tn(&mut seen, q, m, (f.k, f.k, f.k), 1.0);
        seen
    };
    frames.iter().zip(matrices).zip(factors).map(one).collect()
}

impl<C: Criterion> Search<C> {
    /// A search that may make `limit` evaluations.
    pub(crate) fn new(criterion: C, limit: usize) -> Self {
        let frames = straight(criterion.factors());
        Search {
            criterion,
            evaluations: 0,
            limit,
            frames,
            turned: false,
            gradient: Working::default(),
            last: Vec::new(),
        }
    }

    /// Λ of each factor at a point.
    pub(crate) fn lambda(&self, x: &[f64]) -> Working {
        let factors = self.criterion.factors();
        let lam = lambda_from(factors, x);
        if !self.turned {
            return lam;
        }
        let turn = |((q, l), f): ((&Vec<f64>, &Vec<f64>), &Factor)| small::product(q, l, (f.k, f.k, f.k));
        self.frames.iter().zip(&lam).zip(factors).map(turn).collect()
    }

    /// The point of the present frame with the same ΛΛᵀ, diagonal entries not negative.
    pub(crate) fn coordinates(&self, lam: &Working) -> Vec<f64> {
        let factors = self.criterion.factors();
        theta_of(factors, &canonical(factors, &seen_from(factors, &self.frames, lam)))
    }

    /// The frame is that of the working basis.
    pub(crate) fn is_straight(&self) -> bool {
        !self.turned
    }

    /// Back to the frame of the working basis.
    pub(crate) fn straighten(&mut self) {
        if self.turned {
            self.frames = straight(self.criterion.factors());
            self.turned = false;
            self.last.clear();
        }
    }

    /// The frame of the eigenvectors of each block of ΛΛᵀ, largest first, and the point in it.
    pub(crate) fn reframe(&mut self, at: &Point) -> Option<Point> {
        let lam = self.lambda(&at.x);
        for ((frame, l), f) in self.frames.iter_mut().zip(&lam).zip(self.criterion.factors()) {
            *frame = f.blockwise(l, |block, structure| structure.frame(block));
        }
        self.turned = true;
        self.last.clear();
        let x = self.coordinates(&lam);
        self.at(x)
    }

    /// A block has a direction with little variance beside the others, so that another frame would help.
    pub(crate) fn nearly_singular(&self, x: &[f64]) -> bool {
        let lam = self.lambda(x);
        lam.iter()
            .zip(self.criterion.factors())
            .any(|(l, f)| f.structures().any(|(columns, structure)| structure.is_narrow(&f.block(l, &columns), 0.02)))
    }

    /// Evaluate at a point, unless that is where the state is.
    pub(crate) fn at(&mut self, x: Vec<f64>) -> Option<Point> {
        let (f, g) = if self.last == x { (self.criterion.value(), self.seen_gradient()) } else { self.evaluate(&x)? };
        Some(Point { x, f, g })
    }

    /// The gradient at the state, in the parameters of the frame.
    fn seen_gradient(&self) -> Vec<f64> {
        let factors = self.criterion.factors();
        if !self.turned {
            return pull_back(factors, &self.last, &self.gradient);
        }
        pull_back(factors, &self.last, &seen_from(factors, &self.frames, &self.gradient))
    }

    /// The directions of Λ that the parameters of the frame move in.
    fn directions(&self, x: &[f64]) -> Vec<Direction> {
        let factors = self.criterion.factors();
        let mut out = directions(factors, x);
        if self.turned {
            for (i, d) in &mut out {
                let k = factors[*i].k;
                *d = small::product(&self.frames[*i], d, (k, k, k));
            }
        }
        out
    }

    /// A Hessian in those directions at the state, made one in the parameters.
    fn bent(&self, x: &[f64], mut h: Vec<f64>) -> Vec<f64> {
        let factors = self.criterion.factors();
        if self.turned {
            add_bend(factors, x, &seen_from(factors, &self.frames, &self.gradient), &mut h);
        } else {
            add_bend(factors, x, &self.gradient, &mut h);
        }
        h
    }

    /// The state at a point: a line search may have looked beyond the one that it chose.
    pub(crate) fn visit(&mut self, x: &[f64]) -> Option<()> {
        if self.last != x {
            self.evaluate(x)?;
        }
        Some(())
    }

    /// The gradient in every entry of Λ at any Λ, which becomes no point of the search.
    pub(crate) fn gradient_at(&mut self, lam: &Working) -> Option<Working> {
        self.evaluations += 1;
        self.last.clear();
        self.criterion.evaluate(lam).ok()?;
        Some(self.criterion.gradient())
    }

    /// The criterion alone at any Λ, which becomes no point of the search.
    pub(crate) fn value_at(&mut self, lam: &Working) -> Option<f64> {
        self.evaluations += 1;
        self.last.clear();
        self.criterion.evaluate(lam).ok()
    }

    /// The Hessian, exact or by differences.
    pub(crate) fn hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        let forward = self.criterion.is_expensive();
        self.exact_hessian(at).or_else(|| hessian(self, at, forward))
    }
}

impl<C: Criterion> Objective for Search<C> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        self.last.clear();
        let lam = self.lambda(x);
        let f = self.criterion.evaluate(&lam).ok()?;
        self.gradient = self.criterion.gradient();
        self.last.extend_from_slice(x);
        Some((f, self.seen_gradient()))
    }

    fn approximate_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        if self.turned {
            return (at.x.len() <= 40).then(|| self.hessian(at)).flatten();
        }
        self.visit(&at.x)?;
        let h = self.criterion.approximate_hessian(&self.gradient, &self.directions(&at.x))?;
        Some(self.bent(&at.x, h))
    }

    fn rounding(&self, _: f64) -> f64 {
        self.criterion.rounding()
    }

    fn spent(&self) -> bool {
        self.evaluations >= self.limit
    }

    fn exact_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        if !self.criterion.has_cheap_hessian() {
            return None;
        }
        self.visit(&at.x)?;
        let h = self.criterion.hessian(&self.directions(&at.x));
        Some(self.bent(&at.x, h))
    }
}
