//! The long short-term memory over a whole sequence as one operation: the inputs of all steps go through their weights
//! in one matrix product, and so do the gradients of both weights.

use std::iter::zip;

use smallvec::smallvec;

use super::matmul::{matrix, product};
use crate::element::Float;
use crate::kernel::gemm::Mat;
use crate::kernel::reduce;
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::ops::linear::Activation;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// Results: the outputs y and the cells c, `[steps, batch, units]` each, and the gates after their activations, which
/// the backward pass reads and nobody else sees.
#[derive(Debug)]
struct Lstm {
    reverse: bool,
}

/// The sizes of a call.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    batch: usize,
    inputs: usize,
    units: usize,
}

impl Sizes {
    fn of<T: Float>(x: &Tensor<T>, w_hh: &Tensor<T>) -> Self {
        let [steps, batch, inputs] = [0, 1, 2].map(|axis| x.shape[axis]);
        Sizes { steps, batch, inputs, units: w_hh.shape[1] }
    }
}

/// A row-major matrix.
fn rows<T>(data: &[T], width: usize) -> Mat<'_, T> {
    Mat { data, rs: width, cs: 1 }
}

/// The places of a step and of the one before it in time; `None` before the first.
fn order(steps: usize, reverse: bool) -> impl DoubleEndedIterator<Item = (usize, Option<usize>)> {
    (0..steps).map(move |step| match reverse {
        false => (step, step.checked_sub(1)),
        true => (steps - 1 - step, step.checked_sub(1).map(|before| steps - 1 - before)),
    })
}

/// One block to write, and another to read, of a buffer.
fn apart<T>(data: &mut [T], size: usize, at: usize, before: usize) -> (&mut [T], &[T]) {
    if before < at {
        let (low, high) = data.split_at_mut(at * size);
        (&mut high[..size], &low[before * size..][..size])
    } else {
        let (low, high) = data.split_at_mut(before * size);
        (&mut low[at * size..][..size], &high[..size])
    }
}

/// A step: gates before their activations become those after, c holds the cells before and then those after.
struct Forward<'a, T> {
    units: usize,
    gates: &'a mut [T],
    c: &'a mut [T],
    h: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let units = self.units;
        let states = zip(self.c.chunks_exact_mut(units), self.h.chunks_exact_mut(units));
        for (gates, (c, h)) in zip(self.gates.chunks_exact_mut(4 * units), states) {
            let (input_forget, rest) = gates.split_at_mut(2 * units);
            let (new, output) = rest.split_at_mut(units);
            input_forget.iter_mut().for_each(|z| *z = z.sigmoid::<FMA>());
            new.iter_mut().for_each(|z| *z = z.tanh::<FMA>());
            output.iter_mut().for_each(|z| *z = z.sigmoid::<FMA>());
            let (input, forget) = input_forget.split_at(units);
            for (c, (&f, (&i, &g))) in zip(&mut *c, zip(forget, zip(input, &*new))) {
                *c = f * *c + i * g;
            }
            for (h, (&o, &c)) in zip(h, zip(&*output, &*c)) {
                *h = o * c.tanh::<FMA>();
            }
        }
    }
}

/// A step back: dz, the cotangent of the gates before their activations, from those of h and c; dc becomes that of the
/// cells before.
struct Back<'a, T> {
    units: usize,
    gates: &'a [T],
    before: &'a [T],
    c: &'a [T],
    h: &'a [T],
    dh: &'a [T],
    dc: &'a mut [T],
    dz: &'a mut [T],
}

impl<T: Float> Kernel for Back<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (n, one) = (self.units, T::ONE);
        for (row, dz) in self.dz.chunks_exact_mut(4 * n).enumerate() {
            let [before, c, h, dh] =
                [self.before, self.c, self.h, self.dh].map(|all| &all[row * n..][..n]);
            let dc = &mut self.dc[row * n..][..n];
            let gates = &self.gates[row * 4 * n..][..4 * n];
            let (i, f, g, o) =
                (&gates[..n], &gates[n..2 * n], &gates[2 * n..3 * n], &gates[3 * n..]);
            let (di, rest) = dz.split_at_mut(n);
            let (df, rest) = rest.split_at_mut(n);
            let (dg, d_o) = rest.split_at_mut(n);
            // o·tanh(c) is h, so that the cotangent of o needs no division.
            for (d, (&dh, (&h, &o))) in zip(d_o, zip(dh, zip(h, o))) {
                *d = dh * h * (one - o);
            }
            for (dc, (&dh, (&o, &c))) in zip(&mut *dc, zip(dh, zip(o, c))) {
                let tanh = c.tanh::<FMA>();
                *dc += dh * o * (one - tanh * tanh);
            }
            for (d, (&dc, (&g, &i))) in zip(di, zip(&*dc, zip(g, i))) {
                *d = dc * g * (i * (one - i));
            }
            for (d, (&dc, (&before, &f))) in zip(df, zip(&*dc, zip(before, f))) {
                *d = dc * before * (f * (one - f));
            }
            for (d, (&dc, (&g, &i))) in zip(dg, zip(&*dc, zip(g, i))) {
                *d = dc * i * (one - g * g);
            }
            zip(dc, f).for_each(|(dc, &f)| *dc = *dc * f);
        }
    }
}

