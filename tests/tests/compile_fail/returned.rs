use gradus_autograd::{Tape, Tensor, Var};

fn leaf<'t>() -> Var<'t, f64> {
    let tape = Tape::new();
    tape.var(Tensor::scalar(1.0))
}

fn main() {
    leaf().item();
}
