//! Gradients of several batches for one step.

use std::iter::zip;

use gradus_autograd::{Float, Gradients, Module, Path, Tensor};

use crate::{StateDict, StateError, Step, StepError};

/// An optimiser that takes a step with the mean of the gradients of `batches` calls: as one batch that is larger by
/// this factor, without its memory. Made by [`Step::accumulate`]. Running statistics, such as those of batch norm,
/// are updated with every call; a gradient that is missing counts as 0, as long as another call has it.
///
/// What is accumulated when training ends is not used; it is a part of the [state](Step::state_dict).
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{Sgd, Step};
///
/// let mut sgd = Sgd::new(0.5).accumulate(2);
/// let mut w = Param::new(Tensor::scalar(1.0_f64));
/// for x in [1.0, 3.0] {
///     let tape = Tape::new();
///     let loss = tape.param(&w) * x;
///     sgd.step(&mut w, &loss.backward());
/// }
/// assert_eq!(w.value().item(), 1.0 - 0.5 * 2.0);
/// ```
#[derive(Clone, Debug)]
pub struct Accumulate<O, T: Float = f32> {
    inner: O,
    batches: usize,
    count: usize,
    /// Of each trained parameter, in the order of the visit, with its path.
    sums: Vec<(String, Option<Tensor<T>>)>,
}

impl<O: Step<T>, T: Float> Accumulate<O, T> {
    #[track_caller]
    pub(crate) fn new(inner: O, batches: usize) -> Self {
        assert!(
            batches > 0,
            "accumulate: a step needs the gradients of at least one batch, not of 0"
        );
        Accumulate { inner, batches, count: 0, sums: Vec::new() }
    }
    /// The optimiser that takes the steps.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// Adds the gradients of a batch. Whether there were any, or nothing to train.
    fn add(&mut self, model: &dyn Module<T>, gradients: &Gradients<T>) -> bool {
        let (mut paths, mut found) = (0, false);
        model.visit(Path::root(), &mut |path, param| {
            if !param.is_trained() {
                return;
            }
            let path = path.to_string();
            if self.sums.get(paths).is_none_or(|(known, _)| *known != path) {
                self.sums.truncate(paths);
                self.sums.push((path, None));
            }
            let sum = &mut self.sums[paths].1;
            paths += 1;
            let Some(gradient) = gradients.param(param) else { return };
            found = true;
            match sum {
                Some(sum) if sum.shape() == gradient.shape() => {
                    let new = gradient.contiguous();
                    let new = new.as_slice().unwrap_or(&[]);
                    zip(sum.make_mut(), new).for_each(|(sum, &new)| *sum += new);
                }
                _ => *sum = Some(gradient.clone()),
            }
        });
        self.sums.truncate(paths);
        self.count += 1;
        found || paths == 0
    }

    /// The means, as the gradients of a model.
    fn means(&mut self, model: &dyn Module<T>) -> Gradients<T> {
        let part = T::of(1.0 / self.count as f64);
        let mut sums = self.sums.iter().map(|(_, sum)| sum.as_ref());
        let mut means = Vec::new();
        model.visit(Path::root(), &mut |_, param| {
            if param.is_trained()
                && let Some(Some(sum)) = sums.next()
            {
                means.push((param, sum.map(|x| x * part)));
            }
        });
        self.count = 0;
        let means = Gradients::of_params(means);
        self.sums.clear();
        means
    }
}

impl<O: Step<T>, T: Float> Step<T> for Accumulate<O, T> {
    fn try_step(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<(), StepError> {
        assert!(
            self.add(&*model, gradients),
            "step: no gradient belongs to a parameter of this model: a clone has parameters of its own"
        );
        gradients.apply_updates(model);
        if self.count < self.batches {
            return Ok(());
        }
        let means = self.means(&*model);
        self.inner.try_step(model, &means)
    }
    fn lr(&self) -> f64 {
        self.inner.lr()
    }
    fn set_lr(&mut self, lr: f64) {
        self.inner.set_lr(lr);
    }
    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        state.nest("inner", self.inner.state_dict());
        state.insert("count", self.count as u64);
        for (number, (path, sum)) in self.sums.iter().enumerate() {
            state.insert(format!("path.{number}"), path.as_str());
            if let Some(sum) = sum {
                state.insert_float(format!("sum.{number}"), sum);
            }
        }
        state
    }
    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let inner = state.part("inner");
        let count = state.take_count("count")?;
        let batches = self.batches as u64;
        if count >= batches {
            let why = format!("is {count}, and a step is due after {batches} batches");
            return Err(StateError::Value { name: "count".into(), why });
        }
        let mut sums = Vec::new();
        while let Some(path) =
            state.optional(&format!("path.{}", sums.len()), StateDict::take_text)?
        {
            let name = format!("sum.{}", sums.len());
            sums.push((path, state.optional(&name, StateDict::take_tensor::<T>)?));
        }
        state.finish()?;
        self.inner.load_state_dict(inner).map_err(|error| error.within("inner"))?;
        (self.count, self.sums) = (count as usize, sums);
        Ok(())
    }
}
