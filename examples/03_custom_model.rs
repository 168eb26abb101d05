//! A model of your own, trained by the same `compile` and `fit` as a `Sequential`.
//!
//! What one learns: `#[derive(Module)]` finds parameters in any struct, `Layer` says how they are
//! used, and everything else (initialisation, summary, training, prediction) follows.
use gradus::prelude::*;

/// x + gain·tanh(x·kernel + bias): a step of a residual network with a strength that is learnt.
#[derive(Debug, Module)]
struct Block {
    dense: Dense,
    gain: Param,
}

impl Layer for Block {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        x + x.tape().param(&self.gain) * self.dense.forward(x)
    }
}

#[derive(Debug, Module)]
struct Net {
    first: Dense,
    blocks: Vec<Block>,
    last: Dense,
}

impl Net {
    fn new(width: usize, depth: usize) -> Self {
        let dense = |inputs, units| Dense::new(units).inputs(inputs).activation(Tanh);
        let gain = || Param::new(Tensor::full(&[width], 0.5));
        Net {
            first: dense(2, width),
            blocks: (0..depth)
                .map(|_| Block { dense: dense(width, width), gain: gain() })
                .collect(),
            last: dense(width, 1).activation(Identity),
        }
    }
}

impl Layer for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let inner = self.blocks.iter().fold(self.first.forward(x), |x, block| block.forward(x));
        self.last.forward(inner)
    }
}

/// Two arms that wind around each other, and which arm a point is of.
fn spirals(points: usize) -> Result<Dataset, DataError> {
    let mut rng = Rng::new(1);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..points {
        let (arm, turn) = ((i % 2) as f64, rng.uniform() * 6.0 + 1.0);
        let (sin, cos) = (turn + arm * std::f64::consts::PI).sin_cos();
        x.extend([cos, sin].map(|side| (0.16 * turn * side + 0.02 * rng.normal()) as f32));
        y.push(arm as f32);
    }
    Dataset::new(Tensor::new(&[points, 2], x), Tensor::new(&[points, 1], y))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [train, test] = spirals(600)?.split([0.75, 0.25], Split::stratified(0))?;
    let net = Net::new(16, 2).init(1);
    println!("{}\n", summary(&net));

    let (loss, accuracy) = (BinaryCrossentropy::from_logits(), Accuracy::from_logits());
    let mut model = net.compile(Adam::new(1e-2), loss, &[&accuracy]);
    model.fit(&train, Fit::new().epochs(60).validation(&test))?;

    // What the model makes of the plane.
    let (rows, columns) = (21, 51);
    let grid = Tensor::from_fn(&[rows * columns, 2], |at| {
        let (row, column) = (at[0] / columns, at[0] % columns);
        let side = if at[1] == 0 { column * 2 } else { (rows - 1 - row) * 5 };
        side as f32 / 50.0 * 1.2 - 1.2
    });
    for line in model.predict(&grid)?.to_vec().chunks(columns) {
        println!("{}", line.iter().map(|&y| if y > 0.0 { '#' } else { '·' }).collect::<String>());
    }
    let scores = model.evaluate(&test)?;
    println!("\ntest accuracy {:.3}", scores.get("accuracy").unwrap_or(f64::NAN));
    Ok(())
}
