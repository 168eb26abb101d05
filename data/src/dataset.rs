//! Features and targets of the same samples, in memory.

use std::sync::Arc;

use gradus_autograd::{Element, Float, Tensor};

use crate::DataError;

/// Samples: the features `x`, `[n, …]`, and the targets `y`, `[n, …]`.
///
/// Cloning is O(1), as it is for tensors.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::Dataset;
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let x = Tensor::from([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]);
/// let data: Dataset = Dataset::new(x, Tensor::from([[0.], [1.], [1.]]))?;
/// assert_eq!(data.len(), 3);
/// assert_eq!(data.classes()?.to_vec(), [0, 1, 1]);
/// assert_eq!(data.subset(&[2, 0])?.x().to_vec(), [0.5, 0.6, 0.1, 0.2]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<T: Float = f32> {
    x: Tensor<T>,
    y: Tensor<T>,
    feature_names: Arc<[String]>,
    class_names: Arc<[String]>,
}

impl<T: Float> Dataset<T> {
    /// Features `x` and targets `y`, whose first axes count the same samples.
    ///
    /// # Errors
    /// When the counts differ, when there are no samples, and when a number is not finite.
    pub fn new(x: Tensor<T>, y: Tensor<T>) -> Result<Self, DataError> {
        check_finite("x", &x, &[])?;
        Dataset::with_gaps(x, y)
    }

    /// As [`Dataset::new`], for features that are known to have gaps: `x` may hold any numbers.
    pub(crate) fn with_gaps(x: Tensor<T>, y: Tensor<T>) -> Result<Self, DataError> {
        match (x.shape().first(), y.shape().first()) {
            (Some(n), Some(m)) if n == m => {}
            _ => {
                let (x, y) = (x.shape().to_vec(), y.shape().to_vec());
                return Err(DataError::SampleCounts { x, y });
            }
        }
        if x.shape()[0] == 0 {
            return Err(DataError::Empty { what: "the data set".to_owned() });
        }
        check_finite("y", &y, &[])?;
        let (x, y) = (x.contiguous(), y.contiguous());
        Ok(Dataset { x, y, feature_names: Arc::from([]), class_names: Arc::from([]) })
    }

    /// The same data, with names for its features and classes.
    pub(crate) fn named(self, features: Vec<String>, classes: Vec<String>) -> Self {
        Dataset { feature_names: features.into(), class_names: classes.into(), ..self }
    }

    /// The features, `[n, …]`.
    pub fn x(&self) -> &Tensor<T> {
        &self.x
    }

    /// The targets, `[n, …]`; `[n, 1]` for the label of a CSV file.
    pub fn y(&self) -> &Tensor<T> {
        &self.y
    }

    /// The number of samples.
    #[allow(clippy::len_without_is_empty, reason = "a data set always has samples")]
    pub fn len(&self) -> usize {
        self.x.shape()[0]
    }

    /// The names of the features, in order; none if they are not known.
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// The names of the classes, by label; none if they are not known.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The targets as class labels, `[n]`.
    ///
    /// # Errors
    /// When there is not one target a sample (targets of shape `[n]` or `[n, 1]`), and when one is
    /// not a whole number from 0 on.
    pub fn classes(&self) -> Result<Tensor<i64>, DataError> {
        classes(&self.y)
    }

    /// The targets as labels of `count` classes, `[n]`: [`Dataset::classes`], all below `count`.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// # use gradus_data::Dataset;
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let data: Dataset = Dataset::new(Tensor::ones(&[2, 4]), Tensor::from([[0.], [3.]]))?;
    /// let error = data.classes_below(3).unwrap_err();
    /// assert_eq!(error.to_string(), "the label of sample 1 is 3: of 3 classes, the last is 2");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Dataset::classes`], and when a label is `count` or larger.
    pub fn classes_below(&self, count: usize) -> Result<Tensor<i64>, DataError> {
        let labels = self.classes()?;
        let within = |&label: &i64| usize::try_from(label).is_ok_and(|label| label < count);
        match labels.to_vec().iter().position(|label| !within(label)) {
            None => Ok(labels),
            Some(sample) => {
                let label = labels.at(&[sample]);
                Err(DataError::LabelOutOfRange { sample, label, classes: count })
            }
        }
    }

    /// A weight for each of `count` classes, n / (k·nᵢ) for the k classes that there are, so that all
    /// weigh the same together (scikit-learn's `balanced`); 0 for a class without samples.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// # use gradus_data::Dataset;
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let y = Tensor::from([0., 0., 0., 1.]);
    /// let data: Dataset = Dataset::new(y.clone(), y)?;
    /// assert_eq!(data.balanced_class_weights(2)?, [4. / 6., 2.]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Dataset::classes_below`].
    pub fn balanced_class_weights(&self, count: usize) -> Result<Vec<f64>, DataError> {
        let mut counts = vec![0_usize; count];
        for label in self.classes_below(count)?.to_vec() {
            counts[label as usize] += 1;
        }
        let present = counts.iter().filter(|&&count| count > 0).count();
        let weight = |&count: &usize| match count {
            0 => 0.0,
            _ => self.len() as f64 / (present * count) as f64,
        };
        Ok(counts.iter().map(weight).collect())
    }

