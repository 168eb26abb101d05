//! Initialisers that Keras' table does not have.

use gradus_autograd::{Initializer, Rng, Tensor};
use gradus_nn::init::*;

fn sample(of: &dyn Initializer<f64>, shape: &[usize]) -> Tensor<f64> {
    of.sample(shape, &mut Rng::new(3))
}

fn variance(x: &Tensor<f64>) -> f64 {
    x.to_vec().iter().map(|x| x * x).sum::<f64>() / x.len() as f64
}

/// Sample variances of 60,000 numbers may be off by this part.
const SAMPLE: f64 = 0.02;

#[test]
fn orthonormal() {
    for shape in [&[5, 3][..], &[3, 5], &[2, 2, 3], &[4]] {
        let x = sample(&Orthogonal { gain: 2.0 }, shape);
        let columns = shape[shape.len() - 1];
        let rows = x.len() / columns;
        let matrix = x.reshape(&[rows, columns]);
        let (a, n) = if rows < columns { (matrix.t(), rows) } else { (matrix, columns) };
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = (0..a.shape()[0]).map(|k| a.at(&[k, i]) * a.at(&[k, j])).sum();
                let expected = if i == j { 4.0 } else { 0.0 };
                assert!((dot - expected).abs() < 1e-12, "{shape:?}: {dot}");
            }
        }
    }
}

#[test]
fn constants() {
    assert_eq!(sample(&Ones, &[2, 2]), Tensor::ones(&[2, 2]));
    assert_eq!(sample(&Eye { gain: 3.0 }, &[2, 3]).to_vec(), [3.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
    // A kernel of 3, 2 channels to 2: the middle hands each on.
    let kernel = sample(&Dirac, &[3, 2, 2]);
    assert_eq!(kernel.to_vec(), [0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 0., 0.]);
}

#[test]
fn parts_that_are_zero() {
    let x = sample(&Sparse { sparsity: 0.3, std: 1.0 }, &[10, 4]);
    for column in 0..4 {
        let zeros = (0..10).filter(|&row| x.at(&[row, column]) == 0.0).count();
        assert_eq!(zeros, 3);
    }
    let columns: Vec<Vec<bool>> =
        (0..4).map(|c| (0..10).map(|r| x.at(&[r, c]) == 0.0).collect()).collect();
    assert!(columns.windows(2).any(|pair| pair[0] != pair[1]), "not the same rows in each");
}

#[test]
fn variances() {
    let shape = [200, 300];
    let scaled = |mode, distribution| VarianceScaling { scale: 3.0, mode, distribution };
    let cases: [(&dyn Initializer<f64>, f64); 5] = [
        (&LecunNormal, 1.0 / 200.0),
        (&LecunUniform, 1.0 / 200.0),
        (&scaled(FanMode::In, Distribution::Normal), 3.0 / 200.0),
        (&scaled(FanMode::Out, Distribution::Uniform), 3.0 / 300.0),
        (&scaled(FanMode::Average, Distribution::TruncatedNormal), 3.0 / 250.0),
    ];
    for (initializer, expected) in cases {
        let found = variance(&sample(initializer, &shape));
        assert!((found / expected - 1.0).abs() < SAMPLE, "{initializer:?}: {found} {expected}");
    }
    let largest = |of: &dyn Initializer<f64>| {
        sample(of, &shape).to_vec().into_iter().fold(0.0, |a: f64, x| a.max(x.abs()))
    };
    let cut = 2.0 * (3.0_f64 / 250.0).sqrt() / 0.879_625_661_034_239_8;
    assert!(largest(&scaled(FanMode::Average, Distribution::TruncatedNormal)) <= cut);
    assert!(largest(&scaled(FanMode::Average, Distribution::Normal)) > cut);
}
