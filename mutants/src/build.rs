//! The copy of the sources, and what the compiler says about it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rewrite::{Blame, File, Rewritten};

/// Kernels are slow without optimisation, and slow to compile with all of it.
const PROFILE: [&str; 2] = ["--config", "profile.dev.package.gradus-autograd.opt-level=1"];
/// A mutant is odd code.
const ALLOW: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n";
/// What is changed by hand so that a slope can be detached: these two are not mutated.
const PATCHED: [&str; 2] = ["autograd/src/real/mod.rs", "autograd/src/real/sym.rs"];
/// Rounds of leaving out what does not compile.
const ROUNDS: usize = 40;

/// The copy.
pub struct Copy {
    project: PathBuf,
    root: PathBuf,
    target: PathBuf,
}

/// A test binary, and where it runs.
#[derive(Clone, Debug)]
pub struct Binary {
    pub path: PathBuf,
    pub name: String,
    pub folder: PathBuf,
}

impl Copy {
    /// Copies the project, but for the files that are rewritten. What has not changed keeps its date, so that little is
    /// compiled again.
    pub fn of(project: &Path, files: &[File]) -> io::Result<Self> {
        let copy = Copy {
            project: project.to_owned(),
            root: project.join("target/mutants/source"),
            target: project.join("target/mutants/build"),
        };
        let listed = Command::new("git")
            .args(["ls-files", "-z", "-co", "--exclude-standard"])
            .current_dir(project)
            .output()?;
        for path in
            String::from_utf8_lossy(&listed.stdout).split('\0').filter(|path| !path.is_empty())
        {
            let from = project.join(path);
            let lib =
                |file: &File| file.path.split('/').next().map(|of| format!("{of}/src/lib.rs"));
            let rewritten = files.iter().any(|file| lib(file).as_deref() == Some(path))
                || PATCHED.contains(&path)
                || files.iter().any(|file| file.path == path);
            if from.is_file() && (!rewritten || !copy.root.join(path).exists()) {
                write(&copy.root.join(path), &fs::read(from)?)?;
            }
        }
        Ok(copy)
    }

    /// Writes the rewritten files, and the switch into each of their crates.
    pub fn write(&self, files: &[File], dropped: &HashSet<u32>) -> io::Result<Vec<Rewritten>> {
        let crates: HashSet<&str> =
            files.iter().filter_map(|file| file.path.split('/').next()).collect();
        for of in crates {
            write(&self.root.join(of).join("src/mutants.rs"), include_bytes!("switch.rs"))?;
            let lib = Path::new(of).join("src/lib.rs");
            let text = fs::read_to_string(self.project.join(&lib))?;
            write(&self.root.join(lib), format!("{ALLOW}{text}\nmod mutants;\n").as_bytes())?;
        }
        let all = files.iter().map(|file| {
            let rewritten = file.rewritten(dropped);
            if !PATCHED.contains(&&*file.path) {
                write(&self.root.join(&file.path), rewritten.text.as_bytes())?;
            }
            Ok(rewritten)
        });
        let all = all.collect::<io::Result<Vec<Rewritten>>>()?;
        self.slopes_can_be_detached()?;
        Ok(all)
    }

    /// A slope is a number in most readings; as a variable it can be cut out of the graph.
    fn slopes_can_be_detached(&self) -> io::Result<()> {
        let lit = "    fn lit(x: f64) -> Self;\n";
        let method = "    #[doc(hidden)]\n    fn detached(self) -> Self { self }\n";
        let lit_of_sym = "    fn lit(x: f64) -> Self {\n        Number(x)\n    }\n";
        let method_of_sym = "    fn detached(self) -> Self {\n        if let Sym::Var(x) = self { Sym::Var(x.detach()) } else { self }\n    }\n";
        for (path, anchor, method) in
            [(PATCHED[0], lit, method), (PATCHED[1], lit_of_sym, method_of_sym)]
        {
            let text = fs::read_to_string(self.project.join(path))?;
            assert!(text.contains(anchor), "{path} has no `{anchor}`");
            let text = text.replacen(anchor, &format!("{anchor}{method}"), 1);
            write(&self.root.join(path), text.as_bytes())?;
        }
        Ok(())
    }

