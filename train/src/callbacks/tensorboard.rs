//! The history as event files of TensorBoard: records with check sums around protocol buffers, written by hand, since
//! they hold a number with a name and nothing else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use gradus_autograd::Float;

use crate::file::shown;
use crate::{Callback, Direction, Scores, State, TrainError};

/// Writes the history for [TensorBoard](https://www.tensorflow.org/tensorboard), as Keras' callback of that name:
/// `epoch_loss`, `epoch_accuracy` … in the folders `train` and `validation`, and `epoch_learning_rate`.
///
/// ```no_run
/// use gradus_train::{Fit, TensorBoard};
/// let options: Fit = Fit::new().epochs(10).callback(TensorBoard::new("logs/first"));
/// // tensorboard --logdir logs
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    batches: Option<u64>,
    train: Option<EventFile>,
    validation: Option<EventFile>,
}

impl TensorBoard {
    /// To a folder, which is made; each run adds files of its own.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        TensorBoard { folder: folder.into(), batches: None, train: None, validation: None }
    }
    /// Also the loss of every so many steps, as `batch_loss`; 0 for none.
    pub fn every_batches(self, steps: u64) -> Self {
        TensorBoard { batches: (steps > 0).then_some(steps), ..self }
    }

    fn epoch(&mut self, epoch: usize, scores: &Scores) -> io::Result<()> {
        for (name, value) in scores.iter() {
            let (file, part, name) = match name.strip_prefix("val_") {
                Some(name) => (&mut self.validation, "validation", name),
                None => (&mut self.train, "train", name),
            };
            let name = if name == "lr" { "learning_rate" } else { name };
            let file = EventFile::opened(file, &self.folder.join(part))?;
            file.number(&format!("epoch_{name}"), value, epoch as u64)?;
        }
        Ok(())
    }

    fn fail<T: Float>(&self, source: io::Error, state: &mut State<'_, T>) {
        state.fail(TrainError::Write { path: shown(&self.folder), source });
    }
}

impl<T: Float> Callback<T> for TensorBoard {
    fn train_begin(
        &mut self,
        _: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        (self.train, self.validation) = (None, None);
        Ok(())
    }

    fn batch_end(&mut self, _: usize, loss: f64, state: &mut State<'_, T>) {
        if self.batches.is_none_or(|steps| !state.step.is_multiple_of(steps)) {
            return;
        }
        let step = state.step;
        let file = EventFile::opened(&mut self.train, &self.folder.join("train"));
        if let Err(error) = file.and_then(|file| file.number("batch_loss", loss, step)) {
            self.fail(error, state);
        }
    }

    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        if let Err(error) = self.epoch(epoch, scores) {
            self.fail(error, state);
        }
    }
}

/// A file of events: `tensorflow/core/util/event.proto`, as records of `tensorflow/core/lib/io/record_writer`.
#[derive(Debug)]
struct EventFile(File);

impl EventFile {
    /// The file of a place, made if there is none yet.
    fn opened<'a>(place: &'a mut Option<Self>, folder: &Path) -> io::Result<&'a mut Self> {
        let file = match place.take() {
            Some(file) => file,
            None => EventFile::create(folder)?,
        };
        Ok(place.insert(file))
    }

    fn create(folder: &Path) -> io::Result<Self> {
        /// Several files of one process in the same second.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(folder)?;
        let (count, process) = (COUNT.fetch_add(1, Ordering::Relaxed), std::process::id());
        let name = format!("events.out.tfevents.{:010}.gradus.{process}.{count}", now() as u64);
        let mut file = EventFile(File::create(folder.join(name))?);
        let mut version = Message::default();
        version.double(1, now());
        version.bytes(3, b"brain.Event:2");
        file.record(&version.0)?;
        Ok(file)
    }

    /// A number under a name, at a step.
    fn number(&mut self, tag: &str, value: f64, step: u64) -> io::Result<()> {
        let (mut entry, mut summary, mut event) =
            (Message::default(), Message::default(), Message::default());
        entry.bytes(1, tag.as_bytes());
        entry.float(2, value as f32);
        summary.bytes(1, &entry.0);
        event.double(1, now());
        event.varint(2, step);
        event.bytes(5, &summary.0);
        self.record(&event.0)
    }

    /// The length and its check sum, the data and its check sum, at once: a run that is killed cuts at most one.
    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let (first, last) = (masked(&length).to_le_bytes(), masked(data).to_le_bytes());
        self.0.write_all(&[&length, &first[..], data, &last].concat())
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A protocol buffer in the making: fields by number.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn base128(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
    fn varint(&mut self, field: u64, number: u64) {
        self.base128(field << 3);
        self.base128(number);
    }
    fn double(&mut self, field: u64, number: f64) {
        self.base128(field << 3 | 1);
        self.0.extend(number.to_le_bytes());
    }
    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.base128(field << 3 | 2);
        self.base128(bytes.len() as u64);
        self.0.extend(bytes);
    }
    fn float(&mut self, field: u64, number: f32) {
        self.base128(field << 3 | 5);
        self.0.extend(number.to_le_bytes());
    }
}

/// CRC-32C (Castagnoli), rotated and shifted as the format wants it, for data that may hold check sums itself.
fn masked(data: &[u8]) -> u32 {
    let crc = !data.iter().fold(!0_u32, |crc, &byte| {
        let rest = crc ^ u32::from(byte);
        (0..8).fold(rest, |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
