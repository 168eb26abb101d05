//! Second derivatives at work: Newton's method, without ever writing down a Hessian.
//!
//! What one learns: `grad` returns variables, so a gradient can be differentiated again. The Hessian
//! times a vector v is the gradient of ⟨gradient, v⟩, for the price of about two gradients; with
//! that, conjugate gradients solve Newton's equation.
use gradus::prelude::*;

/// Solves H·d = −g by conjugate gradients, given v ↦ H·v.
fn solve<'t>(g: Var<'t, f64>, hessian: impl Fn(Var<'t, f64>) -> Var<'t, f64>) -> Var<'t, f64> {
    let (mut d, mut rest) = (g.zeros_like(), -g);
    let (mut way, mut size) = (rest, (rest * rest).sum());
    let enough = size.item() * 1e-16;
    while size.item() > enough {
        let bent = hessian(way);
        let step = size / (way * bent).sum();
        d = d + step * way;
        rest = rest - step * bent;
        let left = (rest * rest).sum();
        way = rest + left / size * way;
        size = left;
    }
    d
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/breast_cancer.csv");
    let data: Dataset<f64> = Csv::new().skip_lines(1).no_header().read_path(path)?;
    let [mut train, mut test] = data.split([0.8, 0.2], Split::stratified(0))?;
    let scaler = StandardScaler::fit(&train)?;
    scaler.apply(&mut train)?;
    scaler.apply(&mut test)?;

    // Logistic regression with an L2 penalty: convex, so Newton's method finds the one minimum.
    let mut weights = Tensor::zeros(&[30, 1]);
    println!("step      loss  |gradient|");
    for step in 0..20 {
        let tape = Tape::new();
        let w = tape.var(weights.clone());
        let logits = tape.constant(train.x().clone()).matmul(w);
        let loss = logits.bce_with_logits(tape.constant(train.y().clone())) + 0.005 * (w * w).sum();
        let gradient = loss.grad(&[w])[0];
        let steepness = (gradient * gradient).sum().sqrt().item();
        println!("{step:>4}  {:.6}     {steepness:.1e}", loss.item());
        if steepness < 1e-12 {
            break;
        }
        let step = solve(gradient.detach(), |v| (gradient * v).sum().grad(&[w])[0].detach());
        weights = (w + step).value();
    }

    let tape = Tape::inference();
    let logits = tape.constant(test.x().clone()).matmul(tape.constant(weights));
    let right = logits.value().map(|z| f64::from(z > 0.0)).to_vec();
    let right = right.iter().zip(test.y().to_vec()).filter(|(a, b)| **a == *b).count();
    println!("\ntest accuracy {:.3}", right as f64 / test.len() as f64);
    Ok(())
}
