//! Properties over random shapes, strides and axes, against loops that are too simple to be wrong.

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Activation, MAX_RANK, Rng, Tape, Tensor, Var, fused};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

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

type Binary = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;
type Slopes = fn(f64, f64) -> [f64; 3];

/// Functions of two numbers: as variables; as the value and the two slopes.
const BINARY: [(Binary, Slopes); 7] = [
    (|a, b| a + b, |a, b| [a + b, 1.0, 1.0]),
    (|a, b| a - b, |a, b| [a - b, 1.0, -1.0]),
    (|a, b| a * b, |a, b| [a * b, b, a]),
    (|a, b| a / b, |a, b| [a / b, 1.0 / b, -a / (b * b)]),
    (
        |a, b| a.maximum(b),
        |a, b| {
            let share = if a == b { 0.5 } else { f64::from(u8::from(a > b)) };
            [a.max(b), share, 1.0 - share]
        },
    ),
    (|a, b| a.pow(b), |a, b| [a.powf(b), b * a.powf(b - 1.0), a.powf(b) * a.ln()]),
    (
        |a, b| fused!(|a, b| (a * b).tanh() + b)(a, b),
        |a, b| {
            let y = (a * b).tanh();
            [y + b, (1.0 - y * y) * b, (1.0 - y * y) * a + 1.0]
        },
    ),
];

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn elementwise_broadcasts(
        whole in shape(4), skips in (0..5_usize, 0..5_usize), ones in any::<(u32, u32)>(),
        hows in (how(), how()), f in 0..BINARY.len(), seed in any::<u64>(),
    ) {
        let (a_shape, b_shape) = (narrowed(&whole, skips.0, ones.0), narrowed(&whole, skips.1, ones.1));
        let tape = Tape::new();
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let (operation, slopes) = BINARY[f];
        let y = operation(a.1, b.1);

        let shape = broadcast(&a_shape, &b_shape);
        let g = cotangent(&shape, seed);
        let (a_values, b_values) = (a.1.value(), b.1.value());
        let mut expected = Vec::new();
        let mut pulled = [vec![0.0; a_values.len()], vec![0.0; b_values.len()]];
        for index in indices(&shape) {
            let (i, j) = (operand_index(&index, &a_shape), operand_index(&index, &b_shape));
            let [value, da, db] = slopes(a_values.at(&i), b_values.at(&j));
            expected.push(value);
            pulled[0][place(&i, &a_shape)] += g.at(&index) * da;
            pulled[1][place(&j, &b_shape)] += g.at(&index) * db;
        }
        assert_close("value", &y.value(), &shape, &expected);
        assert_gradients(y, &g, &[a, b], &pulled);
    }

    #[test]
    fn an_input_used_twice_gets_both_cotangents(
        shape in shape(3), how in how(), f in 0..BINARY.len(), seed in any::<u64>(),
    ) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let (operation, slopes) = BINARY[f];
        let y = operation(x.1, x.1);
        let g = cotangent(&shape, seed);
        let each = |index: &Vec<usize>| slopes(x.1.value().at(index), x.1.value().at(index));
        let all = indices(&shape);
        let values: Vec<f64> = all.iter().map(|index| each(index)[0]).collect();
        let pulled = all.iter().map(|index| g.at(index) * (each(index)[1] + each(index)[2])).collect();
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn sums_means_and_maxima_over_axes(
        shape in shape(4), mask in any::<u32>(), how in how(), seed in any::<u64>(), negative in any::<bool>(),
    ) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let reduced = |axis: usize| mask >> axis & 1 == 1;
        let rank = shape.len();
        let axes: Vec<isize> = (0..rank)
            .filter(|&axis| reduced(axis))
            .map(|axis| if negative { axis as isize - rank as isize } else { axis as isize })
            .collect();
        let kept: Vec<usize> = (0..rank).filter(|&axis| !reduced(axis)).collect();
        let kept_shape: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        let count: usize = (0..rank).filter(|&axis| reduced(axis)).map(|axis| shape[axis]).product();
        let to = |index: &[usize]| place(&kept.iter().map(|&axis| index[axis]).collect::<Vec<_>>(), &kept_shape);

        let values = x.1.value();
        let size: usize = kept_shape.iter().product();
        let mut sums = vec![0.0; size];
        let mut maxima = vec![f64::NEG_INFINITY; size];
        let mut ties = vec![0.0; size];
        for index in indices(&shape) {
            let (at, value) = (to(&index), values.at(&index));
            sums[at] += value;
            if value > maxima[at] {
                (maxima[at], ties[at]) = (value, 0.0);
            }
            ties[at] += f64::from(u8::from(value == maxima[at]));
        }
        let g = cotangent(&kept_shape, seed);
        let flat = g.to_vec();
        let all = indices(&shape);

        let sum = x.1.sum_axes(&axes);
        assert_close("sum", &sum.value(), &kept_shape, &sums);
        assert_gradients(sum, &g, &[x], &[all.iter().map(|index| flat[to(index)]).collect()]);
        if count == 0 {
            return Ok(());
        }
        let mean = x.1.mean_axes(&axes);
        assert_close("mean", &mean.value(), &kept_shape, &sums.iter().map(|s| s / count as f64).collect::<Vec<_>>());
        let pulled = all.iter().map(|index| flat[to(index)] / count as f64).collect();
        assert_gradients(mean, &g, &[x], &[pulled]);
        let max = x.1.max_axes(&axes);
        assert_close("max", &max.value(), &kept_shape, &maxima);
        let share = |index: &Vec<usize>| match values.at(index) == maxima[to(index)] {
            true => flat[to(index)] / ties[to(index)],
            false => 0.0,
        };
        assert_gradients(max, &g, &[x], &[all.iter().map(share).collect()]);
    }

    #[test]
    fn reshaping_a_view(
        shape in shape(4), how in how(), cuts in prop::collection::vec(any::<usize>(), 3),
        ones in 0..7_usize, seed in any::<u64>(),
    ) {
        // Another shape of as many elements: divisors one after the other, an axis of 1 somewhere.
        let len: usize = shape.iter().product();
        let mut left = len;
        let mut other = Vec::new();
        for cut in cuts {
            let divisors: Vec<usize> = (1..=left.max(1)).filter(|d| left.is_multiple_of(*d)).collect();
            let divisor = divisors[cut % divisors.len()];
            other.push(divisor);
            left /= divisor;
        }
        other.push(left);
        other.insert(ones % (other.len() + 1), 1);
        assert!(other.len() <= MAX_RANK);

        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let values: Vec<f64> = indices(&shape).iter().map(|index| x.1.value().at(index)).collect();
        let y = x.1.reshape(&other);
        assert_close("value", &y.value(), &other, &values);
        let g = cotangent(&other, seed);
        assert_gradients(y * 1.0, &g, &[x], &[g.to_vec()]);
    }

    #[test]
    fn permuting_a_view(shape in shape(5), how in how(), k in any::<usize>(), seed in any::<u64>()) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let order = permutation(shape.len(), k);
        let y = x.1.permute(&order) * 1.0;
        let new_shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let g = cotangent(&new_shape, seed);
        let mut values = Vec::new();
        let mut pulled = vec![0.0; g.len()];
        for index in indices(&new_shape) {
            let mut from = vec![0; shape.len()];
            order.iter().zip(&index).for_each(|(&axis, &i)| from[axis] = i);
            values.push(x.1.value().at(&from));
            pulled[place(&from, &shape)] = g.at(&index);
        }
        assert_close("value", &y.value(), &new_shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn slices_of_a_concatenation_are_its_parts(
        shape in shape(3), axis in any::<usize>(), sizes in prop::collection::vec(0..4_usize, 1..4),
        hows in prop::collection::vec(how(), 3), seed in any::<u64>(),
    ) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let tape = Tape::new();
        let parts: Vec<_> = sizes.iter().zip(&hows).enumerate().map(|(i, (&size, &how))| {
            let mut part = shape.clone();
            part[axis] = size;
            input(&tape, &part, how, seed.wrapping_add(i as u64))
        }).collect();
        let views: Vec<Var<f64>> = parts.iter().map(|part| part.1).collect();
        let whole = tape.concat(&views, axis as isize - shape.len() as isize);
        let mut whole_shape = shape.clone();
        whole_shape[axis] = sizes.iter().sum();
        prop_assert_eq!(&whole.shape()[..], &whole_shape[..]);
        let g = cotangent(&whole_shape, seed);
        let mut start = 0;
        let mut pulled = Vec::new();
        for part in &views {
            let range = start..start + part.shape()[axis];
            start = range.end;
            let back = whole.slice(axis as isize, range.clone());
            prop_assert_eq!(back.value(), part.value());
            pulled.push(g.slice(axis as isize, range).to_vec());
        }
        assert_gradients(whole, &g, &parts, &pulled);
    }

    #[test]
    fn matrix_products(
        (m, k, n) in (0..5_usize, 0..5_usize, 0..5_usize), batch in shape(2),
        skips in (0..3_usize, 0..3_usize), ones in any::<(u32, u32)>(),
        vectors in (prop::bool::weighted(0.15), prop::bool::weighted(0.15)),
        hows in (how(), how()), seed in any::<u64>(),
    ) {
        let tape = Tape::new();
        let (a_batch, b_batch) = (narrowed(&batch, skips.0, ones.0), narrowed(&batch, skips.1, ones.1));
        let a_shape = if vectors.0 { vec![k] } else { [&a_batch[..], &[m, k]].concat() };
        let b_shape = if vectors.1 { vec![k] } else { [&b_batch[..], &[k, n]].concat() };
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let y = a.1.matmul(b.1);

        let none = vec![];
        let (a_batch, b_batch) = (if vectors.0 { &none } else { &a_batch }, if vectors.1 { &none } else { &b_batch });
        let (rows, columns) = (if vectors.0 { None } else { Some(m) }, if vectors.1 { None } else { Some(n) });
        let batch = broadcast(a_batch, b_batch);
        let shape: Vec<usize> = batch.iter().copied().chain(rows).chain(columns).collect();
        let g = cotangent(&shape, seed);
        let (mut values, mut pulled) = (vec![], [vec![0.0; a.1.value().len()], vec![0.0; b.1.value().len()]]);
        for index in indices(&shape) {
            let i = rows.map(|_| index[batch.len()]);
            let j = columns.map(|_| index[index.len() - 1]);
            let mut sum = 0.0;
            for l in 0..k {
                let at_a: Vec<usize> =
                    operand_index(&index[..batch.len()], a_batch).into_iter().chain(i).chain([l]).collect();
                let at_b: Vec<usize> =
                    operand_index(&index[..batch.len()], b_batch).into_iter().chain([l]).chain(j).collect();
                let (x, w) = (a.1.value().at(&at_a), b.1.value().at(&at_b));
                sum += x * w;
                pulled[0][place(&at_a, &a_shape)] += g.at(&index) * w;
                pulled[1][place(&at_b, &b_shape)] += g.at(&index) * x;
            }
            values.push(sum);
        }
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[a, b], &pulled);
    }

    #[test]
    fn dense_layers_are_products_sums_and_activations(
        batch in shape(2), (k, n) in (0..5_usize, 0..5_usize), with_bias in any::<bool>(), f in 0..4_usize,
        hows in (how(), how(), how()), seed in any::<u64>(),
    ) {
        let activation =
            [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh][f];
        let tape = Tape::new();
        let x = input(&tape, &[&batch[..], &[k]].concat(), hows.0, seed);
        let w = input(&tape, &[k, n], hows.1, seed + 1);
        let b = input(&tape, &[n], hows.2, seed + 2);
        // Some of the results below 0.
        let fused = (x.1 - 1.2).linear(w.1 - 1.0, with_bias.then_some(b.1), activation);
        let product = (x.1 - 1.2).matmul(w.1 - 1.0);
        let composed = activation.of(if with_bias { product + b.1 } else { product });
        assert_close("value", &fused.value(), &composed.shape(), &composed.value().to_vec());
        let g = cotangent(&composed.shape(), seed);
        let inputs = if with_bias { vec![x, w, b] } else { vec![x, w] };
        let expected: Vec<Vec<f64>> = inputs.iter().map(|(_, view)| {
            let found = composed.vjp(&[*view], tape.constant(g.clone()))[0];
            found.expect("a cotangent").value().to_vec()
        }).collect();
        assert_gradients(fused, &g, &inputs, &expected);
    }

    #[test]
    fn softmax_along_an_axis(shape in shape(3), axis in any::<usize>(), how in how(), seed in any::<u64>()) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let values = x.1.value();
        let total = |index: &[usize]| {
            let at = |i| { let mut index = index.to_vec(); index[axis] = i; values.at(&index) };
            (0..shape[axis]).map(|i| at(i).exp()).sum::<f64>()
        };
        let all = indices(&shape);
        let p: Vec<f64> = all.iter().map(|index| values.at(index).exp() / total(index)).collect();
        let g = cotangent(&shape, seed);
        let along = |index: &[usize], f: &dyn Fn(&[usize]) -> f64| {
            (0..shape[axis]).map(|i| { let mut index = index.to_vec(); index[axis] = i; f(&index) }).sum::<f64>()
        };
        let p_at = |index: &[usize]| p[place(index, &shape)];
        let y = x.1.softmax(axis as isize);
        assert_close("softmax", &y.value(), &shape, &p);
        let pulled = all.iter().map(|index| p_at(index) * (g.at(index) - along(index, &|i| g.at(i) * p_at(i)))).collect();
        assert_gradients(y, &g, &[x], &[pulled]);
        let y = x.1.log_softmax(axis as isize - shape.len() as isize);
        assert_close("log_softmax", &y.value(), &shape, &p.iter().map(|p| p.ln()).collect::<Vec<_>>());
        let pulled = all.iter().map(|index| g.at(index) - p_at(index) * along(index, &|i| g.at(i))).collect();
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn gathering_along_an_axis(
        shape in shape(3), axis in any::<usize>(), count in 0..5_usize, less in any::<u32>(),
        how in how(), seed in any::<u64>(),
    ) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let count = if shape[axis] == 0 { 0 } else { count };
        // The index may be smaller along the other axes.
        let index_shape: Vec<usize> = shape.iter().enumerate().map(|(at, &n)| match at == axis {
            true => count,
            false => n.saturating_sub((less >> at & 1) as usize),
        }).collect();
        let mut rng = Rng::new(seed);
        let end = shape[axis].max(1);
        let index = Tensor::<i64>::from_fn(&index_shape, |_| rng.below(end) as i64);
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let y = x.1.gather(axis as isize, &index);
        let g = cotangent(&index_shape, seed);
        let (mut values, mut pulled) = (vec![], vec![0.0; x.1.value().len()]);
        for at in indices(&index_shape) {
            let mut from = at.clone();
            from[axis] = index.at(&at) as usize;
            values.push(x.1.value().at(&from));
            pulled[place(&from, &shape)] += g.at(&at);
        }
        assert_close("value", &y.value(), &index_shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn choosing_by_a_mask(
        whole in shape(3), skips in (0..4_usize, 0..4_usize, 0..4_usize), ones in any::<(u32, u32, u32)>(),
        hows in (how(), how()), seed in any::<u64>(),
    ) {
        let mask_shape = narrowed(&whole, skips.0, ones.0);
        let (a_shape, b_shape) = (narrowed(&whole, skips.1, ones.1), narrowed(&whole, skips.2, ones.2));
        let mut rng = Rng::new(seed);
        let mask = Tensor::<bool>::from_fn(&mask_shape, |_| rng.below(2) == 1);
        let tape = Tape::new();
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let y = tape.where_(&mask, a.1, b.1);
        let shape = broadcast(&broadcast(&a_shape, &b_shape), &mask_shape);
        let g = cotangent(&shape, seed);
        let (mut values, mut pulled) = (vec![], [vec![0.0; a.1.value().len()], vec![0.0; b.1.value().len()]]);
        for index in indices(&shape) {
            let taken = mask.at(&operand_index(&index, &mask_shape));
            let (i, j) = (operand_index(&index, &a_shape), operand_index(&index, &b_shape));
            values.push(if taken { a.1.value().at(&i) } else { b.1.value().at(&j) });
            match taken {
                true => pulled[0][place(&i, &a_shape)] += g.at(&index),
                false => pulled[1][place(&j, &b_shape)] += g.at(&index),
            }
        }
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[a, b], &pulled);
    }
}