    /// The samples `rows`, in that order; a row may be named more than once (a bootstrap sample).
    ///
    /// # Errors
    /// When a row does not exist, and when there are none.
    pub fn subset(&self, rows: &[usize]) -> Result<Self, DataError> {
        let samples = self.len();
        if let Some(entry) = rows.iter().position(|&row| row >= samples) {
            return Err(DataError::RowOutOfRange { row: rows[entry], entry, samples });
        }
        if rows.is_empty() {
            return Err(DataError::Empty { what: "the subset".to_owned() });
        }
        Ok(Dataset { x: gather(&self.x, rows), y: gather(&self.y, rows), ..self.clone() })
    }

    /// Whether all features are finite: a file that was read with [gaps](crate::Missing::Nan) may have others.
    ///
    /// # Errors
    /// When one is not; the error names the first.
    pub fn check_finite(&self) -> Result<(), DataError> {
        check_finite("x", &self.x, &self.feature_names)
    }

    /// The samples whose features are all finite: what is left of data with gaps.
    ///
    /// ```
    /// # use gradus_data::{Csv, Dataset, Missing};
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let file = "a,b,label\n1,2,0\n3,,1\n";
    /// let data: Dataset = Csv::new().missing(Missing::Nan).read(file.as_bytes())?;
    /// assert_eq!((data.len(), data.complete()?.len()), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When none is.
    pub fn complete(&self) -> Result<Self, DataError> {
        let whole = |row: &usize| self.x.row(*row).first_non_finite().is_none();
        let rows: Vec<usize> = (0..self.len()).filter(whole).collect();
        match rows.len() == self.len() {
            true => Ok(self.clone()),
            false if rows.is_empty() => {
                Err(DataError::Empty { what: "the set of complete samples".to_owned() })
            }
            false => self.subset(&rows),
        }
    }

    /// The same targets with other features, made from [`Dataset::x`]: gaps filled, new columns.
    /// Feature names stay if there is still one for each.
    ///
    /// # Errors
    /// Those of [`Dataset::new`].
    pub fn with_x(&self, x: Tensor<T>) -> Result<Self, DataError> {
        check_finite("x", &x, &[])?;
        let mut new = self.clone();
        new.set_x(x, self.feature_names.to_vec())?;
        Ok(new)
    }

    /// The same features with other targets, made from [`Dataset::y`]: a logarithm, one-hot rows.
    ///
    /// # Errors
    /// When there is not one finite target a sample.
    pub fn with_y(&self, y: Tensor<T>) -> Result<Self, DataError> {
        let new = Dataset::with_gaps(self.x.clone(), y)?;
        Ok(Dataset { y: new.y, ..self.clone() })
    }

    /// Other features of the same samples; the names are dropped if there is not one for each.
    pub(crate) fn set_x(&mut self, x: Tensor<T>, names: Vec<String>) -> Result<(), DataError> {
        let x = Dataset::with_gaps(x, self.y.clone())?.x;
        if x.shape()[1..] != [names.len()] {
            self.feature_names = Arc::from([]);
        } else if *self.feature_names != names[..] {
            self.feature_names = names.into();
        }
        self.x = x;
        Ok(())
    }
}

/// Labels from targets `[n]` or `[n, 1]`.
pub(crate) fn classes<T: Float>(y: &Tensor<T>) -> Result<Tensor<i64>, DataError> {
    /// Whole numbers are exact in 64-bit floats up to here.
    const EXACT: f64 = (1_u64 << 53) as f64;

    let samples = y.shape().first().copied().unwrap_or(0);
    if y.len() != samples {
        return Err(DataError::NotLabels { shape: y.shape().to_vec(), samples });
    }
    let y = y.reshape(&[samples]);
    let is_label = |value: f64| (0.0..EXACT).contains(&value) && value.fract() == 0.0;
    match y.to_vec().iter().position(|value| !is_label(value.to_f64())) {
        Some(sample) => Err(DataError::BadLabel { sample, value: y.at(&[sample]).to_f64() }),
        None => Ok(y.map(|value| value.to_f64() as i64)),
    }
}

/// The rows of `source` along its first axis, one after the other. Rows must exist.
pub(crate) fn gather<T: Element>(source: &Tensor<T>, rows: &[usize]) -> Tensor<T> {
    let mut shape = source.shape().to_vec();
    shape[0] = rows.len();
    // Writing to a broadcast number makes a buffer from the pool, which `Tensor::new` would not.
    let mut gathered = Tensor::full(&shape, T::default());
    gather_into(source, rows, gathered.make_mut());
    gathered
}

/// As [`gather`], to memory that there is.
pub(crate) fn gather_into<T: Element>(source: &Tensor<T>, rows: &[usize], out: &mut [T]) {
    let (source, width) = (source.contiguous(), source.shape()[1..].iter().product());
    if let (Some(from), true) = (source.as_slice(), width > 0) {
        for (to, &row) in out.chunks_exact_mut(width).zip(rows) {
            to.copy_from_slice(&from[row * width..][..width]);
        }
    }
}

/// An error that names the first number that is not finite; `names` are those of the second axis, if known.
fn check_finite<T: Float>(
    what: &'static str,
    x: &Tensor<T>,
    names: &[String],
) -> Result<(), DataError> {
    let Some(mut at) = x.first_non_finite() else { return Ok(()) };
    let mut index = vec![0; x.rank().max(1)];
    for axis in (0..x.rank()).rev() {
        index[axis] = at % x.shape()[axis];
        at /= x.shape()[axis];
    }
    let value = x.at(&index[..x.rank()]).to_f64();
    let name = index.get(1).and_then(|&column| names.get(column)).cloned();
    Err(DataError::NonFinite { what, index, name, value })
}
