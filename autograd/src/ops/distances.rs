//! Distances and angles between rows, and the losses made of them.

use super::losses::Reduction;
use crate::element::Float;
use crate::tape::Var;

impl<'t, T: Float> Var<'t, T> {
    /// x where the target is 1, and max(0, `margin` − x) where it is −1, for a distance x.
    #[track_caller]
    pub fn hinge_embedding_loss(
        self,
        targets: Var<'t, T>,
        margin: f64,
        reduction: Reduction,
    ) -> Var<'t, T> {
        self.expect_targets("hinge_embedding_loss", targets);
        let alike = targets.value().map(|t| t > T::ZERO);
        self.tape().where_(&alike, self, (margin - self).relu()).reduced(reduction)
    }

    /// The cosine of the angle between vectors along an axis, which goes away: a·b / (max(|a|, ε)·max(|b|, ε))
    /// with ε = 1e-8, as PyTorch.
    #[track_caller]
    pub fn cosine_similarity(self, other: Var<'t, T>, axis: isize) -> Var<'t, T> {
        let length = |x: Var<'t, T>| x.norm_axes(2.0, &[axis]).clamp(1e-8, f64::INFINITY);
        (self * other).sum_axes(&[axis]) / (length(self) * length(other))
    }

    /// 1 − cos of the angle between rows `[n, d]` where the target, `[n]`, is 1, and max(0, cos − `margin`) where it
    /// is −1.
    #[track_caller]
    pub fn cosine_embedding_loss(
        self,
        other: Var<'t, T>,
        targets: Var<'t, T>,
        margin: f64,
        reduction: Reduction,
    ) -> Var<'t, T> {
        let cosine = self.cosine_similarity(other, -1);
        cosine.expect_targets("cosine_embedding_loss", targets);
        let alike = targets.value().map(|t| t > T::ZERO);
        self.tape().where_(&alike, 1.0 - cosine, (cosine - margin).relu()).reduced(reduction)
    }

    /// max(0, |a − p| − |a − n| + `margin`) for rows a, p, n `[.., d]` with the distances of
    /// [`pairwise_distance`](Var::pairwise_distance) (Schroff et al. 2015).
    #[track_caller]
    pub fn triplet_margin_loss(
        self,
        positive: Var<'t, T>,
        negative: Var<'t, T>,
        margin: f64,
        reduction: Reduction,
    ) -> Var<'t, T> {
        let (near, far) = (self.pairwise_distance(positive), self.pairwise_distance(negative));
        (near - far + margin).relu().reduced(reduction)
    }

    /// |a − b + 1e-6| of rows `[.., d]` → `[..]`, as PyTorch.
    #[track_caller]
    pub fn pairwise_distance(self, other: Var<'t, T>) -> Var<'t, T> {
        (self - other + 1e-6).norm_axes(2.0, &[-1])
    }
}
