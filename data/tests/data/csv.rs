//! Reading CSV: the interchange files by their verdicts, and every message by its text.

use std::io::{self, Read};
use std::path::PathBuf;

use gradus_data::{Column, Csv, DataError, Dataset, Missing, Table};

fn interop() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "interop"].iter().collect()
}

fn read(text: &str) -> Result<Dataset, DataError> {
    Csv::new().read(text.as_bytes())
}

/// The message of reading `text`, which must fail.
#[track_caller]
fn message(csv: &Csv, text: impl AsRef<[u8]>) -> String {
    match csv.read::<f32>(text.as_ref()) {
        Ok(data) => panic!("read as {data:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_interchange_file_meets_its_verdict() {
    let list = std::fs::read_to_string(interop().join("csv.tsv")).unwrap();
    let mut seen = 0;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let [file, verdict, why] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?} has not three fields");
        };
        let path = interop().join("csv").join(file);
        let table = Csv::new().read_table_path::<f64>(&path);
        seen += 1;
        match verdict {
            "ok" => {
                let table = table.unwrap_or_else(|error| panic!("{why}: {error}"));
                assert_eq!(table.values.shape(), [2, 3], "{file}");
                assert_eq!(table.values.to_vec(), [1.5, -2., 0., 0.003, 4., 1.], "{file}");
                let names = match file {
                    "ok_quoted.csv" => ["a", "b, with comma", "la\"bel"],
                    _ => ["a", "b", "label"],
                };
                assert_eq!(table.names, names, "{file}");
                let data: Dataset<f64> = Csv::new().read_path(&path).unwrap();
                assert_eq!(data.x().to_vec(), [1.5, -2., 0.003, 4.], "{file}");
                assert_eq!((data.y().shape(), data.y().to_vec()), (&[2, 1][..], vec![0., 1.]));
            }
            // This reader takes no liberties: what may be an error is one.
            "error" | "either" => {
                let error = table.expect_err(why).to_string();
                assert!(error.starts_with(&path.display().to_string()), "{error}");
            }
            other => panic!("{file}: what is {other:?}?"),
        }
    }
    assert_eq!(seen, std::fs::read_dir(interop().join("csv")).unwrap().count());
}

