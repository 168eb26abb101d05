//! The file of a study: JSON lines, the settings first, then one line for each trial that has ended.
//!
//! A line is written with one call and synced before another trial begins. A process that is killed leaves at most
//! a part of one line at the end, which is removed when the study is taken up again. Anything else that is
//! not as it was written is an error, and the file is left alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use serde_json::Value as Json;

use super::{Record, SearchError, Space};

/// No line is longer: a foreign file may be one endless line.
const LONGEST: u64 = 16 << 20;
/// The key by which a file is known, and the version of the format.
pub(super) const KEY: &str = "gradus_study";
pub(super) const VERSION: u64 = 1;

/// A study's file, open at its end and locked.
#[derive(Debug)]
pub(super) struct StudyFile {
    file: File,
    path: String,
}

impl StudyFile {
    /// Opens or makes the file; the trials that stand in it.
    pub(super) fn open(
        path: &Path,
        header: &Json,
        space: &Space,
    ) -> Result<(Self, Vec<Record>), SearchError> {
        let name = path.display().to_string();
        let failed = |action: &'static str| {
            let path = name.clone();
            move |source| SearchError::File { action, path, source }
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        }
        let options = OpenOptions::new().read(true).append(true).create(true).clone();
        let file = options.open(path).map_err(failed("open"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(SearchError::Busy { path: name }),
            // A file system without locks is no reason not to search.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let first = format!("{header}\n");
        let found = Lines::new(&file, &name).read(header, space)?;
        let mut study = StudyFile { file, path: name.clone() };
        let (records, whole) = match found {
            Some(found) => found,
            None => {
                study.file.set_len(0).map_err(failed("write"))?;
                study.write(&first)?;
                // The name of a new file is safe when its folder is.
                let folder =
                    File::open(folder.unwrap_or(Path::new("."))).and_then(|f| f.sync_all());
                drop(folder);
                return Ok((study, Vec::new()));
            }
        };
        if study.file.metadata().map_err(failed("read"))?.len() != whole {
            study.file.set_len(whole).map_err(failed("write"))?;
            study.file.sync_all().map_err(failed("write"))?;
        }
        Ok((study, records))
    }

    /// Adds a trial: when this returns, it is on the disk.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), SearchError> {
        self.write(&format!("{}\n", record.to_json()))
    }

    fn write(&mut self, line: &str) -> Result<(), SearchError> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        let path = self.path.clone();
        written.map_err(|source| SearchError::File { action: "write", path, source })
    }
}

/// The lines of a file, none longer than [`LONGEST`].
struct Lines<'a> {
    reader: BufReader<&'a File>,
    path: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(file: &'a File, path: &'a str) -> Self {
        Lines { reader: BufReader::new(file), path, line: 0 }
    }

    /// The next line with its end, if it has one; empty at the end of the file.
    fn next(&mut self) -> Result<Vec<u8>, SearchError> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        let path = self.path.to_owned();
        read.map_err(|source| SearchError::File { action: "read", path, source })?;
        self.line += 1;
        Ok(line)
    }

    fn damaged(&self, why: String) -> SearchError {
        SearchError::Damaged { path: self.path.into(), line: self.line, why }
    }

    /// The trials, and where the last whole line ends; none if there is no study yet, not even its first line.
    fn read(
        mut self,
        header: &Json,
        space: &Space,
    ) -> Result<Option<(Vec<Record>, u64)>, SearchError> {
        let first = self.next()?;
        if !first.ends_with(b"\n") && header.to_string().as_bytes().starts_with(&first) {
            return Ok(None);
        }
        self.check(&first, header)?;
        let mut whole = first.len() as u64;
        let mut records: Vec<Record> = Vec::new();
        loop {
            let line = self.next()?;
            if !line.ends_with(b"\n") {
                if line.len() as u64 == LONGEST {
                    return Err(self.damaged(format!("it is longer than {LONGEST} bytes")));
                }
                return Ok(Some((records, whole)));
            }
            whole += line.len() as u64;
            let json: Json =
                serde_json::from_slice(&line).map_err(|error| self.damaged(error.to_string()))?;
            let record = Record::from_json(&json, space).map_err(|why| self.damaged(why))?;
            if records.iter().any(|other| other.number == record.number) {
                return Err(self.damaged(format!("trial {} is there twice", record.number)));
            }
            records.push(record);
        }
    }

    /// Whether the first line is that of this study.
    fn check(&self, line: &[u8], header: &Json) -> Result<(), SearchError> {
        let foreign = |why: String| SearchError::Foreign { path: self.path.into(), why };
        let found: Json = serde_json::from_slice(line)
            .map_err(|_| foreign("its first line is not the settings of a study".into()))?;
        match found.get(KEY).map(Json::as_u64) {
            None => return Err(foreign(format!("its first line has no `{KEY}`"))),
            Some(Some(VERSION)) => {}
            Some(_) => {
                let why = format!("it has version {} of the format, not {VERSION}", found[KEY]);
                return Err(foreign(why));
            }
        }
        let fields = header.as_object().into_iter().flatten();
        match fields.into_iter().find(|(what, ours)| found.get(what.as_str()) != Some(ours)) {
            None => Ok(()),
            Some((what, ours)) => Err(SearchError::OtherStudy {
                path: self.path.into(),
                what: what.clone(),
                theirs: found.get(what.as_str()).map_or("nothing".into(), short),
                ours: short(ours),
            }),
        }
    }
}

/// A setting as it stands in an error, where a whole space would be too much.
fn short(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
