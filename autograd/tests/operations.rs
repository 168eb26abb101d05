//! Every operation, checked to order 2.
use gradus_autograd::check::{dot_test, gradcheck};
use gradus_autograd::*;

fn t(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.5, 1.5, &mut Rng::new(seed))
}
fn p(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, 0.3, 2.0, &mut Rng::new(seed))
}

macro_rules! ok { ($($name:ident: $f:expr, $x:expr;)*) => {$(#[test] fn $name() {
    let x = $x;
    gradcheck($f, &x).unwrap_or_else(|e| panic!("{e}"));
    assert!(dot_test($f, &x, 1) < 1e-12);
})*} }

ok! {
    add: |v| v[0] + v[1], [t(&[2,3],1), t(&[3],2)];
    sub: |v| v[0] - v[1], [t(&[2,3],1), t(&[2,1],2)];
    mul: |v| v[0] * v[1], [t(&[2,3],1), t(&[],2)];
    div: |v| v[0] / v[1], [t(&[3],1), p(&[2,3],2)];
    numbers: |v| 1.0 / (2.0 - (v[0] * 0.1 + 3.0) / 4.0) - 1.0, [t(&[3],1)];
    tanh: |v| v[0].tanh(), [t(&[4],1)];
    exp: |v| v[0].exp(), [t(&[4],1)];
    exp_m1: |v| v[0].exp_m1(), [t(&[4],1)];
    ln: |v| v[0].ln(), [p(&[4],1)];
    ln_1p: |v| v[0].ln_1p(), [p(&[4],1)];
    sin: |v| v[0].sin(), [t(&[4],1)];
    cos: |v| v[0].cos(), [t(&[4],1)];
    sqrt: |v| v[0].sqrt(), [p(&[4],1)];
    sigmoid: |v| v[0].sigmoid(), [t(&[4],1)];
    softplus: |v| v[0].softplus(), [t(&[4],1)];
    erf: |v| v[0].erf(), [t(&[4],1)];
    relu: |v| v[0].relu() * v[0], [t(&[4],1)];
    gelu: |v| v[0].gelu(), [t(&[4],1)];
    abs: |v| v[0].abs() * v[0], [t(&[4],1)];
    pow: |v| v[0].pow(v[1]), [p(&[2,3],1), t(&[3],2)];
    powi: |v| v[0].powf(3.0) + v[0].powf(-2.0), [p(&[3],1)];
    minmax: |v| v[0].minimum(v[1]) * v[0].maximum(v[1]), [t(&[5],1), t(&[5],2)];
    where_: |v| v[0].tape().where_(&Tensor::from([true, false]), v[0].exp(), v[1] * v[1]), [t(&[2],1), t(&[2,2],2)];
    sum: |v| v[0].sum_axes(&[0, 2]).tanh(), [t(&[2,3,2],1)];
    mean: |v| v[0].mean().tanh(), [t(&[2,3,2],1)];
    max: |v| v[0].max_axes(&[1]) * v[0].max(), [t(&[2,3,2],1)];
    var: |v| v[0].var_axes(&[0], 1), [t(&[4,2],1)];
    matmul: |v| v[0].matmul(v[1]), [t(&[2,3],1), t(&[3,2],2)];
    matmul_batch: |v| v[0].matmul(v[1]), [t(&[2,1,2,3],1), t(&[2,3,2],2)];
    matmul_vec: |v| v[0].matmul(v[1]), [t(&[3],1), t(&[2,3,2],2)];
    linear: |v| v[0].linear(v[1], Some(v[2]), Activation::Tanh), [t(&[2,3],1), t(&[3,2],2), t(&[2],3)];
    linear_relu: |v| v[0].linear(v[1], None, Activation::Relu), [t(&[2,3],1), t(&[3,2],2)];
    linear_sigmoid: |v| v[0].linear(v[1], Some(v[2]), Activation::Sigmoid), [t(&[2,3],1), t(&[3,2],2), t(&[2],3)];
    reshape: |v| v[0].reshape(&[3,2]).permute(&[1,0]).tanh(), [t(&[2,3],1)];
    slice: |v| v[0].slice(1, 1..3).tanh(), [t(&[2,4],1)];
    concat: |v| v[0].tape().concat(&[v[0], v[1], v[0]], 1).tanh(), [t(&[2,1],1), t(&[2,2],2)];
    gather: |v| v[0].gather(1, &Tensor::from([[0_i64, 0, 2], [1, 2, 2]])).tanh(), [t(&[3,3],1)];
    broadcast: |v| v[0].broadcast_to(&[2,3]).tanh(), [t(&[3],1)];
    softmax: |v| v[0].softmax(0), [t(&[2,3],1)];
    log_softmax: |v| v[0].log_softmax(-1), [t(&[2,3],1)];
    mse: |v| v[0].mse(v[1]), [t(&[2,3],1), t(&[2,3],2)];
    bce: |v| v[0].bce_with_logits(v[1]), [t(&[3],1), p(&[3],2)];
    cross_entropy: |v| v[0].cross_entropy(&Tensor::from([2_i64, 0])), [t(&[2,3],1)];
    batch_norm: |v| v[0].batch_norm(v[1], v[2], -1, 1e-3)[0].tanh(), [t(&[4,2],1), p(&[2],2), t(&[2],3)];
    batch_norm_stats: |v| { let [y, m, s] = v[0].batch_norm(v[1], v[2], 1, 1e-3); y.sum() * m.sum() + s.sum() }, [t(&[2,2,2],1), p(&[2],2), t(&[2],3)];
    normalise: |v| v[0].normalise([v[1], v[2], v[3], v[4]], -1, 1e-3), [t(&[2,2],1), t(&[2],2), p(&[2],3), t(&[2],4), t(&[2],5)];
    grid_sample: |v| v[0].grid_sample(v[1], Interpolation::Bilinear, Padding::Zeros, false).tanh(), [t(&[2,2,3,4],1), t(&[2,2,3,2],2)];
    grid_sample_border: |v| v[0].grid_sample(v[1], Interpolation::Bilinear, Padding::Border, true).tanh(), [t(&[1,2,3,3],1), t(&[1,2,3,2],3)];
    grid_sample_reflection: |v| v[0].grid_sample(v[1], Interpolation::Bilinear, Padding::Reflection, false).tanh(), [t(&[1,2,4,3],1), t(&[1,3,2,2],4)];
    grid_sample_mirror: |v| v[0].grid_sample(v[1], Interpolation::Bilinear, Padding::Reflection, true).tanh(), [t(&[1,1,4,3],1), t(&[1,3,2,2],6)];
    grid_sample_nearest: |v| v[0].grid_sample(v[1], Interpolation::Nearest, Padding::Border, false).tanh(), [t(&[1,2,3,3],1), t(&[1,2,3,2],5)];
    affine_grid: |v| v[0].affine_grid([2, 3], false).tanh(), [t(&[2,2,3],1)];
    affine_grid_aligned: |v| v[0].affine_grid([3, 1], true).tanh(), [t(&[1,2,3],1)];
    fused_function: |v| fused!(|x, w, b| (x * w + b).tanh() * x.sigmoid() + (-(x * x)).exp())(v[0], v[1], v[2]), [t(&[2,3],1), t(&[3],2), t(&[],3)];
}

