//! The history as a file that grows with training.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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
    /// Whether rows are added to a file that exists, which must have the same columns. A last row without an end, cut
    /// off when the process that wrote it was killed, is removed.
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
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if length == 0 {
            // One line without an end: a header that was cut off, or another file.
            let mut start = Vec::new();
            (&file).take(header.len() as u64).read_to_end(&mut start)?;
            if self.append && !header.as_bytes().starts_with(&start) {
                return Err(invalid("it is no history, and is left alone: name another".into()));
            }
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(header.as_bytes())?;
            return Ok(file);
        }
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

/// How many bytes of a file are lines with an end.
fn whole_lines(path: &Path) -> io::Result<u64> {
    let (mut reader, mut line, mut length) = (BufReader::new(File::open(path)?), Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        match line.last() {
            Some(b'\n') => length += read,
            _ => return Ok(length),
        }
    }
}

impl<T: Float> Callback<T> for CsvLogger {
    fn train_begin(
        &mut self,
        _: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        (self.file, self.length) = (None, None);
        if self.append {
            // Only looked at: a backup may know better.
            let length = match whole_lines(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                length => length,
            };
            let failed = |source| TrainError::Read { path: shown(&self.path), source };
            self.length = Some(length.map_err(failed)?);
        }
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
