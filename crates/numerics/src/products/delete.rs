//! Deletion of rows: cross-products less those of some rows.

use crate::error::NumericsError;
use crate::linalg::small;
use crate::products::crossproducts::{CrossProducts, Input};

/// A column of X whose part independent of the earlier ones falls, by a deletion, to this share of
/// its mean square (the working basis makes that 1) is no longer estimable.
const RANK_TOLERANCE: f64 = 1e-9;

/// One row in the working basis.
struct WorkingRow {
    weight: f64,
    xy: Vec<f64>,
    /// Per factor (internal order): level and columns.
    z: Vec<(usize, Vec<f64>)>,
}

impl CrossProducts {
    /// The cross-products of the rows that stay when `rows` are deleted (`input`: all rows, as
    /// they were built from). Levels stay, also those that no row has any more: a level without
    /// rows adds nothing to the likelihood.
    pub fn without(&self, input: &Input, rows: &[usize]) -> Result<CrossProducts, NumericsError> {
        let mut out = self.clone();
        for &i in rows {
            let row = self.working_row(input, i)?;
            out.take_away(&row)?;
            out.sum_log_weights -= row.weight.ln();
        }
        let (p, c) = (self.p, self.c());
        out.n = self.n.checked_sub(rows.len()).filter(|&n| n > p).ok_or(NumericsError::NoResidual)?;
        let mut gram: Vec<f64> = (0..p * p).map(|e| out.xx[(e / p) * c + e % p]).collect();
        small::cholesky(&mut gram, p)?;
        match (0..p).find(|&j| gram[j * p + j].powi(2) < RANK_TOLERANCE * self.xx[j * c + j]) {
            Some(j) => Err(NumericsError::NotPositive(j)),
            None => Ok(out),
        }
    }

    fn working_row(&self, input: &Input, i: usize) -> Result<WorkingRow, NumericsError> {
        let p = self.p;
        let bad = NumericsError::Mismatch("rows to delete");
        if i >= input.y.len() || input.factors.len() != self.factors.len() {
            return Err(bad);
        }
        let raw: Option<Vec<f64>> = self.basis.kept.iter().map(|&j| input.x.get(j).map(|x| x.at(i))).collect();
        let raw = raw.ok_or(bad)?;
        let mut xy = small::product(&raw, &self.basis.x, (1, p, p));
        let shift: f64 = raw.iter().zip(&self.basis.shift).map(|(x, s)| x * s).sum();
        xy.push(self.basis.y_scale * (input.y[i] - shift));
        let mut z = Vec::with_capacity(self.factors.len());
        for ((f, &o), t) in self.factors.iter().zip(&self.order).zip(&self.basis.z) {
            let own = input.factors.get(o).filter(|own| own.columns.len() == f.k);
            let own = own.ok_or(NumericsError::Mismatch("random-effect columns"))?;
            let level = own.codes.get(i).map(|&l| l as usize).filter(|&l| l < f.levels);
            let level = level.ok_or(NumericsError::Mismatch("level codes"))?;
            let raw: Vec<f64> = own.columns.iter().map(|col| col.at(i)).collect();
            z.push((level, small::product(&raw, t, (1, f.k, f.k))));
        }
        Ok(WorkingRow { weight: input.weights.map_or(1.0, |w| w[i]), xy, z })
    }

    fn take_away(&mut self, row: &WorkingRow) -> Result<(), NumericsError> {
        let c = self.c();
        subtract(&mut self.xx, c, &row.xy, &row.xy, row.weight);
        for ((f, zz), (level, z)) in self.factors.iter().zip(&mut self.zz).zip(&row.z) {
            let k = f.k;
            subtract(&mut zz[level * k * k..(level + 1) * k * k], k, z, z, row.weight);
            let start = (f.offset + level * k) * c;
            subtract(&mut self.zx[start..start + k * c], c, z, &row.xy, row.weight);
        }
        let missing = NumericsError::Mismatch("rows to delete");
        let (Some((lead, z0)), true) = (row.z.first(), self.factors.len() > 1) else { return Ok(()) };
        for (f, (level, z)) in self.factors.iter().zip(&row.z).skip(1) {
            let column = (f.offset - self.factors[1].offset + level * f.k) as u32;
            let columns = self.lead.columns(*lead);
            let (width, at) = (columns.len(), columns.binary_search(&column));
            let at = at.map_err(|_| missing.clone())?;
            let span = self.lead.span(*lead, z0.len());
            let block = &mut self.lead.vals[span];
            for (a, za) in z0.iter().enumerate() {
                for (b, zb) in z.iter().enumerate() {
                    block[a * width + at + b] -= row.weight * za * zb;
                }
            }
        }
        for pair in &mut self.pairs {
            let ((l, zf), (m, zg)) = (&row.z[pair.first], &row.z[pair.second]);
            let at = pair.levels.binary_search(&(*l as u32, *m as u32)).map_err(|_| missing.clone())?;
            let size = zf.len() * zg.len();
            subtract(&mut pair.vals[at * size..(at + 1) * size], zg.len(), zf, zg, row.weight);
        }
        Ok(())
    }
}

