//! Cross-products of parts of the rows add up to those of the whole, whatever basis each part
//! was formed in (theory.md §1).

use std::collections::BTreeMap;

use crate::covariance::Factor;
use crate::error::NumericsError;
use crate::linalg::{large, small};
use crate::products::co_occurrence::join_lead;
use crate::products::crossproducts::{CrossProducts, Lead, Pair};

impl CrossProducts {
    /// The matrix that takes this part's working [X y] to the other's, `(p + 1)²`.
    fn xy_change(&self, to: &CrossProducts) -> Result<Vec<f64>, NumericsError> {
        let (p, c) = (self.p, self.c());
        let back = large::inverse(&self.basis.x, p)?;
        let columns = large::product(&back, &to.basis.x, (p, p, p));
        // The difference of the shifts, of which each may be 10¹² times as large.
        let (a, b) = (&self.basis, &to.basis);
        let apart: Vec<f64> = (0..p).map(|i| (a.shift[i] - b.shift[i]) + (a.shift_low[i] - b.shift_low[i])).collect();
        let response = small::product(&back, &apart, (p, p, 1));
        let mut out = vec![0.0; c * c];
        for i in 0..p {
            out[i * c..i * c + p].copy_from_slice(&columns[i * p..(i + 1) * p]);
            out[i * c + p] = b.y_scale * response[i];
        }
        out[c * c - 1] = b.y_scale / a.y_scale;
        Ok(out)
    }

    /// Sum with another part. `maps[f]` gives, for each level of this and of the other part's
    /// factor `f` (caller's order), its level in the union, and `levels[f]` the union's size.
    pub fn merge(
        &self,
        other: &CrossProducts,
        levels: &[usize],
        maps: &[(Vec<u32>, Vec<u32>)],
    ) -> Result<CrossProducts, NumericsError> {
        if self.basis.kept != other.basis.kept {
            return Err(NumericsError::Mismatch("the fixed-effect columns that are not aliased"));
        }
        let m = self.factors.len();
        if m != other.factors.len() || levels.len() != m || maps.len() != m {
            return Err(NumericsError::Mismatch("grouping factors"));
        }
        let mut order: Vec<usize> = (0..m).collect();
        let size = |f: usize| -> Result<usize, NumericsError> {
            let at = self.order.iter().position(|&o| o == f).ok_or(NumericsError::Mismatch("grouping factors"))?;
            Ok(self.factors[at].k)
        };
        let sizes: Vec<usize> = (0..m).map(size).collect::<Result<_, _>>()?;
        order.sort_by_key(|&i| std::cmp::Reverse(levels[i] * sizes[i]));
        let mut rebased = other.clone();
        rebased.rebase(self)?;
        let mut factors: Vec<Factor> = Vec::with_capacity(m);
        let mut basis = self.basis.clone();
        basis.z.clear();
        let mut offset = 0;
        for &f in &order {
            let at = position(self, f)?;
            factors.push(self.factors[at].moved(levels[f], offset));
            basis.z.push(self.basis.z[at].clone());
            offset += levels[f] * sizes[f];
        }
        let c = self.c();
        let mut out = CrossProducts {
            n: self.n + other.n,
            sum_log_weights: self.sum_log_weights + other.sum_log_weights,
            zz: factors.iter().map(|f| vec![0.0; f.levels * f.k * f.k]).collect(),
            zx: vec![0.0; offset * c],
            factors,
            order,
            p: self.p,
            lead: Lead::default(),
            pairs: Vec::new(),
            xx: self.xx.iter().zip(&rebased.xx).map(|(a, b)| a + b).collect(),
            basis,
        };
        let mut met: Vec<BTreeMap<(u32, u32), Vec<f64>>> = vec![BTreeMap::new(); m * m];
        for (part, left) in [(self, true), (&rebased, false)] {
            out.add_part(part, |f| if left { &maps[f].0 } else { &maps[f].1 }, &mut met)?;
        }
        let mut pairs = Vec::new();
        for i in 0..m {
            for j in i + 1..m {
                let blocks = std::mem::take(&mut met[i * m + j]);
                let levels = blocks.keys().copied().collect();
                pairs.push(Pair { first: i, second: j, levels, vals: blocks.into_values().flatten().collect() });
            }
        }
        if m > 1 {
            let lead: Vec<Pair> = pairs.drain(..m - 1).collect();
            out.lead = join_lead(&out.factors, lead);
        } else {
            out.lead = Lead { ptr: vec![0; out.factors.first().map_or(0, |f| f.levels) + 1], ..Lead::default() };
        }
        out.pairs = pairs;
        Ok(out)
    }

