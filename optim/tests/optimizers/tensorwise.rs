//! LAMB, Adafactor and Muon against plain loops over the elements of one matrix and one vector.

use gradus_autograd::{Param, Tensor};
use gradus_optim::*;

use super::{F64, Model, close, drawn, gradients, steps};

const SHAPES: [&[usize]; 2] = [&[4, 3], &[3]];

fn model() -> Model {
    drawn(&SHAPES, 1).into_iter().map(Param::new).collect()
}

/// The parameters after six steps, and what plain loops make of them: `reference` gets a parameter and all of its
/// gradients.
fn compare(
    mut optimizer: impl Step<f64>,
    reference: impl Fn(&mut Vec<f64>, &[usize], &[Vec<f64>]),
) {
    let mut model = model();
    let given: Vec<_> = (0..6).map(|number| gradients(&model, number)).collect();
    let before: Vec<_> = model.iter().map(|p| p.value().to_vec()).collect();
    steps(&mut optimizer, &mut model, 0..6);
    for (number, mut p) in before.into_iter().enumerate() {
        let gradients: Vec<_> = given.iter().map(|all| all[number].to_vec()).collect();
        reference(&mut p, SHAPES[number], &gradients);
        close(&model[number].value().to_vec(), &p, F64);
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The directions of Adam with β₁ = 0.9 and β₂ = 0.999.
fn adam(gradients: &[Vec<f64>], epsilon: f64) -> Vec<Vec<f64>> {
    let (mut m, mut v) = (vec![0.0; gradients[0].len()], vec![0.0; gradients[0].len()]);
    let one = |(step, g): (usize, &Vec<f64>)| {
        let t = step as i32 + 1;
        (0..g.len())
            .map(|i| {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let root = (v[i] / (1.0 - 0.999_f64.powi(t))).sqrt();
                m[i] / (1.0 - 0.9_f64.powi(t)) / (root + epsilon)
            })
            .collect()
    };
    gradients.iter().enumerate().map(one).collect()
}

#[test]
fn lamb() {
    compare(Lamb::new(0.1).weight_decay(0.3), |p, _, gradients| {
        for direction in adam(gradients, 1e-6) {
            let u: Vec<_> = direction.iter().zip(&*p).map(|(d, p)| d + 0.3 * p).collect();
            let trust = norm(p) / norm(&u);
            p.iter_mut().zip(&u).for_each(|(p, u)| *p -= 0.1 * trust * u);
        }
    });
    // Weights of 0 have no length to keep.
    let mut zero = vec![Param::new(Tensor::zeros(&[2]))];
    steps(&mut Lamb::new(0.1).epsilon(0.0), &mut zero, 0..1);
    close(&zero[0].value().map(f64::abs).to_vec(), &[0.1, 0.1], F64);
}

#[test]
fn adafactor() {
    let (lr, decay) = (0.05, 0.1);
    compare(Adafactor::new(lr).weight_decay(decay), |p, shape, gradients| {
        let (mut rows, mut columns, mut all) = ([0.0; 4], [0.0; 3], [0.0; 3]);
        for (step, g) in gradients.iter().enumerate() {
            let t = step as f64 + 1.0;
            let new = t.powf(-0.8);
            let estimate: Vec<f64> = match shape.len() {
                1 => {
                    for (v, g) in all.iter_mut().zip(g) {
                        *v += new * (g * g - *v);
                    }
                    all.to_vec()
                }
                _ => {
                    for (i, row) in rows.iter_mut().enumerate() {
                        let mean = (0..3).map(|j| g[3 * i + j].powi(2)).sum::<f64>() / 3.0;
                        *row += new * (mean - *row);
                    }
                    for (j, column) in columns.iter_mut().enumerate() {
                        let mean = (0..4).map(|i| g[3 * i + j].powi(2)).sum::<f64>() / 4.0;
                        *column += new * (mean - *column);
                    }
                    let total = rows.iter().sum::<f64>() / 4.0;
                    (0..12).map(|at| rows[at / 3] * columns[at % 3] / total).collect()
                }
            };
            let update: Vec<_> = g.iter().zip(estimate).map(|(g, v)| g / v.sqrt()).collect();
            let count = (p.len() as f64).sqrt();
            let rate = (norm(p) / count).max(1e-3) * (1.0 / t.sqrt()).min(lr);
            let size = (norm(&update) / count).max(1.0);
            p.iter_mut()
                .zip(update)
                .for_each(|(p, u)| *p = *p * (1.0 - lr * decay) - rate / size * u);
        }
    });
}

/// `a` `[n, k]` times `b` `[k, m]`.
fn product(a: &[f64], b: &[f64], [n, k, m]: [usize; 3]) -> Vec<f64> {
    let one = |at: usize| (0..k).map(|i| a[at / m * k + i] * b[i * m + at % m]).sum();
    (0..n * m).map(one).collect()
}

fn transposed(a: &[f64], [n, m]: [usize; 2]) -> Vec<f64> {
    (0..n * m).map(|at| a[at % n * m + at / n]).collect()
}

#[test]
fn muon() {
    let muon = Muon::new(0.1).weight_decay(0.2).adam_lr_ratio(0.5);
    compare(muon, |p, shape, gradients| {
        if shape.len() == 1 {
            for u in adam(gradients, 1e-8) {
                p.iter_mut().zip(u).for_each(|(p, u)| *p = *p * (1.0 - 0.05 * 0.2) - 0.05 * u);
            }
            return;
        }
        let mut buffer = [0.0; 12];
        for g in gradients {
            buffer.iter_mut().zip(g).for_each(|(b, g)| *b = 0.95 * *b + 0.05 * g);
            let x: Vec<_> = g.iter().zip(buffer).map(|(g, b)| 0.05 * g + 0.95 * b).collect();
            let length = norm(&x);
            let mut x: Vec<_> = transposed(&x, [4, 3]).iter().map(|x| x / length).collect();
            for _ in 0..5 {
                let square = product(&x, &transposed(&x, [3, 4]), [3, 4, 3]);
                let fourth = product(&square, &square, [3, 3, 3]);
                let both: Vec<_> =
                    square.iter().zip(fourth).map(|(a, b)| -4.775 * a + 2.0315 * b).collect();
                let next = product(&both, &x, [3, 3, 4]);
                x.iter_mut().zip(next).for_each(|(x, next)| *x = 3.4445 * *x + next);
            }
            let update = transposed(&x, [3, 4]);
            let rate = 0.1 * (4.0_f64 / 3.0).sqrt();
            p.iter_mut().zip(update).for_each(|(p, u)| *p = *p * (1.0 - 0.1 * 0.2) - rate * u);
        }
    });
}

/// The iteration leads to singular values near 1: the directions of a square matrix are nearly orthogonal.
#[test]
fn a_direction_of_muon_is_nearly_orthogonal() {
    let mut model = vec![Param::new(Tensor::zeros(&[3, 3]))];
    steps(&mut Muon::new(1.0), &mut model, 0..1);
    let x = model[0].value().to_vec();
    let square = product(&x, &transposed(&x, [3, 3]), [3, 3, 3]);
    for (at, s) in square.iter().enumerate() {
        let expected = if at % 4 == 0 { 1.0 } else { 0.0 };
        assert!((s - expected).abs() < 0.6, "{square:?}");
    }
}

/// A layer that is left to AdamW by its path, and tensors of more dimensions.
#[test]
fn groups_and_kernels() {
    let muon = || Muon::new(0.1).group(|path| path == "0", |h| h.orthogonal = false);
    let mut one = model();
    steps(&mut muon(), &mut one, 0..3);
    let mut two = model();
    steps(&mut AdamW::new(0.01).weight_decay(0.1), &mut two, 0..3);
    close(&one[0].value().to_vec(), &two[0].value().to_vec(), F64);

    let [matrix, kernel] = [&[4, 6][..], &[4, 3, 2]].map(|shape| {
        let value = drawn(&[&[4, 6]], 7).remove(0).reshape(shape);
        let mut model = vec![Param::new(value)];
        steps(&mut Muon::new(0.1), &mut model, 0..3);
        model[0].value().to_vec()
    });
    close(&kernel, &matrix, F64);
    // Rows and columns of the last two axes.
    let mut model = vec![Param::new(drawn(&[&[2, 4, 3]], 7).remove(0))];
    steps(&mut Adafactor::new(0.1), &mut model, 0..3);
    assert!(model[0].value().to_vec().iter().all(|x| x.is_finite()));
}

/// A gradient of 0, and a size of 0, are no reason for NaN.
#[test]
fn nothing_to_do() {
    let all: [Box<dyn Step<f64>>; 3] =
        [Box::new(Lamb::new(0.1)), Box::new(Adafactor::new(0.1)), Box::new(Muon::new(0.1))];
    for mut optimizer in all {
        let shapes: [&[usize]; 5] = [&[2, 2], &[2], &[], &[0], &[0, 3]];
        let mut model: Model = shapes.map(|shape| Param::new(Tensor::zeros(shape))).into();
        let zeros: Vec<_> = model.iter().map(|p| Tensor::zeros(p.value().shape())).collect();
        let gradients = gradus_autograd::Gradients::of_params(model.iter().zip(zeros));
        optimizer.step(&mut model, &gradients);
        assert!(model.iter().all(|p| p.value().to_vec().iter().all(|x| *x == 0.0)));
    }
}
