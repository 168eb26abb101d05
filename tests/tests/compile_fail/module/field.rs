use gradus::prelude::*;

struct NoModule;

#[derive(Module)]
struct Net {
    dense: Dense,
    other: NoModule,
}

fn main() {
    let net = Net { dense: Dense::new(1), other: NoModule };
    net.params();
}
