//! Pictures to look at.

use std::io::{BufWriter, Error, Write};
use std::path::Path;

use gradus_autograd::{Float, Tensor};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::DataError;
use crate::file::save;

/// Writes an image, `[channels, height, width]`, of one channel (brightness) or three (red, green, blue), as a PNG file.
/// 0 is black and 1 is white; what is below or above is cut off.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::save_image;
///
/// let path = std::env::temp_dir().join("gradus-save-image.png");
/// save_image(&Tensor::<f32>::linspace(0.0, 1.0, 64).reshape(&[1, 8, 8]), &path)?;
/// assert!(std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
///
/// # Errors
/// When the file cannot be written.
///
/// # Panics
/// When the tensor is no such image.
#[track_caller]
pub fn save_image<T: Float>(image: &Tensor<T>, path: impl AsRef<Path>) -> Result<(), DataError> {
    let &[channels @ (1 | 3), height @ (1..), width @ (1..)] = image.shape() else {
        panic!("save_image: {:?} is not [1, height, width] or [3, height, width]", image.shape());
    };
    let bytes =
        image.permute(&[1, 2, 0]).map(|x| (x.to_f64().clamp(0.0, 1.0) * 255.0).round() as u8);
    let color = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    save(path.as_ref(), |file, place| {
        let mut sink = BufWriter::new(file);
        let written = PngEncoder::new(&mut sink)
            .write_image(&bytes.to_vec(), width as u32, height as u32, color)
            .map_err(Error::other)
            .and_then(|()| sink.flush());
        written.map_err(|source| DataError::Write { at: Box::new(place.clone()), source })
    })
}
