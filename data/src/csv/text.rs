//! The text of a CSV file, checked for all that a lenient parser would read past: a limit on the
//! size, NUL bytes, the encoding, and quotes that are not closed or not followed by a delimiter.
//! Then its rows, each with the line that it starts on.

use std::io::Read;

use csv::StringRecord;

use crate::{DataError, Place};

/// Bytes that are read before they are looked at.
const CHUNK: u64 = 1 << 20;

/// Reads all text, without its byte order mark. An endless or binary source ends in an error, soon.
pub(crate) fn read_text(
    mut source: impl Read,
    most: u64,
    file: &Place,
) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        source
            .by_ref()
            .take(CHUNK)
            .read_to_end(&mut bytes)
            .map_err(|source| DataError::Io { at: Box::new(file.clone()), source })?;
        if let Some(nul) = bytes[before..].iter().position(|&byte| byte == 0) {
            return Err(DataError::Nul { at: at_line(file, &bytes[..before + nul]) });
        }
        if bytes.len() as u64 > most {
            return Err(DataError::TooLarge { at: Box::new(file.clone()), most });
        }
        if bytes.len() == before {
            break;
        }
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        DataError::NotUtf8 { at: at_line(file, &error.as_bytes()[..good]) }
    })
}

/// The line on which the text after `before` starts.
fn at_line(file: &Place, before: &[u8]) -> Box<Place> {
    let line = Lines::default().after(before, before.len());
    Box::new(Place { line: Some(line), ..file.clone() })
}

/// Counts lines, going forward only.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    passed: usize,
    ends: u64,
}

impl Lines {
    /// The line, from 1, of the position `at`, which must not lie before the last one asked for.
    /// A line ends with `\n`, `\r\n` or `\r`.
    pub(crate) fn after(&mut self, text: &[u8], at: usize) -> u64 {
        let is_end = |at: &usize| match text[*at] {
            b'\n' => true,
            b'\r' => text.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        self.ends += (self.passed..at).filter(is_end).count() as u64;
        self.passed = self.passed.max(at);
        self.ends + 1
    }
}

/// The position behind the first `lines` lines.
pub(crate) fn skip_lines(text: &str, lines: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    for _ in 0..lines {
        let Some(length) = bytes[at..].iter().position(|byte| b"\r\n".contains(byte)) else {
            return text.len();
        };
        at += length;
        at += if bytes[at..].starts_with(b"\r\n") { 2 } else { 1 };
    }
    at
}

/// Checks that every quoted cell is closed, and that after it comes the next cell or line.
pub(crate) fn check_quotes(
    text: &str,
    from: usize,
    delimiter: u8,
    file: &Place,
) -> Result<(), DataError> {
    #[derive(Clone, Copy)]
    enum Where {
        Start,
        Unquoted,
        Quoted,
        Closed,
    }
    let bytes = text.as_bytes();
    let (mut here, mut opened) = (Where::Start, from);
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        let next_cell = byte == delimiter || byte == b'\n' || byte == b'\r';
        here = match (here, byte) {
            (Where::Start, b'"') => {
                opened = at;
                Where::Quoted
            }
            (Where::Quoted, b'"') => Where::Closed,
            (Where::Quoted, _) => Where::Quoted,
            // A doubled quote, which stands for one.
            (Where::Closed, b'"') if bytes[at - 1] == b'"' => Where::Quoted,
            (_, _) if next_cell => Where::Start,
            (Where::Closed, b' ' | b'\t') => Where::Closed,
            (Where::Closed, _) => {
                return Err(DataError::AfterQuote { at: at_line(file, &bytes[..at]) });
            }
            (Where::Start | Where::Unquoted, _) => Where::Unquoted,
        };
    }
    match here {
        Where::Quoted => Err(DataError::UnclosedQuote { at: at_line(file, &bytes[..opened]) }),
        _ => Ok(()),
    }
}

/// The rows of a text, each with the line on which it starts.
pub(crate) struct Rows<'a> {
    text: &'a [u8],
    from: usize,
    parser: csv::Reader<&'a [u8]>,
    file: &'a Place,
    lines: Lines,
    line: u64,
    /// The number of cells of the first row, and so of all; 0 before it is read.
    pub(crate) width: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(text: &'a str, from: usize, delimiter: u8, file: &'a Place) -> Self {
        let text = text.as_bytes();
        let parser = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(&text[from..]);
        Rows { text, from, parser, file, lines: Lines::default(), line: 1, width: 0 }
    }

    /// Reads the next row that is not blank; `false` at the end.
    pub(crate) fn next(&mut self, record: &mut StringRecord) -> Result<bool, DataError> {
        loop {
            // The parser's own line numbers are off where a row follows blank lines or `\r\n`.
            let start = self.from + self.parser.position().byte() as usize;
            let more = self.parser.read_record(record).map_err(|error| DataError::Io {
                at: Box::new(self.file.clone()),
                source: std::io::Error::other(error),
            })?;
            if !more {
                return Ok(false);
            }
            let ends = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let start = start + self.text[start..].iter().take_while(ends).count();
            self.line = self.lines.after(self.text, start);
            if self.width != 1 && record.len() == 1 && record[0].trim().is_empty() {
                continue;
            }
            if self.width == 0 {
                self.width = record.len();
            }
            if record.len() != self.width {
                let (expected, found) = (self.width, record.len());
                return Err(DataError::Ragged { at: self.place(None, &[]), expected, found });
            }
            return Ok(true);
        }
    }

    /// A cell of the row that was read last, or that whole row.
    pub(crate) fn place(&self, column: Option<usize>, names: &[String]) -> Box<Place> {
        Box::new(Place {
            line: Some(self.line),
            column: column.map(|at| at + 1),
            name: column.and_then(|at| names.get(at)).cloned(),
            ..self.file.clone()
        })
    }
}
