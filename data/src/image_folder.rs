//! Folders of images: one folder a class.

use std::fs;
use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Tensor};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};

use crate::file::MOST_BYTES;
use crate::{DataError, Dataset, FormatError, Place};

/// The ends of the names of files that are read.
const KNOWN: [&str; 8] = ["bmp", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm"];
/// The most memory that decoding one image may take.
const MOST_DECODED: u64 = 1 << 28;

/// The longest side that images are brought to.
const MOST_SIDE: usize = u16::MAX as usize;

/// How to read a folder that has a folder of images for each class: `photos/cat/1.png`. With the
/// feature `images`.
///
/// Classes are numbered in the order of their names, which are [`Dataset::class_names`]; samples
/// stand class by class, in the order of their files' names. The features are `[n, channels, height,
/// width]`, from 0 to 1; the targets are `[n, 1]`. PNG, JPEG, BMP and PNM are read.
///
/// Nothing is left out silently: in a class, a file that is no image, or is damaged, is an error.
/// Names that begin with a dot do not count, nor do other files than images beside the classes.
///
/// ```no_run
/// use gradus_data::{Dataset, ImageFolder, Split};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let data: Dataset = ImageFolder::new().resize(32, 32).read_path("photos")?;
/// println!("{:?} of {:?}", data.x().shape(), data.class_names());
/// let [train, test] = data.split([0.8, 0.2], Split::stratified(7))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is read before `read_path`"]
pub struct ImageFolder {
    size: Option<[usize; 2]>,
    gray: bool,
    most_bytes: u64,
}

impl Default for ImageFolder {
    fn default() -> Self {
        ImageFolder::new()
    }
}

impl ImageFolder {
    /// Images in colour, three channels, all of the same size.
    pub fn new() -> Self {
        ImageFolder { size: None, gray: false, most_bytes: MOST_BYTES }
    }

    /// Brings every image to this size, by a triangular filter that averages where it shrinks. Unless
    /// set, all images must have the size of the first.
    ///
    /// # Panics
    /// When a side is not from 1 to 65,535.
    #[track_caller]
    pub fn resize(self, height: usize, width: usize) -> Self {
        let fits = |side| (1..=MOST_SIDE).contains(&side);
        assert!(fits(height) && fits(width), "resize: to {height} × {width} pixels");
        ImageFolder { size: Some([height, width]), ..self }
    }

    /// One channel, the brightness, instead of red, green and blue.
    pub fn grayscale(self) -> Self {
        ImageFolder { gray: true, ..self }
    }

    /// The most bytes that all samples may take in memory; more are an error. 4 GiB unless set.
    pub fn most_bytes(self, most_bytes: u64) -> Self {
        ImageFolder { most_bytes, ..self }
    }

    /// Reads all images below the folder `path`.
    ///
    /// # Errors
    /// When a folder or an image cannot be read, when there are no classes or one is empty, when
    /// images differ in size and no [`resize`](ImageFolder::resize) makes them equal; each names the
    /// file.
    pub fn read_path<T: Float>(&self, path: impl AsRef<Path>) -> Result<Dataset<T>, DataError> {
        let root = path.as_ref();
        let mut files: Vec<(PathBuf, usize)> = Vec::new();
        let mut classes = Vec::new();
        for (folder, is_folder) in list(root)? {
            if !is_folder {
                if is_known(&folder) {
                    return Err(wrong(&folder, FormatError::NoClass));
                }
                continue;
            }
            let images = list(&folder)?;
            if images.is_empty() {
                return Err(wrong(&folder, FormatError::NoImages));
            }
            for (file, is_folder) in images {
                if is_folder || !is_known(&file) {
                    return Err(wrong(&file, FormatError::NotAnImage { known: KNOWN.join(", ") }));
                }
                files.push((file, classes.len()));
            }
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        if classes.is_empty() {
            return Err(wrong(root, FormatError::NoClasses));
        }

        let channels = if self.gray { 1 } else { 3 };
        let (mut size, mut x) = (self.size, Vec::new());
        for (file, _) in &files {
            let image = decode(file)?;
            let found = [image.height() as usize, image.width() as usize];
            let expected = *size.get_or_insert(found);
            let [height, width] = expected;
            let all = [files.len(), channels, height, width, size_of::<T>()];
            let bytes = all.iter().try_fold(1_u64, |bytes, &n| bytes.checked_mul(n as u64));
            if bytes.is_none_or(|bytes| bytes > self.most_bytes) {
                let at = Box::new(Place { file: Some(root.to_owned()), ..Place::default() });
                return Err(DataError::TooLarge { at, most: self.most_bytes });
            }
            let image = match (found == expected, self.size) {
                (true, _) => image,
                (false, None) => return Err(wrong(file, FormatError::Size { expected, found })),
                (false, Some(_)) => {
                    image.resize_exact(width as u32, height as u32, FilterType::Triangle)
                }
            };
            self.push(&image, &mut x);
        }
        let [height, width] = size.unwrap_or_default();
        let y = files.iter().map(|&(_, class)| T::of(class as f64)).collect();
        let x = Tensor::new(&[files.len(), channels, height, width], x);
        let data = Dataset::new(x, Tensor::new(&[files.len(), 1], y))?;
        Ok(data.named(Vec::new(), classes))
    }

    /// Appends the image, channel by channel.
    fn push<T: Float>(&self, image: &DynamicImage, x: &mut Vec<T>) {
        let pixels = match self.gray {
            true => image.to_luma8().into_raw(),
            false => image.to_rgb8().into_raw(),
        };
        let channels = if self.gray { 1 } else { 3 };
        for channel in 0..channels {
            let of_channel = pixels.iter().skip(channel).step_by(channels);
            x.extend(of_channel.map(|&level| T::of(f64::from(level) / 255.0)));
        }
    }
}

/// What is in a folder, by name, and whether it is a folder; without what is hidden.
fn list(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let io = |source| DataError::Io { at: place(folder), source };
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            let path = entry.path();
            // Follows links, as opening does.
            let is_folder = fs::metadata(&path)
                .map_err(|source| DataError::Io { at: place(&path), source })?
                .is_dir();
            all.push((path, is_folder));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn is_known(file: &Path) -> bool {
    let end = file.extension().unwrap_or_default().to_ascii_lowercase();
    KNOWN.iter().any(|&known| end == known)
}

/// Decodes a file, whatever its name says it is.
fn decode(file: &Path) -> Result<DynamicImage, DataError> {
    let io = |source| DataError::Io { at: place(file), source };
    let mut reader = ImageReader::open(file).map_err(io)?.with_guessed_format().map_err(io)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_DECODED);
    reader.limits(limits);
    reader.decode().map_err(|why| wrong(file, FormatError::Image { why: why.to_string() }))
}

fn place(file: &Path) -> Box<Place> {
    Box::new(Place { file: Some(file.to_owned()), ..Place::default() })
}

fn wrong(file: &Path, why: FormatError) -> DataError {
    DataError::Format { at: place(file), why }
}
