//! Columns of categories as numbers that a model can learn from.

use gradus_autograd::{Float, Tensor};

use super::affine::{column, each_row};
use crate::{Column, DataError, Dataset, Place, Preprocess};

/// What a category is that was not there at fitting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// An error.
    #[default]
    Error,
    /// No category: zeros for each that is known, or NaN as a number.
    Ignore,
}

/// Each column of categories replaced by one column for each category, 1 where the sample is of it
/// and 0 elsewhere; the other columns stay.
///
/// Categories are the different numbers of the column, ascending; [`Csv::categories`] makes numbers
/// of texts, and [`Csv::distinct`] finds the texts. The features are `[n, d]`.
///
/// ```
/// use gradus_data::{Csv, Dataset, OneHotEncoder, Preprocess, Unknown};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let file = "kind,size,label\ncat,3,0\ndog,7,1\ncat,4,0\n";
/// let kinds = Csv::new().distinct("kind", file.as_bytes())?;
/// let mut data: Dataset = Csv::new().categories("kind", kinds).read(file.as_bytes())?;
///
/// let encoder = OneHotEncoder::fit(&data, ["kind"])?.unknown(Unknown::Ignore);
/// encoder.apply(&mut data)?;
/// assert_eq!(data.feature_names(), ["kind_0", "kind_1", "size"]);
/// assert_eq!(data.x().to_vec(), [1., 0., 3., 0., 1., 7., 1., 0., 4.]);
/// # Ok(())
/// # }
/// ```
///
/// [`Csv::categories`]: crate::Csv::categories
/// [`Csv::distinct`]: crate::Csv::distinct
#[derive(Clone, Debug, PartialEq)]
pub struct OneHotEncoder(Encoder);

/// Each column of categories as 0, 1, 2 …: the positions of its numbers among those of the fit,
/// ascending. For categories that have an order, and for what takes indices; else
/// [`OneHotEncoder`].
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, OrdinalEncoder, Preprocess};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let x = Tensor::from([[2010., 0.5], [1990., 0.1], [2000., 0.2]]);
/// let mut data: Dataset = Dataset::new(x, Tensor::ones(&[3]))?;
/// let encoder = OrdinalEncoder::fit(&data, [0])?;
/// encoder.apply(&mut data)?;
/// assert_eq!(data.x().to_vec(), [2., 0.5, 0., 0.1, 1., 0.2]);
///
/// let later = Tensor::<f32>::from([[2020., 0.]]);
/// let error = encoder.transform(&later).unwrap_err().to_string();
/// assert!(error.starts_with("sample 0, feature 0 is 2020: none of the categories"), "{error}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OrdinalEncoder(Encoder);

/// What both know.
#[derive(Clone, Debug, PartialEq)]
struct Encoder {
    /// For each feature its categories, ascending; `None` if it is a number.
    categories: Vec<Option<Vec<f64>>>,
    unknown: Unknown,
}

impl Encoder {
    fn fit<T: Float, C: Into<Column>>(
        train: &Dataset<T>,
        columns: impl IntoIterator<Item = C>,
    ) -> Result<Self, DataError> {
        let &[_, width] = train.x().shape() else {
            return Err(DataError::NotColumns { shape: train.x().shape().to_vec() });
        };
        let mut categories = vec![None; width];
        for name in columns {
            let at = name.into().find(train.feature_names(), width, &Place::default())?;
            let mut values = column(train.x(), at);
            if let Some(sample) = values.iter().position(|value| !value.is_finite()) {
                let (name, value) = (train.feature_names().get(at).cloned(), values[sample]);
                let index = vec![sample, at];
                return Err(DataError::NonFinite { what: "x", index, name, value });
            }
            // −0 is the same category as 0.
            values.iter_mut().for_each(|value| *value += 0.0);
            values.sort_unstable_by(f64::total_cmp);
            values.dedup();
            categories[at] = Some(values);
        }
        Ok(Encoder { categories, unknown: Unknown::Error })
    }

    /// New rows from rows of `width` numbers: `f(the row's number, the row, where to push)`.
    fn rows<T: Float>(
        &self,
        x: &Tensor<T>,
        width: [usize; 2],
        mut f: impl FnMut(usize, &[T], &mut Vec<T>) -> Result<(), DataError>,
    ) -> Result<Tensor<T>, DataError> {
        let [from, to] = width;
        if x.rank() != 2 || x.shape()[1] != from {
            let found = x.shape().get(1..).unwrap_or_default().to_vec();
            return Err(DataError::ScalerShape { fitted: vec![from], found });
        }
        let samples = x.shape()[0];
        let (mut new, mut row, mut result) = (Vec::with_capacity(samples * to), 0, Ok(()));
        each_row(x, |numbers| {
            if result.is_ok() {
                result = f(row, numbers, &mut new);
            }
            row += 1;
        });
        result.map(|()| Tensor::new(&[samples, to], new))
    }

