//! The formulas of every rule, differentiated with respect to all their inputs, moments among them: where there are
//! gradients, and where none has come yet.

use gradus::autograd::check::GradCheck;
use gradus::optim::{Formulas, UpdateRule};
use gradus::prelude::*;
use gradus_tests::each_rule;

/// Of differences: below that of `gradcheck`, since 1 − β₂ᵗ is small and curved.
const STEP: f64 = 2e-4;
/// Of a gradient that is as good as 0: second derivatives change by TINY/ε² from there, which is 1e-9 at ε = 1e-8.
const TINY: f64 = 1e-25;
/// Of a slope at 0 and the mean of those on both sides.
const CONTINUOUS: f64 = 1e-8;
/// Slopes in 32 bits, beside those in 64. 1 − β₂ loses a digit, and the second derivative of the root three powers
/// of it.
const SINGLE: f64 = 1e-4;

/// One step on a tape: parameter, moments, gradient and hyperparameters in, parameter and moments out.
struct OnTape<'a, 't, T: Float>(&'a [Var<'t, T>]);

impl<'t, T: Float> Formulas for OnTape<'_, 't, T> {
    type Out = Vec<Var<'t, T>>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        scalars: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) -> Self::Out {
        let (states, hyper) = self.0.split_at(self.0.len() - H);
        let numbers = scalars.fuse_scalars(std::array::from_fn(|i| hyper[i]));
        let inputs: Vec<_> = states.iter().chain(&numbers).copied().collect();
        update.fuse(std::array::from_fn(|i| inputs[i])).to_vec()
    }
}

/// The inputs of a step.
fn inputs<R: UpdateRule>(rule: &R, p: &[f64], moment: f64, g: &[f64]) -> Vec<Tensor<f64>> {
    let mut rule = rule.clone();
    let mut inputs = vec![Tensor::from(p.to_vec())];
    inputs.extend((0..rule.moments()).map(|_| Tensor::full(&[p.len()], moment)));
    inputs.push(Tensor::from(g.to_vec()));
    inputs.extend(rule.hyper().iter().map(|x| Tensor::scalar(**x)));
    inputs
}

#[test]
fn a_step_has_the_right_derivatives_with_respect_to_all_its_inputs() {
    fn check<R: UpdateRule>(name: &str, rule: R) {
        let settings = GradCheck { step: STEP, ..GradCheck::default() };
        let p = [0.5, -1.2];
        let cases = [
            ("moments and a gradient", 10, inputs(&rule, &p, 0.4, &[0.3, -0.7])),
            ("a gradient of 0", 10, inputs(&rule, &p, 0.4, &[0.0, 0.0])),
            // A difference must not make a sum of squares negative: the gradient is large.
            ("moments of 0", 1, inputs(&rule, &p, 0.0, &[2.3, -1.9])),
        ];
        for (what, step, inputs) in cases {
            let report =
                settings.run(|x| x[0].tape().concat(&rule.formulas(step, OnTape(x)), 0), &inputs);
            report.unwrap_or_else(|why| panic!("{name}, {what}: {why}"));
        }
    }
    each_rule!(check);
}

/// The first derivatives of the new parameter, and all second ones, by input. Inputs have one element.
fn slopes<R: UpdateRule, T: Float>(rule: &R, step: u64, inputs: &[Tensor<f64>]) -> Vec<Vec<f64>> {
    let tape = Tape::<T>::new();
    let leaf = |x: &Tensor<f64>| tape.var(Tensor::from_fn(x.shape(), |_| T::of(x.item())));
    let x: Vec<_> = inputs.iter().map(leaf).collect();
    let numbers = |y: Option<Var<'_, T>>| -> Vec<Option<f64>> {
        let found = y.map_or(vec![None; x.len()], |y| y.sum().try_grad(&x));
        found.into_iter().map(|g| g.map(|g| g.value().item().to_f64())).collect()
    };
    let p = rule.formulas(step, OnTape(&x))[0];
    let first = p.sum().try_grad(&x);
    let rows = std::iter::once(Some(p)).chain(first).map(numbers);
    rows.map(|row| row.into_iter().map(|g| g.unwrap_or(0.0)).collect()).collect()
}

/// Where no gradient has come yet, some rules have a corner. There each derivative is the mean of those of both
/// sides: the first exact, the second without the jump. All are finite, also those with respect to the moments.
#[test]
fn where_no_gradient_has_come_yet_slopes_are_the_mean_of_both_sides() {
    fn check<R: UpdateRule>(name: &str, rule: R) {
        let compared = |input: usize| input == 0 || input > rule.moments();
        // With a parameter of 0, a decay adds nothing to the gradient.
        for (p, step) in [(0.5, 1), (0.0, 1), (0.0, 7)] {
            let at = |g: f64| slopes::<_, f64>(&rule, step, &inputs(&rule, &[p], 0.0, &[g]));
            let [below, here, above] = [-TINY, 0.0, TINY].map(at);
            let finite = here.iter().flatten().all(|x| x.is_finite());
            assert!(finite, "{name}: {here:?}");
            // The first row has the first derivatives, row i + 1 those of the derivative by input i.
            for row in (0..here.len()).filter(|&row| row == 0 || compared(row - 1)) {
                for input in (0..here[row].len()).filter(|&input| compared(input)) {
                    let [a, b, c] = [&below, &here, &above].map(|all| all[row][input]);
                    let scale = a.abs().max(b.abs()).max(c.abs()).max(1.0);
                    assert!(
                        ((a + c) / 2.0 - b).abs() <= CONTINUOUS * scale,
                        "{name}, step {step}, p = {p}, row {row}, input {input}: {a} {b} {c}"
                    );
                }
            }
        }
    }
    each_rule!(check);
}

#[test]
fn in_32_bits_the_slopes_are_those_in_64() {
    fn check<R: UpdateRule>(name: &str, rule: R) {
        for (moment, g) in [(0.4, 0.3), (0.4, 0.0), (0.0, 0.3), (0.0, 0.0)] {
            let inputs = inputs(&rule, &[0.5], moment, &[g]);
            let double = slopes::<_, f64>(&rule, 7, &inputs);
            let single = slopes::<_, f32>(&rule, 7, &inputs);
            for (row, (double, single)) in std::iter::zip(double, single).enumerate() {
                let scale = double.iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
                for (a, b) in std::iter::zip(double, single) {
                    let close = (a - b).abs() <= SINGLE * scale;
                    assert!(close, "{name}, moments {moment}, g = {g}, row {row}: {a} {b}");
                }
            }
        }
    }
    each_rule!(check);
}
