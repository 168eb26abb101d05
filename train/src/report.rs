//! A run on one page: `Report`, a file of HTML that needs nothing else.

use std::fmt::{Display, Write};
use std::path::Path;

use gradus_autograd::{Float, Module, Tensor};
use gradus_data::Dataset;
use gradus_nn::summary;

use crate::chart::{self, escape};
use crate::{Chart, CrossValidation, History, Scores, TrainError, file};

mod classes;
mod numbers;
mod picture;

/// How many of the worst predictions are shown.
const WORST: usize = 12;
/// So many features of a sample are shown beside its prediction.
const SHOWN: usize = 6;
/// So many points of a cloud are drawn.
const DRAWN: usize = 2000;

/// A page about a run, for a person to look at: settings, scores, curves, the worst predictions.
///
/// The file holds all that it shows: charts are SVG, there are no scripts, and nothing is fetched. It can be
/// printed, and follows a dark screen. Sections stand in the order in which they are added; the same calls give
/// the same bytes.
///
/// ```
/// use gradus_autograd::{Module, Tensor};
/// use gradus_data::Dataset;
/// use gradus_nn::{Dense, losses::MeanSquaredError};
/// use gradus_optim::Sgd;
/// use gradus_train::{Compile, Fit, Report};
///
/// let x = Tensor::linspace(0.0, 1.0, 16).reshape(&[16, 1]);
/// let data: Dataset = Dataset::new(x.clone(), x.map(|x| 2.0 * x + 1.0))?;
/// let model = Dense::new(1).inputs(1).init(7);
/// let mut model = model.compile(Sgd::new(0.1), MeanSquaredError, &[]);
/// let history = model.fit(&data, Fit::new().epochs(50).seed(7))?;
///
/// Report::new("A straight line")
///     .seed(7)
///     .setting("learning rate", 0.1)
///     .scores("training", &model.evaluate(&data)?)
///     .history(&history)
///     .regression(&model.predict(data.x())?, &data)
///     .model(&model.model)
///     .write(std::env::temp_dir().join("gradus-report.html"))?;
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    settings: Vec<(String, String)>,
    scores: Vec<(String, Scores)>,
    sections: String,
}

impl Report {
    /// A page with nothing but a title.
    pub fn new(title: impl Into<String>) -> Self {
        let (settings, scores) = (Vec::new(), Vec::new());
        Report { title: title.into(), settings, scores, sections: String::new() }
    }

    /// A setting of the run, for the table at the top.
    pub fn setting(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// The seed of the run: with the settings, what it takes to get the same bits again.
    pub fn seed(self, seed: u64) -> Self {
        self.setting("seed", seed)
    }

    /// The loss and the metrics on a part of the data, for the table below the settings.
    pub fn scores(mut self, part: impl Into<String>, scores: &Scores) -> Self {
        self.scores.push((part.into(), scores.clone()));
        self
    }

    /// The curves of training, as [`History::plot`] draws them.
    pub fn history(self, history: &History) -> Self {
        let kept = match history.kept_epoch() {
            Some(epoch) => {
                let epochs = history.epochs().len();
                format!("<p>{epochs} epochs; the model has the weights of epoch {epoch}.</p>\n")
            }
            None => String::new(),
        };
        self.section("Training", &(kept + &figure(&chart::panels(&history.panels("")))))
    }

    /// The scores of each fold, mean and standard deviation, and the averaged history.
    pub fn cross_validation<T: Float>(self, found: &CrossValidation<T>) -> Self {
        let curves = figure(&chart::panels(&found.history().panels("")));
        let text = "<p>The curves are averages over the folds that still train.</p>\n";
        self.section("Cross-validation", &(pre(&found.to_string()) + text + &curves))
    }

    /// How a classifier did: confusion matrix, report of each class, receiver operating characteristic (for more than
    /// two classes, of each one against the rest), and the predictions that gave the true class least.
    ///
    /// `predictions` are probabilities, or logits if they cannot be probabilities, of shape `[n]`, `[n, 1]` or
    /// `[n, classes]`; the targets of `data` are classes or one-hot rows. Its features are shown as they are here:
    /// give it data that is not scaled. Samples `[n, height, width]` or `[n, 1 or 3, height, width]` are shown as
    /// pictures.
    ///
    /// # Panics
    /// When predictions and targets do not fit each other, or a target is no class.
    #[track_caller]
    pub fn classification<T: Float>(self, predictions: &Tensor<T>, data: &Dataset<T>) -> Self {
        let parts = classes::sections(predictions, data);
        parts.into_iter().fold(self, |report, (heading, html)| report.section(heading, &html))
    }

    /// How a regression did: predicted against true numbers, residuals, and the predictions that are furthest off.
    /// Several targets a sample are shown together, each in a look of its own.
    ///
    /// # Panics
    /// When predictions and targets do not fit each other.
    #[track_caller]
    pub fn regression<T: Float>(self, predictions: &Tensor<T>, data: &Dataset<T>) -> Self {
        let parts = numbers::sections(predictions, data);
        parts.into_iter().fold(self, |report, (heading, html)| report.section(heading, &html))
    }

    /// The table of the model's parameters, as [`summary`](gradus_nn::summary) prints it.
    pub fn model<T: Float>(self, model: &(impl Module<T> + ?Sized)) -> Self {
        self.section("Model", &pre(&summary(model)))
    }

    /// A chart of your own.
    pub fn chart(self, heading: impl AsRef<str>, chart: &Chart) -> Self {
        self.section(heading.as_ref(), &figure(&chart.svg()))
    }

    /// A text of your own, as it is: a table that was printed, notes.
    pub fn text(self, heading: impl AsRef<str>, text: impl Display) -> Self {
        self.section(heading.as_ref(), &pre(&text.to_string()))
    }

    fn section(mut self, heading: &str, html: &str) -> Self {
        let _ =
            write!(self.sections, "<section>\n<h2>{}</h2>\n{html}</section>\n", escape(heading));
        self
    }

    /// The page as text.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let head = |heading: &str, html: String| match html.is_empty() {
            true => String::new(),
            false => format!("<section>\n<h2>{heading}</h2>\n{html}</section>\n"),
        };
        let settings = self.settings.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
        let settings = head("Settings", table(&[], settings.collect()));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
             {settings}{}{}</body>\n</html>\n",
            include_str!("report/style.css"),
            head("Scores", self.scores_table()),
            self.sections
        )
    }

    /// A row for each part of the data, a column for each score.
    fn scores_table(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.scores.iter().flat_map(|(_, scores)| scores.iter()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let row = |(part, scores): &(String, Scores)| {
            let cell = |name: &&str| scores.get(name).map_or(String::new(), number);
            [part.clone()].into_iter().chain(names.iter().map(cell)).collect()
        };
        table(&[&["data"], &names[..]].concat(), self.scores.iter().map(row).collect())
    }

    /// Writes the page, making the folders above it. The file is there as a whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        file::replace(path.as_ref(), self.to_html().as_bytes())
    }
}

