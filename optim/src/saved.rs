//! The state of an optimiser as named tensors, and back.

use gradus_autograd::{Float, Tensor};

use crate::optimizer::Slot;
use crate::{Hyperparameters, Optimizer, StateDict, StateError};

impl<R: Hyperparameters, T: Float> Optimizer<R, T> {
    /// Its state: hyperparameters, and the slot of each parameter by its path.
    pub(crate) fn saved(&self) -> StateDict {
        let mut state = StateDict::new();
        let hyper: Vec<f64> = self.rule.clone().hyper().iter().map(|field| **field).collect();
        state.insert("hyper", &hyper[..]);
        for slot in &self.slots {
            let path = &slot.path;
            state.insert(format!("step.{path}"), slot.step);
            for (kind, tensors) in [("moment", &slot.moments), ("tangent", &slot.tangents)] {
                for (number, tensor) in tensors.iter().enumerate() {
                    state.insert_float(format!("{kind}.{number}.{path}"), tensor);
                }
            }
        }
        state
    }

    /// Takes up a state with so many tangents for each parameter, or none where there was no step yet.
    pub(crate) fn load(&mut self, mut state: StateDict, tangents: usize) -> Result<(), StateError> {
        let mut rule = self.rule.clone();
        let fields = rule.hyper().len();
        let hyper = state.take_shaped::<f64>("hyper", &[fields])?.to_vec();
        let steps = state.part("step");
        let mut slots = Vec::new();
        for path in steps.iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>() {
            let step = steps.clone().take_count(&path).map_err(|error| error.within("step"))?;
            let group = self.group_of(&path);
            let mut slot = Slot::new(path, group, step);
            let rule = slot.rule(&self.rule);
            // The shape of the parameter is not known here; where all moments have it, that is checked.
            let alike = [&[2][..], &[2, 3]]
                .iter()
                .all(|shape| rule.moment_shapes(shape).iter().all(|moment| moment == shape));
            let mut shape: Option<Vec<usize>> = None;
            let mut take = |kind: &str, number: usize| {
                let name = format!("{kind}.{number}.{}", slot.path);
                let tensor: Tensor<T> = match &shape {
                    Some(shape) => state.take_shaped(&name, shape)?,
                    None => state.take_tensor(&name)?,
                };
                if alike {
                    shape = Some(tensor.shape().to_vec());
                }
                Ok(tensor)
            };
            let moments: Result<_, _> =
                (0..rule.moments()).map(|number| take("moment", number)).collect();
            let tangents: Result<_, _> =
                (0..tangents).map(|number| take("tangent", number)).collect();
            (slot.moments, slot.tangents) = (moments?, tangents?);
            slots.push(slot);
        }
        state.finish()?;
        // Groups were made of the rule as it was; only now does it change.
        rule.hyper().into_iter().zip(hyper).for_each(|(field, saved)| *field = saved);
        (self.rule, self.slots) = (rule, slots);
        Ok(())
    }
}
