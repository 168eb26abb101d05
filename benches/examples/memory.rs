//! The peak memory of a hypergradient as the run grows, for the three ways; draws docs/memory-over-steps.svg:
//! `cargo run --release -p gradus-benches --example memory`.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use gradus_optim::Unroll;
use gradus_train::Chart;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/memory-over-steps.svg");
const STEPS: [usize; 5] = [10, 30, 100, 300, 1000];

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the allocator of the system, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The peak of one hypergradient in megabytes, on a thread of its own: buffers are pooled by thread, and those of
/// another run must not count.
fn peak(unroll: Unroll) -> f64 {
    let run = move || {
        let mut workload = gradus_benches::unrolled(unroll);
        let before = NOW.load(Relaxed);
        PEAK.store(before, Relaxed);
        workload();
        (PEAK.load(Relaxed) - before) as f64 / 1e6
    };
    std::thread::spawn(run).join().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn Error>> {
    type Way = (&'static str, fn(usize) -> Unroll);
    let ways: [Way; 3] = [
        ("reverse", Unroll::steps),
        ("reverse with checkpoints", |k| Unroll::steps(k).checkpointed()),
        ("forward, two hyperparameters", |k| Unroll::steps(k).forward()),
    ];
    let mut chart = Chart::new("Peak memory of a hypergradient")
        .x("steps of the run, K")
        .y("megabytes")
        .log_x()
        .log_y();
    println!("{:30}{}", "MB at K =", STEPS.map(|k| format!("{k:8}")).concat());
    for (name, way) in ways {
        let points = STEPS.map(|k| (k as f64, peak(way(k))));
        println!("{name:30}{}", points.map(|(_, mb)| format!("{mb:8.2}")).concat());
        chart = chart.line(name, points);
    }
    chart.save(CHART)?;
    Ok(())
}
