//! Dealing samples to parts: by fractions, at random or in order, class by class or all at once.

use std::collections::BTreeMap;

use gradus_autograd::{Float, Rng};

use crate::{DataError, Dataset};

/// How far the fractions of a split may be from summing to 1.
const SUM_TOLERANCE: f64 = 1e-9;
/// A count this close to a whole number is that number: 100 · 0.29 is 28.999999999999996.
const WHOLE: f64 = 1e-9;

/// The class of each sample, for a stratified split.
pub(super) fn class_labels<T: Float>(data: &Dataset<T>) -> Result<Vec<i64>, DataError> {
    let classes = data.classes().map_err(|why| DataError::NotClasses(why.into()))?;
    Ok(classes.to_vec())
}

/// The rows of each part: of each class, if there are `classes`, every part gets its fraction. In
/// random order, or sorted without `rng`.
pub(super) fn deal(
    samples: usize,
    classes: Option<&[i64]>,
    fractions: &[f64],
    mut rng: Option<Rng>,
) -> Result<Vec<Vec<usize>>, DataError> {
    let shares = shares(fractions)?;
    let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for row in 0..samples {
        groups.entry(classes.map_or(0, |classes| classes[row])).or_default().push(row);
    }
    let mut parts = vec![Vec::new(); fractions.len()];
    let mut owed = vec![0.0; fractions.len()];
    for (&class, rows) in &mut groups {
        if let Some(rng) = &mut rng {
            rng.shuffle(rows);
        }
        let counts = apportion(rows.len(), &shares, &mut owed);
        if let Some(part) = counts.iter().position(|&count| count == 0) {
            let (fraction, count, parts) = (fractions[part], rows.len(), fractions.len());
            return Err(match classes {
                Some(_) => DataError::ClassTooSmall { class, count, parts, part, fraction },
                None => DataError::EmptyPart { part, fraction, samples },
            });
        }
        let mut left = &rows[..];
        for (part, count) in parts.iter_mut().zip(counts) {
            let (mine, others) = left.split_at(count);
            part.extend_from_slice(mine);
            left = others;
        }
    }
    if classes.is_some() {
        // They stand class by class, which is a bad order to train in.
        parts.iter_mut().for_each(|part| match &mut rng {
            Some(rng) => rng.shuffle(part),
            None => part.sort_unstable(),
        });
    }
    Ok(parts)
}

/// The fractions, checked, with a sum of exactly 1 as far as rounding goes.
fn shares(fractions: &[f64]) -> Result<Vec<f64>, DataError> {
    let positive = |&fraction: &f64| fraction > 0.0 && fraction.is_finite();
    if let Some(part) = fractions.iter().position(|fraction| !positive(fraction)) {
        return Err(DataError::BadFraction { part, fraction: fractions[part] });
    }
    // Not `sum()`, which is -0 for no fractions at all.
    let sum = fractions.iter().fold(0.0, |sum, fraction| sum + fraction);
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(DataError::FractionSum { fractions: fractions.to_vec(), sum });
    }
    Ok(fractions.iter().map(|fraction| fraction / sum).collect())
}

/// How many of `count` samples each part gets: the whole part of its share, and of the left over
/// one more. First come parts that would have none, then those that are owed most, counting what
/// earlier classes owe them. So each count is within one of exact, and the parts keep their sizes
/// over all classes as well, unless classes are so small that merely being everywhere takes more.
fn apportion(count: usize, shares: &[f64], owed: &mut [f64]) -> Vec<usize> {
    let mut counts = Vec::with_capacity(shares.len());
    let mut has_rest = Vec::with_capacity(shares.len());
    for (share, owed) in shares.iter().zip(owed.iter_mut()) {
        let exact = count as f64 * share;
        let near = exact.round();
        let exact = if (exact - near).abs() <= WHOLE * near.max(1.0) { near } else { exact };
        counts.push(exact.floor() as usize);
        has_rest.push(exact.fract() > 0.0);
        *owed += exact.fract();
    }
    let mut ranking: Vec<usize> = (0..shares.len()).collect();
    // A stable sort: of equals, the earlier part is first.
    ranking.sort_by(|&a, &b| {
        let urgent = |part: usize| (counts[part] == 0, has_rest[part]);
        urgent(b).cmp(&urgent(a)).then(owed[b].total_cmp(&owed[a]))
    });
    let left_over = count.saturating_sub(counts.iter().sum());
    for &part in ranking.iter().cycle().take(left_over) {
        counts[part] += 1;
        owed[part] -= 1.0;
    }
    counts
}
