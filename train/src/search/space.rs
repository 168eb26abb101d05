//! What is searched: parameters, their ranges, and the conditions under which they exist.

use std::ops::{RangeFrom, RangeInclusive};

use super::{Params, SearchError, Value};

/// Whole numbers are exact in 64-bit floats up to here.
const EXACT: i64 = 1 << 53;

/// A search space, in one place.
///
/// Every method adds a parameter, and [`when`](Space::when) says under which condition the one that was
/// added last is part of a trial. What makes no sense is found by [`check`](Space::check), which a study
/// asks before its first trial.
///
/// ```
/// use gradus_train::search::Space;
///
/// let mut space = Space::new()
///     .log_uniform("lr", 1e-4, 1e-1)
///     .choice("batch_size", [32, 64, 128])
///     .choice("activation", ["relu", "tanh", "gelu"])
///     .uniform("dropout", 0.0, 0.6)
///     .integer("layers", 1, 3);
/// for layer in 1..=3 {
///     space = space.log_integer(format!("width_{layer}"), 16, 256).when("layers", layer..);
/// }
/// space.check()?;
/// # Ok::<(), gradus_train::search::SearchError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    pub(super) entries: Vec<Entry>,
    /// A condition that came before any parameter: the parameter that it looks at.
    orphan: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) domain: Domain,
    pub(super) when: Vec<(String, Condition)>,
}

/// The values that a parameter can have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Numbers from `low` to `high`, evenly or evenly in their logarithm.
    Float {
        /// The smallest.
        low: f64,
        /// The largest.
        high: f64,
        /// Whether the logarithm is even.
        log: bool,
    },
    /// Whole numbers from `low` to `high`, both included.
    Integer {
        /// The smallest.
        low: i64,
        /// The largest.
        high: i64,
        /// Whether the logarithm is even.
        log: bool,
    },
    /// One of these.
    Choice(Vec<Value>),
}

/// Which values of another parameter call for this one: a list `["sgd"]`, or of whole numbers a range,
/// `2..` or `2..=3`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(pub(super) Wanted);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    OneOf(Vec<Value>),
    Within(i64, i64),
}

impl<V: Into<Value>, const N: usize> From<[V; N]> for Condition {
    fn from(values: [V; N]) -> Self {
        Condition(Wanted::OneOf(values.map(Into::into).into()))
    }
}
impl From<RangeFrom<i64>> for Condition {
    fn from(range: RangeFrom<i64>) -> Self {
        Condition(Wanted::Within(range.start, i64::MAX))
    }
}
impl From<RangeInclusive<i64>> for Condition {
    fn from(range: RangeInclusive<i64>) -> Self {
        Condition(Wanted::Within(*range.start(), *range.end()))
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match (&self.0, value) {
            (Wanted::OneOf(values), value) => values.contains(value),
            (Wanted::Within(low, high), Value::Integer(n)) => (low..=high).contains(&n),
            (Wanted::Within(..), _) => false,
        }
    }
}

impl Space {
    /// A space without parameters.
    pub fn new() -> Self {
        Space::default()
    }

    /// A number from `low` to `high`, all alike: dropout rates, momenta.
    pub fn uniform(self, name: impl Into<String>, low: f64, high: f64) -> Self {
        self.add(name.into(), Domain::Float { low, high, log: false })
    }
    /// A number above 0 whose logarithm is uniform: learning rates, λ.
    pub fn log_uniform(self, name: impl Into<String>, low: f64, high: f64) -> Self {
        self.add(name.into(), Domain::Float { low, high, log: true })
    }
    /// A whole number from `low` to `high`, both included: the number of layers, epochs.
    pub fn integer(self, name: impl Into<String>, low: i64, high: i64) -> Self {
        self.add(name.into(), Domain::Integer { low, high, log: false })
    }
    /// A whole number above 0 whose logarithm is uniform, up to rounding: widths, batch sizes.
    pub fn log_integer(self, name: impl Into<String>, low: i64, high: i64) -> Self {
        self.add(name.into(), Domain::Integer { low, high, log: true })
    }
    /// One of these labels, numbers or flags.
    pub fn choice<V: Into<Value>>(
        self,
        name: impl Into<String>,
        choices: impl IntoIterator<Item = V>,
    ) -> Self {
        self.add(name.into(), Domain::Choice(choices.into_iter().map(Into::into).collect()))
    }