/// A batch of matrices without elements whose strides are not zero.
#[test]
fn matrix_products_of_empty_views() {
    let tape = Tape::<f64>::new();
    let a = tape.var(Tensor::ones(&[1, 3]));
    let b = tape.var(Tensor::new(&[0, 3, 2], vec![]));
    let y = a.matmul(b.permute(&[2, 1, 0]));
    assert_eq!(y.shape()[..], [2, 1, 0]);
    assert_eq!(y.sum().backward()[a].to_vec(), [0.0; 3]);
}

/// A gradient check of orders 1 and 2 through a view.
fn checked(
    shapes: &[&[usize]],
    hows: &[How],
    seed: u64,
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
) {
    let draw = |(i, (shape, &how)): (usize, (&&[usize], &How))| {
        Tensor::rand(&leaf_shape(how, shape), 0.5, 1.5, &mut Rng::new(seed.wrapping_add(i as u64)))
    };
    let leaves: Vec<Tensor<f64>> = shapes.iter().zip(hows).enumerate().map(draw).collect();
    gradcheck(
        |v| {
            let views: Vec<_> = v
                .iter()
                .zip(hows)
                .zip(shapes)
                .map(|((v, &how), shape)| view(how, *v, shape))
                .collect();
            f(&views)
        },
        &leaves,
    )
    .unwrap_or_else(|wrong| panic!("{wrong}\nshapes {shapes:?}, {hows:?}"));
}

