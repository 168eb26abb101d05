//! A run that is differentiated is an ordinary training run: the same losses, draws and running statistics.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gradus::optim::{Positive, Unroll, hypergradient};
use gradus::prelude::*;

use super::{WAYS, close};

/// Losses in 64 bits: the passes that find a gradient differ in the order of their sums.
const DOUBLE: f64 = 1e-12;
/// Losses in 32 bits after [`STEPS`] steps, for the same reason.
const SINGLE: f64 = 1e-5;
const STEPS: usize = 7;
/// Draws of a step that are looked at.
const DRAWS: usize = 4;

/// The seeds of the steps of a run, as they come to light.
#[derive(Default)]
struct Seeds(RefCell<BTreeMap<usize, u64>>);

impl Seeds {
    /// Notes the first draw of step `k` and makes it the seed of the tape. How `hypergradient` seeds a step is its
    /// own business; from here on the step draws as one on `Tape::training` with the noted seed.
    fn note<T: Float>(&self, tape: &Tape<T>, k: usize) {
        let seed = tape.draw();
        let known = *self.0.borrow_mut().entry(k).or_insert(seed);
        assert_eq!(known, seed, "step {k} draws the same, as often as it is run and in any way");
        tape.reseed(seed);
    }

    /// A tape whose draws are those of step `k`.
    fn tape<T: Float>(&self, k: usize) -> Tape<T> {
        Tape::training(self.0.borrow()[&k])
    }
}

/// Samples of three numbers, and whether the first two have the same sign.
fn samples<T: Float>(rows: usize, seed: u64) -> [Tensor<T>; 2] {
    let x = Tensor::<T>::randn(&[rows, 3], &mut Rng::new(seed));
    let label = |row: &[T]| T::of(f64::from(u8::from((row[0] * row[1]).to_f64() > 0.0)));
    let y: Vec<T> = x.to_vec().chunks(3).map(label).collect();
    [x, Tensor::from(y).reshape(&[rows, 1])]
}

/// Cross-entropy and penalties.
fn loss<'t, T: Float>(
    model: &Sequential<T>,
    tape: &'t Tape<T>,
    [x, y]: &[Tensor<T>; 2],
) -> Var<'t, T> {
    let logits = model.forward(tape.constant(x.clone()));
    let loss = logits.bce_with_logits(tape.constant(y.clone()));
    loss + penalty(model, tape).expect("penalties")
}

/// Trains with everything that can be in a run: batch norm, dropout, penalties, a schedule, clipping, a group.
fn trains_as_in_place<T: Float>(has_bias: bool, tolerance: f64) {
    let dense = Dense::new(6).kernel_regularizer(L2(0.01));
    let dense = if has_bias { dense } else { dense.no_bias() };
    let mut model = Sequential::<T>::new()
        .add(dense)
        .add(BatchNorm::new().momentum(0.8))
        .add(Tanh)
        .add(Dropout::new(0.3))
        .add(Dense::new(1).kernel_regularizer(L1(0.003)).bias_regularizer(L2(0.01)))
        .build(&[3], 3)
        .expect("a model");
    let [train, validation] = [(16, 1), (12, 2)].map(|(rows, seed)| samples(rows, seed));
    let (lr, factor) = (Positive::<T>::new(0.03), |k: usize| 0.9_f64.powf(k as f64));
    // The bias before batch norm has a gradient of nothing but rounding, which the usual ε scales up.
    let mut adam = AdamW::new(lr.value())
        .epsilon(if has_bias { 1e-3 } else { 1e-8 })
        .clip(Clip::GlobalNorm(0.2))
        .group(|path| path.ends_with("bias"), |h| h.weight_decay = 0.0);

    let seeds = Seeds::default();
    let found = WAYS.map(|way| {
        let found = hypergradient(
            &lr,
            &model,
            way(STEPS),
            |tape, k| adam.unrolled(tape).with(|h| &mut h.lr, lr.var(tape) * factor(k)),
            |tape, k| {
                seeds.note(tape, k);
                loss(&model, tape, &train)
            },
            |tape| loss(&model, tape, &validation),
        );
        (way(STEPS), found.expect("a hypergradient"))
    });

    let mut train_losses = Vec::new();
    for k in 0..STEPS {
        let tape = seeds.tape::<T>(k);
        let loss = loss(&model, &tape, &train);
        train_losses.push(loss.item());
        adam.set_lr(lr.value() * factor(k));
        adam.step(&mut model, &loss.backward());
    }
    let last = loss(&model, &Tape::new(), &validation).item();

    for (way, found) in found {
        let pairs = std::iter::zip(found.train_losses, &train_losses);
        for (number, (a, &b)) in pairs.chain([(found.loss, &last)]).enumerate() {
            let (a, b) = (a.to_f64(), b.to_f64());
            assert!((a - b).abs() <= tolerance * b.abs(), "{way:?}, loss {number}: {a} and {b}");
        }
    }
}

#[test]
fn a_run_has_the_losses_of_training_in_place() {
    trains_as_in_place::<f64>(true, DOUBLE);
    trains_as_in_place::<f64>(false, DOUBLE);
    trains_as_in_place::<f32>(false, SINGLE);
}