/// `block -= w a bᵀ`, row-major with `width` columns.
fn subtract(block: &mut [f64], width: usize, a: &[f64], b: &[f64], w: f64) {
    for (row, x) in block.chunks_exact_mut(width).zip(a) {
        for (o, y) in row.iter_mut().zip(b) {
            *o -= w * x * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariance::{Block, Raw};
    use crate::fit::Fit;
    use crate::products::crossproducts::{Column, FactorInput};

    /// Deleting rows gives the cross-products of the others, whatever basis these are formed in:
    /// the criterion at the same parameters is the same.
    #[test]
    fn deletion_is_building_without_the_rows() {
        let n = 60;
        let unit = |i: usize, s: u64| ((i as u64 * 2654435761 + s * 40503) % 1009) as f64 / 1009.0;
        let x: Vec<f64> = (0..n).map(|i| 40.0 + unit(i, 1)).collect();
        let y: Vec<f64> = (0..n).map(|i| 900.0 + 3.0 * x[i] + unit(i, 2)).collect();
        let w: Vec<f64> = (0..n).map(|i| 0.5 + unit(i, 3)).collect();
        let codes: [Vec<u32>; 3] = [
            (0..n).map(|i| (i % 7) as u32).collect(),
            (0..n).map(|i| (i % 5) as u32).collect(),
            (0..n).map(|i| (i / 20) as u32).collect(),
        ];
        let deleted = [0usize, 7, 14, 59];
        let build = |keep: &[usize]| {
            let pick = |v: &[f64]| keep.iter().map(|&i| v[i]).collect::<Vec<f64>>();
            let (x, y, w) = (pick(&x), pick(&y), pick(&w));
            let c: Vec<Vec<u32>> = codes.iter().map(|c| keep.iter().map(|&i| c[i]).collect()).collect();
            let one = Column::Constant(1.0);
            let input = Input {
                y: &y,
                weights: Some(&w),
                x: vec![one, Column::Values(&x)],
                factors: vec![
                    FactorInput {
                        codes: &c[0],
                        levels: 7,
                        columns: vec![one, Column::Values(&x)],
                        blocks: vec![Block::us(2)],
                    },
                    FactorInput { codes: &c[1], levels: 5, columns: vec![one], blocks: vec![Block::us(1)] },
                    FactorInput { codes: &c[2], levels: 3, columns: vec![one], blocks: vec![Block::us(1)] },
                ],
            };
            let cp = CrossProducts::build(&input).unwrap();
            let less = if keep.len() == n { Some(cp.without(&input, &deleted).unwrap()) } else { None };
            (cp, less)
        };
        let all: Vec<usize> = (0..n).collect();
        let rest: Vec<usize> = (0..n).filter(|i| !deleted.contains(i)).collect();
        let less = build(&all).1.unwrap();
        let fresh = build(&rest).0;
        let lambdas = Raw::from(vec![vec![0.7, 0.0, 0.02, 0.01], vec![0.4], vec![0.3]]);
        let (a, ga) = Fit::evaluate_raw(&less, true, &lambdas).unwrap();
        let (b, gb) = Fit::evaluate_raw(&fresh, true, &lambdas).unwrap();
        assert!((a - b).abs() < 1e-8 * b.abs(), "{a} {b}");
        for (x, y) in ga.iter().flatten().zip(gb.iter().flatten()) {
            assert!((x - y).abs() < 1e-6 * (1.0 + y.abs()), "{x} {y}");
        }
    }
}
