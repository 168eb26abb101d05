//! Schedule-free AdamW against the recursion of the paper, with x kept beside z.

use gradus_autograd::Param;
use gradus_optim::ScheduleFreeAdamW;

use super::{F64, Model, close, drawn, gradients, steps};

#[test]
fn the_average_is_that_of_the_paper() {
    let (lr, beta, decay) = (0.1, 0.8, 0.2);
    for warmup in [0, 1, 4, 100] {
        let mut model: Model = drawn(&[&[5]], 1).into_iter().map(Param::new).collect();
        let mut adam = ScheduleFreeAdamW::new(lr).beta1(beta).weight_decay(decay).warmup(warmup);
        let (mut z, mut v) = (model[0].value().to_vec(), [0.0; 5]);
        let (mut x, mut sum) = (z.clone(), 0.0);
        for step in 0..8 {
            let g = gradients(&model, step)[0].to_vec();
            let t = step as f64 + 1.0;
            let rate = lr * (t / (warmup as f64).max(1.0)).min(1.0);
            sum += rate * rate;
            let part = rate * rate / sum;
            for i in 0..5 {
                let y = (1.0 - beta) * z[i] + beta * x[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let root = (v[i] / (1.0 - 0.999_f64.powf(t))).sqrt();
                z[i] -= rate * (g[i] / (root + 1e-8) + decay * y);
                x[i] = (1.0 - part) * x[i] + part * z[i];
            }
            steps(&mut adam, &mut model, step..step + 1);
            let y: Vec<_> = z.iter().zip(&x).map(|(z, x)| (1.0 - beta) * z + beta * x).collect();
            close(&model[0].value().to_vec(), &y, F64);
            let mut copy = model.clone();
            adam.average(&mut copy);
            close(&copy[0].value().to_vec(), &x, F64);
        }
    }
}

#[test]
#[should_panic(expected = "average: with a beta1 of 0 there is no average to be had")]
fn without_a_beta_there_is_no_average() {
    let mut model: Model = drawn(&[&[5]], 1).into_iter().map(Param::new).collect();
    let mut adam = ScheduleFreeAdamW::new(0.1).beta1(0.0);
    steps(&mut adam, &mut model, 0..1);
    adam.average(&mut model);
}
