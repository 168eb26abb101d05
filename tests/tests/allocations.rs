//! A warm training step asks the system for no memory.
#![allow(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; it only counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus::prelude::*;

/// Steps until every buffer has been made.
const WARM: usize = 5;
/// Steps that are counted.
const COUNTED: usize = 3;

/// Calls in counted threads.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// Where the first of them were.
static PLACES: Mutex<Vec<Backtrace>> = Mutex::new(Vec::new());
/// How many places are noted.
const PLACED: usize = 100;

thread_local! {
    /// Whether the calls of this thread are counted. The step runs in one thread; the test harness has others.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

struct Counter;

fn count() {
    let counting = COUNTING.try_with(|counting| counting.replace(false)).unwrap_or(false);
    if !counting {
        return;
    }
    if CALLS.fetch_add(1, Ordering::Relaxed) < PLACED {
        // Allocates, uncounted.
        PLACES.lock().expect("a lock").push(Backtrace::force_capture());
    }
    COUNTING.with(|counting| counting.set(true));
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(old, layout, size) }
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

/// Calls of the allocator in `f`, on this thread.
fn calls(f: impl FnOnce()) -> usize {
    CALLS.store(0, Ordering::Relaxed);
    PLACES.lock().expect("a lock").clear();
    COUNTING.with(|counting| counting.set(true));
    f();
    COUNTING.with(|counting| counting.set(false));
    CALLS.load(Ordering::Relaxed)
}

/// One after the other: the counter is shared.
static ONE: Mutex<()> = Mutex::new(());

/// Runs a step with one thread until it is warm, then counts.
fn assert_allocates<S: FnMut() -> f32>(a_step: usize, make: impl FnOnce() -> S + Send) {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let (count, places) = pool.install(|| {
        let mut step = make();
        assert!(
            calls(|| assert!(step().is_finite())) > 0,
            "the first step allocates: the counter works"
        );
        (1..WARM).for_each(|_| assert!(step().is_finite()));
        let count = calls(|| (0..COUNTED).for_each(|_| assert!(step().is_finite())));
        (count, std::mem::take(&mut *PLACES.lock().expect("a lock")))
    });
    let places: BTreeSet<String> = places.iter().map(|trace| place(&trace.to_string())).collect();
    let places: Vec<String> = places.into_iter().collect();
    assert_eq!(
        count,
        a_step * COUNTED,
        "calls of the allocator in {COUNTED} warm steps; from:\n{}",
        places.join("\n")
    );
}

/// The lines of the library on a trace, the innermost first.
fn place(trace: &str) -> String {
    let lines = trace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let own = lines.filter(|line| {
        ["autograd/src", "nn/src", "optim/src"].iter().any(|room| line.contains(room))
    });
    let file = |line: &str| {
        line.rsplit('/').take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/")
    };
    own.take(3).map(file).collect::<Vec<_>>().join(" < ")
}

/// 784-512-256-10, ReLU, cross-entropy, batch 128, Adam: the workload `mlp` of the benches.
#[test]
fn a_step_of_a_classifier() {
    assert_allocates(0, || {
        let model = Sequential::new()
            .add(Dense::new(512).activation(Relu))
            .add(Dense::new(256).activation(Relu));
        let mut model = model.add(Dense::new(10)).build(&[784], 1).expect("a model");
        let mut rng = Rng::new(1);
        let x = Tensor::randn(&[128, 784], &mut rng);
        let y = Tensor::from((0..128).map(|_| rng.below(10) as i64).collect::<Vec<_>>());
        let mut adam = Adam::new(1e-3);
        move || {
            let tape = Tape::training(0);
            let loss = model.forward(tape.constant(x.clone())).cross_entropy(&y);
            adam.step(&mut model, &loss.backward());
            loss.item()
        }
    });
}

/// Batch norm, dropout, penalties and binary cross-entropy: the layers of the reference model.
#[test]
fn a_step_of_the_reference_model() {
    // The list of the three results of batch norm is the one thing that does not stand in place.
    assert_allocates(1, || {
        let dense =
            |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
        let model =
            Sequential::new().add(dense(50)).add(BatchNorm::new()).add(Relu).add(Dropout::new(0.5));
        let mut model = model.add(dense(1)).build(&[30], 1).expect("a model");
        let mut rng = Rng::new(1);
        let x = Tensor::randn(&[128, 30], &mut rng);
        let y = Tensor::randn(&[128, 1], &mut rng).map(|x: f32| f32::from(u8::from(x > 0.0)));
        let (mut adam, mut step) = (Adam::new(1e-3), 0);
        move || {
            step += 1;
            let tape = Tape::training(step);
            let logits = model.forward(tape.constant(x.clone()));
            let loss = logits.bce_with_logits(tape.constant(y.clone()))
                + penalty(&model, &tape).expect("penalties");
            adam.step(&mut model, &loss.backward());
            loss.item()
        }
    });
}
