//! What each transform does to an image.

use approx::assert_abs_diff_eq;
use gradus_autograd::{Float, Interpolation, Padding, Rng, Tape, Tensor};
use gradus_data::augment::*;
use gradus_data::{Augment, Dataset};

use crate::images;

/// What remains of rounding in the position of a pixel.
const ROUNDING: f64 = 1e-12;

/// The map of a matrix.
#[derive(Debug)]
struct Map(Matrix);

impl<T: Float> Transform<T> for Map {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        image.project(self.0);
    }
}

/// Has the pixels read, and so all maps before it done.
#[derive(Debug)]
struct Read;

impl<T: Float> Transform<T> for Read {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        image.pixels();
    }
}

fn turn(degrees: f64) -> Map {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Map([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
}

fn once(data: &Dataset<f64>, augment: Augment<f64>) -> Tensor<f64> {
    augment.apply(data, 0).unwrap().x().clone()
}

/// The same images with the pixel at `from(i, j)` at row i and column j.
fn picked(
    x: &Tensor<f64>,
    size: [usize; 2],
    from: impl Fn(usize, usize) -> [usize; 2],
) -> Tensor<f64> {
    let shape = [x.shape()[0], x.shape()[1], size[0], size[1]];
    Tensor::from_fn(&shape, |at| {
        let [i, j] = from(at[2], at[3]);
        x.at(&[at[0], at[1], i, j])
    })
}

#[test]
fn flips_and_crops_keep_the_bits() {
    let data = images(&[5, 2, 6, 7], 1);
    let x = data.x();
    let flipped = once(&data, Augment::new(0).add(HorizontalFlip));
    assert_eq!(flipped, picked(x, [6, 7], |i, j| [i, 6 - j]));
    let flipped = once(&data, Augment::new(0).add(VerticalFlip));
    assert_eq!(flipped, picked(x, [6, 7], |i, j| [5 - i, j]));
    assert_eq!(&once(&data, Augment::new(0).add(VerticalFlip).add(Read).add(VerticalFlip)), x);
    let middle = once(&data, Augment::new(0).add(CenterCrop::new([3, 4])));
    assert_eq!(middle, picked(x, [3, 4], |i, j| [i + 1, j + 1]));
    assert_eq!(&once(&data, Augment::new(0).add(Resize::new([6, 7]))), x);
    assert_eq!(&once(&data, Augment::new(0)), x);

    // A crop is one of the parts that there are, each sample its own.
    let crops = once(&data, Augment::new(0).add(RandomCrop::new([4, 4])));
    let mut places = Vec::new();
    for n in 0..5 {
        let all = (0..3).flat_map(|top| (0..4).map(move |left| [top, left]));
        let fits = |&[top, left]: &[usize; 2]| {
            crops.row(n) == picked(x, [4, 4], |i, j| [top + i, left + j]).row(n)
        };
        let found: Vec<_> = all.filter(fits).collect();
        assert_eq!(found.len(), 1, "sample {n}");
        places.extend(found);
    }
    places.dedup();
    assert!(places.len() > 1);
}

#[test]
fn margins_of_crops_are_padding() {
    let data = images(&[200, 1, 2, 2], 1);
    let crops = once(&data, Augment::new(0).add(RandomCrop::new([2, 2]).margin(2)));
    // Five places on each axis, one of which shows the whole.
    let whole = (0..200).filter(|&n| crops.row(n) == data.x().row(n)).count();
    let empty = (0..200).filter(|&n| crops.row(n).to_vec() == [0.0; 4]).count();
    assert!((1..30).contains(&whole), "{whole}");
    assert!((80..160).contains(&empty), "{empty}");
    let border = Augment::new(0).add(RandomCrop::new([2, 2]).margin(2)).padding(Padding::Border);
    assert!(once(&data, border).to_vec().iter().all(|x| *x > 0.0));
}

#[test]
fn a_map_is_the_resampling_of_the_tape() {
    let data = images(&[3, 2, 8, 8], 4);
    for padding in [Padding::Zeros, Padding::Border, Padding::Reflection] {
        let moved = once(&data, Augment::new(0).add(turn(25.0)).padding(padding));
        let tape = Tape::inference();
        let (sin, cos) = 25_f64.to_radians().sin_cos();
        let theta = Tensor::from([[[cos, -sin, 0.0], [sin, cos, 0.0]]]).broadcast_to(&[3, 2, 3]);
        let grid = tape.constant(theta).affine_grid([8, 8], false);
        let x = tape.constant(data.x().clone());
        let y = x.grid_sample(grid, Interpolation::Bilinear, padding, false).value();
        assert_abs_diff_eq!(moved, y, epsilon = ROUNDING);
    }
}

/// Neighbouring maps are one: there and back again is where it was, unless the pixels are looked at on the way.
#[test]
fn maps_are_done_at_once() {
    let data = images(&[3, 1, 9, 9], 4);
    let shift = |x: f64| Map([[1.0, 0.0, x], [0.0, 1.0, 0.5 * x], [0.0, 0.0, 1.0]]);
    let there = || Augment::new(0).add(turn(30.0)).add(shift(2.5));
    let back = once(&data, there().add(shift(-2.5)).add(turn(-30.0)));
    assert_abs_diff_eq!(back, *data.x(), epsilon = ROUNDING);
    let blurred = once(&data, there().add(Read).add(shift(-2.5)).add(turn(-30.0)));
    let change = blurred.to_vec().into_iter().zip(data.x().to_vec()).map(|(a, b)| (a - b).abs());
    assert!(change.fold(0.0, f64::max) > 0.1);
    // The order is that of the pipeline: first turned, then moved to the left.
    let both = once(&data, there());
    let apart = once(&data, Augment::new(0).add(turn(30.0)).add(Read).add(shift(2.0)));
    let [whole, half] =
        [2.0, 2.5].map(|x| once(&data, Augment::new(0).add(turn(30.0)).add(shift(x))));
    assert_eq!(half, both);
    // By whole pixels in x, and in y by one: nothing is read twice.
    let inside = |x: &Tensor<f64>| x.slice(2, 0..7).slice(3, 0..6);
    assert_abs_diff_eq!(inside(&whole), inside(&apart), epsilon = ROUNDING);
}

#[test]
fn resizing_is_that_of_others() {
    // torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False)
    let data = Dataset::new(Tensor::<f64>::new(&[1, 1, 1, 2], vec![1.0, 2.0]), Tensor::zeros(&[1]))
        .unwrap();
    let wide = once(&data, Augment::new(0).add(Resize::new([1, 4])).padding(Padding::Border));
    assert_eq!(wide.to_vec(), [1.0, 1.25, 1.75, 2.0]);
    let whole = RandomResizedCrop::new([3, 5]).scale(1.0, 1.0).ratio(1.0, 1.0);
    let data = images(&[4, 2, 6, 6], 3);
    let [a, b] = [
        once(&data, Augment::new(0).add(whole).padding(Padding::Border)),
        once(&data, Augment::new(0).add(Resize::new([3, 5])).padding(Padding::Border)),
    ];
    assert_abs_diff_eq!(a, b, epsilon = ROUNDING);
}

/// Nothing is seen that was not there: of a flat image, whatever moves pixels makes a flat image.
#[test]
fn flat_images_stay_flat() {
    let data = Dataset::new(Tensor::full(&[50, 1, 7, 9], 0.75_f64), Tensor::zeros(&[50])).unwrap();
    let augment = Augment::new(3)
        .padding(Padding::Border)
        .add(RandomShear::new(0.3, 0.3))
        .add(RandomZoom::new(0.5, 2.0))
        .add(RandomPerspective::new(0.6))
        .add(ElasticTransform::new(20.0, 2.0))
        .add(RandomResizedCrop::new([5, 5]))
        .add(RandomContrast::new(0.9));
    let x = once(&data, augment);
    assert_eq!(x.shape(), [50, 1, 5, 5]);
    assert_abs_diff_eq!(x, Tensor::full(&[50, 1, 5, 5], 0.75), epsilon = ROUNDING);
}

#[test]
fn without_strength_nothing_happens() {
    let data = images(&[3, 2, 5, 6], 3);
    let augment = Augment::new(3)
        .add(RandomRotation::new(0.0))
        .add(RandomTranslation::new(0.0, 0.0))
        .add(RandomShear::new(0.0, 0.0))
        .add(RandomZoom::new(1.0, 1.0))
        .add(RandomPerspective::new(0.0))
        .add(ElasticTransform::new(0.0, 1.0))
        .add(RandomBrightness::new(0.0))
        .add(RandomContrast::new(0.0))
        .add(GaussianNoise::new(0.0));
    assert_abs_diff_eq!(once(&data, augment), *data.x(), epsilon = ROUNDING);
}

/// The middle of what a corner sees moves inwards by at most half of the distortion.
#[test]
fn perspective_moves_corners_inwards() {
    let x = Tensor::<f64>::ones(&[300, 1, 40, 40]);
    let data = Dataset::new(x, Tensor::zeros(&[300])).unwrap();
    let x = once(&data, Augment::new(1).add(RandomPerspective::new(0.5)));
    let mut corner_seen = 0;
    for n in 0..300 {
        let image = x.row(n);
        // Whatever was drawn, the middle half is still there.
        let middle = image.slice(1, 11..29).slice(2, 11..29).to_vec();
        assert!(middle.iter().all(|x| (x - 1.0).abs() < ROUNDING), "sample {n}");
        corner_seen += usize::from(image.at(&[0, 2, 2]) > 0.5);
    }
    assert!((1..100).contains(&corner_seen), "{corner_seen}");
}

#[test]
fn noise_is_normal() {
    const SIGMA: f64 = 0.5;
    let data =
        Dataset::new(Tensor::<f64>::zeros(&[200, 1, 15, 17]), Tensor::zeros(&[200])).unwrap();
    let x = once(&data, Augment::new(3).add(GaussianNoise::new(SIGMA))).to_vec();
    let n = x.len() as f64;
    let moment = |k: i32| x.iter().map(|x| (x / SIGMA).powi(k)).sum::<f64>() / n;
    // Four standard deviations of each mean.
    let bound = |variance: f64| 4.0 * (variance / n).sqrt();
    assert!(moment(1).abs() < bound(1.0));
    assert!((moment(2) - 1.0).abs() < bound(2.0));
    assert!(moment(3).abs() < bound(15.0));
    assert!((moment(4) - 3.0).abs() < bound(96.0));
    // Neither the halves of an image nor neighbours go together.
    for apart in [1, 128, 255] {
        let product =
            x.iter().zip(&x[apart..]).map(|(a, b)| a * b / (SIGMA * SIGMA)).sum::<f64>() / n;
        assert!(product.abs() < bound(1.0), "{apart}: {product}");
    }
}

#[test]
fn brightness_and_contrast() {
    let data = images(&[100, 2, 3, 3], 5);
    let bright = once(&data, Augment::new(1).add(RandomBrightness::new(0.3)));
    let strong = once(&data, Augment::new(1).add(RandomContrast::new(0.5)));
    for n in 0..100 {
        let (old, new) = (data.x().row(n).to_vec(), bright.row(n).to_vec());
        let more = new[0] - old[0];
        assert!(more.abs() <= 0.3);
        old.iter().zip(&new).for_each(|(a, b)| assert!((b - a - more).abs() < ROUNDING));
        for channel in 0..2 {
            let [old, new] = [data.x(), &strong].map(|x| x.row(n).row(channel).to_vec());
            let [a, b] = [&old, &new].map(|x| x.iter().sum::<f64>() / 9.0);
            assert!((a - b).abs() < ROUNDING);
            let factor = (new[0] - b) / (old[0] - a);
            assert!((0.5..=1.5).contains(&factor));
            old.iter()
                .zip(&new)
                .for_each(|(x, y)| assert!((y - b - factor * (x - a)).abs() < ROUNDING));
        }
    }
}

#[test]
fn erased_is_a_rectangle() {
    let data = Dataset::new(Tensor::<f64>::ones(&[200, 2, 10, 12]), Tensor::zeros(&[200])).unwrap();
    let x = once(&data, Augment::new(1).add(RandomErasing::new().scale(0.1, 0.3).value(-1.0)));
    for n in 0..200 {
        let plane = x.row(n).row(0);
        assert_eq!(plane, x.row(n).row(1));
        let erased = |i: usize, j: usize| plane.at(&[i, j]) == -1.0;
        let rows: Vec<usize> = (0..10).filter(|&i| (0..12).any(|j| erased(i, j))).collect();
        let columns: Vec<usize> = (0..12).filter(|&j| (0..10).any(|i| erased(i, j))).collect();
        assert_eq!(rows.last().unwrap() - rows[0] + 1, rows.len());
        assert!(rows.iter().all(|&i| columns.iter().all(|&j| erased(i, j))));
        assert!((8..=42).contains(&(rows.len() * columns.len())));
    }
}

/// Sample k is k everywhere, and its target has a 1 at k: what it becomes says what was mixed, and how.
fn labelled() -> Dataset<f64> {
    let x = Tensor::from_fn(&[6, 1, 8, 8], |at| at[0] as f64);
    let y = Tensor::from_fn(&[6, 6], |at| f64::from(u8::from(at[0] == at[1])));
    Dataset::new(x, y).unwrap()
}

#[test]
fn mixup_mixes_targets_as_pixels() {
    let (data, augment) = (labelled(), Augment::new(1).add(MixUp::new(0.4)));
    let mut weights = Vec::new();
    for epoch in 0..500 {
        let mixed = augment.apply(&data, epoch).unwrap();
        for n in 0..6 {
            let (x, y) = (mixed.x().row(n).to_vec(), mixed.y().row(n).to_vec());
            assert!((y.iter().sum::<f64>() - 1.0).abs() < ROUNDING);
            let mean: f64 = y.iter().enumerate().map(|(k, y)| k as f64 * y).sum();
            assert!(x.iter().all(|x| (x - mean).abs() < ROUNDING));
            if y.iter().filter(|y| **y > 0.0).count() == 2 {
                weights.push(y[n]);
            }
        }
    }
    // Five of six partners are another sample.
    assert!((2350..2650).contains(&weights.len()), "{}", weights.len());
    let n = weights.len() as f64;
    let mean = weights.iter().sum::<f64>() / n;
    let variance = weights.iter().map(|w| (w - 0.5).powi(2)).sum::<f64>() / n;
    // Of Beta(α, α): 1/2, and 1/(4·(2α + 1)).
    assert!((mean - 0.5).abs() < 0.03 && (variance - 0.1389).abs() < 0.01, "{mean} {variance}");
}

#[test]
fn cutmix_mixes_targets_by_area() {
    let (data, augment) = (labelled(), Augment::new(1).add(CutMix::new(1.0)));
    let mut mixed_ones = 0;
    for epoch in 0..50 {
        let mixed = augment.apply(&data, epoch).unwrap();
        for n in 0..6 {
            let (x, y) = (mixed.x().row(n).to_vec(), mixed.y().row(n).to_vec());
            for (k, y) in y.iter().enumerate() {
                let area = x.iter().filter(|x| **x == k as f64).count() as f64 / 64.0;
                assert!((area - y).abs() < ROUNDING);
            }
            mixed_ones += usize::from(y[n] < 1.0);
        }
    }
    assert!((150..300).contains(&mixed_ones), "{mixed_ones}");
}

/// A transform that mixes sees what those before it have done, and what comes after it is done to the mixture.
#[test]
fn mixing_is_in_order() {
    let data = labelled();
    let invert = Map([[1.0, 0.0, 100.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    let gone = once(&data, Augment::new(1).add(invert).add(MixUp::new(1.0)));
    assert_eq!(gone, Tensor::zeros(&[6, 1, 8, 8]));
    let mixed = |last: bool| {
        let augment = Augment::new(1).add(HorizontalFlip).add(MixUp::new(1.0));
        let augment =
            if last { augment.add(CutMix::new(1.0)).add(CenterCrop::new([2, 2])) } else { augment };
        augment.apply(&data, 3).unwrap()
    };
    assert_eq!(mixed(true).x().shape(), [6, 1, 2, 2]);
    let sums = mixed(true).y().to_vec();
    assert!(sums.chunks(6).all(|y| (y.iter().sum::<f64>() - 1.0).abs() < ROUNDING));
    assert_ne!(mixed(true).y(), mixed(false).y());
}

#[test]
fn rows_are_images_too() {
    let data = images(&[4, 2, 3, 5], 1);
    let flat = data.with_x(data.x().reshape(&[4, 30])).unwrap();
    let pipeline = || Augment::new(2).add(RandomRotation::new(30.0)).add(CenterCrop::new([2, 3]));
    let images = once(&data, pipeline());
    let rows = once(&flat, pipeline().images([2, 3, 5]));
    assert_eq!(rows, images.reshape(&[4, 12]));
}