#[test]
fn messages_say_what_and_where() {
    let csv = Csv::new();
    for (text, expected) in [
        ("", "the input: empty, there is nothing to read"),
        ("\n\r\n", "the input: empty, there is nothing to read"),
        ("a,b\n", "the input: no rows below the header"),
        ("a,b\n1,2\n\n3\n", "line 4: found 1 cells, expected 2 as in the first line"),
        ("a,b\n1,2\n3,4,\n", "line 3: found 3 cells, expected 2 as in the first line"),
        (
            "a, b \n1,2\n\r\n3,x y\n",
            "line 4, column 2 (b): \"x y\" is not a number; \
             a column of texts is read with `categories`",
        ),
        (
            "a,b\n1,\n",
            "line 2, column 2 (b): the cell is missing; fill it, or read it as NaN with \
             `missing(Missing::Nan)`",
        ),
        (
            "a,b\r\n1,2\r\n\"\",1\r\n",
            "line 3, column 1 (a): the cell is missing; fill it, or read it as NaN with \
             `missing(Missing::Nan)`",
        ),
        (
            "a,b\n-inf,1\n",
            "line 2, column 1 (a): \"-inf\" is not finite; if that is meant, say \
             `allow_non_finite()`",
        ),
        ("a,b\n1,1e400\n", "line 2, column 2 (b): \"1e400\" is too large for f32"),
        ("a,b\n1e39,0\n", "line 2, column 1 (a): \"1e39\" is too large for f32"),
        ("a,b\n1,2\n\"3,4\n5,6\n", "line 3: the quote that opens here is never closed"),
        (
            "a,b\n\"1\"5,2\n",
            "line 2: text after a closing quote; a quote within a quoted cell is written twice",
        ),
        ("a,b\n1,\u{0}2\n", "line 2: a NUL byte, so this is no CSV text in UTF-8"),
        (
            "1,2\n3,4\n",
            "line 1: every cell of the header is a number; if this is data, say `no_header()`",
        ),
        ("label\n1\n", "the input: one column, the label, and so no features"),
    ] {
        assert_eq!(message(&csv, text), expected, "{text:?}");
    }
    assert_eq!(
        message(&csv, b"a,b\n1,2\n3,\xff\n"),
        "line 3: not UTF-8; save the file in that encoding"
    );
    let (name, number) = ("é".repeat(50), "é".repeat(40));
    assert_eq!(
        message(&csv, format!("a,b\n{name},2\n")),
        format!(
            "line 2, column 1 (a): \"{number}…\" is not a number; \
             a column of texts is read with `categories`"
        )
    );
    let named = |name: &str| Csv::new().label(name);
    assert_eq!(
        message(&named("c"), "a,b\n1,2\n"),
        "the input: no column \"c\"; the header has a, b"
    );
    assert_eq!(
        message(&named("c").no_header(), "1,2\n"),
        "the input: no column \"c\"; the file is read without a header"
    );
    for csv in [Csv::new(), named("a"), Csv::new().label(0)] {
        assert_eq!(
            message(&csv, "a,b, a\n1,2,3\n"),
            "line 1, column 3: another column is named \"a\", too; rename one, or leave the header out with \
             `skip_lines` and `no_header()`"
        );
    }
    let same = Csv::new().skip_lines(1).no_header().read::<f32>("a,a\n1,2\n".as_bytes());
    assert_eq!(same.expect("a data set").len(), 1);
    assert_eq!(
        message(&Csv::new().label(2), "a,b\n1,2\n"),
        "the input: no column 2; the last of 2 columns is 1"
    );
    assert_eq!(
        message(&Csv::new().categories("b", ["no", "yes"]), "a,b\n1,yes\n1,Yes\n"),
        "line 3, column 2 (b): \"Yes\" is none of the categories [\"no\", \"yes\"]"
    );
    for delimiter in ['"', '\n', '\0', '1', 'e', '-', '.', 'é'] {
        assert_eq!(
            message(&Csv::new().delimiter(delimiter), "a,b\n1,2\n"),
            format!(
                "delimiter {delimiter:?}: it must be a tab, a space or ASCII punctuation, but none \
                 of \".+-"
            )
        );
    }
}

#[test]
fn a_path_is_part_of_the_message() {
    let missing = interop().join("nowhere.csv");
    let error = Csv::new().read_path::<f32>(&missing).unwrap_err();
    assert!(matches!(&error, DataError::Io { source, .. }
        if source.kind() == io::ErrorKind::NotFound));
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}: cannot be read: ", missing.display())), "{text}");

    let file = interop().join("csv").join("bad_not_number.csv");
    let error = Csv::new().read_path::<f32>(&file).unwrap_err();
    let expected = format!(
        "{}, line 2, column 2 (b): \"x\" is not a number; \
         a column of texts is read with `categories`",
        file.display()
    );
    assert_eq!(error.to_string(), expected);
    let DataError::NotANumber { at, text } = error else { panic!("another kind") };
    assert_eq!(
        (at.line, at.column, &at.name, &text[..]),
        (Some(2), Some(2), &Some("b".into()), "x")
    );

    assert!(Csv::new().read_path::<f32>(interop()).is_err(), "a directory");
}

