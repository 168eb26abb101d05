//! Each workload with one thread and with two: `cargo bench -p gradus-benches --bench workloads`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

fn workloads(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap_or_else(|error| panic!("{error}"));
        let mut group = criterion.benchmark_group(format!("threads_{threads}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(20);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
        for (name, make) in gradus_benches::ALL {
            let mut step = make();
            let mut steps = |count| {
                let start = Instant::now();
                (0..count).for_each(|_| {
                    black_box(step());
                });
                start.elapsed()
            };
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|count| pool.install(|| steps(count)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
