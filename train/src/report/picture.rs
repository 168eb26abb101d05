//! A sample that is an image, as a picture within the page.

use gradus_autograd::{Float, Tensor};

/// The most pixels of a side; larger images are thinned out.
const SIDE: usize = 128;
/// The side in the page, at least.
const SHOWN: usize = 56;

/// The picture of sample `row` of `[n, height, width]` or `[n, 1 or 3, height, width]`, from its smallest number,
/// black, to its largest; `None` for samples of other shapes.
pub(super) fn picture<T: Float>(x: &Tensor<T>, row: usize) -> Option<String> {
    let (channels, height, width) = match *x.shape() {
        [_, height, width] => (1, height, width),
        [_, channels @ (1 | 3), height, width] => (channels, height, width),
        _ => return None,
    };
    let values: Vec<f64> = x.row(row).to_vec().into_iter().map(T::to_f64).collect();
    if values.is_empty() {
        return None;
    }
    let known = values.iter().filter(|v| v.is_finite());
    let (low, high) =
        known.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let byte = |value: f64| match high > low {
        true => ((value - low) / (high - low) * 255.0).round() as u8,
        false => 0,
    };
    let step = height.max(width).div_ceil(SIDE);
    let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
    let pixel = |y: usize, x: usize, channel: usize| {
        byte(values[(channel.min(channels - 1) * height + y * step) * width + x * step])
    };
    let larger = SHOWN.div_ceil(rows.max(columns)).max(1);
    Some(format!(
        "<img alt=\"sample {row}\" width=\"{}\" height=\"{}\" src=\"data:image/bmp;base64,{}\">",
        columns * larger,
        rows * larger,
        base64(&bmp(rows, columns, pixel))
    ))
}

/// An uncompressed bitmap of 24 bits a pixel: rows from below, blue first, rows padded to 4 bytes.
fn bmp(rows: usize, columns: usize, pixel: impl Fn(usize, usize, usize) -> u8) -> Vec<u8> {
    const HEADER: u32 = 54;
    let line = (columns * 3).next_multiple_of(4);
    let size = HEADER + (rows * line) as u32;
    let mut file = b"BM".to_vec();
    for field in [size, 0, HEADER, 40, columns as u32, rows as u32, 1 | 24 << 16, 0, 0, 0, 0, 0, 0]
    {
        file.extend(field.to_le_bytes());
    }
    for y in (0..rows).rev() {
        for x in 0..columns {
            file.extend([2, 1, 0].map(|channel| pixel(y, x, channel)));
        }
        file.resize(file.len() + line - columns * 3, 0);
    }
    file
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all = three.iter().fold(0_u32, |all, &byte| all << 8 | u32::from(byte));
        let all = all << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn rows_stand_from_below_and_are_padded() {
        let file = bmp(2, 1, |y, _, channel| (10 * y + channel) as u8);
        assert_eq!(file.len(), 54 + 2 * 4);
        assert_eq!(file[54..], [12, 11, 10, 0, 2, 1, 0, 0]);
    }

    #[test]
    fn vectors_are_no_pictures() {
        assert_eq!(picture(&Tensor::<f32>::ones(&[2, 9]), 0), None);
        assert_eq!(picture(&Tensor::<f32>::ones(&[2, 4, 3, 3]), 0), None);
        assert!(picture(&Tensor::<f32>::ones(&[2, 3, 400, 3]), 1).is_some());
    }
}
