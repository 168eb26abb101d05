//! Products against a plain loop in f64, at every level of vector instructions.
use super::{Mat, Product, gemm};
use crate::kernel::simd::{Level, limit};
use std::sync::Mutex;

/// The level is one for all threads, so that tests that set it, or need it to stay, take turns.
static TURN: Mutex<()> = Mutex::new(());

fn each_level(test: impl Fn(Level)) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for wanted in [Level::Portable, Level::Avx2, Level::Avx512] {
        let level = limit(wanted);
        if level == wanted {
            test(level);
        }
    }
}

/// A type to test with.
trait Real: Product + PartialEq + std::fmt::Debug + Into<f64> {
    const EPSILON: f64;
    fn of(x: f64) -> Self;
    fn bits(self) -> u64;
}
impl Real for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn of(x: f64) -> f32 {
        x as f32
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}
impl Real for f64 {
    const EPSILON: f64 = f64::EPSILON;
    fn of(x: f64) -> f64 {
        x
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// Numbers that look random, between -1 and 1.
struct Numbers(u64);
impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) / 2.0 * n as f64) as usize
    }
    fn vec<T: Real>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| T::of(self.next())).collect()
    }
}

/// How the elements of a matrix lie: by rows, by columns, or by rows with every other element.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Rows,
    Columns,
    Spread,
}
use Layout::*;

impl Layout {
    /// A matrix of new numbers: the slice, just long enough, and its strides.
    fn fill<T: Real>(
        self,
        rows: usize,
        cols: usize,
        numbers: &mut Numbers,
    ) -> (Vec<T>, usize, usize) {
        match self {
            Rows => (numbers.vec(rows * cols), cols, 1),
            Columns => (numbers.vec(rows * cols), 1, rows),
            Spread => (numbers.vec((2 * rows * cols).saturating_sub(1)), 2 * cols, 2),
        }
    }
}

fn check<T: Real>(
    m: usize,
    k: usize,
    n: usize,
    la: Layout,
    lb: Layout,
    accumulate: bool,
    numbers: &mut Numbers,
) {
    let (a, ars, acs) = la.fill::<T>(m, k, numbers);
    let (b, brs, bcs) = lb.fill::<T>(k, n, numbers);
    // Three more elements than the product: they must stay.
    let before: Vec<T> =
        if accumulate { numbers.vec(m * n + 3) } else { vec![T::of(f64::NAN); m * n + 3] };
    let mut c = before.clone();
    gemm(
        m,
        k,
        n,
        Mat { data: &a, rs: ars, cs: acs },
        Mat { data: &b, rs: brs, cs: bcs },
        &mut c,
        accumulate,
    );
    for i in 0..m {
        for j in 0..n {
            let mut sum = if accumulate { before[i * n + j].into() } else { 0.0 };
            let mut size = 1.0;
            for p in 0..k {
                let product = a[i * ars + p * acs].into() * b[p * brs + j * bcs].into();
                sum += product;
                size += product.abs();
            }
            let got: f64 = c[i * n + j].into();
            assert!(
                (got - sum).abs() <= size * T::EPSILON * (4.0 + (k as f64).sqrt()),
                "{m}×{k}×{n} {la:?} {lb:?} {accumulate}: ({i}, {j}) is {got}, not {sum}"
            );
        }
    }
    assert!(c[m * n..].iter().zip(&before[m * n..]).all(|(x, y)| x.bits() == y.bits()));
}

fn check_all<T: Real>(m: usize, k: usize, n: usize, numbers: &mut Numbers) {
    for la in [Rows, Columns, Spread] {
        for lb in [Rows, Columns, Spread] {
            for accumulate in [false, true] {
                check::<T>(m, k, n, la, lb, accumulate, numbers);
            }
        }
    }
}

#[test]
fn small_shapes() {
    each_level(|_| {
        let mut numbers = Numbers(1);
        for _ in 0..100 {
            let [m, k, n] = [(); 3].map(|_| numbers.below(41));
            check_all::<f32>(m, k, n, &mut numbers);
            check_all::<f64>(m, k, n, &mut numbers);
        }
        for (m, k, n) in [
            (0, 3, 4),
            (3, 0, 4),
            (3, 4, 0),
            (0, 0, 0),
            (1, 1, 1),
            (1, 0, 1),
            (1, 40, 300),
            (300, 40, 1),
        ] {
            check_all::<f32>(m, k, n, &mut numbers);
        }
    });
}

#[test]
fn big_shapes() {
    each_level(|_| {
        let mut numbers = Numbers(2);
        // Deeper than a strip, wider than a cache, thin, and big enough for threads.
        for (m, k, n) in [
            (9, 600, 70),
            (70, 520, 300),
            (65, 400, 401),
            (150, 260, 129),
            (3, 1100, 33),
            (1, 2100, 2050),
        ] {
            for (la, lb) in [(Rows, Rows), (Columns, Rows), (Rows, Columns), (Columns, Columns)] {
                check::<f32>(m, k, n, la, lb, n % 2 == 0, &mut numbers);
                check::<f64>(m, k, n, la, lb, n % 2 == 1, &mut numbers);
            }
        }
    });
}

