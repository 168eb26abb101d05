//! A reader of the golden tables, `golden/*.json`; `golden/README.md` says how a file reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use gradus_autograd::{Float, Tensor};
use serde_json::{Map, Value};

/// A tensor of a table: a shape and its elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    /// As a tensor of either precision.
    pub fn tensor<T: Float>(&self) -> Tensor<T> {
        Tensor::new(&self.shape, self.data.iter().map(|&x| T::of(x)).collect())
    }

    /// As whole numbers: indices, classes.
    pub fn whole(&self) -> Tensor<i64> {
        let whole = |&x: &f64| {
            assert!(x.fract() == 0.0, "{x} is not a whole number");
            x as i64
        };
        Tensor::new(&self.shape, self.data.iter().map(whole).collect())
    }

    /// As truth values: everything but 0 holds.
    pub fn mask(&self) -> Tensor<bool> {
        Tensor::new(&self.shape, self.data.iter().map(|&x| x != 0.0).collect())
    }
}

/// One case of a table.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// Settings of the operation.
    pub params: Map<String, Value>,
    pub inputs: BTreeMap<String, Array>,
    pub outputs: BTreeMap<String, Array>,
    /// Of the outputs.
    pub cotangents: BTreeMap<String, Array>,
    /// Of the inputs: the vector-Jacobian products.
    pub grads: BTreeMap<String, Array>,
    /// At a corner of the function, where its derivative is a convention.
    pub kink: bool,
    /// The whole entry, for what only some kinds of table have.
    pub entry: Value,
}

impl Case {
    /// A setting, if the case has it.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.get(name).filter(|value| !value.is_null())
    }

    /// A setting that is a text, or "".
    pub fn text(&self, name: &str) -> &str {
        self.param(name).and_then(Value::as_str).unwrap_or("")
    }

    /// A setting that is a number, or `default`.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.param(name).map_or(default, number)
    }

    /// A setting that is true or false, or `default`.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.param(name).map_or(default, |value| value.as_bool().expect("a truth value"))
    }

    /// A setting that is a list of whole numbers, or one of them.
    pub fn list(&self, name: &str) -> Option<Vec<isize>> {
        let whole = |value: &Value| value.as_i64().expect("a whole number") as isize;
        self.param(name).map(|value| match value {
            Value::Array(all) => all.iter().map(whole).collect(),
            one => vec![whole(one)],
        })
    }

    /// A tensor of the entry itself, beside the usual ones.
    pub fn array(&self, name: &str) -> Array {
        array(&self.entry[name])
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of its file, without the ending.
    pub name: String,
    pub kind: String,
    pub cases: Vec<Case>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The names of all tables, sorted.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the folder of the tables");
    let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry of the folder").path();
    let mut names: Vec<String> = entries
        .map(path)
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// A table by name. One that is no list of cases has none.
pub fn read(name: &str) -> Table {
    let path = folder().join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let root: Value =
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let cases = root["cases"].as_array().map(|all| all.iter().map(case).collect());
    Table {
        name: name.to_owned(),
        kind: root["kind"].as_str().unwrap_or("").to_owned(),
        cases: cases.unwrap_or_default(),
    }
}

fn case(entry: &Value) -> Case {
    Case {
        name: entry["name"].as_str().unwrap_or("").to_owned(),
        params: entry["params"].as_object().cloned().unwrap_or_default(),
        inputs: arrays(&entry["inputs"]),
        outputs: arrays(&entry["outputs"]),
        cotangents: arrays(&entry["cotangents"]),
        grads: arrays(&entry["grads"]),
        kink: entry["check"] == "kink",
        entry: entry.clone(),
    }
}

fn arrays(group: &Value) -> BTreeMap<String, Array> {
    let Some(group) = group.as_object() else { return BTreeMap::new() };
    let tensors = group.iter().filter(|(_, value)| value.get("shape").is_some());
    tensors.map(|(name, value)| (name.clone(), array(value))).collect()
}

/// The tensor that a value of a table is; a number is one of rank 0.
pub fn array(value: &Value) -> Array {
    if value.is_number() {
        return Array { shape: vec![], data: vec![number(value)] };
    }
    let list = |name: &str| {
        value[name].as_array().unwrap_or_else(|| panic!("no list `{name}` in {value}"))
    };
    let size = |value: &Value| value.as_u64().expect("a size") as usize;
    Array {
        shape: list("shape").iter().map(size).collect(),
        data: list("data").iter().map(number).collect(),
    }
}

/// A number; infinities and NaN stand as texts, truth values as themselves.
pub fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::String(text) => text.parse().unwrap_or_else(|_| panic!("{text} is not a number")),
        other => other.as_f64().unwrap_or_else(|| panic!("{other} is not a number")),
    }
}

/// The elements of a list, or none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The numbers of a list.
pub fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

/// Where `found` and `expected` differ by more than `tolerance` times max(1, |expected|).
pub fn differences(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Vec<String> {
    if found.len() != expected.len() {
        return vec![format!("{what}: {} elements instead of {}", found.len(), expected.len())];
    }
    let off = |(at, (&found, &expected)): (usize, (&f64, &f64))| {
        let same = found == expected
            || (found.is_nan() && expected.is_nan())
            || (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        (!same).then(|| format!("{what}[{at}]: {found:e} instead of {expected:e}"))
    };
    found.iter().zip(expected).enumerate().filter_map(off).collect()
}

/// The elements of a tensor, in row-major order.
pub fn as_f64<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.to_vec().into_iter().map(T::to_f64).collect()
}

/// Fails with all that is wrong, if anything is.
#[track_caller]
pub fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Cases that are not run: table, cases, reason.
pub type Listed = (&'static str, &'static [usize], &'static str);

/// What is wrong with a case, which is either run (`found` says what came out) or listed.
pub fn run_or_listed(
    list: &[Listed],
    (table, number): (&str, usize),
    case: &Case,
    found: Option<Vec<String>>,
) -> Vec<String> {
    let listed = list.iter().any(|(name, cases, _)| *name == table && cases.contains(&number));
    match (found, listed) {
        (Some(wrong), false) => wrong,
        (None, true) => vec![],
        (None, false) => vec![format!("{}: neither run nor listed", case.name)],
        (Some(_), true) => vec![format!("{}: can be run: take it off the list", case.name)],
    }
}

/// Fails where a list names a case that its table does not have.
#[track_caller]
pub fn assert_exist(list: &[Listed]) {
    for (name, cases, reason) in list {
        let table = read(name);
        for number in *cases {
            let case = table.cases.get(*number);
            let case = case.unwrap_or_else(|| panic!("{name} has no case {number} ({reason})"));
            assert_eq!(case.name, format!("{name}/p{number}"));
        }
    }
}
