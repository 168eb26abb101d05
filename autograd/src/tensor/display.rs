//! Printing: NumPy's brackets, columns aligned, and only the rim of a large array.

use std::fmt;

use super::{Element, Tensor};

/// Arrays of more elements than this show only their rim.
const SHOWN_WHOLE: usize = 1000;
/// How many entries of an axis stand at each side of the dots.
const RIM: usize = 3;

impl<T: Element> fmt::Display for Tensor<T> {
    /// `{:.3}` fixes the digits behind the point.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// let a = Tensor::from([[1.0, -0.5], [100.0, 0.25]]);
    /// assert_eq!(a.to_string(), "[[   1, -0.5],\n [ 100, 0.25]]");
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.len() <= SHOWN_WHOLE;
        let mut cells = Vec::new();
        collect(self, whole, f.precision(), &mut cells);
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        write_axis(self, whole, f, &mut cells.iter(), width, 1)
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {:?}{}", self.shape(), if self.rank() > 1 { "\n" } else { " " })?;
        fmt::Display::fmt(self, f)
    }
}

/// The indices of an axis of `n` that are printed; `None` stands for the dots.
fn shown(n: usize, whole: bool) -> impl Iterator<Item = Option<usize>> {
    let cut = !whole && n > 2 * RIM + 1;
    let (head, tail) = if cut { (RIM, n - RIM) } else { (n, n) };
    (0..head).map(Some).chain(cut.then_some(None)).chain((tail..n).map(Some))
}

/// The texts of all printed elements, in order: they must be known before the first is aligned.
fn collect<T: Element>(
    part: &Tensor<T>,
    whole: bool,
    digits: Option<usize>,
    cells: &mut Vec<String>,
) {
    match part.shape().first() {
        None => cells.push(part.item().text(digits)),
        Some(&n) => {
            for at in shown(n, whole).flatten() {
                collect(&part.row(at), whole, digits, cells);
            }
        }
    }
}

fn write_axis<T: Element>(
    part: &Tensor<T>,
    whole: bool,
    f: &mut fmt::Formatter<'_>,
    cells: &mut std::slice::Iter<'_, String>,
    width: usize,
    depth: usize,
) -> fmt::Result {
    let Some(&n) = part.shape().first() else {
        return write!(f, "{:>width$}", cells.next().map_or("", String::as_str));
    };
    f.write_str("[")?;
    for (count, at) in shown(n, whole).enumerate() {
        match (count, part.rank()) {
            (0, _) => {}
            (_, 1) => f.write_str(", ")?,
            // A blank line more for each axis, as NumPy does.
            (_, rank) => write!(f, ",{}{:depth$}", "\n".repeat(rank - 1), "")?,
        }
        match at {
            Some(at) => write_axis(&part.row(at), whole, f, cells, width, depth + 1)?,
            None => f.write_str("…")?,
        }
    }
    f.write_str("]")
}
