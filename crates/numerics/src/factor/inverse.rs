//! Selected inverse of Ω: the blocks that the data's own pattern asks for, which the exact gradient,
//! conditional variances and leverages need. Nothing else of Ω⁻¹ is ever made.

use rayon::prelude::*;

use crate::covariance::Working;
use crate::factor::blocked::{scale_columns, Blocked};
use crate::factor::rest::Rest;
use crate::interrupt::Stop;
use crate::linalg::small;
use crate::products::CrossProducts;

/// Ω⁻¹ on the pattern of A: the first factor's diagonal blocks, its blocks with the later ones
/// (laid out as `lead`); the rest is asked of the factor.
#[derive(Debug, Clone)]
pub struct LeadInverse {
    /// `levels x k x k`.
    pub own: Vec<f64>,
    /// As `lead.vals`.
    pub cross: Vec<f64>,
}

/// Working memory of one task.
struct TaskMemory {
    e: Vec<f64>,
    own: Vec<f64>,
    cross: Vec<f64>,
    scaled: Vec<f64>,
}

impl Blocked {
    /// Blocks (l, l) and (l, J) of Ω⁻¹. `e` may bring `C_l (Ω⁻¹)_JJ` ready-made.
    fn lead_inverse(&self, cp: &CrossProducts, l: usize, ready: Option<&[f64]>, s: &mut TaskMemory) {
        let k = cp.factors[0].k;
        let cols = cp.lead.columns(l);
        let w = cols.len();
        let c = &self.c[cp.lead.span(l, k)];
        let chol = &self.l0[l * k * k..(l + 1) * k * k];
        s.e.clear();
        match ready {
            Some(e) => s.e.extend_from_slice(e),
            None => self.gather(cols, c, w, &mut s.e),
        }
        s.own.clear();
        s.own.extend_from_slice(&small::identity(k));
        small::gemm_nt(&mut s.own, &s.e, c, (k, w, k), 1.0);
        small::solve_lower_transposed(chol, k, &mut s.own, k);
        if k > 1 {
            let t = small::transpose(&s.own, k, k);
            s.own.copy_from_slice(&t);
        }
        small::solve_lower_transposed(chol, k, &mut s.own, k);
        s.cross.clear();
        s.cross.extend(s.e.iter().map(|v| -v));
        small::solve_lower_transposed(chol, k, &mut s.cross, w);
    }

    /// `C_l (Ω⁻¹)_JJ`.
    fn gather(&self, cols: &[u32], c: &[f64], w: usize, e: &mut Vec<f64>) {
        e.resize(c.len(), 0.0);
        if let Rest::Dense(factor) = &self.rest {
            factor.gather(cols, c, e);
        } else {
            for (a, &ja) in cols.iter().enumerate() {
                for (b, &jb) in cols.iter().enumerate() {
                    let v = self.rest.inverse_at(ja as usize, jb as usize);
                    for (row, values) in c.chunks_exact(w).enumerate() {
                        e[row * w + a] += v * values[b];
                    }
                }
            }
        }
    }

    /// All of `C (Ω⁻¹)_rest` at once where every level meets every column.
    fn dense_products(&self, cp: &CrossProducts) -> Option<Vec<f64>> {
        match &self.rest {
            Rest::Dense(factor) if cp.lead.full => Some(factor.times_inverse(&self.c, cp.q_lead())),
            _ => None,
        }
    }

    /// `Σ_l (A Λ Ω⁻¹)_ll` of each factor (`k x k`): half the gradient of log|Ω| in Λ.
    pub fn traces(&mut self, cp: &CrossProducts) -> Working {
        self.rest.invert();
        let dense_e = self.dense_products(cp);
        let owner = cp.rest_owner();
        let sizes: Vec<usize> = cp.factors.iter().map(|f| f.k * f.k).collect();
        let k = cp.factors[0].k;
        let levels = cp.factors[0].levels;
        let work = cp.lead.cols.len() * k;
        let step = if work > 50_000 { levels.div_ceil(32).max(1) } else { crate::factor::blocked::LEVELS_PER_TASK };
        let this = &*self;
        let stop = Stop::current();
        let tasks = levels.div_ceil(step);
        let run = |t: usize| {
            let mut sums: Vec<Vec<f64>> = sizes.iter().map(|&s| vec![0.0; s]).collect();
            let mut s = TaskMemory { e: Vec::new(), own: Vec::new(), cross: Vec::new(), scaled: Vec::new() };
            let mut half = vec![0.0; k * k];
            for l in (t * step..((t + 1) * step).min(levels)).take_while(|_| !stop.requested()) {
                let span = cp.lead.span(l, k);
                this.lead_inverse(cp, l, dense_e.as_ref().map(|e| &e[span.clone()]), &mut s);
                half.fill(0.0);
                small::gemm(&mut half, &cp.zz[0][l * k * k..(l + 1) * k * k], &this.lam[0], (k, k, k), 1.0);
                small::gemm(&mut sums[0], &half, &s.own, (k, k, k), 1.0);
                if span.is_empty() {
                    continue;
                }
                let w = span.len() / k;
                s.scaled.clear();
                s.scaled.resize(span.len(), 0.0);
                scale_columns(cp, &this.lam, &owner, l, &mut s.scaled);
                small::gemm_nt(&mut sums[0], &s.scaled, &s.cross, (k, w, k), 1.0);
                this.add_cross_traces(cp, &owner, l, &s.cross, &mut sums);
            }
            sums
        };
        // A hand-over to another thread costs more than a small model's whole evaluation.
        let parts: Vec<Vec<Vec<f64>>> =
            if tasks == 1 { vec![run(0)] } else { (0..tasks).into_par_iter().map(run).collect() };
        let mut total: Vec<Vec<f64>> = sizes.iter().map(|&s| vec![0.0; s]).collect();
        for part in &parts {
            for (t, p) in total.iter_mut().zip(part) {
                t.iter_mut().zip(p).for_each(|(a, b)| *a += b);
            }
        }
        self.add_rest_traces(cp, &mut total);
        total.into()
    }