/// Runs `step` in every step of a run on a single weight.
fn each_step(unroll: Unroll, step: impl Fn(&Tape<f64>, usize)) {
    let (lr, w) = (Positive::new(0.1), Param::new(Tensor::scalar(1.0)));
    let sgd = Sgd::new(0.0);
    let found = hypergradient(
        &lr,
        &w,
        unroll,
        |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
        |tape, k| {
            step(tape, k);
            tape.param(&w).powf(2.0)
        },
        |tape| tape.param(&w),
    );
    found.expect("a hypergradient");
}

/// The first keys that steps draw in a run, by step.
fn keys(unroll: Unroll) -> BTreeMap<usize, [u64; DRAWS]> {
    let all = RefCell::new(BTreeMap::new());
    each_step(unroll, |tape, k| {
        let drawn = std::array::from_fn(|_| tape.draw());
        let known = all.borrow_mut().insert(k, drawn);
        assert!(known.is_none_or(|known| known == drawn), "step {k} draws the same again");
    });
    all.into_inner()
}

/// Dropout has another mask in every step, and with every seed: also with a neighbouring one.
#[test]
fn no_two_steps_draw_the_same() {
    let mut seen = BTreeSet::new();
    for seed in 0..5 {
        for (step, keys) in keys(Unroll::steps(STEPS).seed(seed)) {
            assert!(keys.iter().all(|key| seen.insert(*key)), "seed {seed}, step {step}");
        }
    }
    assert_eq!(seen.len(), 5 * STEPS * DRAWS);
}

#[test]
fn what_a_step_draws_depends_on_seed_and_step_alone() {
    let all = keys(Unroll::steps(STEPS).seed(3));
    for way in WAYS {
        for unroll in [way(STEPS).seed(3), way(STEPS).seed(3).last(2)] {
            assert_eq!(keys(unroll), all, "{unroll:?}");
        }
    }
    let longer = keys(Unroll::steps(2 * STEPS).seed(3));
    assert!(all.iter().all(|(step, keys)| longer[step] == *keys), "in a longer run, too");
}

/// The states kept are those of every √K-th step; the steps between run a second time, and no more often.
#[test]
fn checkpointed_runs_take_each_step_at_most_twice() {
    let steps = RefCell::new(Vec::new());
    each_step(Unroll::steps(9).checkpointed(), |_, k| steps.borrow_mut().push(k));
    assert_eq!(steps.into_inner(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5, 0, 1, 2]);
}

/// Running statistics take effect with the step, as in place: two of them, so that the second starts from the first.
#[test]
fn a_step_on_a_tape_applies_running_statistics() {
    let mut norm = BatchNorm::<f64>::new().channels(2).momentum(0.5);
    let batches = [[[1.0, -2.0], [3.0, 5.0]], [[0.5, 7.0], [4.0, 1.0]]].map(Tensor::from);
    let sgd = Sgd::new(0.1);
    let tape = Tape::training(0);
    let mut unrolled = sgd.unrolled(&tape);
    for x in &batches {
        unrolled.step(&norm, norm.forward(tape.constant(x.clone())).powf(3.0).sum());
    }
    let statistics = ["running_mean", "running_var"];
    let on = |name: &str| tape.param(norm.param(name).expect("a statistic")).value().to_vec();
    let taped = statistics.map(on);
    // In evaluation they are what counts.
    let x = Tensor::from([[1.0, 1.0]]);
    let evaluated = tape.evaluation(|| norm.forward(tape.constant(x.clone())).value().to_vec());

    let mut in_place = sgd.clone();
    for x in &batches {
        let tape = Tape::training(0);
        let loss = norm.forward(tape.constant(x.clone())).powf(3.0).sum();
        in_place.step(&mut norm, &loss.backward());
    }
    let of = |name: &str| norm.param(name).expect("a statistic").value().to_vec();
    assert_eq!(taped, statistics.map(of));
    let tape = Tape::new();
    let expected = norm.forward(tape.constant(x)).value().to_vec();
    for (a, b) in std::iter::zip(evaluated, expected) {
        close(a, b, DOUBLE, "evaluated");
    }
}

#[test]
fn evaluation_is_over_when_it_is_over() {
    let x = Tensor::<f64>::ones(&[64]);
    let tape = Tape::training(1);
    let drops = || tape.constant(x.clone()).dropout(0.5).value() != x;
    assert!(tape.is_training() && drops());
    tape.evaluation(|| {
        assert!(!tape.is_training() && !drops());
        tape.evaluation(|| assert!(!tape.is_training()));
        assert!(!tape.is_training(), "within another evaluation");
    });
    assert!(tape.is_training() && drops(), "training goes on");
    let panic = || tape.evaluation(|| std::panic::resume_unwind(Box::new(())));
    catch_unwind(AssertUnwindSafe(panic)).expect_err("a panic");
    assert!(tape.is_training(), "after a panic, too");
    let tape = Tape::<f64>::new();
    tape.evaluation(|| ());
    assert!(!tape.is_training(), "a tape in evaluation mode stays so");
}
