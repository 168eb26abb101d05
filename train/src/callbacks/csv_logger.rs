//! The history as a file that grows with training.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::PathBuf;

use gradus_autograd::Float;
use gradus_optim::{StateDict, StateError};

use crate::file::shown;
use crate::{Callback, Direction, Scores, State, TrainError};

/// Writes each epoch as a row of a CSV file as soon as it has ended, as Keras' `CSVLogger`: the columns are those of
/// [`History::to_csv`](crate::History::to_csv), and numbers are exact.
///
/// A run that is taken up again from a [backup](crate::Fit) goes on where the backup ends: rows after it are written
/// anew.
///
/// ```no_run
/// use gradus_train::{CsvLogger, Fit};
/// let options: Fit = Fit::new().epochs(10).callback(CsvLogger::new("training.csv"));
/// ```
#[derive(Debug)]
pub struct CsvLogger {
    path: PathBuf,
    append: bool,
    file: Option<File>,
    /// How much of the file is to stay.
    length: Option<u64>,
}

impl CsvLogger {
    /// To a file, which is replaced if it exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        CsvLogger { path: path.into(), append: false, file: None, length: None }
    }
    /// Whether rows are added to a file that exists, which must have the same columns.
    pub fn append(self, append: bool) -> Self {
        CsvLogger { append, ..self }
    }

    /// Opens the file for rows under `header`.
    fn open(&self, header: &str) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let length = self.length.unwrap_or(0);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&self.path)?;
        if length == 0 {
            file.set_len(0)?;
            file.write_all(header.as_bytes())?;
            return Ok(file);
        }
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let found = file.metadata()?.len();
        if found < length {
            let why = format!("it has {found} bytes, but the run that goes on wrote {length}");
            return Err(invalid(why));
        }
        let mut first = String::new();
        BufReader::new(&file).read_line(&mut first)?;
        if first.trim_end() != header.trim_end() {
            let (first, header) = (first.trim_end(), header.trim_end());
            return Err(invalid(format!("its columns are {first}, those of this run {header}")));
        }
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }

    fn write(&mut self, epoch: usize, scores: &Scores) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open(&scores.csv_header())?,
        };
        file.write_all(scores.csv_row(epoch).as_bytes())?;
        self.length = Some(file.stream_position()?);
        self.file = Some(file);
        Ok(())
    }
}

impl<T: Float> Callback<T> for CsvLogger {
    fn train_begin(
        &mut self,
        _: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        // Only looked at: a backup may know better.
        let length = std::fs::metadata(&self.path).map_or(0, |found| found.len());
        (self.file, self.length) = (None, self.append.then_some(length));
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        if let Err(source) = self.write(epoch, scores) {
            state.fail(TrainError::Write { path: shown(&self.path), source });
        }
    }

    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        if let Some(length) = self.length {
            state.insert("length", length);
        }
        state
    }

    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let length = state.optional("length", StateDict::take_count)?;
        state.finish()?;
        self.length = length;
        Ok(())
    }
}
