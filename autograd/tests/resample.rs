//! Images read between their pixels: against another implementation, at the edges, and learned.
use std::error::Error;

use approx::assert_abs_diff_eq;
use gradus_autograd::*;

/// The golden numbers have nine digits.
const GOLDEN: f64 = 1e-7;

fn sample(
    x: &Tensor<f64>,
    grid: &Tensor<f64>,
    mode: Interpolation,
    padding: Padding,
    align: bool,
) -> Tensor<f64> {
    let tape = Tape::inference();
    tape.constant(x.clone()).grid_sample(tape.constant(grid.clone()), mode, padding, align).value()
}

#[test]
fn as_another_implementation() -> Result<(), Box<dyn Error>> {
    let text = include_str!("golden/grid_sample.txt");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for case in lines.chunks_exact(4) {
        let words: Vec<&str> = case[0].split(' ').collect();
        let sizes = words[3..].iter().map(|n| n.parse()).collect::<Result<Vec<usize>, _>>()?;
        let [n, c, h, w, height, width] = sizes[..] else { panic!("{}", case[0]) };
        let mode = match words[0] {
            "bilinear" => Interpolation::Bilinear,
            _ => Interpolation::Nearest,
        };
        let padding = match words[1] {
            "zeros" => Padding::Zeros,
            "border" => Padding::Border,
            _ => Padding::Reflection,
        };
        let tensor = |shape: &[usize], line: &str| -> Result<Tensor<f64>, Box<dyn Error>> {
            let numbers: Result<Vec<f64>, _> = line.split(' ').map(|x| x.parse::<f64>()).collect();
            Ok(Tensor::new(shape, numbers?))
        };
        let x = tensor(&[n, c, h, w], case[1])?;
        let grid = tensor(&[n, height, width, 2], case[2])?;
        let expected = tensor(&[n, c, height, width], case[3])?;
        let found = sample(&x, &grid, mode, padding, words[2] == "1");
        approx::assert_abs_diff_eq!(found, expected, epsilon = GOLDEN);
    }
    assert_eq!(lines.len() / 4, 24);
    Ok(())
}

/// The composition behind the second derivative has the values of the operation: its first derivatives are those of
/// the fast pass, in the image and in the grid, for every setting.
#[test]
fn both_ways_of_differentiating_agree() {
    const ROUNDING: f64 = 1e-12;
    let mut rng = Rng::new(3);
    let x = Tensor::rand(&[2, 3, 4, 5], -1.0, 1.0, &mut rng);
    let grid = Tensor::rand(&[2, 6, 7, 2], -3.0, 3.0, &mut rng);
    let weights = Tensor::rand(&[2, 3, 6, 7], -1.0, 1.0, &mut rng);
    for mode in [Interpolation::Bilinear, Interpolation::Nearest] {
        for padding in [Padding::Zeros, Padding::Border, Padding::Reflection] {
            for align in [false, true] {
                let tape = Tape::new();
                let v = [&x, &grid].map(|t| tape.var(t.clone()));
                let y = v[0].grid_sample(v[1], mode, padding, align);
                let loss = (y * tape.constant(weights.clone())).sum();
                let fast = loss.backward();
                let slow = loss.try_grad(&v);
                for (v, slow) in v.into_iter().zip(slow) {
                    let slow = slow.map_or(v.zeros_like().value(), |slow| slow.value());
                    assert_abs_diff_eq!(fast[v], slow, epsilon = ROUNDING);
                }
            }
        }
    }
}

