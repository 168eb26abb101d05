use gradus::prelude::*;

#[derive(Module)]
struct Net {
    #[module(ignore)]
    dense: Dense,
}

fn main() {}