/// What is tracked in each of the checks of `n` inputs.
fn tracked(n: usize) -> Vec<Vec<usize>> {
    let seen = std::cell::RefCell::new(Vec::new());
    let check = check::GradCheck { order: 1, ..Default::default() };
    let x = vec![Tensor::scalar(1.0); n];
    let f = |v: &[Var<'_, f64>]| {
        let of = (0..n).filter(|&i| v[i].is_tracked()).collect::<Vec<_>>();
        if seen.borrow().last() != Some(&of) {
            seen.borrow_mut().push(of);
        }
    };
    check
        .run(
            |v| {
                f(v);
                v.iter().fold(v[0], |sum, &x| sum + x)
            },
            &x,
        )
        .unwrap();
    seen.into_inner()
}

/// 2ⁿ subsets would never end, and from 32 inputs on could not be counted.
#[test]
fn of_many_inputs_some_subsets_are_checked() {
    assert_eq!(tracked(2), [vec![0], vec![1], vec![0, 1]]);
    assert_eq!(tracked(8).len(), 255);
    let many = tracked(33);
    assert_eq!(many.len(), 33 + 33 * 32 / 2 + 1);
    assert_eq!(
        (&many[32], &many[33], &many[many.len() - 2]),
        (&vec![32], &vec![0, 1], &vec![31, 32])
    );
    assert_eq!(many.last().map(Vec::len), Some(33));
}
