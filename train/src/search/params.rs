//! One choice from a space: the values of a trial's parameters.

use std::fmt;

use super::SearchError;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A number.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// A label.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl fmt::Display for Value {
    /// Numbers in four digits, which a person reads; `{:?}` is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Float(x) if *x != 0.0 && !(1e-3..1e5).contains(&x.abs()) => {
                f.pad(&format!("{x:.3e}"))
            }
            Value::Float(x) => {
                let digits = 3 - x.abs().max(1e-3).log10().floor() as i32;
                let text = format!("{x:.*}", digits.clamp(0, 6) as usize);
                f.pad(match text.contains('.') {
                    true => text.trim_end_matches('0').trim_end_matches('.'),
                    false => &text,
                })
            }
            Value::Integer(n) => f.pad(&n.to_string()),
            Value::Text(text) => f.pad(text),
            Value::Flag(flag) => f.pad(if *flag { "true" } else { "false" }),
        }
    }
}

macro_rules! values {
    ($($from:ty => $kind:ident $make:expr;)*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Value::$kind($make(value))
            }
        })*
    };
}

values! {
    f64 => Float |x| x;
    i32 => Integer i64::from;
    i64 => Integer |n| n;
    &str => Text str::to_owned;
    String => Text |text| text;
    bool => Flag |flag| flag;
}

/// A type that [`Params::get`] can give a value as: `f64`, `f32`, `i64`, `i32`, `u64`, `u32`, `usize`, `bool`, `&str`,
/// `String`, and an `Option` of one of these for a parameter that not every trial has.
pub trait FromValue<'a>: Sized {
    /// The words for this type in an error.
    const KIND: &'static str;
    /// The value of a parameter that is part of the trial; `None` if it is of another type.
    fn from_value(value: &'a Value) -> Option<Self>;
    /// What stands for a parameter that is not part of the trial, if anything does.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! from_value {
    ($($to:ty, $kind:literal, $($pattern:pat => $made:expr),*;)*) => {
        $(impl<'a> FromValue<'a> for $to {
            const KIND: &'static str = $kind;
            fn from_value(value: &'a Value) -> Option<Self> {
                match value {
                    $($pattern => $made,)*
                    _ => None,
                }
            }
        })*
    };
}

from_value! {
    f64, "a number", Value::Float(x) => Some(*x), Value::Integer(n) => Some(*n as f64);
    f32, "a number", Value::Float(x) => Some(*x as f32), Value::Integer(n) => Some(*n as f32);
    i64, "a whole number", Value::Integer(n) => Some(*n);
    i32, "a whole number of 32 bits", Value::Integer(n) => i32::try_from(*n).ok();
    u32, "a whole number of 32 bits from 0 on", Value::Integer(n) => u32::try_from(*n).ok();
    u64, "a whole number from 0 on", Value::Integer(n) => u64::try_from(*n).ok();
    usize, "a whole number from 0 on", Value::Integer(n) => usize::try_from(*n).ok();
    bool, "true or false", Value::Flag(flag) => Some(*flag);
    &'a str, "a label", Value::Text(text) => Some(text.as_str());
    String, "a label", Value::Text(text) => Some(text.clone());
}

impl<'a, T: FromValue<'a>> FromValue<'a> for Option<T> {
    const KIND: &'static str = T::KIND;
    fn from_value(value: &'a Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The values of the parameters of one trial, in the order of the space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(pub(super) Vec<(String, Option<Value>)>);

impl Params {
    /// The value of a parameter, as the type that is asked for.
    ///
    /// ```
    /// use gradus_train::search::{Space, SearchError};
    ///
    /// let space = Space::new().log_integer("width", 16, 256).choice("activation", ["relu", "tanh"]);
    /// let params = space.at(|_| 0.0)?; // the lowest of everything
    /// assert_eq!(params.get::<usize>("width")?, 16);
    /// assert_eq!(params.get::<&str>("activation")?, "relu");
    /// let error = params.get::<f64>("widht").unwrap_err().to_string();
    /// assert_eq!(
    ///     error,
    ///     "there is no parameter `widht` in the search space; there are `width`, `activation`"
    /// );
    /// # Ok::<(), SearchError>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such parameter, it is not part of this trial (then ask for an `Option`), or it is of
    /// another type.
    pub fn get<'a, T: FromValue<'a>>(&'a self, name: &str) -> Result<T, SearchError> {
        let entry = self.0.iter().find(|(have, _)| have == name);
        let Some((_, value)) = entry else {
            let known: Vec<String> = self.0.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(SearchError::Unknown { name: name.into(), known: known.join(", ") });
        };
        match value {
            None => T::absent().ok_or(SearchError::Inactive { name: name.into() }),
            Some(value) => T::from_value(value).ok_or_else(|| SearchError::Kind {
                name: name.into(),
                value: value.clone(),
                wanted: T::KIND,
            }),
        }
    }

    /// The parameters that are part of the trial, in the order of the space.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?)))
    }

    /// The value of a parameter, if it is part of the trial.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name} {value}", if count > 0 { "  " } else { "" })?;
        }
        Ok(())
    }
}
