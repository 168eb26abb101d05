//! Breaks each derivative on purpose, and asks whether a test notices. See `README.md`.

mod build;
mod mutations;
mod rewrite;
mod run;

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;
use std::{env, fs};

use build::Copy;
use rewrite::{File, Mutant};
use run::Suite;

/// What is broken, unless arguments say otherwise.
const PLACES: [&str; 3] =
    ["autograd/src/real/dual.rs", "autograd/src/ops/", "autograd/src/kernel/"];
/// What is asked first, and of what survives that, next.
const SUITES: [&[&str]; 2] = [
    &["-p", "gradus-autograd", "--lib", "--tests"],
    &["-p", "gradus-tests", "--test", "autograd", "--test", "golden", "--test", "layers"],
];

fn main() -> Result<(), Box<dyn Error>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project")?;
    let (flags, places): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let is = |name: &str| flags.iter().any(|flag| flag == name);
    let (again, quick) = (is("--survivors"), is("--quick"));
    let places = if places.is_empty() { PLACES.map(String::from).to_vec() } else { places };
    let mut files = Vec::new();
    let mut next = 1;
    for place in &places {
        for path in sources(project, place)? {
            let text = fs::read_to_string(project.join(&path))?;
            let sites = mutations::sites(&text, &path)?;
            files.push(File::new(path, text, sites, &mut next));
        }
    }
    let copy = Copy::of(project, &files)?;
    println!("{} mutants in {} files", next - 1, files.len());
    let dropped = copy.settle(&files, HashSet::new())?;
    let survived = project.join("target/mutants/survivors.txt");
    let last = if again { fs::read_to_string(&survived)? } else { String::new() };
    let last: HashSet<&str> = last.lines().collect();
    let mutants = files.iter().flat_map(File::mutants).filter(|m| !dropped.contains(&m.id));
    let mutants: Vec<&Mutant> = mutants.filter(|m| !again || last.contains(&*key(m))).collect();
    println!("{} of them compile and are tried", mutants.len());

    let mut alive: Vec<&Mutant> = mutants.clone();
    for packages in &SUITES[..if quick { 1 } else { SUITES.len() }] {
        let suite = Suite::of(&copy.tests(packages)?, &project.join("target/mutants"))?;
        println!("{} tests, {} survivors so far", suite.len(), alive.len());
        alive = suite.survivors(&alive)?;
    }

    fs::write(survived, alive.iter().map(|mutant| key(mutant) + "\n").collect::<String>())?;
    let reasons = reasons(&fs::read_to_string(project.join("mutants/equivalent.txt"))?);
    let reason = |mutant: &Mutant| reasons.get(&key(mutant));
    let (equal, survivors): (Vec<&Mutant>, Vec<&Mutant>) =
        alive.into_iter().partition(|m| reason(m).is_some());
    println!("\nsurvivors:");
    survivors.iter().for_each(|m| println!("{}:{}: {}", m.path, m.line, m.change));
    println!(
        "\n{} mutants: {} killed, {} change nothing, {} survive",
        mutants.len(),
        mutants.len() - equal.len() - survivors.len(),
        equal.len(),
        survivors.len()
    );
    if survivors.is_empty() { Ok(()) } else { Err("mutants survive".into()) }
}

/// The Rust files at a place, a file or a folder, by name; tests are none.
fn sources(project: &Path, place: &str) -> Result<Vec<String>, Box<dyn Error>> {
    if place.ends_with(".rs") {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(project.join(place))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let path = format!("{}/{name}", place.trim_end_matches('/'));
        if project.join(&path).is_dir() {
            found.extend(sources(project, &path)?);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A mutant by its file and change, so that a line more above it does not matter.
fn key(mutant: &Mutant) -> String {
    format!("{}: {}", mutant.path, mutant.change)
}

/// Paragraphs: a reason, a line that begins with `#`, and the mutants that it goes for.
fn reasons(text: &str) -> HashMap<String, String> {
    let mut reason = String::new();
    let mut all = HashMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(words) => reason = words.to_owned(),
            None => drop(all.insert(line.to_owned(), reason.clone())),
        }
    }
    all
}
