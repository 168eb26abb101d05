//! Losses by the names and conventions of `torch.nn.functional`, each with what becomes of the losses of its elements.

use super::loss::reshape_hint;
use crate::element::Float;
use crate::rule::rules;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// What becomes of the losses of single elements or samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// They stay as they are.
    None,
    /// Their mean, weighted where there are weights of classes.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum over the number of samples, the first axis: for [`kl_div`](Var::kl_div).
    BatchMean,
}

/// How the losses of classes are weighed.
#[derive(Clone, Copy, Debug)]
pub struct ClassOptions<'t, T: Float = f32> {
    /// A weight for each class, `[classes]`. A mean divides by the sum of those that are used.
    pub weight: Option<Var<'t, T>>,
    /// Rows of this class do not count, neither in a sum nor in its divisor; any number may stand for them.
    pub ignore_index: Option<i64>,
    /// The part of a target that is spread evenly over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

impl<T: Float> Default for ClassOptions<'_, T> {
    fn default() -> Self {
        ClassOptions {
            weight: None,
            ignore_index: None,
            label_smoothing: 0.0,
            reduction: Reduction::Mean,
        }
    }
}

rules! {
    Huber "huber" [delta: f64] (x, t) by number, = {
        let size = (x - t).abs();
        let line = (size * 2.0 - delta) * delta * 0.5;
        R::select(size.less(R::lit(delta)), size * size * 0.5, line)
    };
    Bce "bce" (p, t) by number, = {
        // Logarithms are not below −100, as in PyTorch: a probability of 0 costs 100 and no more.
        let log = |p: R| { let y = p.ln(); R::select(y.less(R::lit(-100.0)), R::lit(-100.0), y) };
        -(t * log(p) + (R::lit(1.0) - t) * log(R::lit(1.0) - p))
    };
    PositiveBce "bce_with_logits" (z, t, w) by number, = w * t * (-z).softplus() + (R::lit(1.0) - t) * z.softplus();
    /// t·(ln t − x), 0 where t is 0.
    KlDiv "kl_div" (x, t) by number, = R::select(R::lit(0.0).less(t), t * (t.ln() - x), t * 0.0);
    KlDivLog "kl_div" (x, t) by number, = t.exp() * (t - x);
    Hinge "hinge" (x, t) by number, = (R::lit(1.0) - x * t).relu();
    PoissonLog "poisson_nll" (x, t) by number, = x.exp() - t * x;
    GaussianNll "gaussian_nll" [eps: f64] (x, t, var) by number, = {
        let var = R::select(var.less(R::lit(eps)), R::lit(eps), var);
        (var.ln() + (x - t) * (x - t) / var) * 0.5
    };
    Focal "focal" [alpha: f64, gamma: f64] (z, t) by number, = {
        let loss = t * (-z).softplus() + (R::lit(1.0) - t) * z.softplus();
        let p = z.sigmoid();
        let wrong = t * (R::lit(1.0) - p) + (R::lit(1.0) - t) * p;
        let weight = t * alpha + (R::lit(1.0) - t) * (R::lit(1.0) - alpha);
        weight * wrong.pow(R::lit(gamma)) * loss
    };
}

