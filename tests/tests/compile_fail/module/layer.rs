use gradus::prelude::*;

#[derive(Debug)]
struct Settings;

#[derive(Debug, Module)]
struct Net {
    dense: Dense,
    settings: Settings,
}

impl Layer for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.dense.forward(x)
    }
}

fn main() {}
