//! Images read between their pixels: warps that can be learned (Jaderberg et al. 2015, "Spatial Transformer
//! Networks"), with the conventions of PyTorch.

use smallvec::smallvec;

use crate::element::Float;
use crate::kernel::resample::{Interpolation, Padding, far, resample, resample_backward};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::{Tape, Var};
use crate::tensor::{Dims, Tensor};

/// y[n, c, i, j] = x[n, c] at position grid[n, i, j].
#[derive(Debug)]
struct GridSample {
    mode: Interpolation,
    padding: Padding,
    align_corners: bool,
}

/// One axis of one position: the place in pixels and its slope by the number in the grid.
type Place = [f64; 2];

impl GridSample {
    /// The place that a number of the grid means on an axis of `size` pixels.
    fn place(&self, g: f64, size: usize) -> Place {
        let size_f = size as f64;
        let (scale, x) = match self.align_corners {
            true => (0.5 * (size_f - 1.0), (g + 1.0) * 0.5 * (size_f - 1.0)),
            false => (0.5 * size_f, ((g + 1.0) * size_f - 1.0) * 0.5),
        };
        let [x, slope] = self.padding.place(x, size, self.align_corners);
        match self.mode {
            Interpolation::Bilinear => [x, scale * slope],
            Interpolation::Nearest => [x.round_ties_even(), 0.0],
        }
    }

    /// Calls `f` for each sample with its number, its positions in pixels and their slopes.
    fn each_sample<T: Float>(
        &self,
        x: &Dims,
        grid: &Tensor<T>,
        mut f: impl FnMut(usize, &[[f64; 2]], &[[f64; 2]]),
    ) {
        let (count, grid) = (grid.shape[1] * grid.shape[2], grid.contiguous());
        let [mut places, mut slopes] =
            [(); 2].map(|()| Tensor::<f64>::build(Dims::new(&[count * 2]), |_| {}));
        let places = places.fresh().as_chunks_mut().0;
        let slopes = slopes.fresh().as_chunks_mut().0;
        for (n, numbers) in grid.dense().chunks_exact((count * 2).max(1)).enumerate() {
            for (p, g) in numbers.as_chunks::<2>().0.iter().enumerate() {
                let [column, row] =
                    [self.place(g[0].to_f64(), x[3]), self.place(g[1].to_f64(), x[2])];
                places[p] = [column[0], row[0]];
                slopes[p] = [column[1], row[1]];
            }
            f(n, places, slopes);
        }
    }

    /// The same, bilinear, by gathering pixels: for derivatives that are differentiated again.
    fn composed<'t, T: Float>(&self, x: Var<'t, T>, grid: Var<'t, T>) -> Var<'t, T> {
        let (tape, [n, c, h, w]) = (x.tape(), four(&x.shape()));
        let (numbers, shape) = (grid.value(), grid.shape());
        let count = shape[1] * shape[2];
        let flat = x.reshape(&[n, c, h * w]);
        // Fractions of pixels are lines in the numbers of the grid, as long as no pixel's centre is passed.
        let (mut places, mut lines) = (Vec::new(), [(); 4].map(|()| Vec::new()));
        let all = numbers.to_vec();
        self.each_sample(&x.shape(), &numbers, |n, at, slopes| {
            let numbers = all[n * count * 2..].as_chunks::<2>().0;
            for ((position, slope), g) in std::iter::zip(at, slopes).zip(numbers) {
                let near = !far(*position, [h, w]);
                let corner = position.map(|x| if near { x.floor() } else { -2.0 });
                for axis in 0..2 {
                    let slope = if near { slope[axis] } else { 0.0 };
                    let fraction = if near { position[axis] - corner[axis] } else { 0.0 };
                    lines[axis].push(T::of(slope));
                    lines[2 + axis].push(T::of(fraction - slope * g[axis].to_f64()));
                }
                places.push(corner.map(|x| x as i64));
            }
        });
        let [slope_x, slope_y, from_x, from_y] =
            lines.map(|line| tape.constant(Tensor::new(&[n, 1, count], line)));
        let number = |axis| grid.slice(-1, axis..axis + 1).reshape(&[n, 1, count]);
        let (fx, fy) = (number(0) * slope_x + from_x, number(1) * slope_y + from_y);
        let pixel = |right: i64, below: i64| {
            let place = |[x, y]: [i64; 2]| {
                let (x, y) = (x + right, y + below);
                let inside = x >= 0 && y >= 0 && x < w as i64 && y < h as i64;
                inside.then_some(y * w as i64 + x)
            };
            let places: Vec<Option<i64>> = places.iter().map(|&at| place(at)).collect();
            let index = places.iter().map(|place| place.unwrap_or(0)).collect();
            let index = Tensor::new(&[n, 1, count], index).broadcast_to(&[n, c, count]);
            let inside = places.iter().map(|place| place.is_some()).collect();
            let zero = tape.number(0.0);
            tape.where_(&Tensor::new(&[n, 1, count], inside), flat.gather(2, &index), zero)
        };
        let above = pixel(0, 0) * (1.0 - fx) + pixel(1, 0) * fx;
        let below = pixel(0, 1) * (1.0 - fx) + pixel(1, 1) * fx;
        (above * (1.0 - fy) + below * fy).reshape(&[n, c, shape[1], shape[2]])
    }
}