/// What stands in a table: a text, which is escaped, or HTML of our own.
enum Cell {
    Text(String),
    Html(String),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

/// A table, the first cell of a row its heading. Empty without rows.
fn table<C: Into<Cell>>(columns: &[&str], rows: Vec<Vec<C>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut html = String::from("<div class=\"wide\"><table>\n");
    if !columns.is_empty() {
        let cells = columns.iter().map(|name| format!("<th>{}</th>", escape(name)));
        let _ = writeln!(html, "<tr>{}</tr>", cells.collect::<String>());
    }
    for row in rows {
        let cell = |(at, cell): (usize, C)| {
            let inner = match cell.into() {
                Cell::Text(text) => escape(&text),
                Cell::Html(html) => html,
            };
            match at {
                0 => format!("<th scope=\"row\">{inner}</th>"),
                _ => format!("<td>{inner}</td>"),
            }
        };
        let cells = row.into_iter().enumerate().map(cell);
        let _ = writeln!(html, "<tr>{}</tr>", cells.collect::<String>());
    }
    html + "</table></div>\n"
}

/// A text as it is, line by line.
fn pre(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape).collect();
    format!("<pre>{}</pre>\n", lines.join("\n"))
}

/// A chart within the page.
fn figure(svg: &str) -> String {
    format!("<figure>{}</figure>\n", svg.trim_end())
}

/// A number with as many digits as a person reads.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        1e-3..1e5 => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// What is shown of a sample: its picture, or its first features; the names of the columns, and their cells.
fn features<T: Float>(data: &Dataset<T>) -> (Vec<String>, impl Fn(usize) -> Vec<Cell> + '_) {
    let x = data.x();
    let shown = match x.shape() {
        [_, width] => SHOWN.min(*width),
        _ => 0,
    };
    let name = |at: usize| data.feature_names().get(at).cloned();
    let mut names: Vec<String> =
        (0..shown).map(|at| name(at).unwrap_or_else(|| format!("x[{at}]"))).collect();
    if picture::picture(x, 0).is_some() {
        names.push("image".into());
    }
    let cells = move |row| {
        let numbers = (0..shown).map(|at| Cell::Text(number(x.at(&[row, at]).to_f64())));
        numbers.chain(picture::picture(x, row).map(Cell::Html)).collect()
    };
    (names, cells)
}

/// The `WORST` of `n` samples by a loss; NaN is the worst.
fn worst(n: usize, loss: impl Fn(usize) -> f64) -> Vec<usize> {
    let known =
        |row: &usize| Some(loss(*row)).filter(|loss| !loss.is_nan()).unwrap_or(f64::INFINITY);
    let mut rows: Vec<usize> = (0..n).collect();
    rows.sort_by(|a, b| known(b).total_cmp(&known(a)));
    rows.truncate(WORST);
    rows
}
