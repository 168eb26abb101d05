//! What can be wrong with a file of arrays or images.

/// Why a file of a binary format could not be read; [`DataError::Format`](crate::DataError::Format)
/// says which.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It begins in another way.
    #[error("this is no {format}: it begins with other bytes")]
    Magic {
        /// What it should have been.
        format: &'static str,
    },
    /// A version that is not known.
    #[error("version {major}.{minor} of the format is not known; 1.0, 2.0 and 3.0 are")]
    Version {
        /// The first number.
        major: u8,
        /// The second.
        minor: u8,
    },
    /// The file ends too early.
    #[error("cut off: {expected} bytes of {what} expected, found {found}")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Its bytes, as far as the file says.
        expected: u64,
        /// The bytes that there are.
        found: u64,
    },
    /// The file ends too late.
    #[error("there is more after the {expected} bytes of the array; the file is damaged")]
    Trailing {
        /// The bytes of the array.
        expected: u64,
    },
    /// A header of an unlikely length.
    #[error("a header of {length} bytes; at most {most} are read")]
    LongHeader {
        /// Its bytes.
        length: usize,
        /// The limit.
        most: usize,
    },
    /// A header that cannot be understood.
    #[error("the header is damaged: {why}")]
    Header {
        /// What was found.
        why: String,
    },
    /// Elements that are no numbers, or others than are read.
    #[error(
        "elements of {kind} are not read; save the array as floats, integers of at most 64 bits \
         (signed) or 32 (unsigned), or booleans"
    )]
    Kind {
        /// What they are.
        kind: String,
    },
    /// More axes than a tensor has.
    #[error("{axes} axes: a tensor has at most 6")]
    Axes {
        /// Their number.
        axes: usize,
    },
    /// More elements than can be counted.
    #[error("an array of shape {shape:?} has more elements than memory has addresses")]
    Shape {
        /// The lengths of the axes.
        shape: Vec<usize>,
    },
    /// A boolean that is neither.
    #[error("a boolean is {byte}, and neither 0 nor 1: the file is damaged")]
    Bool {
        /// The byte.
        byte: u8,
    },
    /// Gzip, and no way to read it.
    #[error("compressed by gzip: build with the feature `compressed`, or decompress it")]
    Compressed,
    /// A damaged zip archive, or no archive.
    #[error("the archive cannot be read: {why}")]
    Archive {
        /// What was found.
        why: String,
    },
    /// An entry of an archive that is no array.
    #[error("its name does not end in .npy, so it is no array; remove it from the archive")]
    NotNpy,
    /// An image that cannot be decoded.
    #[error("the image is damaged, or too large: {why}")]
    Image {
        /// What was found.
        why: String,
    },
    /// An image of another size than the first.
    #[error(
        "{} × {} pixels (height × width), and not {} × {} as the first image; make them equal with \
         `resize`", found[0], found[1], expected[0], expected[1]
    )]
    Size {
        /// Height and width of the first image.
        expected: [usize; 2],
        /// Height and width of this one.
        found: [usize; 2],
    },
    /// A file in a folder of a class that is no image.
    #[error("this is no image that is read ({known}); take it out of the folder of the class")]
    NotAnImage {
        /// The ends of names that are known.
        known: String,
    },
    /// An image beside the folders of the classes.
    #[error("this image is in no class; move it into the folder of one")]
    NoClass,
    /// A class without images.
    #[error("the folder of this class has no images; fill or remove it")]
    NoImages,
    /// A folder without folders.
    #[error("there are no folders in it, and so no classes; put the images of each class into one")]
    NoClasses,
}
