//! The continuous parameters of the best trial, refined by hypergradients.

use gradus_autograd::{Float, Module, Param, Path, Tape, Tensor, Var};
use gradus_optim::{Adam, Hypergradient, HypergradientError, Step};

use super::{Domain, SearchError, StudyResult, Value};
use crate::progress;

/// How far a knob may be from its bounds, as a part of its range: there the sigmoid has no slope.
const EDGE: f64 = 1e-3;

/// Continuous parameters of a trial as parameters on the whole line, within the bounds of the space
/// wherever they go: `low + (high - low)·sigmoid(z)`, of the logarithms where the range is logarithmic.
#[derive(Clone, Debug)]
pub struct Knobs<T: Float = f32> {
    knobs: Vec<Knob<T>>,
}

#[derive(Clone, Debug)]
struct Knob<T: Float> {
    name: String,
    ends: [f64; 2],
    log: bool,
    z: Param<T>,
}

impl<T: Float> Module<T> for Knobs<T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        self.knobs.iter().for_each(|knob| f(path.field(&knob.name), &knob.z));
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        self.knobs.iter_mut().for_each(|knob| f(path.field(&knob.name), &mut knob.z));
    }
}

impl<T: Float> Knobs<T> {
    /// The names of the parameters, in the order of the space.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.knobs.iter().map(|knob| knob.name.as_str())
    }

    /// The value of a parameter.
    ///
    /// # Panics
    /// When it was not named to [`StudyResult::knobs`].
    #[track_caller]
    pub fn value(&self, name: &str) -> f64 {
        self.var(name, &Tape::inference()).item().to_f64()
    }

    /// The value of a parameter on a tape, to be differentiated.
    ///
    /// # Panics
    /// When it was not named to [`StudyResult::knobs`].
    #[track_caller]
    pub fn var<'t>(&self, name: &str, tape: &'t Tape<T>) -> Var<'t, T> {
        let Some(knob) = self.knobs.iter().find(|knob| knob.name == name) else {
            let names: Vec<&str> = self.names().collect();
            panic!(
                "knobs: there is no `{name}` among the parameters to refine; there are {names:?}"
            )
        };
        let [from, to] = knob.ends;
        let inner = tape.param(&knob.z).sigmoid() * (to - from) + from;
        if knob.log { inner.exp() } else { inner }
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.names().map(|name| (name.to_owned(), self.value(name))).collect()
    }
}

/// What [`StudyResult::refine`] found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refined {
    /// The validation loss with the parameters of the best trial.
    pub before: f64,
    /// The lowest validation loss.
    pub after: f64,
    /// The parameters that have it, by name.
    pub values: Vec<(String, f64)>,
    /// The validation loss before each step, and after the last.
    pub losses: Vec<f64>,
}

impl Refined {
    /// The refined value of a parameter.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(have, _)| have == name).map(|(_, value)| *value)
    }
}

impl StudyResult {
    /// Continuous parameters of the best trial, to be differentiated.
    ///
    /// # Errors
    /// When the best trial has no such parameter, or it is not continuous; when none are named.
    pub fn knobs<T: Float>(&self, names: &[&str]) -> Result<Knobs<T>, SearchError> {
        if names.is_empty() {
            return Err(SearchError::Option(
                "refining takes the name of at least 1 parameter".into(),
            ));
        }
        let knob = |&name: &&str| {
            let value: f64 = self.best().params.get(name)?;
            let domain = self.space.domain(name).filter(|d| matches!(d, Domain::Float { .. }));
            let domain = domain.ok_or(SearchError::NotContinuous { name: name.into() })?;
            let place = domain.places(&Value::Float(value)).map_or(0.5, |places| places[0]);
            let place = place.clamp(EDGE, 1.0 - EDGE);
            let z = Param::new(Tensor::scalar(T::of((place / (1.0 - place)).ln())));
            Ok(Knob { name: name.into(), ends: domain.ends(), log: domain.is_log(), z })
        };
        names.iter().map(knob).collect::<Result<_, _>>().map(|knobs| Knobs { knobs })
    }

    /// Refines some continuous parameters of the best trial: `steps` steps of Adam down the validation loss,
    /// by its derivative through the whole training run, which `slope` computes
    /// ([`hypergradient`](gradus_optim::hypergradient)). What it returns has the lowest loss on the way, so
    /// it is never worse than the start.
    ///
    /// All other parameters stay as they are. The loss is the differentiable one of `slope`, whatever the study
    /// was scored by.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tensor};
    /// use gradus_optim::{Sgd, Unroll, hypergradient};
    /// use gradus_train::search::*;
    ///
    /// // 20 steps of gradient descent on w², from w = 5: which learning rate?
    /// let space = Space::new().log_uniform("lr", 1e-3, 0.4);
    /// let found = Study::minimize(space).trials(5).run(|trial| {
    ///     let lr: f64 = trial.get("lr")?;
    ///     Ok((5.0 * (1.0 - 2.0 * lr).powi(20)).powi(2))
    /// })?;
    /// let (w, sgd) = (Param::new(Tensor::scalar(5.0_f64)), Sgd::new(0.0));
    /// let refined = found.refine(&["lr"], 10, |knobs| {
    ///     hypergradient(
    ///         knobs,
    ///         &w,
    ///         Unroll::steps(20),
    ///         |tape, _step| sgd.unrolled(tape).with(|h| &mut h.lr, knobs.var("lr", tape)),
    ///         |tape, _step| tape.param(&w).powf(2.0),
    ///         |tape| tape.param(&w).powf(2.0),
    ///     )
    /// })?;
    /// assert!(refined.after < refined.before);
    /// # Ok::<(), SearchError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`StudyResult::knobs`], and when the first derivative cannot be computed. A
    /// later one that cannot, because a step led to where training diverges, ends the refinement.
    pub fn refine<T: Float>(
        &self,
        names: &[&str],
        steps: usize,
        mut slope: impl FnMut(&Knobs<T>) -> Result<Hypergradient<T>, HypergradientError>,
    ) -> Result<Refined, SearchError> {
        let mut knobs = self.knobs(names)?;
        // In z, the whole range of a parameter is about 14 long: a step is a small part of it.
        let mut adam = Adam::new(0.1);
        let bar = progress::refinement(steps as u64, self.progress);
        let mut found = slope(&knobs)?;
        let loss = found.loss.to_f64();
        let mut best =
            Refined { before: loss, after: loss, values: knobs.values(), losses: vec![loss] };
        for _ in 0..steps {
            if adam.try_step(&mut knobs, &found.gradients).is_err() {
                break;
            }
            let Ok(next) = slope(&knobs) else { break };
            let loss = next.loss.to_f64();
            best.losses.push(loss);
            if loss < best.after {
                (best.after, best.values) = (loss, knobs.values());
            }
            bar.set_message(format!("loss {:.4} -> {:.4}", best.before, best.after));
            bar.inc(1);
            found = next;
        }
        bar.finish();
        Ok(best)
    }
}
