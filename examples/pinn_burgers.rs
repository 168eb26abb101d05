//! A network that learns to solve a differential equation, Burgers', from the equation alone.
//!
//! What one learns: the derivatives of a network with respect to its input come from `grad`, as variables, so
//! they can stand in a loss. That loss asks uₜ + u·uₓ = ν·uₓₓ of the network at random points (Raissi et al.
//! 2019), and `backward` then goes through second derivatives to the weights.
//!
//! `--short` trains for a moment only.
use gradus::prelude::*;
use std::f64::consts::PI;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/pinn_burgers.svg");

/// The viscosity: so small that the sine wave steepens to a front 1/100 wide.
const NU: f64 = 0.01 / PI;

/// u(x, t) for columns x and t. It starts as −sin πx and is 0 at x = ±1, whatever the network says.
fn solution<'t>(net: &Sequential, x: Var<'t>, t: Var<'t>) -> Var<'t> {
    let free = net.forward(x.tape().concat(&[x, t], 1));
    t * (1.0 - x * x) * free - (x * PI).sin()
}

/// How far u is from obeying the equation: the mean square of uₜ + u·uₓ − ν·uₓₓ at points, each divided by
/// 1 + |uₓ|/10, or else the few points within the front would outweigh all others.
fn residual<'t>(net: &Sequential, x: Var<'t>, t: Var<'t>) -> Var<'t> {
    let u = solution(net, x, t);
    let first = u.sum().grad(&[x, t]);
    let (u_x, u_t) = (first[0], first[1]);
    let u_xx = u_x.sum().grad(&[x])[0];
    let steepness = u_x.abs().detach();
    ((u_t + u * u_x - NU * u_xx) / (1.0 + 0.1 * steepness)).powf(2.0).mean()
}

/// The exact solution, by Cole and Hopf: a mean of −sin πy over y, weighted by
/// exp(−cos(πy)/2πν − (x − y)²/4νt).
fn exact(x: f64, t: f64) -> f64 {
    if t == 0.0 {
        return -(PI * x).sin();
    }
    let places = || (-1000..=1000).map(|i| x + f64::from(i) * 1e-3);
    let log = |y: f64| -(PI * y).cos() / (2.0 * PI * NU) - (x - y).powi(2) / (4.0 * NU * t);
    let top = places().map(log).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut total) = (0.0, 0.0);
    for y in places() {
        let weight = (log(y) - top).exp();
        sum -= weight * (PI * y).sin();
        total += weight;
    }
    sum / total
}

/// The network's u at a moment, over all x.
fn profile(net: &Sequential, x: &Tensor, t: f64) -> Vec<f64> {
    let tape = Tape::inference();
    let t = tape.constant(Tensor::full(x.shape(), t as f32));
    let u = solution(net, tape.constant(x.clone()), t).value();
    u.to_vec().into_iter().map(f64::from).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let (steps, count) = if short { (100, 200) } else { (20000, 600) };
    let mut net = Sequential::new();
    for _ in 0..4 {
        net = net.add(Dense::new(24).kernel_initializer(GlorotNormal).activation(Tanh));
    }
    let mut net = net.add(Dense::new(1)).build(&[2], 0)?;
    let mut adam = Adam::new(0.0);

    let mut rng = Rng::new(1);
    println!(" step   mean squared residual");
    for step in 1..=steps {
        // Random points, half of them where the front will be; the rate falls to nothing.
        let wide = Tensor::rand(&[count / 2, 1], -1.0, 1.0, &mut rng);
        let near = Tensor::rand(&[count / 2, 1], -1.0, 1.0, &mut rng).map(|x: f32| x.powi(3));
        let tape = Tape::new();
        let x = tape.var(Tensor::new(&[count, 1], [wide.to_vec(), near.to_vec()].concat()));
        let t = tape.var(Tensor::rand(&[count, 1], 0.0, 1.0, &mut rng));
        let loss = residual(&net, x, t);
        adam.set_lr(2.5e-3 * (1.0 + (PI * f64::from(step) / f64::from(steps)).cos()));
        adam.step(&mut net, &loss.backward());
        if step % (steps / 10) == 0 {
            println!("{step:>5}   {:.6}", loss.item());
        }
    }

    let x = Tensor::linspace(-1.0, 1.0, 201).reshape(&[201, 1]);
    let places: Vec<f64> = x.to_vec().into_iter().map(f64::from).collect();
    let (mut wrong, mut size) = (0.0, 0.0);
    for i in 0..=20 {
        let t = f64::from(i) / 20.0;
        for (u, &x) in profile(&net, &x, t).into_iter().zip(&places) {
            wrong += (u - exact(x, t)).powi(2);
            size += exact(x, t).powi(2);
        }
    }

    let mut chart = Chart::new("Burgers' equation, solved by a network").x("x").y("u");
    for t in [0.0, 0.25, 0.5, 0.75, 1.0] {
        chart = chart.line(format!("t = {t}"), places.iter().copied().zip(profile(&net, &x, t)));
    }
    let marks = [0.0, 0.25, 0.5, 0.75, 1.0]
        .map(|t| places.iter().step_by(8).map(move |&x| (x, exact(x, t))));
    chart.points("exact", marks.into_iter().flatten()).save(CHART)?;
    let note = if short { "(a moment of training only) " } else { "" };
    println!("\nchart: {CHART}");
    println!("{note}relative L2 error {:.2} %, with ν = 0.01/π", 100.0 * f64::sqrt(wrong / size));
    Ok(())
}
