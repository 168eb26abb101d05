//! Dropout: zeros at random, the rest scaled up.

use crate::element::Float;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::ops::fuse::Fuse;
use crate::rule::rules;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// y = x·mask, mask ∈ {0, 1/(1 − rate)}: a function of `key` and the element's number alone, so that
/// it is the same forward, backward and on recomputation, and is never stored.
#[derive(Debug)]
struct Dropout {
    rate: f32,
    key: u64,
}

impl Dropout {
    fn mask<T: Float>(&self, shape: Dims) -> Tensor<T> {
        // At rate 1 nothing is kept, and there is nothing to scale.
        let scale = if self.rate < 1.0 { 1.0 / (1.0 - f64::from(self.rate)) } else { 0.0 };
        let (scale, limit) = (T::of(scale), (f64::from(self.rate) * 4_294_967_296.0) as u64);
        let (low, high) = (self.key as u32, (self.key >> 32) as u32);
        Tensor::build(shape, |mask| {
            for (count, m) in mask.iter_mut().enumerate() {
                *m =
                    if u64::from(bits(count as u32, low, high)) >= limit { scale } else { T::ZERO };
            }
        })
    }
}

/// 32 random bits for a count and a key: two rounds of a bijective 32-bit finaliser (constants of
/// C. Wellons' "lowbias32", bias below 0.2 bits), keyed before each.
#[inline(always)]
fn bits(count: u32, low: u32, high: u32) -> u32 {
    let mix = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    };
    mix(mix(count ^ low).wrapping_add(high))
}

rules! {
    /// x·(1 − z)/(1 − rate), z = σ((logit(rate) + noise)/temperature).
    ConcreteDropout "concrete_dropout" [temperature: f64] (x, rate, noise) by number, = {
        let logit = (rate / (1.0 - rate)).ln();
        x * (-(logit + noise) / R::lit(temperature)).sigmoid() / (1.0 - rate)
    };
}

impl<T: Float> Op<T> for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [times(x[0], &self.mask(x[0].shape))].into()
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let g = cx.cotangent(0);
        cx.give(0, times(&g, &self.mask(g.shape)));
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let Dropout { rate, key } = *self;
        cx.wrt([&|| cx.cotangent().tape().apply(Dropout { rate, key }, &[cx.cotangent()])])
    }
}

/// x·mask, where a mask of 0 gives 0 also for infinity and NaN.
fn times<T: Float>(x: &Tensor<T>, mask: &Tensor<T>) -> Tensor<T> {
    let x = x.contiguous();
    Tensor::build(x.shape, |out| {
        for (y, (&x, &m)) in std::iter::zip(out, std::iter::zip(x.dense(), mask.dense())) {
            *y = if m == T::ZERO { T::ZERO } else { x * m };
        }
    })
}

impl<'t, T: Float> Var<'t, T> {
    /// In training, each element is 0 with probability `rate`, else scaled by 1/(1 − rate); on a tape
    /// in evaluation mode, x itself. The mask follows from the seed of the tape.
    ///
    /// # Panics
    /// When the rate is not within 0 to 1.
    #[track_caller]
    pub fn dropout(self, rate: f32) -> Var<'t, T> {
        assert!((0.0..=1.0).contains(&rate), "dropout: rate {rate} is not within 0 to 1");
        if !self.tape().is_training() || rate == 0.0 {
            return self;
        }
        let key = self.tape().draw();
        self.tape().apply(Dropout { rate, key }, &[self])
    }

    /// Dropout with a rate that can be learned: each element is scaled by (1 − z)/(1 − rate), where z is close
    /// to 1 with probability `rate` and else close to 0, a smooth function of the rate (Gal, Hron and Kendall 2017,
    /// "Concrete Dropout"). The lower the temperature (0.1 in the paper), the closer it is to [`dropout`](Var::dropout),
    /// and the steeper its slopes. At a high temperature the mean is no longer that of x: 1.16 times as much at rate
    /// 0.8 and temperature 0.5. On a tape in evaluation mode, x itself. The noise follows from the seed of the
    /// tape.
    ///
    /// # Panics
    /// When the rate is not a single number within 0 to 1, bounds excluded, or the temperature not above 0.
    #[track_caller]
    pub fn concrete_dropout(self, rate: Var<'t, T>, temperature: f64) -> Var<'t, T> {
        assert!(
            rate.shape().product() == 1,
            "concrete_dropout: rate {:?} is not a single number",
            rate.shape()
        );
        let value = rate.item().to_f64();
        assert!(
            value > 0.0 && value < 1.0,
            "concrete_dropout: rate {value} is not between 0 and 1"
        );
        assert!(temperature > 0.0, "concrete_dropout: temperature {temperature} is not above 0");
        let tape = self.tape();
        if !tape.is_training() {
            return self;
        }
        let key = tape.draw();
        let (low, high) = (key as u32, (key >> 32) as u32);
        let noise = Tensor::build(self.shape(), |noise| {
            for (count, x) in noise.iter_mut().enumerate() {
                // Uniform within (0, 1), the ends excluded; its logit has the logistic distribution.
                let u = (f64::from(bits(count as u32, low, high)) + 0.5) / 4_294_967_296.0;
                *x = T::of((u / (1.0 - u)).ln());
            }
        });
        ConcreteDropout(temperature).fuse([self, rate, tape.constant(noise)])[0]
    }
}