#[test]
fn far_away_infinite_and_nan() {
    let x = Tensor::new(&[1, 1, 1, 2], vec![f64::INFINITY, 3.0]);
    let ends = [f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0];
    let grid = Tensor::from_fn(&[1, 1, 6, 2], |at| if at[3] == 0 { ends[at[2]] } else { 0.0 });
    for mode in [Interpolation::Bilinear, Interpolation::Nearest] {
        let y = sample(&x, &grid, mode, Padding::Zeros, true).to_vec();
        assert_eq!(y[..4], [0.0; 4]);
        assert!(y[4].is_nan());
        assert_eq!(y[5], 3.0); // the infinite neighbour has no weight
        let y = sample(&x, &grid, mode, Padding::Border, true).to_vec();
        assert_eq!(y[..4], [3.0, f64::INFINITY, 3.0, f64::INFINITY]);
        assert!(y[4].is_nan());
        sample(&x, &grid, mode, Padding::Reflection, false);
    }
    // As many samples, channels and positions as there are, also none.
    for (n, c, width) in [(0, 1, 2), (1, 0, 2), (1, 1, 0)] {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::ones(&[n, c, 2, 2]));
        let grid = tape.var(Tensor::zeros(&[n, 1, width, 2]));
        let y = x.grid_sample(grid, Interpolation::Bilinear, Padding::Zeros, false);
        assert_eq!(*y.shape(), [n, c, 1, width]);
        assert_eq!(y.sum().backward()[x].shape(), [n, c, 2, 2]);
        assert_eq!(y.sum().grad(&[grid])[0].value().shape(), [n, 1, width, 2]);
    }
}

#[test]
fn the_identity_reads_every_pixel() {
    const ROUNDING: f64 = 1e-14;
    let x = Tensor::rand(&[2, 3, 5, 4], -1.0, 1.0, &mut Rng::new(1));
    let tape = Tape::<f64>::new();
    let eye = tape.constant(Tensor::from([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).reshape(&[1, 2, 3]);
    let eye = eye.broadcast_to(&[2, 2, 3]);
    for align in [false, true] {
        let grid = eye.affine_grid([5, 4], align).value();
        let y = sample(&x, &grid, Interpolation::Bilinear, Padding::Zeros, align);
        assert_abs_diff_eq!(y, x, epsilon = ROUNDING);
    }
}

fn warp<'t>(x: &Tensor<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
    let grid = theta.affine_grid([x.shape()[2], x.shape()[3]], false);
    let x = theta.tape().constant(x.clone());
    x.grid_sample(grid, Interpolation::Bilinear, Padding::Border, false)
}

/// A spatial transformer finds the matrix by which a picture was moved, turned and scaled, from the pixels alone.
#[test]
fn a_transformer_learns_a_warp() {
    const SIZE: usize = 24;
    let blob = |x: f64, y: f64, wide: f64| (-(x * x + y * y) / wide).exp();
    let picture = Tensor::from_fn(&[1, 1, SIZE, SIZE], |at| {
        let [x, y] = [at[3], at[2]].map(|i| (2 * i + 1) as f64 / SIZE as f64 - 1.0);
        blob(x - 0.3, y, 0.2) + 0.7 * blob(x + 0.3, y + 0.2, 0.3) - 0.5 * blob(x, y - 0.4, 0.2)
    });
    let (sin, cos) = 0.2_f64.sin_cos();
    let truth = Tensor::from([[[0.9 * cos, -0.9 * sin, 0.12], [0.9 * sin, 0.9 * cos, -0.08]]]);
    let target = {
        let tape = Tape::inference();
        warp(&picture, tape.constant(truth.clone())).value()
    };
    let mut theta = Tensor::from([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]);
    let mut speed = [0.0; 6];
    for _ in 0..600 {
        let tape = Tape::new();
        let v = tape.var(theta.clone());
        let slope = warp(&picture, v).mse(tape.constant(target.clone())).backward()[v].to_vec();
        for (t, (speed, slope)) in theta.make_mut().iter_mut().zip(speed.iter_mut().zip(slope)) {
            *speed = 0.9 * *speed - 0.5 * slope;
            *t += *speed;
        }
    }
    const FOUND: f64 = 1e-3;
    assert_abs_diff_eq!(theta, truth, epsilon = FOUND);
}

#[test]
#[should_panic(
    expected = "grid_sample: images [1, 2, 2] and grid [1, 1, 1, 2] are not [n, c, h, w] and \
                           [n, height, width, 2] of the same n"
)]
fn wrong_ranks_are_named() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::ones(&[1, 2, 2]));
    let grid = tape.var(Tensor::ones(&[1, 1, 1, 2]));
    x.grid_sample(grid, Interpolation::Bilinear, Padding::Zeros, false);
}
