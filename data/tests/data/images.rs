//! Folders of images: classes by name, pixels in their places, errors that name the file.

use std::path::{Path, PathBuf};

use gradus_data::{Dataset, ImageFolder};
use image::{Rgb, RgbImage, RgbaImage};

use super::memory::peak;
use super::message;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gradus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A path below, whose folder exists.
    fn file(&self, file: &str) -> PathBuf {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn image(&self, file: &str, width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) {
        let image = RgbImage::from_fn(width, height, |x, y| Rgb(pixel(x, y)));
        image.save(self.file(file)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(folder: &Path) -> Result<Dataset, gradus_data::DataError> {
    ImageFolder::new().read_path(folder)
}

#[test]
fn pixels_stand_by_channel_row_and_column() {
    let folder = Folder::new("images");
    // Written in another order than that of the names.
    folder.image("dog/1.png", 3, 2, |x, y| [x as u8 * 10, y as u8 * 100, 255]);
    folder.image("cat/b.bmp", 3, 2, |_, _| [255, 0, 0]);
    folder.image("cat/a.PNG", 3, 2, |_, _| [0, 51, 0]);
    folder.image("cat/.hidden.png", 9, 9, |_, _| [0; 3]);
    std::fs::write(folder.file("README.md"), "what this is").unwrap();

    let data = read(&folder.0).unwrap();
    assert_eq!(data.class_names(), ["cat", "dog"]);
    assert_eq!((data.x().shape(), data.y().shape()), (&[3, 3, 2, 3][..], &[3, 1][..]));
    assert_eq!(data.classes_below(2).unwrap().to_vec(), [0, 0, 1]);
    assert_eq!(data.x().row(0).to_vec()[6..12], [0.2; 6]);
    assert_eq!(data.x().row(1).to_vec()[..7], [1., 1., 1., 1., 1., 1., 0.]);
    let dog = data.x().row(2);
    for (row, column) in [(0, 0), (1, 2), (0, 1)] {
        let pixel: [f32; 3] = std::array::from_fn(|channel| dog.at(&[channel, row, column]));
        let exact = [column as f32 * 10. / 255., row as f32 * 100. / 255., 1.];
        assert_eq!(pixel, exact);
    }
    let gray: Dataset = ImageFolder::new().grayscale().resize(1, 5).read_path(&folder.0).unwrap();
    assert_eq!(gray.x().shape(), [3, 1, 1, 5]);
    // The brightness of red by Rec. 709, which is what the images are decoded with.
    assert!((gray.x().at(&[1, 0, 0, 0]) - 0.2126).abs() < 0.003);
}

#[test]
fn shrinking_averages() {
    let folder = Folder::new("shrink");
    folder.image("a/board.png", 64, 64, |x, y| [((x + y) % 2 * 255) as u8; 3]);
    let data: Dataset = ImageFolder::new().resize(4, 4).read_path(&folder.0).unwrap();
    assert!(data.x().to_vec().iter().all(|level| (level - 0.5).abs() < 0.01));
}

#[test]
fn transparency_and_sixteen_bits_are_read() {
    let folder = Folder::new("kinds");
    RgbaImage::from_pixel(2, 2, image::Rgba([255, 0, 51, 7])).save(folder.file("a/1.png")).unwrap();
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(2, 2, image::Luma([0xffff]));
    deep.save(folder.file("a/2.png")).unwrap();
    folder.image("a/3.jpg", 2, 2, |_, _| [255; 3]);
    let x = read(&folder.0).unwrap().x().clone();
    assert_eq!(x.row(0).to_vec()[7..9], [0., 0.2]);
    assert!(x.row(1).to_vec().iter().chain(&x.row(2).to_vec()).all(|&level| level == 1.0));
}

#[test]
fn messages_name_the_file() {
    let folder = Folder::new("wrong");
    let error = |file: &str, text: &str| {
        let path = folder.file(file);
        assert_eq!(message(read(&folder.0)), format!("{}: {text}", path.display()));
    };
    let root = folder.0.display().to_string();
    let none =
        "there are no folders in it, and so no classes; put the images of each class into one";
    assert_eq!(message(read(&folder.0)), format!("{root}: {none}"));
    std::fs::create_dir(folder.0.join("cat")).unwrap();
    error("cat", "the folder of this class has no images; fill or remove it");
    folder.image("cat/a.png", 4, 3, |_, _| [9; 3]);
    assert_eq!(read(&folder.0).unwrap().len(), 1);

    folder.image("b.png", 4, 3, |_, _| [9; 3]);
    error("b.png", "this image is in no class; move it into the folder of one");
    std::fs::remove_file(folder.file("b.png")).unwrap();

    std::fs::write(folder.file("cat/labels.txt"), "a: cat").unwrap();
    error(
        "cat/labels.txt",
        "this is no image that is read (bmp, jpeg, jpg, pbm, pgm, png, pnm, ppm); take it out of the \
         folder of the class",
    );
    std::fs::remove_file(folder.file("cat/labels.txt")).unwrap();

    folder.image("cat/c.png", 3, 4, |_, _| [9; 3]);
    error(
        "cat/c.png",
        "4 × 3 pixels (height × width), and not 3 × 4 as the first image; make them equal with `resize`",
    );
    let small = ImageFolder::new().resize(8, 8).most_bytes(2 * 3 * 64 * 4 - 1);
    assert_eq!(
        message(small.read_path::<f32>(&folder.0)),
        format!("{root}: more than 1535 bytes; allow more with `most_bytes`")
    );
    assert!(ImageFolder::new().resize(8, 8).most_bytes(1536).read_path::<f32>(&folder.0).is_ok());

    let whole = std::fs::read(folder.file("cat/a.png")).unwrap();
    std::fs::write(folder.file("cat/c.png"), &whole[..whole.len() - 20]).unwrap();
    let cut = message(read(&folder.0));
    let start = format!("{root}/cat/c.png: the image is damaged, or too large: ");
    assert!(cut.starts_with(&start), "{cut}");
    std::fs::write(folder.file("cat/c.png"), b"GIF89a").unwrap();
    assert!(message(read(&folder.0)).starts_with(&start));
    std::fs::write(folder.file("cat/c.png"), b"").unwrap();
    assert!(message(read(&folder.0)).starts_with(&start));
}

/// 60,000 × 60,000 pixels in a file of some bytes: refused before memory is asked for.
#[test]
fn a_huge_claim_costs_nothing() {
    let folder = Folder::new("bomb");
    std::fs::write(folder.file("a/1.pgm"), "P5\n60000 60000\n255\n0123456789").unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    png.extend(0x7fd4_2a16_u32.to_be_bytes());
    for file in ["a/1.pgm", "a/1.png"] {
        let (result, held) = peak(|| read(&folder.0));
        let error = message(result);
        assert!(error.contains(": the image is damaged, or too large: "), "{error}");
        assert!(held < 1 << 20, "{held} bytes for {file}");
        let _ = std::fs::remove_file(folder.file("a/1.pgm"));
        std::fs::write(folder.file("a/1.png"), &png).unwrap();
    }
}

#[test]
#[should_panic(expected = "resize: to 0 × 3 pixels")]
fn a_size_has_pixels() {
    let _ = ImageFolder::new().resize(0, 3);
}