/// Shapes whose full Hessians are small, now and then without elements.
fn small() -> impl Strategy<Value = [usize; 2]> {
    prop::array::uniform2(prop_oneof![1 => Just(0_usize), 8 => 1..4_usize])
}

proptest! {
    #![proptest_config(config(CHECKS))]

    #[test]
    fn check_elementwise([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n], &[n]], &hows, seed, |v| (v[0] * v[1]).tanh() / v[1]);
        checked(&[&[m, 1], &[1, n]], &hows, seed, |v| v[0].pow(v[1]) + v[0].softplus().ln());
        checked(&[&[m, n], &[]], &hows, seed, |v| fused!(|x, c| (x * c).sigmoid() * x.gelu())(v[0], v[1]));
    }

    #[test]
    fn check_reductions([m, n] in small(), hows in prop::array::uniform1(how()), seed in any::<u64>()) {
        checked(&[&[m, 2, n]], &hows, seed, |v| v[0].sum_axes(&[0, -1]).tanh());
        checked(&[&[m, n]], &hows, seed, |v| (v[0] * v[0]).sum().sin());
        if m > 0 {
            checked(&[&[m, n]], &hows, seed, |v| v[0].mean_axes(&[0]).exp());
            checked(&[&[m + 1, n]], &hows, seed, |v| v[0].var_axes(&[0], 1));
        }
    }

    #[test]
    fn check_products([m, n] in small(), k in 0..3_usize, hows in prop::array::uniform3(how()), seed in any::<u64>()) {
        checked(&[&[m, k], &[k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]).tanh());
        checked(&[&[2, m, k], &[k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]));
        checked(&[&[m, k], &[2, k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]));
        checked(&[&[m, k], &[k, n], &[n]], &hows, seed, |v| v[0].linear(v[1], Some(v[2]), Activation::Sigmoid));
    }

    #[test]
    fn check_shapes([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].t().reshape(&[v[0].value().len()]).exp());
        checked(&[&[m, n], &[m, 2]], &hows, seed, |v| v[0].tape().concat(&[v[0], v[1], v[0]], 1).tanh());
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].slice(1, 0..v[0].shape()[1] / 2).exp());
        checked(&[&[m, 1]], &hows[..1], seed, |v| v[0].broadcast_to(&[2, v[0].shape()[0], 3]).tanh());
    }

    #[test]
    fn check_softmax_and_losses([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].softmax(0));
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].log_softmax(1));
        if m * n > 0 {
            checked(&[&[m, n], &[m, n]], &hows, seed, |v| v[0].mse(v[1]));
            checked(&[&[m, n], &[m, n]], &hows, seed, |v| v[0].bce_with_logits(v[1]));
            let classes = Tensor::<i64>::from_fn(&[m], |at| ((at[0] as u64 + seed % 7) % n as u64) as i64);
            checked(&[&[m, n]], &hows[..1], seed, |v| v[0].cross_entropy(&classes));
        }
    }

    #[test]
    fn check_picking([m, n] in small(), how in how(), seed in any::<u64>()) {
        prop_assume!(m > 0);
        let mut rng = Rng::new(seed);
        let index = Tensor::<i64>::from_fn(&[3, n], |_| rng.below(m) as i64);
        checked(&[&[m, n]], &[how], seed, |v| v[0].gather(0, &index).exp());
        let mask = Tensor::<bool>::from_fn(&[m, n], |_| rng.below(2) == 1);
        checked(&[&[m, n]], &[how], seed, |v| v[0].tape().where_(&mask, v[0].ln(), v[0] * v[0]));
    }

    #[test]
    fn check_batch_norm(m in 2..4_usize, n in 0..3_usize, hows in prop::array::uniform3(how()), seed in any::<u64>()) {
        // Broadcast rows are equal, and their variance 0: with this ε its curvature stays moderate.
        const EPSILON: f64 = 0.5;
        prop_assume!(n > 0);
        checked(&[&[m, n], &[n], &[n]], &hows, seed, |v| v[0].batch_norm(v[1], v[2], 1, EPSILON)[0].tanh());
        checked(&[&[n, m], &[n], &[n]], &hows, seed, |v| v[0].batch_norm(v[1], v[2], 0, EPSILON)[0].tanh());
    }
}
