//! Charts as SVG: lines, points and bands over linear or logarithmic axes.

use std::{io, path::Path};

use crate::file;

mod draw;
mod scale;
mod text;

pub(crate) use text::escape;

/// A chart of lines, points and bands, which becomes SVG text.
///
/// A point that is not finite, or not positive on a logarithmic axis, is not drawn, and a line breaks
/// there. The same calls give the same bytes.
///
/// ```
/// use gradus_train::Chart;
///
/// let loss = [0.69, 0.41, 0.22, 0.13];
/// let chart = Chart::new("Training")
///     .x("epoch")
///     .y("loss")
///     .log_y()
///     .line("Adam", (0..).map(f64::from).zip(loss));
/// assert!(chart.svg().starts_with("<svg "));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

#[derive(Clone, Debug, Default)]
struct Axis {
    label: String,
    log: bool,
    /// Of categories, which stand at 0, 1, 2 …
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Line,
    Points,
    Band,
    Upright,
}

/// Points are x, low and high; low is high in all but a band.
#[derive(Clone, Debug)]
struct Series {
    kind: Kind,
    label: String,
    style: usize,
    points: Vec<[f64; 3]>,
}

impl Chart {
    /// A chart with nothing but a title, which may be empty.
    ///
    /// ```
    /// assert!(gradus_train::Chart::new("a < b").svg().contains("a &lt; b"));
    /// ```
    pub fn new(title: impl Into<String>) -> Self {
        Chart { title: title.into(), ..Chart::default() }
    }

    /// Names the x axis.
    ///
    /// ```
    /// assert!(gradus_train::Chart::new("").x("epoch").svg().contains(">epoch</text>"));
    /// ```
    pub fn x(mut self, label: impl Into<String>) -> Self {
        self.x.label = label.into();
        self
    }

    /// Names the y axis.
    ///
    /// ```
    /// assert!(gradus_train::Chart::new("").y("loss").svg().contains(">loss</text>"));
    /// ```
    pub fn y(mut self, label: impl Into<String>) -> Self {
        self.y.label = label.into();
        self
    }

    /// Makes the x axis logarithmic.
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("").log_x().points("", [(1.0, 1.0), (1e9, 2.0)]);
    /// assert!(chart.svg().contains(">10⁸</text>"));
    /// ```
    pub fn log_x(mut self) -> Self {
        self.x.log = true;
        self
    }

    /// Makes the x axis one of categories, which stand at 0, 1, 2 …
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("").x_names(["relu", "tanh"]).points("", [(1.0, 0.9)]);
    /// assert!(chart.svg().contains(">tanh</text>"));
    /// ```
    pub fn x_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.x.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Makes the y axis logarithmic.
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("").log_y().points("", [(1.0, 0.01), (2.0, 10.0)]);
    /// assert!(chart.svg().contains(">0.1</text>"));
    /// ```
    pub fn log_y(mut self) -> Self {
        self.y.log = true;
        self
    }

    /// Adds a line through points `(x, y)` in the order given. Without a label it is not in the legend.
    ///
    /// ```
    /// let squares = (0..9).map(f64::from).map(|x| (x, x * x));
    /// let chart = gradus_train::Chart::new("").line("x²", squares);
    /// assert!(chart.svg().contains(">x²</text>"));
    /// ```
    pub fn line(
        self,
        label: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.add(Kind::Line, label.into(), points.into_iter().map(|(x, y)| [x, y, y]))
    }

    /// Adds points `(x, y)` that no line joins. Without a label they are not in the legend.
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("").points("trials", [(0.1, 0.8), (0.3, 0.9)]);
    /// assert!(chart.svg().contains(">trials</text>"));
    /// ```
    pub fn points(
        self,
        label: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.add(Kind::Points, label.into(), points.into_iter().map(|(x, y)| [x, y, y]))
    }

    /// Adds a shaded band of `(x, low, high)` behind all lines, in the colour of what was added last. On a
    /// logarithmic axis, a low end that is not positive is the edge of the plot.
    ///
    /// ```
    /// let mean = [(0.0, 0.9), (1.0, 0.5), (2.0, 0.4)];
    /// let chart = gradus_train::Chart::new("")
    ///     .line("mean", mean)
    ///     .band("± 0.1", mean.map(|(x, y)| (x, y - 0.1, y + 0.1)));
    /// assert!(chart.svg().contains("fill-opacity"));
    /// ```
    pub fn band(
        self,
        label: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Self {
        self.add(Kind::Band, label.into(), points.into_iter().map(|(x, low, high)| [x, low, high]))
    }

    /// Adds an upright dotted line at `x` from the bottom of the plot to its top, to mark a moment.
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("").line("", [(0.0, 1.0), (9.0, 0.5)]).vline("kept", 7.0);
    /// assert!(chart.svg().contains(">kept</text>"));
    /// ```
    pub fn vline(self, label: impl Into<String>, x: f64) -> Self {
        self.add(Kind::Upright, label.into(), [[x, x, x]].into_iter())
    }

    fn add(mut self, kind: Kind, label: String, points: impl Iterator<Item = [f64; 3]>) -> Self {
        // A band has the style of what it belongs to, an upright line one of its own for all of them.
        let next = usize::from(!matches!(kind, Kind::Band | Kind::Upright));
        let counted = |series: &&Series| series.kind != Kind::Upright;
        let style = self.series.iter().rev().find(counted).map_or(0, |last| last.style + next);
        self.series.push(Series { kind, label, style, points: points.collect() });
        self
    }

    /// Writes the SVG to a file, making the folders above it. The file is there as a whole or not at all: it
    /// is written under another name beside its place and renamed.
    ///
    /// ```
    /// let folder = std::env::temp_dir().join("gradus-charts");
    /// gradus_train::Chart::new("empty").save(folder.join("empty.svg"))?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// When a folder or the file cannot be written; the message names the file.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        file::write(path, self.svg().as_bytes())
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
    }

    /// The chart as the text of an SVG file.
    ///
    /// ```
    /// let chart = gradus_train::Chart::new("one point").points("", [(1.0, 2.0)]);
    /// assert!(chart.svg().ends_with("</svg>\n"));
    /// ```
    pub fn svg(&self) -> String {
        draw::svg(&[self])
    }
}

/// Charts one under another, as the text of one SVG file.
pub(crate) fn panels(charts: &[Chart]) -> String {
    draw::svg(&charts.iter().collect::<Vec<_>>())
}
