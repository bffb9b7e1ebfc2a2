//! Stored cross-products are anybody's bytes: what later code relies on is checked before it is believed.

use crate::covariance::Factor;
use crate::error::NumericsError;
use crate::products::crossproducts::{CrossProducts, Lead, Pair};

fn bad<T>(what: &str) -> Result<T, NumericsError> {
    Err(NumericsError::State(format!("inconsistent {what}")))
}

fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |all, &s| all.checked_mul(s))
}

fn finite(values: &[f64]) -> bool {
    values.iter().all(|v| v.is_finite())
}

fn ascending<T: PartialOrd>(values: &[T]) -> bool {
    values.windows(2).all(|w| w[0] < w[1])
}

impl CrossProducts {
    /// Every size, index, order and number that the rest of the crate takes for granted.
    pub(crate) fn check(&self) -> Result<(), NumericsError> {
        let Some(c) = self.p.checked_add(1) else { return bad("sizes") };
        if self.n > u32::MAX as usize || self.n < self.p || !self.sum_log_weights.is_finite() {
            return bad("number of rows");
        }
        let q = self.check_factors()?;
        if product(&[c, c]) != Some(self.xx.len()) || product(&[q, c]) != Some(self.zx.len()) {
            return bad("sizes");
        }
        if !finite(&self.xx) || !finite(&self.zx) || !self.zz.iter().all(|v| finite(v)) {
            return bad("numbers: they are not finite");
        }
        // The sums of products fit into memory, so that these cannot overflow.
        let rest = q - self.q_lead();
        match self.factors.first() {
            Some(first) => check_lead(&self.lead, first, &self.factors[1..], rest)?,
            None if self.lead.cols.is_empty() && self.lead.vals.is_empty() && self.lead.ptr == [0] => {}
            None => return bad("lead block"),
        }
        if !ascending(&self.pairs.iter().map(|p| (p.first, p.second)).collect::<Vec<_>>()) {
            return bad("pairs");
        }
        for pair in &self.pairs {
            check_pair(pair, &self.factors)?;
        }
        self.basis.check(&self.factors, self.p)
    }

    /// The factors' shapes and order; their number of random effects.
    fn check_factors(&self) -> Result<usize, NumericsError> {
        let m = self.factors.len();
        let mut seen = vec![false; m];
        for &i in &self.order {
            match seen.get_mut(i) {
                Some(s) if !*s => *s = true,
                _ => return bad("order"),
            }
        }
        if self.order.len() != m || self.zz.len() != m || m > u16::MAX as usize {
            return bad("sizes");
        }
        let mut offset = 0usize;
        for (f, zz) in self.factors.iter().zip(&self.zz) {
            if !f.is_consistent() || f.offset != offset || product(&[f.levels, f.k, f.k]) != Some(zz.len()) {
                return bad("factor");
            }
            match product(&[f.levels, f.k]).and_then(|own| offset.checked_add(own)) {
                Some(sum) if sum <= u32::MAX as usize => offset = sum,
                _ => return bad("factor"),
            }
        }
        Ok(offset)
    }
}

/// Columns come by whole levels, ascending; a full block has all of them.
fn check_lead(lead: &Lead, first: &Factor, later: &[Factor], rest: usize) -> Result<(), NumericsError> {
    let shape = lead.ptr.len() == first.levels + 1
        && lead.ptr.first() == Some(&0)
        && lead.ptr.last() == Some(&lead.cols.len())
        && lead.ptr.windows(2).all(|w| w[0] <= w[1])
        && product(&[first.k, lead.cols.len()]) == Some(lead.vals.len());
    if !shape || !finite(&lead.vals) {
        return bad("lead block");
    }
    // Of each column the size of its level, 0 but for the level's first.
    let mut starts = Vec::with_capacity(rest);
    for f in later {
        for _ in 0..f.levels {
            starts.push(f.k);
            starts.extend(std::iter::repeat_n(0, f.k - 1));
        }
    }
    if lead.full != (rest > 0 && (0..first.levels).all(|l| lead.columns(l).len() == rest)) {
        return bad("lead block");
    }
    for l in 0..first.levels {
        let mut left = lead.columns(l);
        if !ascending(left) {
            return bad("lead block");
        }
        while let Some(&j) = left.first() {
            let k = starts.get(j as usize).copied().unwrap_or(0);
            if k == 0 || k > left.len() || left[k - 1] as usize != j as usize + k - 1 {
                return bad("lead block");
            }
            left = &left[k..];
        }
    }
    Ok(())
}

