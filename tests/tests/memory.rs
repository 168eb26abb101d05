//! How much memory a derivative takes: what checkpoints give back, and what a longer run costs.
#![allow(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; it only counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use gradus::optim::{Positive, Unroll, hypergradient};
use gradus::prelude::*;

thread_local! {
    /// Bytes that this thread holds, and the most it has held. Other threads have their own: tests do not disturb
    /// each other.
    static HELD: Cell<[isize; 2]> = const { Cell::new([0, 0]) };
}

fn count(bytes: isize) {
    // Fails when the thread is on its way out.
    let _ = HELD.try_with(|held| {
        let [now, most] = held.get();
        held.set([now + bytes, most.max(now + bytes)]);
    });
}

struct Counter;

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

/// The most bytes that `f` holds at once, on a thread of its own: buffers are pooled by thread, and those of another
/// measurement must not count. Work is not shared with other threads.
fn peak<R>(f: impl FnOnce() -> R + Send) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    pool.install(|| {
        let [before, _] = HELD.get();
        HELD.set([before, before]);
        f();
        (HELD.get()[1] - before) as f64
    })
}

#[test]
fn the_counter_counts() {
    let hold = |bytes: usize| black_box(vec![0_u8; bytes]);
    assert_eq!(peak(|| drop((hold(1000), hold(234)))), 1234.0);
    assert_eq!(peak(|| [500, 1000].map(|bytes| drop(hold(bytes)))), 1000.0);
}

/// Of a value, a whole class of the pool: beside its buffer, the list of the tape is small.
const ELEMENTS: usize = 1 << 14;
/// Checkpoints in a row.
const BLOCKS: usize = 12;
/// Values within each.
const WITHIN: usize = 16;
/// Cotangents that a pass holds at once, and the list of the tape, in buffers.
const BESIDE: f64 = 6.0;

/// How many buffers a chain of blocks takes, and `pass` after it.
fn buffers(
    checkpointed: bool,
    pass: impl for<'t> Fn(Var<'t>, &[Var<'t>]) + Send + Sync + 'static,
) -> f64 {
    let bytes = peak(move || {
        let tape = Tape::new();
        let weights: [Param; BLOCKS] = std::array::from_fn(|_| Param::new(Tensor::scalar(0.9)));
        let mut y = tape.constant(Tensor::full(&[ELEMENTS], 0.5));
        for weight in &weights {
            let block = |x| (1..WITHIN).fold(x * tape.param(weight), |h: Var<'_>, _| h.tanh());
            y = if checkpointed { y.checkpoint(block) } else { block(y) };
        }
        let weights: Vec<_> = weights.iter().map(|weight| tape.param(weight)).collect();
        pass(y.sum(), &weights);
    });
    bytes / (ELEMENTS * size_of::<f32>()) as f64
}

/// Without checkpoints, every value is kept. With them, the results of all blocks and what is within one.
#[test]
fn a_checkpoint_gives_back_what_is_within() {
    let all = buffers(false, |_, _| ());
    assert!(all >= (BLOCKS * WITHIN) as f64, "{all}");
    let some = buffers(true, |_, _| ());
    assert!(some <= (BLOCKS + WITHIN) as f64 + BESIDE, "{some} buffers, without checkpoints {all}");
}

/// So does a pass, which works out the values of one block after the other: also when it is repeated, and when it
/// ends within the first block.
#[test]
fn the_reverse_pass_gives_back_what_it_has_left() {
    let most = (BLOCKS + WITHIN) as f64 + BESIDE;
    let fast = buffers(true, |loss, _| (0..3).for_each(|_| drop(loss.backward())));
    assert!(fast <= most, "backward: {fast} buffers");
    let pulled = buffers(true, |loss, weights| {
        let one = Tensor::ones(&[]);
        (0..3).for_each(|_| drop(loss.tape().pull(&[(loss, one.clone())], weights)));
    });
    assert!(pulled <= most, "pull: {pulled} buffers");
}

/// Steps of a run.
const SHORT: usize = 20;
const LONG: usize = 200;

fn loss<'t>(model: &[Dense; 2], tape: &'t Tape, x: &Tensor) -> Var<'t> {
    let y = model.iter().fold(tape.constant(x.clone()), |h, layer| layer.forward(h));
    y.powf(2.0).mean()
}

/// The most bytes that a hypergradient holds at once.
fn of_a_run(unroll: Unroll) -> f64 {
    peak(move || {
        let model = [Dense::new(30).inputs(20).activation(Tanh), Dense::new(1).inputs(30)];
        let model = model.map(|layer| layer.init(1));
        let hyper = [Positive::new(1e-2), Positive::new(1e-2)];
        let x = Tensor::<f32>::randn(&[64, 20], &mut Rng::new(1));
        let adam = AdamW::new(0.0);
        let found = hypergradient(
            &hyper,
            &model,
            unroll,
            |tape, _| {
                let [lr, decay] = hyper.each_ref().map(|h| h.var(tape));
                adam.unrolled(tape).with(|h| &mut h.lr, lr).with(|h| &mut h.weight_decay, decay)
            },
            |tape, _| loss(&model, tape, &x),
            |tape| loss(&model, tape, &x),
        );
        assert!(found.expect("a hypergradient").loss.is_finite());
    })
}

/// Forward, a run of any length takes the same, but for the list of its losses.
#[test]
fn forward_memory_does_not_grow_with_the_steps() {
    let [short, long] = [SHORT, LONG].map(|steps| of_a_run(Unroll::steps(steps).forward()));
    assert!(long <= 1.01 * short, "{short} bytes for {SHORT} steps, {long} for {LONG}");
}

/// In reverse, memory grows with K: from 20 to 200 steps by 180. With checkpoints it grows with √K: from 5 to 15.
#[test]
fn checkpointed_memory_grows_by_far_less_than_that_of_the_reverse_way() {
    let growth = |way: fn(usize) -> Unroll| of_a_run(way(LONG)) - of_a_run(way(SHORT));
    let reverse = growth(Unroll::steps);
    assert!(reverse > 8.0 * of_a_run(Unroll::steps(SHORT)), "{reverse}");
    let checkpointed = growth(|steps| Unroll::steps(steps).checkpointed());
    assert!(checkpointed < 0.1 * reverse, "growth of {checkpointed} bytes, and of {reverse}");
}
