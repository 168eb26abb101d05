//! The table of the workloads, minimum and median of a step, one thread and two:
//! `cargo run --release -p gradus-benches --example table [workload…]`.

use std::time::Instant;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!("{:12} {:>22} {:>22}", "ms a step", "1 thread: min  median", "2 threads: min  median");
    for (name, make) in gradus_benches::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        print!("{name:12}");
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.unwrap_or_else(|error| panic!("{error}"));
            let (min, median) = pool.install(|| measure(make()));
            print!("   {min:9.4} {median:9.4}");
        }
        println!();
    }
}

/// Milliseconds of a step, over a second and at least ten steps.
fn measure(mut step: gradus_benches::Workload) -> (f64, f64) {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed().as_secs_f64() < 1.0 || times.len() < 10 {
        let start = Instant::now();
        std::hint::black_box(step());
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}
