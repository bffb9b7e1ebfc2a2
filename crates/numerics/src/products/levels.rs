//! Integer codes of grouping factors.

use std::collections::HashMap;

/// Codes in `0..levels` and the sorted distinct values of an integer column. Values within a
/// narrow range go through a table, others through a hash map: linear in the rows either way.
#[must_use]
pub fn encode(values: &[i64]) -> (Vec<u32>, Vec<i64>) {
    let Some((&min, &max)) = values.iter().min().zip(values.iter().max()) else {
        return (Vec::new(), Vec::new());
    };
    let range = (max as i128 - min as i128 + 1) as u128;
    if range <= (4 * values.len() as u128).max(1024) {
        let mut table = vec![u32::MAX; range as usize];
        for &v in values {
            table[(v - min) as usize] = 0;
        }
        let mut levels = Vec::new();
        for (slot, entry) in table.iter_mut().enumerate() {
            if *entry == 0 {
                *entry = levels.len() as u32;
                levels.push(min + slot as i64);
            }
        }
        (values.iter().map(|&v| table[(v - min) as usize]).collect(), levels)
    } else {
        let mut seen: HashMap<i64, u32> = HashMap::new();
        for &v in values {
            seen.insert(v, 0);
        }
        let mut levels: Vec<i64> = seen.keys().copied().collect();
        levels.sort_unstable();
        for (code, v) in levels.iter().enumerate() {
            seen.insert(*v, code as u32);
        }
        (values.iter().map(|v| seen[v]).collect(), levels)
    }
}

/// Row numbers sorted by code (stable), and where each level starts.
#[must_use]
pub fn rows_by_level(codes: &[u32], levels: usize) -> (Vec<u32>, Vec<usize>) {
    let mut start = vec![0usize; levels + 1];
    for &c in codes {
        start[c as usize + 1] += 1;
    }
    for l in 0..levels {
        start[l + 1] += start[l];
    }
    let mut next = start.clone();
    let mut rows = vec![0u32; codes.len()];
    for (i, &c) in codes.iter().enumerate() {
        rows[next[c as usize]] = i as u32;
        next[c as usize] += 1;
    }
    (rows, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_and_hash_agree() {
        let near = [3i64, 1, 3, 7, 1];
        let far = [3_000_000_000_000i64, -5, 3_000_000_000_000, i64::MAX, -5];
        assert_eq!(encode(&near), (vec![1, 0, 1, 2, 0], vec![1, 3, 7]));
        assert_eq!(encode(&far), (vec![1, 0, 1, 2, 0], vec![-5, 3_000_000_000_000, i64::MAX]));
    }
}
