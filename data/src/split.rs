//! Parts of a data set: training, validation, test, and cross-validation folds.

use std::collections::BTreeMap;

use gradus_autograd::{Float, Rng};

use crate::{DataError, Dataset};

/// How far the fractions of a split may be from summing to 1.
const SUM_TOLERANCE: f64 = 1e-9;
/// A count this close to a whole number is that number: 100 · 0.29 is 28.999999999999996.
const WHOLE: f64 = 1e-9;

/// How samples are dealt to the parts of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    way: Way,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Stratified,
    Shuffled,
    InOrder,
}

impl Split {
    /// At random, with each class in each part in its proportion: within one sample of exact, and
    /// at least one. The classes are [`Dataset::classes`].
    pub fn stratified(seed: u64) -> Self {
        Split { way: Way::Stratified, seed }
    }

    /// At random.
    pub fn shuffled(seed: u64) -> Self {
        Split { way: Way::Shuffled, seed }
    }

    /// The first samples to the first part and so on, as for a time series.
    pub fn in_order() -> Self {
        Split { way: Way::InOrder, seed: 0 }
    }
}

/// One fold of a cross-validation: the rows to train on, and the rows to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The rows of all other folds.
    pub train: Vec<usize>,
    /// The rows of this fold.
    pub test: Vec<usize>,
}

impl<T: Float> Dataset<T> {
    /// Splits into parts of the given fractions. Every sample is in exactly one part; within a part
    /// the samples stand in random order, unless split in order. The same seed gives the same parts.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// use gradus_data::{Dataset, Split};
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// # let y = Tensor::from_fn(&[100, 1], |at| (at[0] % 4 / 3) as f32);
    /// # let x = Tensor::ones(&[100, 4]);
    /// let data: Dataset = Dataset::new(x, y)?; // 100 samples, 25 of them of class 1
    /// let [train, val, test] = data.split([0.6, 0.2, 0.2], Split::stratified(7))?;
    /// assert_eq!([train.len(), val.len(), test.len()], [60, 20, 20]);
    /// assert_eq!(test.classes()?.to_vec().iter().sum::<i64>(), 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a fraction is not positive or they do not sum to 1, when a part would be empty, and, if
    /// stratified, when there are no class labels or a part would lack a class.
    pub fn split<const N: usize>(
        &self,
        fractions: [f64; N],
        how: Split,
    ) -> Result<[Self; N], DataError> {
        let parts = self.deal(&fractions, how)?;
        self.split_at(std::array::from_fn(|part| &parts[part][..]))
    }

    /// Splits into parts with the given rows. Rows that are in no part are left out.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// # use gradus_data::Dataset;
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let x = Tensor::arange(4.0);
    /// let data: Dataset = Dataset::new(x.clone(), x)?;
    /// let [train, test] = data.split_at([&[3, 0], &[1]])?;
    /// assert_eq!((train.x().to_vec(), test.x().to_vec()), (vec![3., 0.], vec![1.]));
    /// let error = data.split_at([&[3, 0], &[1, 0]]).unwrap_err();
    /// assert_eq!(error.to_string(), "split: row 0 is in part 0 and again in part 1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a row does not exist or stands twice, and when a part is empty.
    pub fn split_at<const N: usize>(&self, rows: [&[usize]; N]) -> Result<[Self; N], DataError> {
        let mut part_of = vec![None; self.len()];
        for (second, rows) in rows.iter().enumerate() {
            for (entry, &row) in rows.iter().enumerate() {
                let samples = self.len();
                let Some(part) = part_of.get_mut(row) else {
                    return Err(DataError::RowOutOfRange { row, entry, samples });
                };
                if let Some(first) = part.replace(second) {
                    return Err(DataError::RowTwice { row, first, second });
                }
            }
        }
        if let Some(part) = rows.iter().position(|rows| rows.is_empty()) {
            return Err(DataError::Empty { what: format!("part {part} of the split") });
        }
        let parts: Result<Vec<Self>, DataError> =
            rows.iter().map(|rows| self.subset(rows)).collect();
        // One part for each list of rows.
        Ok(parts?.try_into().unwrap_or_else(|_| unreachable!("as many parts as lists")))
    }

    /// The rows of `count` folds: each sample is tested on once.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// use gradus_data::{Dataset, Split};
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// # let x = Tensor::arange(10.0);
    /// # let data: Dataset = Dataset::new(x.clone(), x)?;
    /// for fold in data.folds(5, Split::shuffled(7))? {
    ///     let [train, test] = data.split_at([&fold.train, &fold.test])?;
    ///     assert_eq!([train.len(), test.len()], [8, 2]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `count` is not from 2 to the number of samples, and those of [`Dataset::split`].
    pub fn folds(&self, count: usize, how: Split) -> Result<Vec<Fold>, DataError> {
        if !(2..=self.len()).contains(&count) {
            return Err(DataError::FoldCount { folds: count, samples: self.len() });
        }
        let parts = self.deal(&vec![1.0 / count as f64; count], how)?;
        let others = |test: usize| {
            let all = parts.iter().enumerate().filter(move |(part, _)| *part != test);
            all.flat_map(|(_, rows)| rows).copied().collect()
        };
        let folds = parts.iter().enumerate();
        Ok(folds.map(|(at, test)| Fold { train: others(at), test: test.clone() }).collect())
    }

    /// The rows of each part.
    fn deal(&self, fractions: &[f64], how: Split) -> Result<Vec<Vec<usize>>, DataError> {
        let (samples, shares) = (self.len(), shares(fractions)?);
        let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        match how.way {
            Way::Stratified => {
                let classes = self.classes().map_err(|why| DataError::NotClasses(why.into()))?;
                for (row, &class) in classes.to_vec().iter().enumerate() {
                    groups.entry(class).or_default().push(row);
                }
            }
            Way::Shuffled | Way::InOrder => {
                groups.insert(0, (0..samples).collect());
            }
        }

        let mut rng = Rng::named(how.seed, "split");
        let mut parts = vec![Vec::new(); fractions.len()];
        let mut owed = vec![0.0; fractions.len()];
        for (class, rows) in &mut groups {
            if how.way != Way::InOrder {
                rng.shuffle(rows);
            }
            let counts = apportion(rows.len(), &shares, &mut owed);
            if let Some(part) = counts.iter().position(|&count| count == 0) {
                let fraction = fractions[part];
                return Err(match how.way {
                    Way::Stratified => DataError::ClassTooSmall {
                        class: *class,
                        count: rows.len(),
                        parts: fractions.len(),
                        part,
                        fraction,
                    },
                    _ => DataError::EmptyPart { part, fraction, samples },
                });
            }
            let mut left = &rows[..];
            for (part, count) in parts.iter_mut().zip(counts) {
                let (mine, others) = left.split_at(count);
                part.extend_from_slice(mine);
                left = others;
            }
        }
        if how.way == Way::Stratified {
            // They stand class by class, which is a bad order to train in.
            parts.iter_mut().for_each(|part| rng.shuffle(part));
        }
        Ok(parts)
    }
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