fn four(shape: &Dims) -> [usize; 4] {
    [shape[0], shape[1], shape[2], shape[3]]
}

impl<T: Float> Op<T> for GridSample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T> {
        let (x, grid) = (inputs[0].contiguous(), inputs[1]);
        let [n, c, h, w] = four(&x.shape);
        let shape = Dims::of("grid_sample", &[n, c, grid.shape[1], grid.shape[2]]);
        let (sample, result) = (c * h * w, c * shape[2] * shape[3]);
        [Tensor::build(shape, |out| {
            self.each_sample(&x.shape, grid, |n, places, _| {
                let out = &mut out[n * result..][..result];
                resample(&x.dense()[n * sample..][..sample], [h, w], places, out);
            });
        })]
        .into()
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let (x, grid) = (cx.input(0).contiguous(), cx.input(1));
        let [_, c, h, w] = four(&x.shape);
        let (count, sample) = (grid.shape[1] * grid.shape[2], c * h * w);
        let g = cx.cotangent(0).contiguous();
        let mut d_x = cx.needs(0).then(|| Tensor::build(x.shape, |d| d.fill(T::ZERO)));
        let mut d_grid = cx.needs(1).then(|| Tensor::<T>::stale(grid.shape));
        let mut by_place = vec![[0.0; 2]; if d_grid.is_some() { count } else { 0 }];
        self.each_sample(&x.shape, grid, |n, places, slopes| {
            let image = &x.dense()[n * sample..][..sample];
            let g = &g.dense()[n * c * count..][..c * count];
            let d_image =
                d_x.as_mut().map_or(&mut [][..], |d| &mut d.fresh()[n * sample..][..sample]);
            resample_backward((image, [h, w], places), g, d_image, &mut by_place);
            if let Some(d) = &mut d_grid {
                let d = d.fresh()[n * count * 2..][..count * 2].as_chunks_mut::<2>().0;
                for (d, (by_place, slope)) in d.iter_mut().zip(std::iter::zip(&by_place, slopes)) {
                    // Where the place does not move, its slope is 0, even next to an infinite pixel.
                    *d = [0, 1].map(|axis| match slope[axis] {
                        0.0 => T::ZERO,
                        slope => T::of(by_place[axis] * slope),
                    });
                }
            }
        });
        [d_x, d_grid]
            .into_iter()
            .enumerate()
            .for_each(|(i, d)| d.into_iter().for_each(|d| cx.give(i, d)));
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|inputs| smallvec![self.composed(inputs[0], inputs[1])])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Images `[n, c, h, w]` read at the positions of a grid `[n, height, width, 2]`; the result is
    /// `[n, c, height, width]`. A position is (x, y), from −1 at the left (upper) end to 1 at the right (lower) one:
    /// the outer edges of the pixels there, or, with `align_corners`, their centres. Differentiable in images and
    /// grid; the conventions are those of PyTorch's `grid_sample`. A position that is NaN gives NaN.
    ///
    /// ```
    /// use gradus_autograd::{Interpolation, Padding, Tape, Tensor};
    ///
    /// let tape = Tape::<f32>::new();
    /// let image = tape.var(Tensor::new(&[1, 1, 1, 3], vec![1., 2., 4.]));
    /// let grid = tape.var(Tensor::new(&[1, 1, 2, 2], vec![0.5, 0., -0.5, 0.]));
    /// let y = image.grid_sample(grid, Interpolation::Bilinear, Padding::Zeros, true);
    /// assert_eq!(y.value().to_vec(), [3.0, 1.5]); // halfway between two pixels
    /// assert_eq!(y.sum().backward()[grid].to_vec(), [2., 0., 1., 0.]);
    /// ```
    ///
    /// # Panics
    /// When images or grid have another rank, the samples differ in number, or an image has no pixels.
    #[track_caller]
    pub fn grid_sample(
        self,
        grid: Var<'t, T>,
        mode: Interpolation,
        padding: Padding,
        align_corners: bool,
    ) -> Var<'t, T> {
        let (x, g) = (self.shape(), grid.shape());
        assert!(
            x.len() == 4 && g.len() == 4 && g[3] == 2 && x[0] == g[0],
            "grid_sample: images {x:?} and grid {g:?} are not [n, c, h, w] and [n, height, width, 2] of the same n"
        );
        assert!(x[2] * x[3] > 0, "grid_sample: images {x:?} have no pixels to read");
        self.tape().apply(GridSample { mode, padding, align_corners }, &[self, grid])
    }

    /// The grid for [`grid_sample`](Var::grid_sample) that maps each pixel of a result of `height` × `width` by the
    /// matrix of its sample: θ `[n, 2, 3]` gives `[n, height, width, 2]`, (x, y) = θ·(column, row, 1), all from −1 to
    /// 1, as PyTorch's `affine_grid`. The matrix says where a pixel comes from: with 2 on the diagonal, the image
    /// becomes half as large.
    ///
    /// ```
    /// use gradus_autograd::{Tape, Tensor};
    ///
    /// let tape = Tape::<f32>::new();
    /// let theta = tape.var(Tensor::from([[[2., 0., 0.], [0., 1., 0.5]]]));
    /// let grid = theta.affine_grid([1, 2], false);
    /// assert_eq!(grid.value().to_vec(), [-1., 0.5, 1., 0.5]);
    /// ```
    ///
    /// # Panics
    /// When θ is not `[n, 2, 3]`.
    #[track_caller]
    pub fn affine_grid(self, [height, width]: [usize; 2], align_corners: bool) -> Var<'t, T> {
        let theta = self.shape();
        assert!(
            theta.len() == 3 && theta[1..] == [2, 3],
            "affine_grid: theta {theta:?} is not [n, 2, 3]"
        );
        let pixels = Dims::of("affine_grid", &[theta[0].max(1), height, width, 2]);
        let centre = |i: usize, size: usize| {
            let steps = if align_corners { size.max(2) - 1 } else { size };
            ((2 * i + 1) as f64 - size as f64) / steps as f64
        };
        let base = Tensor::from_fn(&[height * width, 3], |at| {
            T::of(match at[1] {
                0 => centre(at[0] % width, width),
                1 => centre(at[0] / width, height),
                _ => 1.0,
            })
        });
        let tape: &'t Tape<T> = self.tape();
        let grid = tape.constant(base).matmul(self.transpose(1, 2));
        grid.reshape(&[theta[0], pixels[1], pixels[2], 2])
    }
}