impl<T: Float> Op<T> for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T> {
        let &[x, h0, c0, w_ih, w_hh, bias] = inputs else { unreachable!("lstm has six inputs") };
        let Sizes { steps, batch, inputs, units } = Sizes::of(x, w_hh);
        let (wide, size) = (4 * units, batch * units);
        let (x, bias, w_hh) = (x.contiguous(), bias.contiguous(), w_hh.t().contiguous());
        let (h0, c0) = (h0.contiguous(), c0.contiguous());
        let shape = |width| Dims::new(&[steps, batch, width]);
        let mut results = [shape(units), shape(units), shape(wide)].map(Tensor::stale);
        let [y, c, gates] = &mut results;
        let (y, c, gates) = (y.fresh(), c.fresh(), gates.fresh());
        if gates.is_empty() {
            return results.into_iter().collect();
        }
        gates.chunks_exact_mut(wide).for_each(|row| row.copy_from_slice(bias.dense()));
        let all = [steps * batch, inputs, wide];
        T::product(all, rows(x.dense(), inputs), matrix(w_ih).t(), gates, true);
        for (at, before) in order(steps, self.reverse) {
            let gates = &mut gates[at * 4 * size..][..4 * size];
            let (h, c) = match before {
                None => {
                    let c = &mut c[at * size..][..size];
                    c.copy_from_slice(c0.dense());
                    let w = rows(w_hh.dense(), wide);
                    T::product([batch, units, wide], rows(h0.dense(), units), w, gates, true);
                    (&mut y[at * size..][..size], c)
                }
                Some(before) => {
                    let (c, c_before) = apart(c, size, at, before);
                    c.copy_from_slice(c_before);
                    let (h, h_before) = apart(y, size, at, before);
                    let w = rows(w_hh.dense(), wide);
                    T::product([batch, units, wide], rows(h_before, units), w, gates, true);
                    (h, c)
                }
            };
            dispatch(Forward { units, gates, c, h });
        }
        results.into_iter().collect()
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let [x, h0, c0, w_ih, w_hh] = [0, 1, 2, 3, 4].map(|i| cx.input(i).contiguous());
        let Sizes { steps, batch, inputs, units } = Sizes::of(&x, &w_hh);
        let (wide, size, count) = (4 * units, batch * units, steps * batch);
        if size == 0 {
            return false; // nothing to be fast about
        }
        let (y, c, gates) = (cx.output(0).dense(), cx.output(1).dense(), cx.output(2).dense());
        let gy = cx.cotangent(0).into_contiguous();
        let gc = cx.has_cotangent(1).then(|| cx.cotangent(1).into_contiguous());
        let mut dh = Tensor::zeros(&[batch, units]);
        let mut dc = Tensor::zeros(&[batch, units]);
        let mut dz = Tensor::stale(Dims::new(&[count, wide]));
        {
            let (dh, dc, dz) = (dh.make_mut(), dc.make_mut(), dz.fresh());
            for (at, before) in order(steps, self.reverse).rev() {
                let step = at * size..(at + 1) * size;
                zip(&mut *dh, &gy.dense()[step.clone()]).for_each(|(dh, &g)| *dh += g);
                if let Some(gc) = &gc {
                    zip(&mut *dc, &gc.dense()[step.clone()]).for_each(|(dc, &g)| *dc += g);
                }
                let dz = &mut dz[at * 4 * size..][..4 * size];
                dispatch(Back {
                    units,
                    gates: &gates[at * 4 * size..][..4 * size],
                    before: before.map_or(c0.dense(), |before| &c[before * size..][..size]),
                    c: &c[step.clone()],
                    h: &y[step],
                    dh,
                    dc,
                    dz,
                });
                T::product([batch, wide, units], rows(dz, wide), matrix(&w_hh), dh, false);
            }
        }
        if cx.needs(0) {
            let x = product([count, wide, inputs], matrix(&dz), matrix(&w_ih));
            cx.give(0, x.reshape(&[steps, batch, inputs]));
        }
        if cx.needs(3) {
            let x = rows(x.dense(), inputs);
            cx.give(3, product([wide, count, inputs], matrix(&dz).t(), x));
        }
        if cx.needs(4) {
            // All steps but the first follow one: their outputs before stand in one piece.
            let (first, later, earlier) = match self.reverse {
                false => (0, batch..count, 0..(steps - 1) * size),
                true => (steps - 1, 0..count - batch, size..steps * size),
            };
            let dz = dz.dense();
            let mut w = product(
                [wide, batch, units],
                rows(&dz[first * 4 * size..], wide).t(),
                rows(h0.dense(), units),
            );
            if steps > 1 {
                let (later, n) = (rows(&dz[later.start * wide..], wide).t(), later.len());
                let shape = [wide, n, units];
                T::product(shape, later, rows(&y[earlier], units), w.make_mut(), true);
            }
            cx.give(4, w);
        }
        if cx.needs(5) {
            let sum = |b: &mut [T]| reduce::sum(dz.dense(), count, wide, b);
            cx.give(5, Tensor::build(Dims::new(&[wide]), sum));
        }
        cx.give(1, dh);
        cx.give(2, dc);
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|inputs| {
            let &[x, mut h, mut c, w_ih, w_hh, bias] = inputs else {
                unreachable!("lstm has six inputs")
            };
            let (steps, batch) = (x.shape()[0], x.shape()[1]);
            let z = x.linear(w_ih.t(), Some(bias), Activation::Identity);
            let (wide, w_hh) = (bias.shape()[0], w_hh.t());
            let mut states = vec![(h, c); steps];
            for (at, _) in order(steps, self.reverse) {
                let z = z.slice(0, at..at + 1).reshape(&[batch, wide]) + h.matmul(w_hh);
                let z = z.split(&[wide / 4; 4], 1);
                c = z[1].sigmoid() * c + z[0].sigmoid() * z[2].tanh();
                h = z[3].sigmoid() * c.tanh();
                states[at] = (h, c);
            }
            let (y, c): (Vec<_>, Vec<_>) = states.into_iter().unzip();
            smallvec![x.tape().stack(&y, 0), x.tape().stack(&c, 0)]
        })
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000) over a
    /// sequence x `[steps, batch, inputs]`, from the state h0 and c0, `[batch, units]` each:
    ///
    /// i, f, g, o = σ, σ, tanh, σ of the four blocks of x·w_ihᵀ + h·w_hhᵀ + bias; c′ = f·c + i·g; h′ = o·tanh(c′).
    ///
    /// w_ih is `[4·units, inputs]`, w_hh `[4·units, units]`, bias `[4·units]`: PyTorch's layout and order; its two biases
    /// are only ever added. Returns h and c after each step, `[steps, batch, units]` each, at the place of the step
    /// also if `reverse` takes the last step first.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let of = |shape: &[usize], x| tape.var(Tensor::full(shape, x));
    /// let state = [of(&[1, 1], 0.0), of(&[1, 1], 1.0)];
    /// let [h, c] = of(&[2, 1, 3], 0.5).lstm(state, [of(&[4, 3], 0.0), of(&[4, 1], 0.0)], of(&[4], 0.0), false);
    /// // All gates are half open, and nothing new comes in.
    /// assert_eq!(c.value().to_vec(), [0.5, 0.25]);
    /// assert!((h.value().at(&[1, 0, 0]) - 0.5 * 0.25_f64.tanh()).abs() < 1e-15);
    /// ```
    ///
    /// # Panics
    /// When the shapes do not fit, or there is no step.
    #[track_caller]
    pub fn lstm(
        self,
        [h0, c0]: [Var<'t, T>; 2],
        [w_ih, w_hh]: [Var<'t, T>; 2],
        bias: Var<'t, T>,
        reverse: bool,
    ) -> [Var<'t, T>; 2] {
        let (x, w) = (self.shape(), w_hh.shape());
        let [steps, batch, inputs] = x[..] else {
            panic!("lstm: input {x:?} is not [steps, batch, inputs]")
        };
        assert!(steps > 0, "lstm: input {x:?} [steps, batch, inputs] has no step");
        let [wide, units] = w[..] else { panic!("lstm: w_hh {w:?} is not [4·units, units]") };
        assert!(wide == 4 * units, "lstm: w_hh {w:?} is not [4·units, units]");
        let expected: [(&str, Var<'t, T>, &[usize]); 4] = [
            ("w_ih", w_ih, &[wide, inputs]),
            ("bias", bias, &[wide]),
            ("h0", h0, &[batch, units]),
            ("c0", c0, &[batch, units]),
        ];
        for (role, var, expected) in expected {
            let shape = var.shape();
            assert!(
                *shape == *expected,
                "lstm: {role} {shape:?} does not fit input {x:?} [steps, batch, inputs] and w_hh {w:?}: expected {expected:?}"
            );
        }
        Dims::of("lstm", &[steps, batch, wide]).counted("lstm");
        let all = self.tape().apply_all(Lstm { reverse }, &[self, h0, c0, w_ih, w_hh, bias]);
        [all[0], all[1]]
    }
}