    fn cargo(&self, args: &[&str]) -> io::Result<(bool, Vec<Value>)> {
        let output = Command::new("cargo")
            .args(args)
            .args(PROFILE)
            .args(["--message-format=json", "--target-dir"])
            .arg(&self.target)
            .current_dir(&self.root)
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok((output.status.success(), messages))
    }

    /// Leaves out what does not compile, until the rest does. Returns what was left out.
    pub fn settle(&self, files: &[File], mut dropped: HashSet<u32>) -> io::Result<HashSet<u32>> {
        let crates: HashSet<&str> =
            files.iter().filter_map(|file| file.path.split('/').next()).collect();
        let packages: Vec<String> = crates.iter().map(|of| format!("gradus-{of}")).collect();
        let mut args = vec!["check"];
        packages.iter().for_each(|package| args.extend(["-p", package]));
        for round in 1..=ROUNDS {
            let rewritten = self.write(files, &dropped)?;
            let (good, messages) = self.cargo(&args)?;
            if good {
                return Ok(dropped);
            }
            let before = dropped.len();
            for message in messages.iter().filter(|m| m["message"]["level"] == "error") {
                blame(&message["message"], files, &rewritten, &mut dropped);
            }
            println!("round {round}: {} mutants do not compile", dropped.len());
            if dropped.len() == before {
                let text = messages.iter().filter_map(|m| m["message"]["rendered"].as_str());
                return Err(io::Error::other(text.collect::<String>()));
            }
        }
        Err(io::Error::other("what does not compile was not found"))
    }

    /// Builds test binaries: `packages` as for `cargo test`.
    pub fn tests(&self, packages: &[&str]) -> io::Result<Vec<Binary>> {
        let mut args = vec!["test", "--no-run"];
        args.extend(packages);
        let (good, messages) = self.cargo(&args)?;
        if !good {
            let text = messages.iter().filter_map(|m| m["message"]["rendered"].as_str());
            return Err(io::Error::other(text.collect::<String>()));
        }
        let binary = |m: &Value| {
            let path = PathBuf::from(m["executable"].as_str()?);
            let folder = Path::new(m["manifest_path"].as_str()?).parent()?.to_owned();
            let room = folder.file_name()?.to_string_lossy().into_owned();
            Some(Binary {
                path,
                name: format!("{room}::{}", m["target"]["name"].as_str()?),
                folder,
            })
        };
        Ok(messages.iter().filter_map(binary).collect())
    }
}

/// Writes a file if it changes.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().expect("a file is in a folder"))?;
    fs::write(path, bytes)
}

/// Whose fault an error is: a single mutant's if any of its spans is in one, else all of the place around it.
fn blame(message: &Value, files: &[File], rewritten: &[Rewritten], dropped: &mut HashSet<u32>) {
    let mut spans = Vec::new();
    for of in std::iter::once(message).chain(message["children"].as_array().into_iter().flatten()) {
        spans.extend(of["spans"].as_array().into_iter().flatten());
    }
    spans.sort_by_key(|span| span["is_primary"] != true);
    let place = |span: &Value| {
        let file = files.iter().position(|file| span["file_name"] == *file.path)?;
        let byte = |key: &str| span[key].as_u64().map(|n| n as usize);
        Some((file, byte("byte_start")?..byte("byte_end")?))
    };
    let places: Vec<(usize, Range<usize>)> = spans.into_iter().filter_map(place).collect();
    let found = places.iter().filter_map(|(file, at)| rewritten[*file].blamed(at.clone()));
    let found: Vec<Blame> = found.collect();
    let one =
        found.iter().find_map(|blame| if let Blame::One(id) = blame { Some(*id) } else { None });
    match (one, found.into_iter().next()) {
        (Some(id), _) => drop(dropped.insert(id)),
        (None, Some(Blame::All(ids))) => dropped.extend(ids),
        // A call that would have taken something is missing somewhere between.
        _ => {
            let Some((file, _)) = places.first() else { return };
            let of_file = || places.iter().filter(|(other, _)| other == file).map(|(_, at)| at);
            let start = of_file().map(|at| at.start).min().unwrap_or(0);
            let end = of_file().map(|at| at.end).max().unwrap_or(0);
            dropped.extend(rewritten[*file].missing_calls(start..end));
        }
    }
}
