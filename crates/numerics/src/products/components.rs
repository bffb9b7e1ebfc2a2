//! Parts of the random effects that no row connects: levels of a nested design fall into one part
//! for each unit of the coarsest factor, those of a crossed design usually into one part.

use crate::products::crossproducts::CrossProducts;

/// Levels of the first factor, and columns of the later ones, that rows connect.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// Levels of the first factor.
    pub lead: Vec<u32>,
    /// Columns of the later factors, counted from the second factor's first, ascending.
    pub rest: Vec<u32>,
    /// Meetings of two later factors: index among the cross-products' `pairs`, and in its levels.
    pub pairs: Vec<(u32, u32)>,
}

fn root(parent: &mut [u32], mut i: u32) -> u32 {
    while parent[i as usize] != i {
        parent[i as usize] = parent[parent[i as usize] as usize];
        i = parent[i as usize];
    }
    i
}

fn join(parent: &mut [u32], i: u32, j: u32) {
    let (a, b) = (root(parent, i), root(parent, j));
    parent[a.max(b) as usize] = a.min(b);
}

/// The connected parts. Levels of the first factor that meet no other factor make one part, the
/// last, because nothing is left of them after their elimination.
#[must_use]
pub fn components(cp: &CrossProducts) -> Vec<Component> {
    let (first, n) = (cp.q_lead(), cp.q_rest());
    let mut parent: Vec<u32> = (0..n as u32).collect();
    let levels = cp.factors.first().map_or(0, |f| f.levels);
    for l in 0..levels {
        for pair in cp.lead.columns(l).windows(2) {
            join(&mut parent, pair[0], pair[1]);
        }
    }
    for f in cp.factors.iter().skip(1) {
        for level in 0..f.levels {
            let at = (f.offset - first + level * f.k) as u32;
            (1..f.k as u32).for_each(|a| join(&mut parent, at, at + a));
        }
    }
    for pair in &cp.pairs {
        let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
        for &(l, m) in &pair.levels {
            let (i, j) = (f.offset - first + l as usize * f.k, g.offset - first + m as usize * g.k);
            join(&mut parent, i as u32, j as u32);
        }
    }
    let mut place = vec![u32::MAX; n];
    let mut out: Vec<Component> = Vec::new();
    for j in 0..n as u32 {
        let r = root(&mut parent, j) as usize;
        if place[r] == u32::MAX {
            place[r] = out.len() as u32;
            out.push(Component::default());
        }
        out[place[r] as usize].rest.push(j);
    }
    let mut alone = Component::default();
    for l in 0..levels {
        match cp.lead.columns(l).first() {
            Some(&j) => out[place[root(&mut parent, j) as usize] as usize].lead.push(l as u32),
            None => alone.lead.push(l as u32),
        }
    }
    for (i, pair) in cp.pairs.iter().enumerate() {
        let f = &cp.factors[pair.first];
        for (t, &(l, _)) in pair.levels.iter().enumerate() {
            let at = (f.offset - first + l as usize * f.k) as u32;
            out[place[root(&mut parent, at) as usize] as usize].pairs.push((i as u32, t as u32));
        }
    }
    if !alone.lead.is_empty() {
        out.push(alone);
    }
    out
}
