//! What a tape knows of a model: which variable stands for which parameter, and the new values of
//! running statistics.

use super::{Kind, Tape, Var};
use crate::element::Float;
use crate::param::{Param, ParamId};

impl<T: Float> Tape<T> {
    /// The variable that stands for a parameter on this tape: what it was last
    /// [bound](Tape::rebind) to, by default a leaf with the parameter's value.
    #[track_caller]
    pub fn param(&self, param: &Param<T>) -> Var<'_, T> {
        let place = self.find(param.id());
        match place {
            Ok(at) => self.at(self.parts.borrow().bindings[at].1),
            Err(at) => {
                let value = param.value().clone();
                // Also within `no_grad`: what is made there is constant, but the parameter may be used
                // outside of it later, and then has a gradient.
                let trained = param.is_trained() && self.records;
                let kind = if trained { Kind::Leaf } else { Kind::Constant };
                let var = self.push(value, kind);
                self.parts.borrow_mut().bindings.insert(at, (param.id(), var.id));
                var
            }
        }
    }

    /// From now on `var` stands for the parameter on this tape: fast weights, an unrolled step.
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    pub fn rebind(&self, param: &Param<T>, var: Var<'_, T>) {
        assert!(
            *var.shape() == *param.value().shape(),
            "rebind: the parameter has shape {:?}, the variable {:?}",
            param.value().shape(),
            var.shape()
        );
        self.owns("rebind", var);
        let place = self.find(param.id());
        let bindings = &mut self.parts.borrow_mut().bindings;
        match place {
            Ok(at) => bindings[at].1 = var.id,
            Err(at) => bindings.insert(at, (param.id(), var.id)),
        }
    }

    fn find(&self, id: ParamId) -> Result<usize, usize> {
        self.parts.borrow().bindings.binary_search_by_key(&id, |binding| binding.0)
    }

    /// Notes the new value of a running statistic, from its old one. It travels with the gradients
    /// and the training step applies it: a forward pass never changes a model. If it has been noted
    /// before on this tape, that is its old value. It is a variable, so that a loss that depends on it
    /// after an unrolled step has the right derivative.
    #[track_caller]
    pub fn update<'t>(&'t self, statistic: &Param<T>, new: impl FnOnce(Var<'t, T>) -> Var<'t, T>) {
        let noted = |updates: &[(ParamId, u32)]| updates.iter().position(|u| u.0 == statistic.id());
        let place = noted(&self.parts.borrow().updates);
        // `new` uses the tape: nothing is borrowed while it runs.
        let old = match place {
            Some(at) => self.at(self.parts.borrow().updates[at].1),
            None => self.param(statistic),
        };
        let id = new(old).id;
        let updates = &mut self.parts.borrow_mut().updates;
        match place {
            Some(at) => updates[at].1 = id,
            None => updates.push((statistic.id(), id)),
        }
    }

    /// From now on each running statistic stands for its noted value on this tape: a part of an unrolled
    /// step.
    pub fn apply_updates(&self) {
        let updates = std::mem::take(&mut self.parts.borrow_mut().updates);
        for (id, new) in updates {
            let place = self.find(id);
            let bindings = &mut self.parts.borrow_mut().bindings;
            match place {
                Ok(at) => bindings[at].1 = new,
                Err(at) => bindings.insert(at, (id, new)),
            }
        }
    }
}