fn same_bits<T: Real>(m: usize, k: usize, n: usize, numbers: &mut Numbers) {
    for (la, lb) in [(Rows, Rows), (Columns, Rows), (Rows, Columns), (Columns, Columns)] {
        let (a, ars, acs) = la.fill::<T>(m, k, numbers);
        let (b, brs, bcs) = lb.fill::<T>(k, n, numbers);
        let before: Vec<T> = numbers.vec(m * n);
        for accumulate in [false, true] {
            let results = [1, 2, 3, 5].map(|threads| {
                let mut c = before.clone();
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let (a, b) =
                        (Mat { data: &a, rs: ars, cs: acs }, Mat { data: &b, rs: brs, cs: bcs });
                    gemm(m, k, n, a, b, &mut c, accumulate)
                });
                c.into_iter().map(T::bits).collect::<Vec<_>>()
            });
            assert!(
                results.iter().all(|r| *r == results[0]),
                "{m}×{k}×{n} {la:?} {lb:?} {accumulate}"
            );
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    each_level(|_| {
        let mut numbers = Numbers(3);
        // Every kernel, cut by rows and by columns, with parts of tiles at the ends of blocks.
        let shapes = [
            (129, 517, 131),
            (1, 2100, 2051),
            (2051, 2100, 1),
            (5, 1300, 1001),
            (1001, 1300, 5),
            (333, 70, 203),
            (2047, 33, 67),
            (63, 700, 97),
            (203, 600, 301),
            (100, 3000, 17),
        ];
        for (m, k, n) in shapes {
            same_bits::<f32>(m, k, n, &mut numbers);
        }
        same_bits::<f64>(131, 259, 133, &mut numbers);
        same_bits::<f64>(7, 900, 701, &mut numbers);
    });
}

#[test]
fn threads_outside_of_a_pool_share_too() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    check::<f32>(210, 210, 230, Rows, Rows, false, &mut Numbers(4));
}

#[test]
fn nan_reaches_the_product() {
    each_level(|level| {
        for (m, k, n) in [(3, 5, 7), (1, 20, 9), (9, 20, 1), (20, 20, 20), (70, 300, 600)] {
            for bad in [f32::NAN, f32::INFINITY] {
                // Zero times it is NaN, which skipping of zeros would lose.
                let (mut a, b) = (vec![0f32; m * k], vec![0f32; k * n]);
                a[(m - 1) * k + k / 2] = bad;
                let mut c = vec![0f32; m * n];
                gemm(
                    m,
                    k,
                    n,
                    Mat { data: &a, rs: k, cs: 1 },
                    Mat { data: &b, rs: n, cs: 1 },
                    &mut c,
                    true,
                );
                let (above, row) = c.split_at((m - 1) * n);
                assert!(above.iter().all(|x| *x == 0.0), "{level:?} {m}×{k}×{n}");
                assert!(row.iter().all(|x| x.is_nan()), "{level:?} {m}×{k}×{n}");

                let (a, mut b) = (vec![0f32; m * k], vec![0f32; k * n]);
                b[k / 2] = bad; // row k / 2 of the first column
                for accumulate in [false, true] {
                    let mut c = vec![0f32; m * n];
                    gemm(
                        m,
                        k,
                        n,
                        Mat { data: &a, rs: k, cs: 1 },
                        Mat { data: &b, rs: 1, cs: k },
                        &mut c,
                        accumulate,
                    );
                    for (at, x) in c.iter().enumerate() {
                        assert_eq!(x.is_nan(), at % n == 0, "{level:?} {m}×{k}×{n} at {at}");
                    }
                }
            }
        }
    });
}

#[test]
fn matrices_beyond_their_slices_panic() {
    let short = |a: usize, b: usize, c: usize, rs: usize| {
        std::panic::catch_unwind(move || {
            let (a, b, mut c) = (vec![1f32; a], vec![1f32; b], vec![0f32; c]);
            gemm(
                3,
                4,
                5,
                Mat { data: &a, rs, cs: 1 },
                Mat { data: &b, rs: 5, cs: 1 },
                &mut c,
                false,
            );
        })
        .is_err()
    };
    assert!(!short(12, 20, 15, 4));
    assert!(short(11, 20, 15, 4) && short(12, 19, 15, 4) && short(12, 20, 14, 4));
    assert!(short(12, 20, 15, 5) && short(12, 20, 15, usize::MAX));
}

#[test]
fn stride_zero_repeats_elements() {
    let (a, b) = ([2f32], [1f32, 2.0, 3.0]);
    let mut c = [0f32; 6];
    gemm(2, 4, 3, Mat { data: &a, rs: 0, cs: 0 }, Mat { data: &b, rs: 0, cs: 1 }, &mut c, false);
    assert_eq!(c, [8.0, 16.0, 24.0, 8.0, 16.0, 24.0]);
}