    /// The parameter that was added last is part of a trial only if `parent`, which was added before it, is
    /// and has one of these values. Several conditions must all hold.
    ///
    /// ```
    /// # use gradus_train::search::Space;
    /// let space = Space::new()
    ///     .choice("optimizer", ["adam", "sgd"])
    ///     .uniform("momentum", 0.0, 0.99)
    ///     .when("optimizer", ["sgd"]);
    /// let adam = space.at(|_| 0.0)?;
    /// assert_eq!(adam.get::<Option<f64>>("momentum")?, None);
    /// # Ok::<(), gradus_train::search::SearchError>(())
    /// ```
    pub fn when(mut self, parent: impl Into<String>, values: impl Into<Condition>) -> Self {
        match self.entries.last_mut() {
            Some(last) => last.when.push((parent.into(), values.into())),
            None => self.orphan = Some(parent.into()),
        }
        self
    }

    fn add(mut self, name: String, domain: Domain) -> Self {
        self.entries.push(Entry { name, domain, when: Vec::new() });
        self
    }

    /// The names of the parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The values that a parameter can have.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.domain)
    }

    /// Whether all of it makes sense.
    ///
    /// # Errors
    /// No parameters, two of the same name, bounds with nothing between, no choices or one of them twice, a
    /// condition on a parameter that does not stand before, or that no value meets.
    pub fn check(&self) -> Result<(), SearchError> {
        if let Some(parent) = &self.orphan {
            return Err(SearchError::WhenFirst { parent: parent.clone() });
        }
        if self.entries.is_empty() {
            return Err(SearchError::EmptySpace);
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let before = &self.entries[..at];
            if before.iter().any(|other| other.name == entry.name) {
                return Err(SearchError::Duplicate { name: entry.name.clone() });
            }
            entry.domain.check(&entry.name)?;
            for (parent, condition) in &entry.when {
                let found = before.iter().find(|other| other.name == *parent);
                let why = match found.map(|parent| parent.domain.meets(condition)) {
                    None => format!("there is no parameter `{parent}` before it"),
                    Some(false) => format!("`{parent}` never has such a value"),
                    Some(true) => continue,
                };
                let (name, parent) = (entry.name.clone(), parent.clone());
                return Err(SearchError::When { name, parent, why });
            }
        }
        Ok(())
    }

    /// Goes through the parameters in order and asks for a value of each that is part of the trial.
    pub fn fill(&self, mut value: impl FnMut(&str, &Domain) -> Value) -> Params {
        let mut params = Params(Vec::with_capacity(self.entries.len()));
        for entry in &self.entries {
            let value = entry.is_active(&params).then(|| value(&entry.name, &entry.domain));
            params.0.push((entry.name.clone(), value));
        }
        params
    }

    /// The choice at a place of the space: for each parameter a place in its range, from 0 to 1.
    ///
    /// # Errors
    /// Those of [`Space::check`].
    pub fn at(&self, mut place: impl FnMut(&str) -> f64) -> Result<Params, SearchError> {
        self.check()?;
        Ok(self.fill(|name, domain| domain.at(place(name))))
    }
}

impl Entry {
    /// Whether it is part of a trial whose earlier parameters are these.
    pub(super) fn is_active(&self, params: &Params) -> bool {
        self.when.iter().all(|(parent, condition)| {
            params.value(parent).is_some_and(|value| condition.holds(value))
        })
    }
}

impl Domain {
    /// The value at a place in the range, from 0 to 1.
    ///
    /// # Panics
    /// When it is a choice of nothing.
    #[track_caller]
    pub fn at(&self, place: f64) -> Value {
        self.value(self.ends(), place)
    }

    /// The value at a place from the lower to the upper bound themselves: 0, 0.5 and 1 are 1, 10 and 100.
    pub(super) fn between(&self, place: f64) -> Value {
        let bounds = match self {
            Domain::Integer { low, high, .. } => [*low as f64, *high as f64],
            _ => return self.at(place),
        };
        self.value(if self.is_log() { bounds.map(f64::ln) } else { bounds }, place)
    }

    #[track_caller]
    fn value(&self, [from, to]: [f64; 2], place: f64) -> Value {
        let place = if place >= 0.0 { place.min(1.0) } else { 0.0 };
        let inner = from + (to - from) * place;
        let value = if self.is_log() { inner.exp() } else { inner };
        match self {
            Domain::Float { low, high, .. } => Value::Float(value.clamp(*low, *high)),
            Domain::Integer { low, high, .. } => {
                Value::Integer((value.round() as i64).clamp(*low, *high))
            }
            Domain::Choice(choices) => {
                assert!(!choices.is_empty(), "Domain::at: a choice of nothing has no value");
                let at = (place * choices.len() as f64) as usize;
                choices[at.min(choices.len() - 1)].clone()
            }
        }
    }

