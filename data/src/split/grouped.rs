//! Dealing whole groups of samples to folds.

use std::collections::BTreeMap;

use gradus_autograd::Rng;

/// The rows of each of `folds` parts; the rows of a group stay together. At most as many parts as
/// groups, so that none is empty.
///
/// Greedy, large groups first: each goes where it raises the spread of the parts least. The spread
/// is Σ (share of a class in a part)², over parts and classes; without classes, that is the
/// smallest part. With `rng`, equal groups are dealt, and rows stand, in random order.
pub(super) fn deal_groups(
    groups: &[usize],
    count: usize,
    classes: Option<&[i64]>,
    folds: usize,
    mut rng: Option<Rng>,
) -> Vec<Vec<usize>> {
    let mut numbers: BTreeMap<i64, usize> = BTreeMap::new();
    for &class in classes.unwrap_or(&[0]) {
        let next = numbers.len();
        numbers.entry(class).or_insert(next);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    // Samples of each class: in a group, which may have few of them, and in all.
    let mut of_group: Vec<BTreeMap<usize, f64>> = vec![BTreeMap::new(); count];
    let mut of_all = vec![0.0; numbers.len()];
    for (row, &group) in groups.iter().enumerate() {
        let class = numbers[&classes.map_or(0, |classes| classes[row])];
        rows[group].push(row);
        *of_group[group].entry(class).or_insert(0.0) += 1.0;
        of_all[class] += 1.0;
    }

    let mut order: Vec<usize> = (0..count).collect();
    if let Some(rng) = &mut rng {
        rng.shuffle(&mut order);
    }
    order.sort_by_key(|&group| std::cmp::Reverse(rows[group].len()));

    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); folds];
    let mut of_part = vec![vec![0.0; numbers.len()]; folds];
    for group in order {
        // (a + g)² − a² − g² = 2ag: what differs from part to part.
        let rise = |part: usize| -> f64 {
            let classes = of_group[group].iter();
            classes.map(|(&c, g)| of_part[part][c] * g / (of_all[c] * of_all[c])).sum()
        };
        let rises: Vec<f64> = (0..folds).map(rise).collect();
        let by_rise = |&a: &usize, &b: &usize| {
            rises[a].total_cmp(&rises[b]).then(parts[a].len().cmp(&parts[b].len()))
        };
        let Some(best) = (0..folds).min_by(by_rise) else { break };
        for (&class, samples) in &of_group[group] {
            of_part[best][class] += samples;
        }
        parts[best].extend_from_slice(&rows[group]);
    }
    parts.iter_mut().for_each(|part| match &mut rng {
        Some(rng) => rng.shuffle(part),
        None => part.sort_unstable(),
    });
    parts
}
