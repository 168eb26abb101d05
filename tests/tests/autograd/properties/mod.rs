//! Properties over random shapes, strides and axes, against loops that are too simple to be wrong.

use gradus_autograd::{Rng, Tape, Tensor, Var};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

mod checks;
mod elementwise;
mod products;
mod reductions;
mod shapes;

/// Sums of at most some hundred numbers of the order of 1.
const ROUNDING: f64 = 1e-12;
/// Cases of a property, and of one that runs a whole gradient check.
const CASES: u32 = 200;
const CHECKS: u32 = 16;

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(20), failure_persistence: None, ..Config::default() }
}

/// A shape of up to `rank` axes, sizes 0 to 4, nearly all without 0.
fn shape(rank: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1 => Just(0_usize), 12 => 1..5_usize], 0..=rank)
}

/// How a variable comes to its shape: each gives other strides.
#[derive(Clone, Copy, Debug)]
enum How {
    Plain,
    /// The matrix transpose of a leaf.
    Transposed,
    /// A permutation of a leaf, by number.
    Permuted(usize),
    /// The middle of a larger leaf.
    Sliced,
    /// Axes of the leaf have size 1, by mask.
    Broadcast(u32),
    /// A slice of a permutation.
    Both(usize),
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Plain),
        Just(How::Transposed),
        any::<usize>().prop_map(How::Permuted),
        Just(How::Sliced),
        any::<u32>().prop_map(How::Broadcast),
        any::<usize>().prop_map(How::Both),
    ]
}

/// Permutation number `k` of `rank` axes.
fn permutation(rank: usize, mut k: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..rank).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let n = left.len();
        order.push(left.remove(k % n));
        k /= n;
    }
    order
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    back
}

/// The shape of the leaf that [`How::view`] makes a view of the given shape of.
fn leaf_shape(how: How, shape: &[usize]) -> Vec<usize> {
    let permuted =
        |k| inverse(&permutation(shape.len(), k)).iter().map(|&at| shape[at]).collect::<Vec<_>>();
    match how {
        How::Plain => shape.to_vec(),
        How::Transposed => shape.iter().rev().copied().collect(),
        How::Permuted(k) => permuted(k),
        How::Sliced => shape.iter().map(|n| n + 2).collect(),
        How::Broadcast(mask) => shape
            .iter()
            .enumerate()
            .map(|(axis, &n)| if mask >> axis & 1 == 1 { 1 } else { n })
            .collect(),
        How::Both(k) => permuted(k).iter().map(|n| n + 1).collect(),
    }
}

fn view<'t>(how: How, leaf: Var<'t, f64>, shape: &[usize]) -> Var<'t, f64> {
    let slices = |x: Var<'t, f64>, from: usize| {
        (0..).zip(shape).fold(x, |x, (axis, &n)| x.slice(axis, from..from + n))
    };
    match how {
        How::Plain => leaf,
        How::Transposed => leaf.t(),
        How::Permuted(k) => leaf.permute(&permutation(shape.len(), k)),
        How::Sliced => slices(leaf, 1),
        How::Broadcast(_) => leaf.broadcast_to(shape),
        How::Both(k) => slices(leaf.permute(&permutation(shape.len(), k)), 1),
    }
}

/// A leaf and a view of it that has the given shape.
fn input<'t>(
    tape: &'t Tape<f64>,
    shape: &[usize],
    how: How,
    seed: u64,
) -> (Var<'t, f64>, Var<'t, f64>) {
    let leaf = tape.var(Tensor::rand(&leaf_shape(how, shape), 0.5, 2.0, &mut Rng::new(seed)));
    let view = view(how, leaf, shape);
    assert_eq!(view.shape()[..], *shape);
    (leaf, view)
}

/// The shape of an operand that broadcasts to `shape`: without its first axes, some of size 1.
fn narrowed(shape: &[usize], skip: usize, ones: u32) -> Vec<usize> {
    let skip = skip % (shape.len() + 1);
    let kept = shape[skip..].iter().enumerate();
    kept.map(|(axis, &n)| if ones >> axis & 1 == 1 { 1 } else { n }).collect()
}

/// NumPy's rule, for shapes that are known to broadcast.
fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size = |dims: &[usize], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(1, |at| dims[at])
    };
    (0..rank).map(|axis| if size(a, axis) == 1 { size(b, axis) } else { size(a, axis) }).collect()
}

/// All indices of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(move |i| [&index[..], &[i]].concat())).collect()
    })
}

/// The index of an operand at an index of the result.
fn operand_index(index: &[usize], shape: &[usize]) -> Vec<usize> {
    let new = index.len() - shape.len();
    shape.iter().enumerate().map(|(axis, &n)| if n == 1 { 0 } else { index[new + axis] }).collect()
}

fn place(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &n)| at * n + i)
}

#[track_caller]
fn assert_close(what: &str, found: &Tensor<f64>, shape: &[usize], expected: &[f64]) {
    assert_eq!(found.shape(), shape, "{what}");
    for (at, (a, b)) in found.to_vec().iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= ROUNDING * b.abs().max(1.0),
            "{what}: element {at}: {a} instead of {b}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// The cotangents of `views` by the recorded pass, against the expected ones; and by the fast pass the
/// gradients of the leaves: of the leaf's shape, the same as the recorded ones, and of the same sum.
#[track_caller]
fn assert_gradients(
    y: Var<'_, f64>,
    cotangent: &Tensor<f64>,
    inputs: &[(Var<'_, f64>, Var<'_, f64>)],
    expected: &[Vec<f64>],
) {
    let g = y.tape().constant(cotangent.clone());
    let fast = y.backward_with(cotangent.clone());
    for ((leaf, view), expected) in inputs.iter().zip(expected) {
        let [of_view] = y.vjp(&[*view], g)[..] else { unreachable!("one is asked for") };
        let of_view = of_view.expect("a cotangent").value();
        assert_close("cotangent of the view", &of_view, &view.shape(), expected);
        let [of_leaf] = y.vjp(&[*leaf], g)[..] else { unreachable!("one is asked for") };
        let of_leaf = of_leaf.expect("a gradient").value();
        assert_close("fast and recorded", &fast[*leaf], &leaf.shape(), &of_leaf.to_vec());
        let sum = |x: &[f64]| Tensor::from(vec![x.iter().sum::<f64>()]);
        assert_close(
            "sum of the gradient",
            &sum(&fast[*leaf].to_vec()),
            &[1],
            &sum(expected).to_vec(),
        );
    }
}

fn cotangent(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.0, 1.0, &mut Rng::new(seed ^ 0xc07a))
}