    /// Which places in the range have this value, from and to, which are the same for a continuous
    /// parameter; `None` if no place has it.
    pub fn places(&self, value: &Value) -> Option<[f64; 2]> {
        let [from, to] = self.ends();
        let place = |value: f64| {
            let inner = if self.is_log() { value.ln() } else { value };
            ((inner - from) / (to - from)).clamp(0.0, 1.0)
        };
        match (self, value) {
            (Domain::Float { low, high, .. }, &Value::Float(x)) if (*low..=*high).contains(&x) => {
                Some([place(x); 2])
            }
            (Domain::Integer { low, high, .. }, &Value::Integer(n))
                if (*low..=*high).contains(&n) =>
            {
                Some([place(n as f64 - 0.5), place(n as f64 + 0.5)])
            }
            (Domain::Choice(choices), value) => {
                let at = choices.iter().position(|choice| choice == value)?;
                Some([at, at + 1].map(|at| at as f64 / choices.len() as f64))
            }
            _ => None,
        }
    }

    pub(super) fn is_log(&self) -> bool {
        matches!(self, Domain::Float { log: true, .. } | Domain::Integer { log: true, .. })
    }

    /// Where the range begins and ends, in logarithms if it is logarithmic. Each whole number owns the half
    /// on both sides, so that the outermost are as likely as others.
    pub(super) fn ends(&self) -> [f64; 2] {
        let [low, high] = match self {
            Domain::Float { low, high, .. } => [*low, *high],
            Domain::Integer { low, high, .. } => [*low as f64 - 0.5, *high as f64 + 0.5],
            Domain::Choice(_) => [0.0, 1.0],
        };
        if self.is_log() { [low.ln(), high.ln()] } else { [low, high] }
    }

    fn check(&self, name: &str) -> Result<(), SearchError> {
        let bounds = |low: f64, high: f64, log: bool| {
            let why = if !(low.is_finite() && high.is_finite() && (high - low).is_finite()) {
                "its bounds must be finite, and so must their difference"
            } else if low > high {
                "its lower bound is above the upper one"
            } else if low == high {
                "its bounds are the same, so there is nothing to search: make it a constant"
            } else if log && low <= 0.0 {
                "a logarithmic range begins above 0"
            } else {
                return Ok(());
            };
            Err(SearchError::Bounds { name: name.into(), low, high, why })
        };
        match self {
            Domain::Float { low, high, log } => bounds(*low, *high, *log),
            Domain::Integer { low, high, .. } if *low < -EXACT || *high > EXACT => {
                let why = "whole numbers may be up to 2⁵³";
                let (low, high) = (*low as f64, *high as f64);
                Err(SearchError::Bounds { name: name.into(), low, high, why })
            }
            Domain::Integer { low, high, log } => bounds(*low as f64, *high as f64, *log),
            Domain::Choice(choices) => {
                let twice = (1..choices.len()).find(|&at| choices[..at].contains(&choices[at]));
                let nan = choices.iter().find(|v| matches!(v, Value::Float(x) if !x.is_finite()));
                let why = match (twice, nan) {
                    (Some(at), _) => format!("the choice `{}` is there twice", choices[at]),
                    (_, Some(value)) => format!("the choice `{value}` is not a finite number"),
                    _ if choices.len() < 2 => {
                        format!("{} choice(s) leave nothing to search", choices.len())
                    }
                    _ => return Ok(()),
                };
                Err(SearchError::Choices { name: name.into(), why })
            }
        }
    }

    /// Whether a value of this domain meets the condition.
    fn meets(&self, condition: &Condition) -> bool {
        match (self, &condition.0) {
            (Domain::Choice(choices), _) => choices.iter().any(|value| condition.holds(value)),
            (Domain::Integer { low, high, .. }, Wanted::Within(from, to)) => {
                low.max(from) <= high.min(to)
            }
            (Domain::Integer { .. }, Wanted::OneOf(values)) => {
                values.iter().any(|value| self.places(value).is_some())
            }
            // One number among so many is as good as never drawn.
            (Domain::Float { .. }, _) => false,
        }
    }
}