    /// Change to the working basis of another part.
    fn rebase(&mut self, to: &CrossProducts) -> Result<(), NumericsError> {
        let mut z = Vec::with_capacity(self.factors.len());
        for (i, f) in self.factors.iter().enumerate() {
            let target = &to.basis.z[position(to, self.order[i])?];
            if target.len() != f.k * f.k {
                return Err(NumericsError::Mismatch("random-effect columns"));
            }
            z.push(small::product(&small::inverse(&self.basis.z[i], f.k)?, target, (f.k, f.k, f.k)));
        }
        let xy = self.xy_change(to)?;
        self.congruence(&z, &xy);
        Ok(())
    }

    fn add_part<'a>(
        &mut self,
        part: &CrossProducts,
        map: impl Fn(usize) -> &'a [u32],
        met: &mut [BTreeMap<(u32, u32), Vec<f64>>],
    ) -> Result<(), NumericsError> {
        let (c, m) = (self.c(), self.factors.len());
        let places: Vec<usize> = part.order.iter().map(|&f| position(self, f)).collect::<Result<_, _>>()?;
        for (i, f) in part.factors.iter().enumerate() {
            let to = places[i];
            let target = &self.factors[to];
            let levels = map(part.order[i]);
            let inside = |l: &u32| (*l as usize) < target.levels;
            if levels.len() != f.levels || !levels.iter().all(inside) || target.k != f.k {
                return Err(NumericsError::Mismatch("levels"));
            }
            let (k, start) = (f.k, target.offset);
            for (l, &level) in levels.iter().enumerate() {
                let level = level as usize;
                let own = &mut self.zz[to][level * k * k..(level + 1) * k * k];
                own.iter_mut().zip(&part.zz[i][l * k * k..]).for_each(|(a, b)| *a += b);
                let row = (start + level * k) * c;
                let from = (f.offset + l * k) * c;
                let cross = &mut self.zx[row..row + k * c];
                cross.iter_mut().zip(&part.zx[from..from + k * c]).for_each(|(a, b)| *a += b);
            }
        }
        part.for_each_meeting(|i, j, l, n, block| {
            let (a, b) = (places[i], places[j]);
            let (la, lb) = (map(part.order[i])[l], map(part.order[j])[n]);
            let (ka, kb) = (part.factors[i].k, part.factors[j].k);
            let (key, slot, block) = if a < b {
                ((la, lb), a * m + b, block.to_vec())
            } else {
                ((lb, la), b * m + a, small::transpose(block, ka, kb))
            };
            match met[slot].entry(key) {
                std::collections::btree_map::Entry::Vacant(v) => {
                    v.insert(block);
                }
                std::collections::btree_map::Entry::Occupied(mut o) => {
                    o.get_mut().iter_mut().zip(&block).for_each(|(x, y)| *x += y);
                }
            }
        });
        Ok(())
    }

    /// Every pair of levels of different factors with a stored block.
    fn for_each_meeting(&self, mut visit: impl FnMut(usize, usize, usize, usize, &[f64])) {
        let owner = self.rest_owner();
        let first = self.q_lead();
        let levels = if self.factors.len() > 1 { self.factors[0].levels } else { 0 };
        for l in 0..levels {
            let k = self.factors[0].k;
            let cols = self.lead.columns(l);
            let values = &self.lead.vals[self.lead.span(l, k)];
            let w = cols.len();
            let mut j = 0;
            while j < w {
                let g = owner[cols[j] as usize] as usize;
                let kg = self.factors[g].k;
                let level = (cols[j] as usize + first - self.factors[g].offset) / kg;
                let block: Vec<f64> = (0..k * kg).map(|e| values[(e / kg) * w + j + e % kg]).collect();
                if block.iter().any(|v| *v != 0.0) {
                    visit(0, g, l, level, &block);
                }
                j += kg;
            }
        }
        for pair in &self.pairs {
            let size = self.factors[pair.first].k * self.factors[pair.second].k;
            for (&(l, n), block) in pair.levels.iter().zip(pair.vals.chunks_exact(size)) {
                visit(pair.first, pair.second, l as usize, n as usize, block);
            }
        }
    }
}

fn position(cp: &CrossProducts, caller: usize) -> Result<usize, NumericsError> {
    cp.order.iter().position(|&o| o == caller).ok_or(NumericsError::Mismatch("grouping factors"))
}
