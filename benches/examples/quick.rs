//! Minimum and median of each workload, quickly: `cargo run --release -p gradus-benches --example quick [name…]`.
use std::time::Instant;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, make) in gradus_benches::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let mut step = make();
        let begin = Instant::now();
        let mut times = Vec::new();
        while begin.elapsed().as_secs_f64() < 1.0 || times.len() < 10 {
            let start = Instant::now();
            std::hint::black_box(step());
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("{name:12} min {:9.4} ms  median {:9.4} ms", times[0], times[times.len() / 2]);
    }
}