fn check_pair(pair: &Pair, factors: &[Factor]) -> Result<(), NumericsError> {
    let (Some(f), Some(g)) = (factors.get(pair.first), factors.get(pair.second)) else { return bad("pair") };
    let places = pair.first > 0 && pair.first < pair.second;
    let inside = pair.levels.iter().all(|&(l, m)| (l as usize) < f.levels && (m as usize) < g.levels);
    let size = product(&[pair.levels.len(), f.k, g.k]);
    if !places || !inside || !ascending(&pair.levels) || size != Some(pair.vals.len()) || !finite(&pair.vals) {
        return bad("pair");
    }
    Ok(())
}

impl crate::products::basis::Basis {
    fn check(&self, factors: &[Factor], p: usize) -> Result<(), NumericsError> {
        let z = self.z.len() == factors.len()
            && self.z.iter().zip(factors).all(|(t, f)| Some(t.len()) == product(&[f.k, f.k]) && finite(t));
        let x = Some(self.x.len()) == product(&[p, p]) && finite(&self.x);
        let shifts = self.shift.len() == p && self.shift_low.len() == p;
        let constant = self.constant.is_none_or(|(at, value)| at < p && value.is_finite() && value != 0.0);
        if z && x
            && shifts
            && finite(&self.shift)
            && finite(&self.shift_low)
            && self.kept.len() == p
            && ascending(&self.kept)
            && self.y_scale.is_finite()
            && self.y_scale > 0.0
            && constant
        {
            Ok(())
        } else {
            bad("basis")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::covariance::{Block, Raw};
    use crate::fit::{Convergence, Fit};
    use crate::products::crossproducts::{Column, CrossProducts, FactorInput, Input};

    fn crossed() -> CrossProducts {
        let n = 48;
        let wave = |s: usize| -> Vec<f64> { (0..n).map(|i| ((i * i * s + 3 * i) % 17) as f64 / 5.0).collect() };
        let (y, x) = (wave(5), wave(7));
        let codes: Vec<Vec<u32>> =
            [7, 5, 3].iter().map(|q| (0..n).map(|i| ((i * 5 + i / q) % q) as u32).collect()).collect();
        let factors = codes
            .iter()
            .zip([7, 5, 3])
            .enumerate()
            .map(|(i, (codes, levels))| {
                let both = vec![Column::Constant(1.0), Column::Values(&x)];
                let columns = if i == 1 { vec![Column::Constant(1.0)] } else { both };
                let blocks = vec![if i == 1 { Block::diag(1) } else { Block::us(2) }];
                FactorInput { codes, levels, columns, blocks }
            })
            .collect();
        let input = Input { y: &y, weights: None, x: vec![Column::Constant(1.0), Column::Values(&x)], factors };
        CrossProducts::build(&input).expect("builds")
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let bytes = crossed().to_bytes().expect("stores");
        assert!(CrossProducts::from_bytes(&bytes).is_ok());
        let lambdas: Raw =
            [4, 1, 4].iter().map(|&e| (0..e).map(|i| f64::from(u8::from(i % 3 == 0))).collect()).collect();
        let mut read = 0;
        for at in 0..bytes.len() {
            for bit in [0, 3, 6, 7] {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // Numbers that are wrong but possible are the checksum's matter.
                if let Ok(cp) = CrossProducts::from_bytes(&changed) {
                    read += 1;
                    if bit > 3 {
                        let _ = Fit::at(cp.into(), true, &lambdas, Convergence::default(), Vec::new());
                    }
                }
            }
            assert!(CrossProducts::from_bytes(&bytes[..at]).is_err());
        }
        assert!(read > 0);
        assert!(CrossProducts::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert!(CrossProducts::from_bytes(&bytes[4..]).is_err(), "as before there were versions");
    }

    #[test]
    fn shapes_that_contradict_each_other_are_refused() {
        type Change = fn(&mut CrossProducts);
        let changes: [Change; 14] = [
            |c| c.n = 0,
            |c| c.p = usize::MAX,
            |c| c.order = vec![0, 1, 1],
            |c| c.factors[0].levels = usize::MAX / 2,
            |c| c.factors[1] = c.factors[1].with_blocks(vec![Block::us(0), Block::us(1)]),
            |c| c.factors[2] = c.factors[2].with_blocks(vec![Block::us(usize::MAX), Block::diag(3)]),
            |c| c.lead.full = !c.lead.full,
            |c| c.lead.ptr[1] = usize::MAX,
            |c| c.lead.cols.reverse(),
            |c| c.pairs[0].second = 1,
            |c| c.pairs[0].levels.reverse(),
            |c| c.xx[0] = f64::NAN,
            |c| c.basis.kept = vec![1, 0],
            |c| c.basis.y_scale = 0.0,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut cp = crossed();
            change(&mut cp);
            assert!(cp.check().is_err(), "change {i}");
        }
    }
}
