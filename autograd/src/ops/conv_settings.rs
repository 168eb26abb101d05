//! How a kernel goes over its axes.

/// A setting for each of `D` axes: a number for all of them, or an array.
pub trait PerAxis<const D: usize> {
    /// One for each axis.
    fn per_axis(self) -> [usize; D];
}

impl<const D: usize> PerAxis<D> for usize {
    fn per_axis(self) -> [usize; D] {
        [self; D]
    }
}

impl<const D: usize> PerAxis<D> for [usize; D] {
    fn per_axis(self) -> [usize; D] {
        self
    }
}

/// How a kernel goes over `D` axes. The defaults are those of PyTorch: every place once, without zeros around.
///
/// ```
/// use gradus_autograd::{Conv, Tape, Tensor};
/// let tape = Tape::<f32>::new();
/// let x = tape.var(Tensor::ones(&[1, 1, 4, 4]));
/// let w = tape.var(Tensor::ones(&[2, 1, 3, 3]));
/// let y = x.conv2d(w, None, Conv::new().stride(2).padding(1));
/// assert_eq!(y.shape()[..], [1, 2, 2, 2]);
/// assert_eq!(y.value().at(&[0, 0, 0, 0]), 4.0); // a corner sees 2 by 2 of the image
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<const D: usize> {
    pub(super) stride: [usize; D],
    pub(super) dilation: [usize; D],
    pub(super) groups: usize,
    pub(super) zeros: Zeros<D>,
    /// Of a transposed convolution: what a stride leaves open about the size of its result.
    pub(super) output_padding: [usize; D],
}

/// Zeros around the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeros<const D: usize> {
    /// As many before as after.
    Both([usize; D]),
    /// As many as make the output as large as the input, over the stride.
    Same,
    /// As `Same`, all of them before.
    Causal,
}

impl<const D: usize> Default for Conv<D> {
    fn default() -> Self {
        Conv {
            stride: [1; D],
            dilation: [1; D],
            groups: 1,
            zeros: Zeros::Both([0; D]),
            output_padding: [0; D],
        }
    }
}

impl<const D: usize> Conv<D> {
    /// Stride and dilation 1, no zeros around, one group.
    pub fn new() -> Self {
        Conv::default()
    }
    /// The step from one place of the kernel to the next.
    pub fn stride(self, stride: impl PerAxis<D>) -> Self {
        Conv { stride: stride.per_axis(), ..self }
    }
    /// The distance of the elements of the kernel.
    pub fn dilation(self, dilation: impl PerAxis<D>) -> Self {
        Conv { dilation: dilation.per_axis(), ..self }
    }
    /// Parts of the channels that are convolved apart; as many as there are channels make it depthwise.
    pub fn groups(self, groups: usize) -> Self {
        Conv { groups, ..self }
    }
    /// Zeros before and after each axis.
    pub fn padding(self, padding: impl PerAxis<D>) -> Self {
        Conv { zeros: Zeros::Both(padding.per_axis()), ..self }
    }
    /// As many zeros as make the output ⌈input / stride⌉ long, the larger half after, as Keras' `same`.
    pub fn same(self) -> Self {
        Conv { zeros: Zeros::Same, ..self }
    }
    /// As [`same`](Conv::same), all zeros before: an output depends on no later input, as Keras' `causal`.
    pub fn causal(self) -> Self {
        Conv { zeros: Zeros::Causal, ..self }
    }
    /// Elements at the end of a transposed convolution that its stride leaves open.
    pub fn output_padding(self, more: impl PerAxis<D>) -> Self {
        Conv { output_padding: more.per_axis(), ..self }
    }

    /// The size of the output along the axes, and the zeros before them.
    #[track_caller]
    pub(super) fn output(&self, what: &str, input: &[usize], kernel: &[usize]) -> [[usize; D]; 2] {
        let (mut output, mut before) = ([0; D], [0; D]);
        for axis in 0..D {
            let (n, stride) = (input[axis], self.stride[axis]);
            assert!(kernel[axis] > 0, "{what}: a kernel of sizes {kernel:?} has no elements");
            let span = self.dilation[axis] * (kernel[axis] - 1) + 1;
            let all = match self.zeros {
                Zeros::Both(zeros) => 2 * zeros[axis],
                _ => {
                    (n.div_ceil(stride).max(1) - 1) * stride + span
                        - n.min(span + (n.div_ceil(stride).max(1) - 1) * stride)
                }
            };
            assert!(
                n + all >= span,
                "{what}: a kernel of {} with dilation {} spans {span} along axis {axis}, the input with its zeros only {}",
                kernel[axis],
                self.dilation[axis],
                n + all
            );
            output[axis] = (n + all - span) / stride + 1;
            before[axis] = if self.zeros == Zeros::Causal { all } else { all / 2 };
        }
        [output, before]
    }

    #[track_caller]
    pub(super) fn expect_sound(&self, what: &str) {
        let sound = self.groups > 0 && self.stride.iter().chain(&self.dilation).all(|&n| n > 0);
        assert!(sound, "{what}: stride, dilation and groups are 1 or more, not {self:?}");
    }
}