    /// `Aⱼₗ Λ₀ (Ω⁻¹)ₗⱼ` for the later factors' levels j that level l meets.
    fn add_cross_traces(&self, cp: &CrossProducts, owner: &[u16], l: usize, cross: &[f64], sums: &mut [Vec<f64>]) {
        let k = cp.factors[0].k;
        let cols = cp.lead.columns(l);
        let w = cols.len();
        let values = &cp.lead.vals[cp.lead.span(l, k)];
        let scaled = small::product(&self.lam[0], cross, (k, k, w));
        let mut j = 0;
        while j < w {
            let g = owner[cols[j] as usize] as usize;
            let kg = cp.factors[g].k;
            for row in 0..k {
                for a in 0..kg {
                    let v = values[row * w + j + a];
                    for b in 0..kg {
                        sums[g][a * kg + b] += v * scaled[row * w + j + b];
                    }
                }
            }
            j += kg;
        }
    }

    fn rest_block(&self, row: usize, col: usize, (m, n): (usize, usize)) -> Vec<f64> {
        (0..m * n).map(|e| self.rest.inverse_at(row + e / n, col + e % n)).collect()
    }

    fn add_rest_traces(&self, cp: &CrossProducts, sums: &mut [Vec<f64>]) {
        if matches!(self.rest, Rest::Nothing) {
            return;
        }
        let first = cp.q_lead();
        for (g, f) in cp.factors.iter().enumerate().skip(1) {
            for (level, zz) in cp.zz[g].chunks_exact(f.k * f.k).enumerate() {
                let at = f.offset - first + level * f.k;
                let half = small::product(zz, &self.lam[g], (f.k, f.k, f.k));
                small::gemm(&mut sums[g], &half, &self.rest_block(at, at, (f.k, f.k)), (f.k, f.k, f.k), 1.0);
            }
        }
        for pair in &cp.pairs {
            let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
            for (&(l, m), zz) in pair.levels.iter().zip(pair.vals.chunks_exact(f.k * g.k)) {
                let (i, j) = (f.offset - first + l as usize * f.k, g.offset - first + m as usize * g.k);
                let inv = self.rest_block(j, i, (g.k, f.k));
                let right = small::product(&self.lam[pair.second], &inv, (g.k, g.k, f.k));
                small::gemm(&mut sums[pair.first], zz, &right, (f.k, g.k, f.k), 1.0);
                let left = small::product(&self.lam[pair.first], &small::transpose(&inv, g.k, f.k), (f.k, f.k, g.k));
                small::gemm_tn(&mut sums[pair.second], zz, &left, (g.k, f.k, g.k), 1.0);
            }
        }
    }

    /// The first factor's blocks of Ω⁻¹, kept. The rest's inverse must have been made.
    pub fn selected_inverse(&mut self, cp: &CrossProducts) -> LeadInverse {
        self.rest.invert();
        let k = cp.factors[0].k;
        let dense_e = self.dense_products(cp);
        let mut out = LeadInverse { own: Vec::with_capacity(self.l0.len()), cross: Vec::with_capacity(self.c.len()) };
        let mut s = TaskMemory { e: Vec::new(), own: Vec::new(), cross: Vec::new(), scaled: Vec::new() };
        let stop = Stop::current();
        for l in (0..cp.factors[0].levels).take_while(|_| !stop.requested()) {
            let span = cp.lead.span(l, k);
            self.lead_inverse(cp, l, dense_e.as_ref().map(|e| &e[span]), &mut s);
            out.own.extend_from_slice(&s.own);
            out.cross.extend_from_slice(&s.cross);
        }
        // Nobody reads what was left out: the work is being stopped.
        out.own.resize(self.l0.len(), 0.0);
        out.cross.resize(self.c.len(), 0.0);
        out
    }

    /// Diagonal block of Ω⁻¹ for a level of any factor.
    #[must_use]
    pub fn diagonal_block(&self, cp: &CrossProducts, lead: &LeadInverse, factor: usize, level: usize) -> Vec<f64> {
        let f = &cp.factors[factor];
        if factor == 0 {
            lead.own[level * f.k * f.k..(level + 1) * f.k * f.k].to_vec()
        } else {
            let at = f.offset - cp.q_lead() + level * f.k;
            self.rest_block(at, at, (f.k, f.k))
        }
    }
}
