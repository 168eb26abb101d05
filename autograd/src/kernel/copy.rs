//! Copying between layouts.

use crate::element::Element;
use crate::tensor::MAX_RANK;

/// Writes the elements at `strides` in `data` in the row-major order of `shape`.
pub(crate) fn strided<T: Element>(shape: &[usize], strides: &[usize], data: &[T], out: &mut [T]) {
    match (shape.split_last(), strides.split_last()) {
        _ if out.is_empty() => {}
        (Some((&n, outer)), Some((&step, steps))) => {
            // A transposed matrix goes in tiles, so that both sides stay within the cache.
            if let ([.., rows], [.., 1]) = (outer, steps)
                && step > 1
            {
                let outer = &outer[..outer.len() - 1];
                return each(outer, &steps[..outer.len()], |block, from| {
                    let out = &mut out[block * rows * n..][..rows * n];
                    transpose(*rows, n, &data[from..], step, out);
                });
            }
            each(outer, steps, |row, from| {
                let out = &mut out[row * n..][..n];
                match step {
                    0 => out.fill(data[from]),
                    1 => out.copy_from_slice(&data[from..][..n]),
                    _ => {
                        for (y, x) in out.iter_mut().zip(data[from..].iter().step_by(step)) {
                            *y = *x;
                        }
                    }
                }
            });
        }
        _ => out[0] = data[0],
    }
}

/// Calls `f` with the running number and the offset of each position, in row-major order.
pub(crate) fn each(shape: &[usize], strides: &[usize], mut f: impl FnMut(usize, usize)) {
    let mut index = [0; MAX_RANK];
    let mut from = 0;
    for count in 0..shape.iter().product() {
        f(count, from);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

/// out[i, j] = data[i + j·step], out row-major [rows, n].
fn transpose<T: Element>(rows: usize, n: usize, data: &[T], step: usize, out: &mut [T]) {
    const TILE: usize = 16;
    for top in (0..rows).step_by(TILE) {
        let bottom = rows.min(top + TILE);
        for left in (0..n).step_by(TILE) {
            for j in left..n.min(left + TILE) {
                let column = &data[j * step + top..j * step + bottom];
                for (i, &x) in column.iter().enumerate() {
                    out[(top + i) * n + j] = x;
                }
            }
        }
    }
}
