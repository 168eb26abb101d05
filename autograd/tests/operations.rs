//! Every operation, checked to order 3.
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
    assert!(dot_test($f, &x, 1) < DOT);
    third(&$f, &x);
    as_stored_otherwise(&$f, &x);
})*} }

/// The relative error of the dot test.
const DOT: f64 = 1e-12;
/// As the tolerance of [`gradcheck`], for derivatives of one order more, which are larger and bend more.
const THIRD: f64 = 1e-6;
/// Sums over other strides may be taken in another order.
const ORDER: f64 = 1e-13;

type Function<'f> = dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + 'f;

/// The derivative of third order: of an operation that is linear in each input, the rule of its cotangent's operation is
/// asked for the first time here. What is differentiated is the gradient along an uneven direction, a single number.
fn third(f: &Function, inputs: &[Tensor<f64>]) {
    let along = |v: &[Var<'_, f64>]| -> Vec<Tensor<f64>> {
        let uneven = |(seed, v): (usize, &Var<'_, f64>)| {
            Tensor::rand(&v.shape(), 0.5, 1.5, &mut Rng::new(seed as u64 + 20))
        };
        v.iter().enumerate().map(uneven).collect()
    };
    fn slope<'t>(
        f: &Function,
        v: &[Var<'t, f64>],
        along: impl Fn(&[Var<'t, f64>]) -> Vec<Tensor<f64>>,
    ) -> Var<'t, f64> {
        let (tape, y) = (v[0].tape(), f(v));
        // Not linear in the cotangent either: it depends on the result.
        let gradient = y.vjp(v, y * 0.3 + 1.0);
        let parts = gradient.into_iter().zip(along(v));
        let products = parts.filter_map(|(g, along)| Some((g? * tape.constant(along)).sum()));
        products.fold(tape.number(0.0), |sum, product| sum + product)
    }
    let check = check::GradCheck { order: 2, tolerance: THIRD, ..Default::default() };
    check.run(|v| slope(f, v, along), inputs).unwrap_or_else(|e| panic!("of the gradient: {e}"));
}

/// The same numbers, stored with the axes in reverse order or, a vector, at every second place.
fn strided(x: &Tensor<f64>) -> Tensor<f64> {
    match x.rank() {
        1 => Tensor::from_fn(&[x.len(), 2], |at| x.at(&at[..1])).t().row(0),
        _ => x.t().contiguous().t(),
    }
}

/// Values and gradients do not depend on how inputs and cotangents are stored, and what is used twice gets both
/// gradients.
fn as_stored_otherwise(f: &Function, inputs: &[Tensor<f64>]) {
    let run = |inputs: &[Tensor<f64>], other: bool, times: usize| {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let y = (1..times).fold(f(&x), |y, _| y + f(&x));
        let g = Tensor::rand(&y.shape(), -1.0, 1.0, &mut Rng::new(9));
        let grads = y.backward_with(if other { strided(&g) } else { g });
        let grads = x.iter().map(|&x| grads.get(x).map(Tensor::to_vec).unwrap_or_default());
        (y.value().to_vec(), grads.collect::<Vec<_>>())
    };
    let near = |a: f64, b: f64| (a - b).abs() <= ORDER * b.abs().max(1.0);
    let (y, grads) = run(inputs, false, 1);
    let all: Vec<Tensor<f64>> = inputs.iter().map(strided).collect();
    assert!(
        inputs
            .iter()
            .all(|x| x.rank() == 0 || x.shape().contains(&1) || !strided(x).is_contiguous())
    );
    let (y_other, grads_other) = run(&all, true, 1);
    assert!(y.iter().zip(&y_other).all(|(&a, &b)| near(a, b)), "strided: {y_other:?}, not {y:?}");
    let (_, twice) = run(inputs, false, 2);
    for ((one, other), twice) in grads.iter().zip(&grads_other).zip(&twice) {
        assert!(
            one.iter().zip(other).all(|(&a, &b)| near(a, b)),
            "strided: {other:?}, not {one:?}"
        );
        assert!(
            one.iter().zip(twice).all(|(&a, &b)| near(2.0 * a, b)),
            "twice: {twice:?}, {one:?}"
        );
    }
}

/// Every method of a variable that is an operation is checked above, or stands here with the reason.
#[test]
fn no_operation_is_left_out() {
    let elsewhere = [
        ("argmax", "a whole number"),
        ("argmin", "a whole number"),
        ("polygamma", "as digamma"),
        ("dropout", "below, on a training tape"),
        ("concrete_dropout", "below, on a training tape"),
    ];
    let here = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations.rs"));
    let here = here.unwrap();
    let (mut seen, mut missing) = (0, Vec::new());
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // Methods on a variable, and the tables of functions, whose lines are `name Rule;`.
        let methods = text.match_indices("    pub fn ").filter_map(|(at, start)| {
            let rest = &text[at + start.len()..];
            let name = rest.split(['(', '<']).next()?;
            let takes = rest.split('(').nth(1)?.trim_start();
            (takes.starts_with("self") || takes.starts_with("&'t self")).then_some(name)
        });
        let tables = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("    ")?.strip_suffix(';')?.split(' ');
            let (name, rule) = (words.next()?, words.next()?);
            let is_rule = rule.starts_with(char::is_uppercase) && words.next().is_none();
            (is_rule && name.starts_with(char::is_lowercase) && name != "return").then_some(name)
        });
        for name in methods.chain(tables) {
            // Settings, and what is only called by its names for one, two and three axes.
            let setting = ["stride", "dilation", "groups", "padding", "same", "causal", "ceil"];
            let other = [
                "output_padding",
                "without_padding",
                "conv",
                "conv_transpose",
                "max_pool",
                "avg_pool",
                "adaptive_max_pool",
                "adaptive_avg_pool",
            ];
            if setting.contains(&name)
                || other.contains(&name)
                || name.starts_with('$')
                || name == "of"
            {
                continue;
            }
            seen += 1;
            let checked = here.contains(&format!(".{name}("));
            let listed = elsewhere.iter().any(|(listed, _)| *listed == name);
            if !checked && !listed {
                missing.push(format!("{}: `{name}`", path.file_name().unwrap().display()));
            }
        }
    }
    assert!(missing.is_empty(), "without a check: {missing:?}");
    assert!(seen > 150, "{seen}: the methods were not found");
}

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
    erfc: |v| v[0].erfc(), [t(&[4],1)];
    tan: |v| v[0].tan(), [t(&[4],1)];
    asin: |v| (v[0] * 0.5).asin(), [t(&[4],1)];
    acos: |v| (v[0] * 0.5).acos(), [t(&[4],1)];
    atan: |v| v[0].atan(), [t(&[4],1)];
    sinh: |v| v[0].sinh(), [t(&[4],1)];
    cosh: |v| v[0].cosh(), [t(&[4],1)];
    asinh: |v| v[0].asinh(), [t(&[4],1)];
    acosh: |v| (v[0] + 1.5).acosh(), [p(&[4],1)];
    atanh: |v| (v[0] * 0.5).atanh(), [t(&[4],1)];
    lgamma: |v| v[0].lgamma(), [p(&[4],1)];
    lgamma_below_0: |v| (v[0] - 4.0).lgamma(), [Tensor::from([0.3, 0.6, 1.4])];
    digamma: |v| v[0].digamma(), [p(&[4],1)];
    polygamma: |v| (v[0] - 2.0).polygamma(1), [Tensor::from([0.3, 0.6, 1.4, 3.0])];
    rounding: |v| (v[0].floor() + v[0].round() * 2.0 + v[0].trunc() * 3.0 + v[0].ceil()) * v[0], [t(&[4],1)];
    atan2: |v| v[0].atan2(v[1]), [t(&[2,3],1), t(&[3],2)];
    hypot: |v| v[0].hypot(v[1]), [t(&[2,3],1), t(&[2,1],2)];
    fmod: |v| (v[0] * 5.0).fmod(v[1]) * v[0], [t(&[2,3],1), p(&[2,1],2)];
    clamp: |v| v[0].clamp(-0.5, 0.7) * v[0], [t(&[6],1)];
    hardtanh: |v| v[0].hardtanh() * v[0].relu6(), [t(&[6],1)];
    silu: |v| v[0].silu(), [t(&[4],1)];
    mish: |v| v[0].mish(), [t(&[4],1)];
    gelu_tanh: |v| v[0].gelu_tanh(), [t(&[4],1)];
    leaky_relu: |v| v[0].leaky_relu(0.1) * v[0], [t(&[4],1)];
    elu: |v| v[0].elu(0.7), [t(&[4],1)];
    selu: |v| v[0].selu(), [t(&[4],1)];
    celu: |v| v[0].celu(1.3), [t(&[4],1)];
    hardsigmoid: |v| (v[0] * 3.0).hardsigmoid() * v[0], [t(&[6],1)];
    hardswish: |v| (v[0] * 3.0).hardswish(), [t(&[6],1)];
    softsign: |v| v[0].softsign(), [t(&[4],1)];
    log_sigmoid: |v| v[0].log_sigmoid(), [t(&[4],1)];
    glu: |v| v[0].glu(-1), [t(&[2,4],1)];
    rsqrt: |v| v[0].rsqrt(), [p(&[4],1)];
    reciprocal: |v| v[0].reciprocal() + v[0].powi(3), [p(&[4],1)];
    sqrt: |v| v[0].sqrt(), [p(&[4],1)];
    safe_sqrt: |v| v[0].safe_sqrt(), [p(&[4],1)];
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
    linear_relu: |v| v[0].linear(v[1], None, Activation::Relu), [t(&[3,3],1), p(&[3,3],2)];
    linear_sigmoid: |v| v[0].linear(v[1], Some(v[2]), Activation::Sigmoid), [t(&[2,3],1), t(&[3,2],2), t(&[2],3)];
    lstm: |v| { let [y, c] = v[0].lstm([v[1], v[2]], [v[3], v[4]], v[5], false); y + c }, [t(&[2,1,2],1), t(&[1,1],2), t(&[1,1],3), t(&[4,2],4), t(&[4,1],5), t(&[4],6)];
    attention: |v| v[0].attention(v[1], v[2], Some(v[3]), true, 0.0).tanh(), [t(&[2,2,2],1), t(&[2,3,2],2), t(&[2,3,2],3), t(&[2,3],4)];
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
    prod: |v| v[0].prod_axes(&[0, 2]) + v[0].prod(), [t(&[2,3,2],1)];
    prod_zeros: |v| v[0].prod_axes(&[1]), [Tensor::from([[0.0, 2.0, -1.5], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])];
    cumsum: |v| v[0].cumsum(1).tanh(), [t(&[2,3,2],1)];
    cumprod: |v| v[0].cumprod(0), [Tensor::from([[0.5, 2.0], [-1.5, 0.0], [0.7, 0.0], [1.2, 1.0]])];
    cummax: |v| v[0].cummax(1).0.tanh(), [t(&[2,4],1)];
    min: |v| v[0].min_axes(&[1]) * v[0].min(), [t(&[2,3,2],1)];
    norm: |v| v[0].norm_axes(2.0, &[0]) + v[0].norm(), [t(&[2,3],1)];
    norm_p: |v| v[0].norm_axes(3.0, &[1]) + v[0].norm_axes(1.5, &[-1]) + v[0].norm_axes(1.0, &[1]), [t(&[2,3],1)];
    norm_inf: |v| v[0].norm_axes(f64::INFINITY, &[1]), [t(&[2,3],1)];
    std: |v| v[0].std_axes(&[0], 1) + v[0].std(0), [t(&[4,2],1)];
    logsumexp: |v| v[0].logsumexp_axes(&[0, 2]) + v[0].logsumexp(), [t(&[2,3,2],1)];
    sort: |v| v[0].sort(0, true).0 * v[0], [t(&[4,2],1)];
    topk: |v| v[0].topk(2, 1, true).0.tanh(), [t(&[2,4],1)];
    median: |v| v[0].median(0).0.tanh(), [t(&[4,2],1)];
    take: |v| v[0].diagonal(1).tanh() * v[0].trace(), [t(&[3,3],1)];
    diag: |v| v[0].diag().matmul(v[0].diag()), [t(&[3],1)];
    masked: |v| v[0].masked_select(&Tensor::from([[true, false, true], [false, true, true]])).tanh(), [t(&[2,3],1)];
    masked_fill: |v| v[0].masked_fill(&Tensor::from([true, false, true]), 2.0) * v[0], [t(&[2,3],1)];
    scatter: |v| v[0].scatter(1, &Tensor::from([[0_i64, 2, 0], [1, 1, 2]]), v[1]).tanh(), [t(&[2,4],1), t(&[2,3],2)];
    scatter_add: |v| v[0].scatter_add(0, &Tensor::from([[0_i64, 2], [0, 2]]), v[1]).tanh(), [t(&[3,3],1), t(&[2,3],2)];
    index_select: |v| v[0].index_select(1, &Tensor::from([2_i64, 0, 2])).tanh(), [t(&[2,3,2],1)];
    index_add: |v| v[0].index_add(0, &Tensor::from([2_i64, 0, 2]), v[1]).tanh(), [t(&[3,2],1), t(&[3,2],2)];
    slice_step: |v| v[0].slice_step(1, Some(-1), None, -2).tanh(), [t(&[2,5],1)];
    flip_roll: |v| v[0].flip(&[0, 1]).tanh() * v[0].roll(-4, 1), [t(&[2,3],1)];
    repeat: |v| v[0].repeat(&[2, 1, 3]).tanh() * v[1].repeat_interleave(2, 0).sum(), [t(&[2,2],1), t(&[2],2)];
    pad: |v| v[0].pad(&[(1, 2), (0, 1)], PadMode::Constant(0.5)).tanh(), [t(&[2,3],1)];
    pad_modes: |v| v[0].pad(&[(0, 0), (2, 1)], PadMode::Reflect).tanh() * v[0].pad(&[(0, 0), (2, 1)], PadMode::Replicate) + v[0].pad(&[(0, 0), (2, 1)], PadMode::Circular).tanh(), [t(&[2,3],1)];
    triangles: |v| v[0].tril(-1).tanh() + v[0].triu(1) * v[0], [t(&[3,3],1)];
    stack: |v| v[0].tape().stack(&[v[0], v[1], v[0]], 1).tanh(), [t(&[2,2],1), t(&[2,2],2)];
    split: |v| { let parts = v[0].split(&[1, 3], 1); parts[0] * parts[1] + v[0].chunk(3, 1)[1].flatten(0, 1).sum() }, [t(&[2,4],1)];
    conv1d: |v| v[0].conv1d(v[1], Some(v[2]), Conv::new().stride(2).padding(2).dilation(2).groups(2)), [t(&[2,4,7],1), t(&[2,2,3],2), t(&[2],3)];
    conv2d: |v| v[0].conv2d(v[1], Some(v[2]), Conv::new().padding([1, 0])), [t(&[2,2,4,3],1), t(&[3,2,3,2],2), t(&[3],3)];
    conv2d_same: |v| v[0].conv2d(v[1], None, Conv::new().same().stride(2)).tanh(), [t(&[1,2,5,4],1), t(&[2,2,3,2],2)];
    conv3d: |v| v[0].conv3d(v[1], None, Conv::new().stride([1, 2, 1]).padding([0, 1, 1])), [t(&[1,1,3,4,3],1), t(&[2,1,2,3,2],2)];
    conv_transpose1d: |v| v[0].conv_transpose1d(v[1], Some(v[2]), Conv::new().stride(3).output_padding(1)), [t(&[1,2,3],1), t(&[2,2,2],2), t(&[2],3)];
    conv_transpose2d: |v| v[0].conv_transpose2d(v[1], None, Conv::new().stride(2).padding(1).groups(2)).tanh(), [t(&[1,2,3,2],1), t(&[2,2,3,3],2)];
    max_pool: |v| v[0].max_pool2d(Pool::new(2).stride(1)).tanh() , [t(&[1,2,3,4],1)];
    max_pool_adaptive: |v| v[0].adaptive_max_pool1d([2]).tanh(), [t(&[2,5],1)];
    avg_pool: |v| v[0].avg_pool2d(Pool::new(3).stride(2).padding(1).ceil()).tanh(), [t(&[1,2,4,5],1)];
    avg_pool_adaptive: |v| v[0].adaptive_avg_pool2d([2, 3]).tanh(), [t(&[1,2,5,4],1)];
    layer_norm: |v| v[0].layer_norm(&[2, 3], Some(v[1]), Some(v[2]), 1e-3), [t(&[2,2,3],1), t(&[2,3],2), t(&[2,3],3)];
    rms_norm: |v| v[0].rms_norm(&[3], Some(v[1]), 1e-3).tanh(), [t(&[2,2,3],1), t(&[3],2)];
    group_norm: |v| v[0].group_norm(2, Some(v[1]), Some(v[2]), 1e-3), [t(&[2,4,2],1), t(&[4],2), t(&[4],3)];
    instance_norm: |v| v[0].instance_norm(None, Some(v[1]), 1e-3).tanh(), [t(&[2,2,3],1), t(&[2],2)];
    mean_axes: |v| v[0].mean_axes(&[0, 2]).tanh(), [t(&[2,3,2],1)];
    squeeze: |v| v[0].unsqueeze(1).squeeze(1).transpose(0, -1).tanh(), [t(&[2,3],1)];
    lerp: |v| v[0].lerp(v[1], 0.3).tanh(), [t(&[2,3],1), t(&[3],2)];
    sign: |v| v[0].sign() * v[0] * v[0], [t(&[4],1)];
    cosine_similarity: |v| v[0].cosine_similarity(v[1], 0), [t(&[3,2],1), t(&[3,2],2)];
    pairwise_distance: |v| v[0].pairwise_distance(v[1]), [t(&[2,3],1), t(&[2,3],2)];
    conv_transpose3d: |v| v[0].conv_transpose3d(v[1], None, Conv::new().stride([2, 1, 1])), [t(&[1,1,2,2,2],1), t(&[1,2,2,1,2],2)];
    pool3d: |v| v[0].max_pool3d(Pool::new(2)).tanh() * v[0].avg_pool3d(Pool::new(2)) + v[0].adaptive_avg_pool3d([1, 1, 1]).tanh(), [t(&[1,2,2,2],1)];
    activations: |v| {
        use Activation::*;
        let all = [Softmax, LogSoftmax, GeluTanh, Silu, Mish, Elu, Selu, LeakyRelu, Hardtanh, Relu6, Hardsigmoid, Hardswish, Softsign, LogSigmoid];
        v[0].tape().stack(&all.map(|f| f.of(v[0]) * v[0]), 0)
    }, [t(&[2,3],1)];
    unfold: |v| v[0].unfold([2, 2], [1, 2]).tanh(), [t(&[2,2,3,4],1)];
    resize: |v| v[0].resize([5, 3], Interpolation::Bilinear).tanh() * v[0].resize([5, 3], Interpolation::Nearest), [t(&[1,2,3,4],1)];
    jvp: |v| v[0].tanh().jvp(&[v[0]], &[v[1]]), [t(&[3],1), t(&[3],2)];
    dot_outer: |v| v[0].outer(v[1]) * v[0].dot(v[0]), [t(&[3],1), t(&[2],2)];
    einsum: |v| v[0].tape().einsum("bij,jk,bk->ib", v), [t(&[2,3,2],1), t(&[2,4],2), t(&[2,4],3)];
    einsum_diagonal: |v| v[0].tape().einsum("iij,j", v), [t(&[3,3,2],1), t(&[2],2)];
    einsum_ellipsis: |v| v[0].tape().einsum("...ij,...jk->k...i", v), [t(&[2,1,2,3],1), t(&[3,3,2],2)];
    solve: |v| (v[0] + v[0].tape().constant(Tensor::eye(3)) * 4.0).solve(v[1]), [t(&[2,3,3],1), t(&[3,2],2)];
    inverse: |v| (v[0] + v[0].tape().constant(Tensor::eye(3)) * 4.0).inverse(), [t(&[3,3],1)];
    cholesky: |v| (v[0].matmul(v[0].t()) + v[0].tape().constant(Tensor::eye(3))).cholesky(), [t(&[3,3],1)];
    det: |v| (v[0] - v[0].tape().constant(Tensor::eye(3)) * 3.0).det(), [t(&[2,3,3],1)];
    logdet: |v| (v[0] - v[0].tape().constant(Tensor::eye(3)) * 3.0).logdet(), [t(&[2,3,3],1)];
    mse_loss: |v| v[0].mse_loss(v[1], Reduction::None), [t(&[2,3],1), t(&[2,3],2)];
    l1_loss: |v| v[0].l1_loss(v[1], Reduction::Sum) * v[0].sum(), [t(&[2,3],1), t(&[2,3],2)];
    huber_loss: |v| v[0].huber_loss(v[1], 0.5, Reduction::None) + v[0].smooth_l1_loss(v[1], 2.0, Reduction::Mean), [t(&[2,3],1), t(&[2,3],2)];
    bce_loss: |v| v[0].sigmoid().bce_loss(v[1], Reduction::None), [t(&[2,3],1), p(&[2,3],2)];
    bce_with_logits_loss: |v| v[0].bce_with_logits_loss(v[1], Some(v[2]), Reduction::Sum), [t(&[2,3],1), p(&[2,3],2), p(&[3],3)];
    cross_entropy_loss: |v| {
        let options = ClassOptions { weight: Some(v[1]), ignore_index: Some(9), label_smoothing: 0.1, ..Default::default() };
        v[0].cross_entropy_loss(&Tensor::from([[2_i64, 9], [0, 1]]), options)
    }, [t(&[2,3,2],1), p(&[3],2)];
    nll_loss: |v| v[0].log_softmax(1).nll_loss(&Tensor::from([2_i64, 0]), ClassOptions::default()), [t(&[2,3],1)];
    soft_cross_entropy: |v| {
        let options = ClassOptions { weight: Some(v[2]), label_smoothing: 0.1, ..Default::default() };
        v[0].soft_cross_entropy(v[1], options)
    }, [t(&[2,3],1), p(&[2,3],2), p(&[3],3)];
    kl_div: |v| v[0].kl_div(v[1], false, Reduction::BatchMean) + v[0].kl_div(v[1], true, Reduction::Sum), [t(&[2,3],1), p(&[2,3],2)];
    hinge_loss: |v| v[0].hinge_loss(v[1], Reduction::None) * v[0], [t(&[2,3],1), t(&[2,3],2)];
    hinge_embedding_loss: |v| v[0].hinge_embedding_loss(v[0].tape().constant(Tensor::from([1.0, -1.0, -1.0])), 0.8, Reduction::None) * v[0], [t(&[3],1)];
    cosine_embedding_loss: |v| v[0].cosine_embedding_loss(v[1], v[0].tape().constant(Tensor::from([1.0, -1.0])), 0.1, Reduction::Sum), [t(&[2,3],1), t(&[2,3],4)];
    triplet_margin_loss: |v| v[0].triplet_margin_loss(v[1], v[2], 3.0, Reduction::None), [t(&[2,3],1), t(&[2,3],2), t(&[2,3],3)];
    poisson_nll_loss: |v| v[0].poisson_nll_loss(v[1], Reduction::None), [t(&[2,3],1), p(&[2,3],2)];
    gaussian_nll_loss: |v| v[0].gaussian_nll_loss(v[1], v[2], Reduction::None), [t(&[2,3],1), t(&[2,3],2), p(&[3],3)];
    focal_loss: |v| v[0].focal_loss(v[1], 0.25, 2.0, Reduction::None), [t(&[2,3],1), Tensor::from([[0.0, 1.0, 1.0], [1.0, 0.0, 0.3]])];
    inverse_batch: |v| (v[0] + v[0].tape().constant(Tensor::eye(2)) * 4.0).inverse(), [t(&[2,2,2],1)];
    cholesky_batch: |v| (v[0].matmul(v[0].transpose(-1, -2)) + v[0].tape().constant(Tensor::eye(2))).cholesky(), [t(&[2,2,2],1)];
    solve_batch: |v| (v[0] + v[0].tape().constant(Tensor::eye(2)) * 4.0).solve(v[1]), [t(&[2,1,2,2],1), t(&[2,2,1],2)];
    fused_values: |v| fused!(|x, y| {
        let waves = x.sin().exp() * x.cos().exp() + x.sinh().sin() * x.cosh().cos() + x.relu().exp();
        let steps = (x.floor() + x.trunc() * 0.5 + x.sign() * 0.7) * y * y;
        waves + steps + x.minimum(y).exp() * x.maximum(y).sin() + R::select(x.less(y), x * x, y).exp()
    })(v[0], v[1]), [t(&[4],1), t(&[4],2)];
    fused_function: |v| fused!(|x, w, b| (x * w + b).tanh() * x.sigmoid() + (-(x * x)).exp())(v[0], v[1], v[2]), [t(&[2,3],1), t(&[3],2), t(&[],3)];
}

/// The draws of a training tape are the same for each point of a difference.
#[test]
fn dropouts() {
    let check = check::GradCheck { training: Some(3), ..Default::default() };
    check.run(|v| v[0].dropout(0.4) * v[0], &[t(&[3, 4], 1)]).unwrap_or_else(|e| panic!("{e}"));
    let rate = Tensor::scalar(0.3);
    check
        .run(|v| v[0].concrete_dropout(v[1], 0.5) * v[0], &[t(&[3, 4], 1), rate])
        .unwrap_or_else(|e| panic!("{e}"));
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
