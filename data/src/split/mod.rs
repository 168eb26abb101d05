//! Parts of a data set: training, validation, test, and cross-validation folds.

mod deal;
mod folds;
mod grouped;
mod kfold;
mod shuffle;

use gradus_autograd::{Float, Rng};

pub use folds::{Fold, Folds, LeaveOneOut, TimeSeriesSplit};
pub use kfold::KFold;
pub use shuffle::ShuffleSplit;

use crate::{DataError, Dataset};
use deal::{class_labels, deal};

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
        let classes = match how.way {
            Way::Stratified => Some(class_labels(self)?),
            Way::Shuffled | Way::InOrder => None,
        };
        let rng = (how.way != Way::InOrder).then(|| Rng::named(how.seed, "split"));
        let parts = deal(self.len(), classes.as_deref(), &fractions, rng)?;
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
}
