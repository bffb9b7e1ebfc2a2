//! Blocks of products between two grouping factors: only the levels that meet in some row.

use crate::covariance::Factor;
use crate::error::NumericsError;
use crate::interrupt::Stop;
use crate::products::crossproducts::{Lead, Pair};
use crate::products::fixed_part::Working;
use crate::products::levels::rows_by_level;

/// Levels between two looks at whether to stop.
const LEVELS_PER_LOOK: usize = 512;

/// The levels of two factors that meet, and the blocks of their products.
pub(crate) struct Meeting {
    pub(crate) levels: Vec<(u32, u32)>,
    pub(crate) vals: Vec<f64>,
}

pub(crate) type Side<'w, 'a> = (&'w [Working<'a>], &'w [u32]);

/// The levels of two factors that meet, sorted, and the blocks of their products.
pub(crate) fn meeting(
    (zf, cf): Side,
    (zg, cg): Side,
    (qf, qg): (usize, usize),
    weights: Option<&[f64]>,
    stop: &Stop,
) -> Result<Meeting, NumericsError> {
    let (kf, kg) = (zf.len(), zg.len());
    let (rows, start) = rows_by_level(cf, qf);
    let mut slot = vec![u32::MAX; qg];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    let mut vals: Vec<f64> = Vec::new();
    let mut met: Vec<u32> = Vec::new();
    let (mut zl, mut zm) = (vec![0.0; kf], vec![0.0; kg]);
    for l in 0..qf {
        if l % LEVELS_PER_LOOK == 0 {
            stop.check()?;
        }
        let mine = &rows[start[l]..start[l + 1]];
        met.clear();
        for &r in mine {
            let m = cg[r as usize];
            if slot[m as usize] == u32::MAX {
                slot[m as usize] = 0;
                met.push(m);
            }
        }
        met.sort_unstable();
        let base = vals.len();
        for (t, &m) in met.iter().enumerate() {
            slot[m as usize] = t as u32;
            pairs.push((l as u32, m));
        }
        vals.resize(base + met.len() * kf * kg, 0.0);
        for &r in mine {
            let i = r as usize;
            let w = weights.map_or(1.0, |w| w[i]);
            zl.iter_mut().zip(zf).for_each(|(v, c)| *v = w * c.at(i));
            zm.iter_mut().zip(zg).for_each(|(v, c)| *v = c.at(i));
            let at = base + slot[cg[i] as usize] as usize * kf * kg;
            for (a, &x) in zl.iter().enumerate() {
                for (o, y) in vals[at + a * kg..at + (a + 1) * kg].iter_mut().zip(&zm) {
                    *o += x * y;
                }
            }
        }
        for &m in &met {
            slot[m as usize] = u32::MAX;
        }
    }
    Ok(Meeting { levels: pairs, vals })
}

/// The first factor's blocks with each later factor, side by side for each of its levels.
pub(crate) fn join_lead(factors: &[Factor], met: Vec<Pair>) -> Lead {
    let (q, k) = (factors[0].levels, factors[0].k);
    let rest: usize = factors[1..].iter().map(|f| f.levels * f.k).sum();
    let mut ptr = vec![0usize; q + 1];
    for pair in &met {
        let kg = factors[pair.second].k;
        for &(l, _) in &pair.levels {
            ptr[l as usize + 1] += kg;
        }
    }
    for l in 0..q {
        ptr[l + 1] += ptr[l];
    }
    // A nearly complete pattern is stored as a complete one: dense kernels then serve it.
    let full = ptr[q] * 5 >= 2 * q * rest;
    if full {
        (0..=q).for_each(|l| ptr[l] = l * rest);
    }
    let mut cols = vec![0u32; ptr[q]];
    let mut vals = vec![0.0; k * ptr[q]];
    let mut filled = vec![0usize; q];
    if full {
        cols.chunks_exact_mut(rest).for_each(|row| row.iter_mut().enumerate().for_each(|(j, c)| *c = j as u32));
    }
    for pair in &met {
        let g = &factors[pair.second];
        let first = g.offset - factors[1].offset;
        for (&(l, m), block) in pair.levels.iter().zip(pair.vals.chunks_exact(k * g.k)) {
            let l = l as usize;
            let w = ptr[l + 1] - ptr[l];
            let col = first + m as usize * g.k;
            let at = if full { col } else { filled[l] };
            for b in 0..g.k {
                cols[ptr[l] + at + b] = (col + b) as u32;
                for a in 0..k {
                    vals[k * ptr[l] + a * w + at + b] = block[a * g.k + b];
                }
            }
            filled[l] += g.k;
        }
    }
    Lead { ptr, cols, vals, full }
}
