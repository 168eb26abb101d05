//! Maps of the plane. All are lines of a matrix, and done at once with their neighbours.

use gradus_autograd::{Float, Rng};

use super::image::{Image, Matrix};
use super::{Transform, between};

/// Turns the image about its centre by an angle between −degrees and degrees, as torchvision.
#[derive(Clone, Copy, Debug)]
pub struct RandomRotation {
    degrees: f64,
}

impl RandomRotation {
    /// The largest angle, in degrees.
    ///
    /// # Panics
    /// When it is negative or not finite.
    #[track_caller]
    pub fn new(degrees: f64) -> Self {
        not_negative("RandomRotation", "degrees", degrees);
        RandomRotation { degrees }
    }
}

impl<T: Float> Transform<T> for RandomRotation {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let (sin, cos) = between(rng, -self.degrees, self.degrees).to_radians().sin_cos();
        image.affine([[cos, -sin, 0.0], [sin, cos, 0.0]]);
    }
}

/// Moves the image up or down and left or right by at most a share of its height and width, as Keras.
#[derive(Clone, Copy, Debug)]
pub struct RandomTranslation {
    height_factor: f64,
    width_factor: f64,
}

impl RandomTranslation {
    /// The largest shares; 0.1 is a tenth of the image.
    ///
    /// # Panics
    /// When one is negative or not finite.
    #[track_caller]
    pub fn new(height_factor: f64, width_factor: f64) -> Self {
        not_negative("RandomTranslation", "height_factor", height_factor);
        not_negative("RandomTranslation", "width_factor", width_factor);
        RandomTranslation { height_factor, width_factor }
    }
}

impl<T: Float> Transform<T> for RandomTranslation {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let x = between(rng, -self.width_factor, self.width_factor) * width as f64;
        let y = between(rng, -self.height_factor, self.height_factor) * height as f64;
        image.affine([[1.0, 0.0, x], [0.0, 1.0, y]]);
    }
}

/// Slants the image: x moves by up to `x_factor` times y, and y by up to `y_factor` times x.
#[derive(Clone, Copy, Debug)]
pub struct RandomShear {
    x_factor: f64,
    y_factor: f64,
}

impl RandomShear {
    /// The largest factors; 0.2 is about 11 degrees.
    ///
    /// # Panics
    /// When one is not within 0 to 1, 1 excluded: beyond, the image may collapse to a line.
    #[track_caller]
    pub fn new(x_factor: f64, y_factor: f64) -> Self {
        for (name, factor) in [("x_factor", x_factor), ("y_factor", y_factor)] {
            assert!(
                (0.0..1.0).contains(&factor),
                "RandomShear: {name} {factor} is not within 0 to 1, 1 excluded"
            );
        }
        RandomShear { x_factor, y_factor }
    }
}

impl<T: Float> Transform<T> for RandomShear {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let x = between(rng, -self.x_factor, self.x_factor);
        let y = between(rng, -self.y_factor, self.y_factor);
        image.affine([[1.0, x, 0.0], [y, 1.0, 0.0]]);
    }
}

/// Makes what is seen larger or smaller, by one factor for both axes.
#[derive(Clone, Copy, Debug)]
pub struct RandomZoom {
    min: f64,
    max: f64,
}

impl RandomZoom {
    /// The smallest and the largest factor; with 1.2, everything is a fifth larger.
    ///
    /// # Panics
    /// When they are not above 0 and in order.
    #[track_caller]
    pub fn new(min: f64, max: f64) -> Self {
        in_order("RandomZoom", min, max);
        RandomZoom { min, max }
    }
}

impl<T: Float> Transform<T> for RandomZoom {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let step = 1.0 / between(rng, self.min, self.max);
        image.affine([[step, 0.0, 0.0], [0.0, step, 0.0]]);
    }
}

/// Left becomes right; always, unless [`with_probability`](super::Augment::with_probability) says less.
#[derive(Clone, Copy, Debug, Default)]
pub struct HorizontalFlip;

impl<T: Float> Transform<T> for HorizontalFlip {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        image.affine([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    }
}

/// Up becomes down; always, unless [`with_probability`](super::Augment::with_probability) says less.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerticalFlip;

impl<T: Float> Transform<T> for VerticalFlip {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        image.affine([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]);
    }
}

/// Looks at the image from the side: each corner moves inwards, by up to half of `distortion` times the size, as
/// torchvision.
#[derive(Clone, Copy, Debug)]
pub struct RandomPerspective {
    distortion: f64,
}

impl RandomPerspective {
    /// How much, within 0 to 1; torchvision's default is 0.5.
    ///
    /// # Panics
    /// When it is not within 0 to 1, 1 excluded: there all corners may meet.
    #[track_caller]
    pub fn new(distortion: f64) -> Self {
        let fits = (0.0..1.0).contains(&distortion);
        assert!(
            fits,
            "RandomPerspective: distortion {distortion} is not within 0 to 1, 1 excluded"
        );
        RandomPerspective { distortion }
    }
}

impl<T: Float> Transform<T> for RandomPerspective {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let [right, bottom] = [width, height].map(|n| 0.5 * n as f64);
        let corners = [[-right, -bottom], [right, -bottom], [right, bottom], [-right, bottom]];
        let moved =
            corners.map(|corner| corner.map(|x| x * (1.0 - self.distortion * rng.uniform())));
        // The unit square goes to the moved corners and to the corners; where a pixel comes from is the way back.
        image.project(product(square_to(corners), inverse(square_to(moved))));
    }
}

/// The map of the unit square to a quadrangle, corner by corner (Heckbert 1989, "Fundamentals of Texture Mapping and
/// Image Warping", section 2.2.3).
fn square_to([p0, p1, p2, p3]: [[f64; 2]; 4]) -> Matrix {
    let [dx1, dy1] = [p1[0] - p2[0], p1[1] - p2[1]];
    let [dx2, dy2] = [p3[0] - p2[0], p3[1] - p2[1]];
    let [sx, sy] = [0, 1].map(|k| p0[k] - p1[k] + p2[k] - p3[k]);
    let area = dx1 * dy2 - dx2 * dy1;
    let (g, h) = ((sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area);
    let row = |k: usize| [p1[k] - p0[k] + g * p1[k], p3[k] - p0[k] + h * p3[k], p0[k]];
    [row(0), row(1), [g, h, 1.0]]
}

fn product(a: Matrix, b: Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
}

/// The inverse up to a factor, which a projective map does not see.
fn inverse(m: Matrix) -> Matrix {
    let minor = |i: usize, j: usize| {
        let [a, b, c, d] =
            [(1, 1), (2, 2), (1, 2), (2, 1)].map(|(di, dj)| m[(i + di) % 3][(j + dj) % 3]);
        a * b - c * d
    };
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| minor(j, i)))
}

#[track_caller]
pub(super) fn not_negative(transform: &str, name: &str, value: f64) {
    let fits = value >= 0.0 && value.is_finite();
    assert!(fits, "{transform}: {name} {value} is negative or not finite");
}

#[track_caller]
pub(super) fn in_order(transform: &str, min: f64, max: f64) {
    let fits = min > 0.0 && min <= max && max.is_finite();
    assert!(fits, "{transform}: {min} to {max} is no range of numbers above 0");
}
