//! A contact sheet: what each transform makes of the same images.
//!
//! What one learns: which transforms there are, and how strong is strong. Look at your own pipeline like this
//! before you train with it.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | draws `target/augmentation.png` |
//! | `PATH` | draws it there |
//! | `--short` | the same |
use std::error::Error;

use gradus::data::augment::*;
use gradus::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/fashion-mnist-mini");
const SHEET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/augmentation.png");
/// Of so many samples, each appears in two epochs.
const SAMPLES: usize = 6;
/// The side of an image in pixels, and that of a pixel and of a gap on the sheet.
const SIDE: usize = 28;
const ZOOM: usize = 2;
const GAP: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).filter(|arg| arg != "--short");
    let path = path.unwrap_or_else(|| SHEET.to_owned());
    let images = Idx::new().read_path(format!("{DATA}/train-images-idx3-ubyte.gz"))?;
    let labels = Idx::new().read_path(format!("{DATA}/train-labels-idx1-ubyte.gz"))?;
    let x: Tensor = images.to_tensor().slice(0, 0..SAMPLES).reshape(&[SAMPLES, 1, SIDE, SIDE]);
    let classes: Vec<f32> = labels.to_tensor().slice(0, 0..SAMPLES).to_vec();
    let one_hot = Tensor::from_fn(&[SAMPLES, 10], |at| f32::from(classes[at[0]] == at[1] as f32));
    let data = Dataset::new(x.map(|x| x / 255.0), one_hot)?;

    let new = || Augment::new(3);
    let rows = [
        ("nothing", new()),
        ("RandomRotation, 30 degrees", new().add(RandomRotation::new(30.0))),
        ("RandomTranslation, a fifth", new().add(RandomTranslation::new(0.2, 0.2))),
        ("RandomZoom, 0.6 to 1.4", new().add(RandomZoom::new(0.6, 1.4))),
        ("RandomShear, 0.4", new().add(RandomShear::new(0.4, 0.4))),
        ("RandomPerspective, 0.5", new().add(RandomPerspective::new(0.5))),
        ("HorizontalFlip, by half", new().add(HorizontalFlip).with_probability(0.5)),
        ("VerticalFlip, by half", new().add(VerticalFlip).with_probability(0.5)),
        ("RandomCrop, margin 4", new().add(RandomCrop::new([SIDE, SIDE]).margin(4))),
        ("CenterCrop, 20 × 20", new().add(CenterCrop::new([20, 20]))),
        ("RandomResizedCrop", new().add(RandomResizedCrop::new([SIDE, SIDE]).scale(0.3, 1.0))),
        ("ElasticTransform, 20 and 3", new().add(ElasticTransform::new(20.0, 3.0))),
        ("RandomBrightness, 0.4", new().add(RandomBrightness::new(0.4))),
        ("RandomContrast, 0.8", new().add(RandomContrast::new(0.8))),
        ("GaussianNoise, 0.15", new().add(GaussianNoise::new(0.15))),
        ("RandomErasing, grey", new().add(RandomErasing::new().value(0.5))),
        ("MixUp, 1", new().add(MixUp::new(1.0))),
        ("CutMix, 1", new().add(CutMix::new(1.0))),
        ("Resize, 14 × 14", new().add(Resize::new([14, 14]))),
        (
            "shift, rotation, flip, noise",
            new()
                .add(RandomTranslation::new(0.1, 0.1))
                .add(RandomRotation::new(10.0))
                .add(HorizontalFlip)
                .with_probability(0.5)
                .add(GaussianNoise::new(0.05)),
        ),
    ];

    let tile = SIDE * ZOOM + GAP;
    let [height, width] = [rows.len() * tile + GAP, 2 * SAMPLES * tile + GAP];
    let mut sheet = Tensor::full(&[1, height, width], 1.0_f32);
    let pixels = sheet.make_mut();
    for (row, (name, augment)) in rows.iter().enumerate() {
        println!("row {:2}  {name}", row + 1);
        for epoch in 0..2 {
            let seen = augment.apply(&data, epoch as u64)?;
            let w = seen.x().shape()[3];
            for n in 0..SAMPLES {
                let (top, left) = (row * tile + GAP, (2 * n + epoch) * tile + GAP);
                let image = seen.x().row(n).to_vec();
                for (i, line) in image.chunks_exact(w).enumerate() {
                    for zoomed in 0..ZOOM {
                        let at = (top + i * ZOOM + zoomed) * width + left;
                        for (to, &x) in pixels[at..].chunks_exact_mut(ZOOM).zip(line) {
                            to.fill(x);
                        }
                    }
                }
            }
        }
    }
    save_image(&sheet, &path)?;
    println!("\n{} transforms of {SAMPLES} images in two epochs: {path}", rows.len() - 1);
    Ok(())
}
