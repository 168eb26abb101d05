//! One image under way through a pipeline.

use gradus_autograd::{Float, Padding, resample};

/// A projective map of the plane: rows of a matrix for (x, y, 1).
pub type Matrix = [[f64; 3]; 3];

pub(super) const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// One image of a batch, for a [`Transform`](super::Transform) to change: its pixels `[channels, height, width]`, its
/// target, and the other samples of the batch.
///
/// What moves pixels ([`project`](Image::project)) is noted, not done: one map after another becomes a single
/// matrix, and the image is read between its pixels once, which keeps it sharp. Lengths are pixels, y points down, and
/// 0 is the centre of the image.
pub struct Image<'a, T: Float> {
    pub(super) buffers: &'a mut Buffers<T>,
    /// The pixels, unless they are in the buffer.
    source: Option<&'a [T]>,
    channels: usize,
    /// The size that the pixels have, and the size that they will have.
    from: [usize; 2],
    size: [usize; 2],
    matrix: Matrix,
    padding: Padding,
    target: &'a mut [T],
    others: &'a Others<'a, T>,
}

/// Memory that is used again from image to image.
#[derive(Debug, Default)]
pub(super) struct Buffers<T> {
    image: Vec<T>,
    spare: Vec<T>,
    positions: Vec<[f64; 2]>,
}

/// The samples of a batch as they were before a stage.
pub(super) struct Others<'a, T> {
    pub x: &'a [T],
    pub y: &'a [T],
    /// The rows that the batch consists of, if `x` and `y` hold more samples than these.
    pub rows: Option<&'a [usize]>,
    pub len: usize,
    /// Numbers a sample.
    pub width: [usize; 2],
}

impl<'a, T> Others<'a, T> {
    /// Features and target of sample `i` of the batch.
    pub(super) fn get(&self, i: usize) -> (&'a [T], &'a [T]) {
        let row = self.rows.map_or(i, |rows| rows[i]);
        let [x, y] = self.width;
        (&self.x[row * x..][..x], &self.y[row * y..][..y])
    }
}

/// The place of the first pixel's centre, seen from the centre of the image.
fn first([height, width]: [usize; 2]) -> [f64; 2] {
    [width, height].map(|n| 0.5 - 0.5 * n as f64)
}

impl<'a, T: Float> Image<'a, T> {
    pub(super) fn new(
        [channels, height, width]: [usize; 3],
        source: &'a [T],
        target: &'a mut [T],
        others: &'a Others<'a, T>,
        (buffers, padding): (&'a mut Buffers<T>, Padding),
    ) -> Self {
        let (source, size) = (Some(source), [height, width]);
        let (from, matrix) = (size, IDENTITY);
        Image { buffers, source, channels, from, size, matrix, padding, target, others }
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.size[0], self.size[1]]
    }

    /// From now on, what is seen at (x, y) is what was at matrix·(x, y, 1), divided by the third number; the centre
    /// is 0. With 2 on the diagonal of an affine map, the image becomes half as large.
    pub fn project(&mut self, matrix: Matrix) {
        let before = self.matrix;
        self.matrix =
            [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|k| before[i][k] * matrix[k][j]).sum()));
    }

    /// [`project`](Image::project) by a matrix whose third row is (0, 0, 1).
    pub fn affine(&mut self, [x, y]: [[f64; 3]; 2]) {
        self.project([x, y, [0.0, 0.0, 1.0]]);
    }

    /// Cuts or widens the image to another size, about its centre.
    pub fn set_size(&mut self, size: [usize; 2]) {
        self.size = size;
    }

    /// From now on, what is seen at (x, y) is what was at `map([x, y])`, which is called for the pixels row by row.
    pub fn displace(&mut self, mut map: impl FnMut([f64; 2]) -> [f64; 2]) {
        let mut result = std::mem::take(&mut self.buffers.spare);
        result.clear();
        result.resize(self.channels * self.size[0] * self.size[1], T::ZERO);
        self.read(&mut map, &mut result);
        self.buffers.spare = std::mem::replace(&mut self.buffers.image, result);
        (self.source, self.from, self.matrix) = (None, self.size, IDENTITY);
    }

    /// The pixels, `[channels, height, width]`.
    pub fn pixels(&mut self) -> &mut [T] {
        if self.moved() {
            self.displace(|at| at);
        } else if let Some(source) = self.source.take() {
            self.buffers.image.clear();
            self.buffers.image.extend_from_slice(source);
        }
        &mut self.buffers.image
    }

    /// The target, for instance the probability of each class.
    pub fn target(&mut self) -> &mut [T] {
        self.target
    }

    /// The number of samples in the batch.
    pub fn batch_len(&self) -> usize {
        self.others.len
    }

    /// Pixels and target of sample `i` of the batch, as they were before this transform if it
    /// [mixes](super::Transform::mixes).
    pub fn other(&self, i: usize) -> (&'a [T], &'a [T]) {
        self.others.get(i)
    }

    /// Whether pixels have yet to be moved.
    fn moved(&self) -> bool {
        self.matrix != IDENTITY || self.from != self.size
    }

    /// The image as it is seen, `[channels, height, width]`.
    pub(super) fn finish(mut self, out: &mut [T]) {
        if self.moved() {
            self.read(&mut |at| at, out);
        } else {
            out.copy_from_slice(self.source.unwrap_or(&self.buffers.image));
        }
    }

    /// Reads what is seen at `map` of each pixel.
    fn read(&mut self, map: &mut impl FnMut([f64; 2]) -> [f64; 2], out: &mut [T]) {
        let ([left, top], [first_x, first_y]) = (first(self.size), first(self.from));
        let [mx, my, mz] = self.matrix;
        let flat = mz == IDENTITY[2];
        let positions = &mut self.buffers.positions;
        positions.clear();
        for i in 0..self.size[0] {
            for j in 0..self.size[1] {
                let [x, y] = map([left + j as f64, top + i as f64]);
                let [mut u, mut v] = [mx, my].map(|m| m[0] * x + m[1] * y + m[2]);
                if !flat {
                    let z = mz[0] * x + mz[1] * y + mz[2];
                    // Behind the viewer there is nothing.
                    (u, v) = if z > 0.0 { (u / z, v / z) } else { (f64::INFINITY, f64::INFINITY) };
                }
                positions.push([u - first_x, v - first_y]);
            }
        }
        if self.padding != Padding::Zeros {
            for [x, y] in &mut *positions {
                *x = self.padding.place(*x, self.from[1], false)[0];
                *y = self.padding.place(*y, self.from[0], false)[0];
            }
        }
        let source = self.source.unwrap_or(&self.buffers.image);
        resample(source, self.from, &self.buffers.positions, out);
    }
}