impl<'t, T: Float> Var<'t, T> {
    /// These losses, reduced.
    #[track_caller]
    pub(super) fn reduced(self, reduction: Reduction) -> Var<'t, T> {
        match reduction {
            Reduction::None => self,
            Reduction::Mean => self.mean(),
            Reduction::Sum => self.sum(),
            Reduction::BatchMean => {
                let samples = self.shape().first().copied().unwrap_or(1);
                self.sum() / samples as f64
            }
        }
    }

    #[track_caller]
    pub(super) fn expect_targets(self, loss: &str, targets: Var<'t, T>) {
        let (x, t) = (self.shape(), targets.shape());
        assert!(
            x == t,
            "{loss}: predictions {x:?} and targets {t:?} differ in shape{}",
            reshape_hint(&x, &t)
        );
    }

    /// (x − t)²; [`mse`](Var::mse) is its mean.
    ///
    /// # Panics
    /// When the shapes differ, as in all losses of elements.
    #[track_caller]
    pub fn mse_loss(self, targets: Var<'t, T>, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("mse_loss", targets);
        let [losses] = crate::Fuse::fuse(super::loss::SquaredError, [self, targets]);
        losses.reduced(reduction)
    }

    /// |x − t|
    #[track_caller]
    pub fn l1_loss(self, targets: Var<'t, T>, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("l1_loss", targets);
        (self - targets).abs().reduced(reduction)
    }

    /// d²/2 for an error d below `delta`, and `delta`·(|d| − `delta`/2) above (Huber 1964).
    ///
    /// ```
    /// # use gradus_autograd::{Reduction, Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let (x, t) = (tape.var(Tensor::from([0.5, 3.0])), tape.constant(Tensor::zeros(&[2])));
    /// assert_eq!(x.huber_loss(t, 1.0, Reduction::None).value().to_vec(), [0.125, 2.5]);
    /// ```
    #[track_caller]
    pub fn huber_loss(self, targets: Var<'t, T>, delta: f64, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("huber_loss", targets);
        self.binary(Huber(delta), targets).reduced(reduction)
    }

    /// Huber's loss divided by `beta`: d²/2`beta` for an error d below it, and |d| − `beta`/2 above.
    #[track_caller]
    pub fn smooth_l1_loss(
        self,
        targets: Var<'t, T>,
        beta: f64,
        reduction: Reduction,
    ) -> Var<'t, T> {
        self.expect_targets("smooth_l1_loss", targets);
        (self.binary(Huber(beta), targets) / beta).reduced(reduction)
    }

    /// −(t·ln p + (1 − t)·ln(1 − p)) of probabilities, logarithms not below −100. Of logits,
    /// [`bce_with_logits`](Var::bce_with_logits) is exact.
    #[track_caller]
    pub fn bce_loss(self, targets: Var<'t, T>, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("bce_loss", targets);
        self.binary(Bce, targets).reduced(reduction)
    }

    /// Binary cross-entropy of logits, where the positive part of each element weighs `pos_weight`, which
    /// broadcasts: `[classes]`, say. Times a weight of elements, reduce it afterwards.
    #[track_caller]
    pub fn bce_with_logits_loss(
        self,
        targets: Var<'t, T>,
        pos_weight: Option<Var<'t, T>>,
        reduction: Reduction,
    ) -> Var<'t, T> {
        self.expect_targets("bce_with_logits_loss", targets);
        let weight = pos_weight.unwrap_or_else(|| self.tape().number(1.0));
        let [losses] = crate::Fuse::fuse(PositiveBce, [self, targets, weight]);
        losses.reduced(reduction)
    }

    /// Cross-entropy of logits `[n, classes, ..]` with the right class of each place, `[n, ..]`, or with
    /// [probabilities](Var::soft_cross_entropy): −log softmax of the right class, weighed as the options say.
    ///
    /// ```
    /// # use gradus_autograd::{ClassOptions, Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let logits = tape.var(Tensor::from([[2.0, 0.0], [0.0, 0.0]]));
    /// let options = ClassOptions { ignore_index: Some(-100), ..Default::default() };
    /// let loss = logits.cross_entropy_loss(&Tensor::from([-100_i64, 1]), options);
    /// assert!((loss.item() - 2_f64.ln()).abs() < 1e-15); // the second row alone
    /// ```
    ///
    /// # Panics
    /// When the shapes do not fit or a class is out of range.
    #[track_caller]
    pub fn cross_entropy_loss(
        self,
        classes: &Tensor<i64>,
        options: ClassOptions<'t, T>,
    ) -> Var<'t, T> {
        self.expect_classes("cross_entropy_loss", classes);
        self.log_softmax(1).class_loss("cross_entropy_loss", classes, options)
    }

    /// −(log-probability of the right class), from log-probabilities `[n, classes, ..]` and classes `[n, ..]`.
    ///
    /// # Panics
    /// When the shapes do not fit or a class is out of range.
    #[track_caller]
    pub fn nll_loss(self, classes: &Tensor<i64>, options: ClassOptions<'t, T>) -> Var<'t, T> {
        self.expect_classes("nll_loss", classes);
        self.class_loss("nll_loss", classes, options)
    }

    /// Cross-entropy of logits `[n, classes, ..]` with probabilities of the same shape: −Σ t·log softmax over the
    /// classes. A mean divides by the number of rows, whatever they weigh, as in PyTorch.
    ///
    /// # Panics
    /// When the shapes differ or there are no classes.
    #[track_caller]
    pub fn soft_cross_entropy(
        self,
        targets: Var<'t, T>,
        options: ClassOptions<'t, T>,
    ) -> Var<'t, T> {
        self.expect_targets("soft_cross_entropy", targets);
        assert!(
            self.rank() >= 2,
            "soft_cross_entropy: logits {:?} are not [n, classes, ..]",
            self.shape()
        );
        let (classes, smoothing) = (self.shape()[1] as f64, options.label_smoothing);
        let targets = match smoothing == 0.0 {
            true => targets,
            false => targets * (1.0 - smoothing) + smoothing / classes,
        };
        let mut losses = -(self.log_softmax(1) * targets);
        if let Some(weight) = options.weight {
            losses = losses * weight.beside_classes(self.rank());
        }
        losses.sum_axes(&[1]).reduced(options.reduction)
    }

    #[track_caller]
    fn expect_classes(self, loss: &str, classes: &Tensor<i64>) {
        let x = self.shape();
        let rest = |axis: usize| x.get(axis + usize::from(axis > 0)).copied();
        let fits = x.len() >= 2
            && classes.rank() + 1 == x.len()
            && (0..classes.rank()).all(|axis| rest(axis) == Some(classes.shape[axis]));
        assert!(
            fits,
            "{loss}: logits {x:?} are not [n, classes, ..], or classes {:?} are not [n, ..]",
            classes.shape
        );
    }

    /// `[classes]` as `[1, classes, 1, ..]`.
    #[track_caller]
    fn beside_classes(self, rank: usize) -> Var<'t, T> {
        (2..rank).fold(self, |weight, _| weight.unsqueeze(-1))
    }

    /// The losses of classes from log-probabilities.
    #[track_caller]
    fn class_loss(
        self,
        loss: &str,
        classes: &Tensor<i64>,
        options: ClassOptions<'t, T>,
    ) -> Var<'t, T> {
        let ClassOptions { weight, ignore_index, label_smoothing, reduction } = options;
        let (tape, width) = (self.tape(), self.shape()[1]);
        let used = classes.map(|class| Some(class) != ignore_index);
        let safe = classes.map(|class| if Some(class) == ignore_index { 0 } else { class });
        let wrong = safe.to_vec().into_iter().position(|class| !(0..width as i64).contains(&class));
        if let Some(row) = wrong {
            let class = safe.to_vec()[row];
            panic!("{loss}: row {row} has class {class}, but there are {width} classes");
        }
        if let Some(weight) = weight {
            let shape = weight.shape();
            assert!(*shape == [width], "{loss}: weights {shape:?} for {width} classes");
        }
        let mut index: Dims = classes.shape;
        index.push(1);
        (2..index.len()).rev().for_each(|axis| index.swap(axis, axis - 1));
        let picked = |x: Var<'t, T>| x.gather(1, &safe.reshape(&index)).squeeze(1);
        let weights = weight.map(|weight| {
            let flat = weight.index_select(0, &safe.reshape(&[safe.len()]));
            flat.reshape(&safe.shape)
        });
        let mut losses = -picked(self);
        if let Some(weights) = weights {
            losses = losses * weights;
        }
        if label_smoothing != 0.0 {
            let all = match weight {
                Some(weight) => self * weight.beside_classes(self.rank()),
                None => self,
            };
            let even = -all.sum_axes(&[1]) / width as f64;
            losses = losses * (1.0 - label_smoothing) + even * label_smoothing;
        }
        let zero = tape.number(0.0);
        if ignore_index.is_some() {
            losses = tape.where_(&used, losses, zero);
        }
        if reduction != Reduction::Mean {
            return losses.reduced(reduction);
        }
        match weights {
            None if ignore_index.is_none() => losses.mean(),
            None => losses.sum() / used.to_vec().iter().filter(|used| **used).count() as f64,
            Some(weights) => losses.sum() / tape.where_(&used, weights, zero).sum(),
        }
    }

    /// The Kullback-Leibler divergence t·(ln t − x) from log-probabilities x to probabilities t, or to their
    /// logarithms if `log_target`. [`Reduction::BatchMean`] is the divergence by its definition.
    #[track_caller]
    pub fn kl_div(self, targets: Var<'t, T>, log_target: bool, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("kl_div", targets);
        match log_target {
            true => self.binary(KlDivLog, targets),
            false => self.binary(KlDiv, targets),
        }
        .reduced(reduction)
    }

    /// max(0, 1 − t·x) with targets −1 and 1 (Keras' `Hinge`; of a support vector machine).
    #[track_caller]
    pub fn hinge_loss(self, targets: Var<'t, T>, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("hinge_loss", targets);
        self.binary(Hinge, targets).reduced(reduction)
    }

    /// e^x − t·x: the negative log-likelihood of counts t under a Poisson distribution of log-rate x, without ln t!.
    #[track_caller]
    pub fn poisson_nll_loss(self, targets: Var<'t, T>, reduction: Reduction) -> Var<'t, T> {
        self.expect_targets("poisson_nll_loss", targets);
        self.binary(PoissonLog, targets).reduced(reduction)
    }

    /// (ln v + (x − t)²/v)/2: the negative log-likelihood under a normal distribution of mean x and variance v, which
    /// is not below 1e-6 and broadcasts, without its constant. Below, v has no gradient.
    #[track_caller]
    pub fn gaussian_nll_loss(
        self,
        targets: Var<'t, T>,
        variance: Var<'t, T>,
        reduction: Reduction,
    ) -> Var<'t, T> {
        self.expect_targets("gaussian_nll_loss", targets);
        let [losses] = crate::Fuse::fuse(GaussianNll(1e-6), [self, targets, variance]);
        losses.reduced(reduction)
    }

    /// Binary cross-entropy of logits, each element times (1 − p)^`gamma`, p the probability of what is right, and
    /// times `alpha` if it is positive and 1 − `alpha` if not (Lin et al. 2017: 2 and 0.25).
    #[track_caller]
    pub fn focal_loss(
        self,
        targets: Var<'t, T>,
        alpha: f64,
        gamma: f64,
        reduction: Reduction,
    ) -> Var<'t, T> {
        self.expect_targets("focal_loss", targets);
        self.binary(Focal(alpha, gamma), targets).reduced(reduction)
    }
}
