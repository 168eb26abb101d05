//! What L-BFGS keeps, as named tensors.

use super::{Lbfgs, Memory};
use crate::{StateDict, StateError};

impl Lbfgs {
    /// All that the next step depends on but the settings, as [`Step::state_dict`](crate::Step::state_dict).
    pub fn state_dict(&self) -> StateDict {
        let (mut state, memory) = (StateDict::new(), &self.memory);
        state.insert("iterations", memory.iterations);
        state.insert("direction", &memory.direction[..]);
        state.insert("gradient", &memory.gradient[..]);
        state.insert("t", memory.t);
        state.insert("scale", memory.scale);
        for (number, (y, s)) in memory.pairs.iter().enumerate() {
            state.insert(format!("change.{number}.gradient"), &y[..]);
            state.insert(format!("change.{number}.weights"), &s[..]);
        }
        state
    }

    /// Goes on from a [`state_dict`](Self::state_dict).
    ///
    /// # Errors
    /// When it is of another optimiser. Nothing has changed then.
    pub fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let mut memory = Memory {
            iterations: state.take_count("iterations")?,
            direction: state.take_numbers("direction")?,
            t: state.take_number("t")?,
            scale: state.take_number("scale")?,
            ..Memory::default()
        };
        let shape = [memory.direction.len()];
        memory.gradient = state.take_shaped::<f64>("gradient", &shape)?.to_vec();
        loop {
            let part = format!("change.{}", memory.pairs.len());
            let mut pair = state.part(&part);
            if pair.is_empty() {
                break;
            }
            let mut take = |name: &str| pair.take_shaped::<f64>(name, &shape);
            let both = take("gradient").and_then(|y| Ok((y.to_vec(), take("weights")?.to_vec())));
            memory.pairs.push_back(both.map_err(|error| error.within(&part))?);
            pair.finish().map_err(|error| error.within(&part))?;
        }
        state.finish()?;
        self.memory = memory;
        Ok(())
    }
}