#[test]
fn options_change_what_is_read() {
    let data: Dataset = Csv::new()
        .skip_lines(2)
        .delimiter(';')
        .label("kind")
        .categories("kind", ["cat", "dog"])
        .read("made by \"hand\nand more\r\nkind;size;age\n dog ;1;2\n\"cat\";3;4\n".as_bytes())
        .unwrap();
    assert_eq!(data.x().to_vec(), [1., 2., 3., 4.]);
    assert_eq!(data.classes().unwrap().to_vec(), [1, 0]);
    assert_eq!(data.feature_names(), ["size", "age"]);
    assert_eq!(data.class_names(), ["cat", "dog"]);

    let plain = Csv::new().no_header().delimiter('\t').label(0);
    let data: Dataset = plain.read("1\t2\t3\n".as_bytes()).unwrap();
    assert_eq!((data.x().to_vec(), data.y().to_vec()), (vec![2., 3.], vec![1.]));
    assert!(data.feature_names().is_empty() && data.class_names().is_empty());

    let late = message(&Csv::new().skip_lines(1), "x\ra,b\r1,2\r\r3,?\r");
    assert_eq!(
        late,
        "line 5, column 2 (b): \"?\" is not a number; a column of texts is read with `categories`",
        "lines of `\\r` count too"
    );
    let beyond = message(&Csv::new().skip_lines(9), "a,b\n1,2\n");
    assert_eq!(beyond, "the input: empty, there is nothing to read");
}

#[test]
fn gaps_are_nan_if_asked_for_and_never_in_the_label() {
    let csv = Csv::new().missing(Missing::Nan).missing_marks(["?", "NA"]);
    let data: Dataset = csv.read("a,b,y\n1, ,0\n?,NA,1\n3,4,1\n".as_bytes()).unwrap();
    let x = data.x().to_vec();
    let gaps: Vec<bool> = x.iter().map(|x| x.is_nan()).collect();
    assert_eq!(gaps, [false, true, true, true, false, false]);
    assert_eq!(data.complete().unwrap().x().to_vec(), [3., 4.]);

    let filled = data.x().map(|x| if x.is_nan() { -1. } else { x });
    let filled = data.with_x(filled).unwrap();
    assert_eq!(filled.x().to_vec(), [1., -1., -1., -1., 3., 4.]);
    assert_eq!(filled.feature_names(), ["a", "b"]);
    let still = data.with_x(data.x().clone()).unwrap_err().to_string();
    assert_eq!(still, "x[0, 1] is NaN: not finite; mend or leave out sample 0");

    let no_label = message(&csv, "a,y\n1,0\n2,?\n");
    assert_eq!(no_label, "y[1, 0] is NaN: not finite; mend or leave out sample 1");
    let none: Dataset = csv.read("a,y\n,0\n".as_bytes()).unwrap();
    let none = none.complete().unwrap_err().to_string();
    assert_eq!(none, "the set of complete samples has no samples");
    // A mark counts only if it is the whole cell, and only if it was given.
    assert!(
        message(&Csv::new(), "a,y\n?,0\n")
            .ends_with("\"?\" is not a number; a column of texts is read with `categories`")
    );

    let loose = Csv::new().allow_non_finite();
    let data: Dataset = loose.read("a,b,y\nnan,-inf,0\n".as_bytes()).unwrap();
    assert!(data.x().at(&[0, 0]).is_nan() && data.x().at(&[0, 1]) == f32::NEG_INFINITY);
    assert!(message(&loose, "a,y\n1e400,0\n").ends_with("\"1e400\" is too large for f32"));
    assert!(message(&loose, "a,y\n0,inf\n").starts_with("y[0, 0] is inf"));
}

