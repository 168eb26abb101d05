use gradus_autograd::{Tape, Tensor};

fn main() {
    let x = {
        let tape = Tape::<f64>::new();
        tape.var(Tensor::scalar(1.0))
    };
    x.item();
}
