//! Matrix products against `matrixmultiply`, one thread: `cargo bench -p gradus-benches --bench products`.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gradus_autograd::{Tape, Tensor};

fn products(criterion: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("products");
    for (m, k, n) in [(4, 2, 16), (1, 784, 512), (32, 784, 128), (128, 784, 512), (512, 2048, 2048)]
    {
        let size = format!("{m}x{k}x{n}");
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        let (a, b) = (vec![0.5_f32; m * k], vec![0.25_f32; k * n]);
        group.bench_function(BenchmarkId::new("gradus", &size), |bencher| {
            let (a, b) = (Tensor::new(&[m, k], a.clone()), Tensor::new(&[k, n], b.clone()));
            let products = |count| {
                let start = Instant::now();
                for _ in 0..count {
                    let tape = Tape::inference();
                    black_box(tape.constant(a.clone()).matmul(tape.constant(b.clone())).value());
                }
                start.elapsed()
            };
            bencher.iter_custom(|count| one.install(|| products(count)));
        });
        group.bench_function(BenchmarkId::new("matrixmultiply", &size), |bencher| {
            let mut c = vec![0.0_f32; m * n];
            bencher.iter(|| {
                // SAFETY: the slices have m·k, k·n and m·n elements, row-major.
                unsafe {
                    matrixmultiply::sgemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.as_ptr(),
                        k as isize,
                        1,
                        b.as_ptr(),
                        n as isize,
                        1,
                        0.0,
                        c.as_mut_ptr(),
                        n as isize,
                        1,
                    );
                }
                c[0]
            });
        });
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