#[test]
fn quotes_and_blank_lines_where_they_may_be() {
    let data = read("\u{feff}\"a\n\"\"x\"\"\",b\n\n  \n\"1\" ,\" 2 \"\n").unwrap();
    assert_eq!((data.x().to_vec(), data.y().to_vec()), (vec![1.], vec![2.]));
    assert_eq!(data.feature_names(), ["a\n\"x\""]);
    // A line counts where the cell's row starts, also behind a header of two lines.
    let late = message(&Csv::new(), "\"a\nb\",c\n\n\n1,2\nx,4\n");
    assert!(late.starts_with("line 6, column 1 (a\nb)"), "{late}");
    // In a file of one column, a row of spaces is a missing cell and not a blank line.
    let table = Csv::new().read_table::<f32>("a\n1\n  \n3\n".as_bytes());
    assert!(
        table.unwrap_err().to_string().starts_with("line 3, column 1 (a): the cell is missing")
    );
    let table: Table = Csv::new().read_table("a\n1\n\n3\n".as_bytes()).unwrap();
    assert_eq!(table.values.shape(), [2, 1]);
    assert_eq!(Csv::new().label(Column::Last).read::<f32>("a,b\n1,2".as_bytes()).unwrap().len(), 1);
}

#[test]
fn no_source_is_read_without_bound() {
    let endless = Csv::new().read::<f32>(io::repeat(0)).unwrap_err();
    assert!(matches!(endless, DataError::Nul { .. }));
    let few = Csv::new().most_bytes(8);
    let error = few.read::<f32>(io::repeat(b'1')).unwrap_err();
    assert_eq!(error.to_string(), "the input: more than 8 bytes; allow more with `most_bytes`");
    assert!(few.read::<f32>("a,b\n1,2\n".as_bytes()).is_ok(), "exactly as many");

    /// A source that breaks.
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let error = Csv::new().read::<f32>("a,b\n1,2\n".as_bytes().chain(Broken)).unwrap_err();
    assert_eq!(error.to_string(), "the input: cannot be read: the disk is gone");
}

/// Whatever bytes come, there is an answer; and what is read has one number for each cell.
#[test]
fn arbitrary_bytes_never_panic() {
    let alphabet = b"01.-e,,,\n\n\r\"\" \tab\xff\xef\xbb\xbf\x00";
    for seed in 0..20_000 {
        let mut rng = gradus_autograd::Rng::new(seed);
        let length = rng.below(24);
        let bytes: Vec<u8> = (0..length).map(|_| alphabet[rng.below(alphabet.len())]).collect();
        let csv = if rng.below(2) == 0 { Csv::new().no_header() } else { Csv::new() };
        let csv = csv.skip_lines(rng.below(3)).missing(Missing::Nan);
        if let Ok(table) = csv.read_table::<f64>(&bytes[..]) {
            assert!(!table.values.is_empty(), "{bytes:?}");
        }
        let _ = csv.read::<f32>(&bytes[..]);
    }
}

/// Numbers written in any allowed style come back as they were, to the bit.
#[test]
fn what_is_written_is_read() {
    for seed in 0..500 {
        let mut rng = gradus_autograd::Rng::new(seed);
        let (rows, width) = (1 + rng.below(5), 2 + rng.below(4));
        let end = ["\n", "\r\n"][rng.below(2)];
        let mut text = ["", "\u{feff}"][rng.below(2)].to_owned();
        let mut numbers = Vec::new();
        for row in 0..rows {
            for column in 0..width {
                let number = rng.normal() * 10_f64.powi(rng.below(40) as i32 - 20);
                numbers.push(number);
                text += if column > 0 { "," } else { "" };
                text += &match rng.below(5) {
                    0 => format!("{number}"),
                    1 => format!(" {number:e}"),
                    2 => format!("{number:?} \t"),
                    3 => format!("\"{number}\""),
                    _ => format!("\" {number:E}\" "),
                };
            }
            // The end of the last line may be missing, and blank lines may follow any.
            let ends = if row + 1 == rows { rng.below(3) } else { 1 + rng.below(2) };
            text += &end.repeat(ends);
        }
        let table: Table<f64> = Csv::new().no_header().read_table(text.as_bytes()).unwrap();
        assert_eq!(table.values.shape(), [rows, width], "{text:?}");
        assert_eq!(table.values.to_vec(), numbers, "{text:?}");
    }
}
