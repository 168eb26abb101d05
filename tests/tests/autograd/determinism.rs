//! The same bits, whatever the number of threads.

use gradus_autograd::{Activation, Conv, Float, Pool, Rng, Tape, Tensor, Var, fused};

const THREADS: [usize; 3] = [1, 2, 3];
/// Well above the sizes from which kernels use a second thread, and no multiple of anything.
const LONG: usize = 700_001;
const ROWS: usize = 1511;
const COLUMNS: usize = 467;

fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.to_vec().into_iter().map(|x| x.to_f64().to_bits()).collect()
}

/// The value and the gradients by both passes of a function of inputs of the given shapes, as bits.
fn results<T: Float>(
    shapes: &[&[usize]],
    f: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
) -> Vec<Vec<u64>> {
    let tape = Tape::<T>::training(11);
    let mut rng = Rng::new(17);
    let x: Vec<Var<T>> =
        shapes.iter().map(|shape| tape.var(Tensor::rand(shape, -1.0, 2.0, &mut rng))).collect();
    let y = f(&x);
    let g: Tensor<T> = Tensor::rand(&y.shape(), -1.0, 1.0, &mut rng);
    let (fast, recorded) = (y.backward_with(g.clone()), y.vjp(&x, tape.constant(g)));
    let mut all = vec![bits(&y.value())];
    for (x, recorded) in x.iter().zip(recorded) {
        all.push(bits(&fast[*x]));
        all.push(bits(&recorded.expect("a gradient").value()));
    }
    all
}

/// Runs on pools of several sizes, and compares.
fn same_bits<T: Float>(
    what: &str,
    shapes: &[&[usize]],
    f: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync,
) {
    let mut first: Option<Vec<Vec<u64>>> = None;
    for threads in THREADS {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let found = pool.install(|| results(shapes, &f));
        match &first {
            None => {
                let finite = |bits: &u64| f64::from_bits(*bits).is_finite();
                assert!(
                    found.iter().flatten().all(finite),
                    "{what}: not finite, so that nothing is compared"
                );
                first = Some(found);
            }
            Some(first) => assert!(*first == found, "{what}: other bits with {threads} threads"),
        }
    }
}

/// The checks of both precisions.
macro_rules! both {
    ($($name:ident: $shapes:expr, $f:expr;)*) => {$(
        #[test]
        fn $name() {
            same_bits::<f32>(stringify!($name), $shapes, $f);
            same_bits::<f64>(stringify!($name), $shapes, $f);
        }
    )*};
}

both! {
    // Rows long enough that each is cut, and few enough that a thread may get a single one.
    few_long_rows: &[&[4, 100_000]], |x| x[0].sum_axes(&[1]).powf(2.0);
    few_long_rows_broadcast: &[&[2, 150_001], &[2, 1]], |x| (x[0] * x[1]).tanh();
    a_long_sum: &[&[LONG]], |v| v[0].sum();
    a_long_mean_of_a_function: &[&[LONG]], |v| v[0].tanh().mean();
    variance: &[&[LONG]], |v| v[0].var(1);
    sums_of_rows: &[&[ROWS, COLUMNS]], |v| v[0].sum_axes(&[1]);
    sums_of_columns: &[&[ROWS, COLUMNS]], |v| v[0].sum_axes(&[0]);
    sums_of_outer_axes: &[&[31, 60, 401]], |v| v[0].sum_axes(&[0, 2]);
    maxima: &[&[ROWS, COLUMNS]], |v| v[0].max_axes(&[0]);
    elementwise: &[&[LONG], &[LONG]], |v| v[0] * v[1].sigmoid() - v[1] / 3.0;
    broadcast_row: &[&[ROWS, COLUMNS], &[COLUMNS]], |v| v[0] * v[1];
    broadcast_column: &[&[ROWS, COLUMNS], &[ROWS, 1]], |v| v[0] * v[1];
    broadcast_number: &[&[ROWS, COLUMNS], &[]], |v| v[0] * v[1];
    broadcast_both: &[&[ROWS, 1], &[COLUMNS]], |v| v[0] * v[1];
    broadcast_fused: &[&[ROWS, COLUMNS], &[ROWS, 1], &[COLUMNS], &[]],
        |v| fused!(|x, a, b, c| (x * a + b).tanh() * c)(v[0], v[1], v[2], v[3]);
    transposed: &[&[COLUMNS, ROWS], &[ROWS, COLUMNS]], |v| v[0].t() * v[1];
    matrices: &[&[301, 257], &[257, 263]], |v| v[0].matmul(v[1]);
    batches_of_matrices: &[&[7, 61, 83], &[83, 59]], |v| v[0].matmul(v[1]);
    dense: &[&[301, 257], &[257, 263], &[263]], |v| v[0].linear(v[1], Some(v[2]), Activation::Tanh);
    softmax: &[&[ROWS, COLUMNS]], |v| v[0].softmax(1);
    batch_norm: &[&[ROWS, COLUMNS], &[COLUMNS], &[COLUMNS]], |v| v[0].batch_norm(v[1], v[2], 1, 1e-3)[0];
    layer_norm: &[&[ROWS, COLUMNS], &[COLUMNS], &[COLUMNS]],
        |v| v[0].layer_norm(&[COLUMNS], Some(v[1]), Some(v[2]), 1e-5);
    convolution: &[&[5, 8, 33, 31], &[11, 8, 3, 3], &[11]],
        |v| v[0].conv2d(v[1], Some(v[2]), Conv::new().padding(1));
    transposed_convolution: &[&[5, 11, 33, 31], &[11, 8, 3, 3]],
        |v| v[0].conv_transpose2d(v[1], None, Conv::new().stride(2));
    largest_of_windows: &[&[7, 11, 53, 47]], |v| v[0].max_pool2d(Pool::new(3).stride(2));
    means_of_windows: &[&[7, 11, 53, 47]], |v| v[0].avg_pool2d(Pool::new(3).stride(2));
    attention: &[&[3, 5, 67, 32], &[3, 5, 71, 32], &[3, 5, 71, 24]],
        |v| v[0].attention(v[1], v[2], None, true, 0.1);
    lstm: &[&[9, 37, 61], &[37, 64], &[37, 64], &[256, 61], &[256, 64], &[256]],
        |v| v[0].lstm([v[1], v[2]], [v[3], v[4]], v[5], false)[0];
    dropout: &[&[LONG]], |v| v[0].dropout(0.3);
    mean_squared_error: &[&[LONG], &[LONG]], |v| v[0].mse(v[1]);
}

/// Of neighbouring seeds, no draw is that of another: two runs would share their masks.
#[test]
fn neighbouring_seeds_share_no_draw() {
    let mut all = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let tape = Tape::<f32>::training(seed);
        assert!((0..100).all(|_| all.insert(tape.draw())), "seed {seed}");
    }
}
