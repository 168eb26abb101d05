//! The table of a model's parameters.

use std::fmt::Write;

use gradus_autograd::{Float, Module};

/// A table of all parameters: path, shape, count, and whether gradients train it.
///
/// ```
/// use gradus_autograd::Module;
/// use gradus_nn::{Dense, summary};
/// let text = summary(&Dense::<f32>::new(2).inputs(3).init(1));
/// assert_eq!(text.lines().last(), Some("total 8, trained 8, not trained 0"));
/// ```
pub fn summary<T: Float>(model: &(impl Module<T> + ?Sized)) -> String {
    let mut rows = Vec::new();
    let (mut total, mut trained) = (0, 0);
    model.visit(gradus_autograd::Path::root(), &mut |path, param| {
        let count = param.value().len();
        total += count;
        trained += if param.is_trained() { count } else { 0 };
        let shape = format!("{:?}", param.value().shape());
        let note = if param.is_trained() { "" } else { "not trained" };
        rows.push([path.to_string(), shape, count.to_string(), note.to_owned()]);
    });
    let header = ["parameter", "shape", "count", ""].map(String::from);
    let width = |column: usize| {
        rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 4);
    for (number, row) in std::iter::once(&header).chain(&rows).enumerate() {
        let [a, b, c] = widths;
        let line = format!("{:a$}  {:b$}  {:>c$}  {}", row[0], row[1], row[2], row[3]);
        let _ = writeln!(text, "{}", line.trim_end());
        if number == 0 {
            let _ = writeln!(text, "{rule}");
        }
    }
    let _ = writeln!(text, "{rule}");
    let _ = write!(text, "total {total}, trained {trained}, not trained {}", total - trained);
    text
}