    /// The position of a category; `None` for one that is not known, if that is allowed.
    fn find<T: Float>(
        &self,
        sample: usize,
        feature: usize,
        known: &[f64],
        x: T,
    ) -> Result<Option<usize>, DataError> {
        let value = x.to_f64();
        match (known.iter().position(|&each| each == value), self.unknown) {
            (None, Unknown::Error) => {
                let known = known.iter().copied().take(SHOWN).collect();
                Err(DataError::UnknownCode { sample, feature, value, known })
            }
            (at, _) => Ok(at),
        }
    }

    fn width(&self) -> usize {
        self.categories.len()
    }

    fn wide(&self) -> usize {
        self.categories.iter().map(|known| known.as_ref().map_or(1, Vec::len)).sum()
    }
}

/// Categories that an error message shows.
const SHOWN: usize = 10;

macro_rules! encoder {
    ($($name:ident)*) => {$(
        impl $name {
            /// Learns the categories of `columns`, by name or by position from 0.
            ///
            /// # Errors
            /// When a column does not exist or has numbers that are not finite, and when the features
            /// are not `[n, d]`.
            pub fn fit<T: Float, C: Into<Column>>(
                train: &Dataset<T>,
                columns: impl IntoIterator<Item = C>,
            ) -> Result<Self, DataError> {
                Encoder::fit(train, columns).map($name)
            }

            /// What a category is that was not there at fitting: an error, unless set.
            pub fn unknown(mut self, unknown: Unknown) -> Self {
                self.0.unknown = unknown;
                self
            }

            /// The categories of a feature, ascending; none if it is not encoded.
            pub fn categories(&self, feature: usize) -> &[f64] {
                self.0.categories.get(feature).and_then(Option::as_deref).unwrap_or_default()
            }
        }
    )*};
}
encoder!(OneHotEncoder OrdinalEncoder);

impl<T: Float> Preprocess<T> for OneHotEncoder {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let Encoder { categories, .. } = &self.0;
        self.0.rows(x, [self.0.width(), self.0.wide()], |sample, row, new| {
            for (feature, (&x, known)) in row.iter().zip(categories).enumerate() {
                let Some(known) = known else {
                    new.push(x);
                    continue;
                };
                let at = self.0.find(sample, feature, known, x)?;
                new.extend((0..known.len()).map(|each| match at == Some(each) {
                    true => T::ONE,
                    false => T::ZERO,
                }));
            }
            Ok(())
        })
    }

    /// The category is that of the largest number; NaN where all are 0.
    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let Encoder { categories, .. } = &self.0;
        self.0.rows(x, [self.0.wide(), self.0.width()], |_, row, new| {
            let mut left = row;
            for known in categories {
                let (mine, others) = left.split_at(known.as_ref().map_or(1, Vec::len));
                left = others;
                new.push(match known {
                    None => mine[0],
                    Some(known) => {
                        let (mut best, mut most) = (f64::NAN, 0.0);
                        for (x, &category) in mine.iter().zip(known) {
                            if x.to_f64() > most {
                                (best, most) = (category, x.to_f64());
                            }
                        }
                        T::of(best)
                    }
                });
            }
            Ok(())
        })
    }

    fn feature_names(&self, names: &[String]) -> Vec<String> {
        let columns = names.iter().zip(&self.0.categories);
        columns
            .flat_map(|(name, known)| match known {
                None => vec![name.clone()],
                Some(known) => known.iter().map(|each| format!("{name}_{each}")).collect(),
            })
            .collect()
    }
}

impl<T: Float> Preprocess<T> for OrdinalEncoder {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let Encoder { categories, .. } = &self.0;
        self.0.rows(x, [self.0.width(); 2], |sample, row, new| {
            for (feature, (&x, known)) in row.iter().zip(categories).enumerate() {
                new.push(match known {
                    None => x,
                    Some(known) => match self.0.find(sample, feature, known, x)? {
                        Some(at) => T::of(at as f64),
                        None => T::of(f64::NAN),
                    },
                });
            }
            Ok(())
        })
    }

    /// NaN where the position is that of no category.
    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let Encoder { categories, .. } = &self.0;
        self.0.rows(x, [self.0.width(); 2], |_, row, new| {
            new.extend(row.iter().zip(categories).map(|(&x, known)| match known {
                None => x,
                Some(known) => {
                    let whole = x.to_f64() >= 0.0 && x.to_f64().fract() == 0.0;
                    let at = if whole { known.get(x.to_f64() as usize) } else { None };
                    T::of(at.copied().unwrap_or(f64::NAN))
                }
            }));
            Ok(())
        })
    }
}
