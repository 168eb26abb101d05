//! Images `[n, channels, h, w]` in patches and in other sizes.

use crate::element::Float;
use crate::kernel::resample::Interpolation;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    fn expect_images(self, what: &str) -> [usize; 4] {
        match self.shape()[..] {
            [n, c, h, w] => [n, c, h, w],
            _ => panic!("{what}: {:?} are not images [n, channels, h, w]", self.shape()),
        }
    }

    /// All patches of a size, each `stride` further, as columns: `[n, channels·kh·kw, patches]`, as PyTorch's
    /// `unfold` (im2col).
    ///
    /// # Panics
    /// When these are no images, a patch is larger than they are, or a stride is 0.
    #[track_caller]
    pub fn unfold(self, size: [usize; 2], stride: [usize; 2]) -> Var<'t, T> {
        let [n, c, h, w] = self.expect_images("unfold");
        let [kh, kw] = size;
        assert!(
            (1..=h).contains(&kh) && (1..=w).contains(&kw) && stride.iter().all(|&s| s > 0),
            "unfold: patches of {size:?}, {stride:?} apart, do not fit into images of {:?}",
            [h, w]
        );
        let (rows, columns) = ((h - kh) / stride[0] + 1, (w - kw) / stride[1] + 1);
        let shape = Dims::of("unfold", &[n, c * kh * kw, rows * columns]);
        let places = Tensor::from_fn(&shape, |at| {
            let (channel, (y, x)) = (at[1] / (kh * kw), (at[1] / kw % kh, at[1] % kw));
            let (row, column) = (at[2] / columns * stride[0] + y, at[2] % columns * stride[1] + x);
            (((at[0] * c + channel) * h + row) * w + column) as i64
        });
        self.take("unfold", places)
    }

    /// The images in another size, `[h, w]`: the nearest pixel is the one in which the new one begins, and bilinear
    /// ones lie between the centres of pixels, as PyTorch's `interpolate` with `align_corners=False`.
    ///
    /// ```
    /// # use gradus_autograd::{Interpolation, Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::new(&[1, 1, 1, 2], vec![0., 4.]));
    /// let y = x.resize([1, 4], Interpolation::Bilinear);
    /// assert_eq!(y.value().to_vec(), [0., 1., 3., 4.]);
    /// ```
    ///
    /// # Panics
    /// When these are no images, or there are no pixels.
    #[track_caller]
    pub fn resize(self, size: [usize; 2], how: Interpolation) -> Var<'t, T> {
        let [.., h, w] = self.expect_images("resize");
        assert!(h * w > 0, "resize: images of {:?} have no pixels to read from", [h, w]);
        let from = |to: usize, n: usize, k: usize| match how {
            Interpolation::Nearest => (k * n / to) as f64,
            Interpolation::Bilinear => {
                let centre = (k as f64 + 0.5) * n as f64 / to as f64 - 0.5;
                centre.clamp(0.0, n as f64 - 1.0)
            }
        };
        // Separable: a product with a matrix that has one or two numbers a row.
        let weights = |to: usize, n: usize| {
            let weight =
                |at: &[usize]| T::of((1.0 - (from(to, n, at[0]) - at[1] as f64).abs()).max(0.0));
            self.tape().constant(Tensor::from_fn(&[to, n], weight))
        };
        let wide = self.matmul(weights(size[1], w).t());
        weights(size[0], h).matmul(wide)
    }
}
