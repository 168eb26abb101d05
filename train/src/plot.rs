//! A history as a picture: a panel for the loss, for each metric, and for the learning rate.

use std::path::Path;

use crate::{Chart, History, TrainError, chart, file};

/// Above this ratio of the largest to the smallest number, an axis is logarithmic.
const WIDE: f64 = 50.0;

impl History {
    /// The history as SVG: loss, metrics and learning rate, each in a panel of its own over the epochs, training
    /// and validation together. Where a callback restored the weights of an epoch, a dotted line marks it. An axis
    /// is logarithmic where its numbers are positive and far apart.
    ///
    /// Lines differ by marks and dashes as well, so the picture can be read in black and white.
    pub fn to_svg(&self) -> String {
        chart::panels(&self.panels("Training"))
    }

    /// Writes the [picture](History::to_svg) to a file, making the folders above it.
    ///
    /// ```
    /// use gradus_autograd::{Module, Tensor};
    /// use gradus_data::Dataset;
    /// use gradus_nn::{Dense, losses::MeanSquaredError};
    /// use gradus_optim::Sgd;
    /// use gradus_train::{Compile, Fit};
    ///
    /// let x = Tensor::linspace(0.0, 1.0, 16).reshape(&[16, 1]);
    /// let data: Dataset = Dataset::new(x.clone(), x)?;
    /// let mut model = Dense::new(1).inputs(1).init(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    /// let history = model.fit(&data, Fit::new().epochs(20).validation_fraction(0.25))?;
    /// history.plot(std::env::temp_dir().join("gradus-history.svg"))?;
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn plot(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        file::replace(path.as_ref(), self.to_svg().as_bytes())
    }

    /// A chart for each number, training and validation together; the title is over the first.
    pub(crate) fn panels(&self, title: &str) -> Vec<Chart> {
        let names =
            self.epochs.first().into_iter().flat_map(|row| row.iter().map(|(name, _)| name));
        let names: Vec<&str> = names.filter(|name| !name.starts_with("val_")).collect();
        if names.is_empty() {
            return vec![Chart::new(title).x("epoch")];
        }
        let last = names.len() - 1;
        let panel = |(number, name): (usize, &&str)| {
            let title = if number == 0 { title } else { "" };
            let mut chart =
                Chart::new(title).y(if *name == "lr" { "learning rate" } else { *name });
            let validation = self.column(&format!("val_{name}"));
            let training = self.column(name);
            let (low, high) = (training.iter().chain(&validation))
                .fold((f64::INFINITY, 0.0_f64), |(low, high), &v| (low.min(v), high.max(v)));
            if low > 0.0 && high > low * WIDE {
                chart = chart.log_y();
            }
            let label = if *name == "lr" { "" } else { "training" };
            chart = chart.line(label, (0..).map(f64::from).zip(training));
            if !validation.is_empty() {
                chart = chart.line("validation", (0..).map(f64::from).zip(validation));
            }
            if let Some(epoch) = self.restored {
                let label =
                    if number == 0 { format!("epoch {epoch}, kept") } else { String::new() };
                chart = chart.vline(label, epoch as f64);
            }
            if number == last { chart.x("epoch, from 0") } else { chart }
        };
        names.iter().enumerate().map(panel).collect()
    }
}
