//! What can stand against folds.

/// Why samples could not be divided into folds; see [`Folds`](crate::Folds).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldsError {
    /// A number of folds that is not from 2 to the number of samples.
    #[error("{folds} folds of {samples} samples: there must be {least} to {samples}")]
    Count {
        /// The number of folds.
        folds: usize,
        /// The least number that there may be.
        least: usize,
        /// The number of samples.
        samples: usize,
    },
    /// Folds whose lists of rows would fill the memory.
    #[error("{} folds of {samples} samples: too many to list; use fewer",
        folds.saturating_mul(*repeats))]
    TooMany {
        /// The number of folds.
        folds: usize,
        /// How many times they are made.
        repeats: usize,
        /// The number of samples.
        samples: usize,
    },
    /// A class that cannot be in every fold.
    #[error(
        "class {class} has {count} samples, too few for {folds} folds; use fewer folds, or \
         do without `stratified`"
    )]
    ClassTooSmall {
        /// The class.
        class: i64,
        /// How many samples it has.
        count: usize,
        /// The number of folds.
        folds: usize,
    },
    /// Folds made several times in the same way, or not at all.
    #[error(
        "repeated {repeats} times; it takes 1 or more times, and `shuffled` for the folds \
         to differ"
    )]
    Repeats {
        /// How many times.
        repeats: usize,
    },
    /// Groups that are not one for each sample.
    #[error("{groups} groups for {samples} samples; give the group of each sample")]
    GroupCount {
        /// How many were given.
        groups: usize,
        /// The number of samples.
        samples: usize,
    },
    /// More folds than groups, which must not be divided.
    #[error("{groups} groups are too few for {folds} folds; use at most {groups}")]
    TooFewGroups {
        /// The number of folds.
        folds: usize,
        /// The number of different groups.
        groups: usize,
    },
    /// A time series that is too short for the folds asked for.
    #[error(
        "{folds} folds of {test_size} samples to test on, after a gap of {gap}, leave \
         none of {samples} samples to train on, or none to test on; use fewer or smaller folds"
    )]
    TimeSeries {
        /// The number of folds.
        folds: usize,
        /// The samples that each is tested on.
        test_size: usize,
        /// The samples between training and testing.
        gap: usize,
        /// The number of samples.
        samples: usize,
    },
}
