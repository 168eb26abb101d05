//! A file with all its mutants in it: each place becomes a `match` on which mutant lives.

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::Range;

use crate::mutations::Site;

/// One mistake.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub id: u32,
    /// The place it belongs to: what is reached, is reached for all of its mutants.
    pub group: u32,
    pub path: String,
    pub line: usize,
    pub change: String,
    code: String,
}

/// A file, its places and their mutants.
pub struct File {
    pub path: String,
    text: String,
    places: Vec<(Range<usize>, Vec<Mutant>)>,
}

/// Where the parts of a rewritten file stand.
pub struct Rewritten {
    pub text: String,
    arms: Vec<(Range<usize>, u32)>,
    groups: Vec<(Range<usize>, Vec<u32>)>,
}

impl File {
    /// Numbers the mutants of a file, from `next` on.
    pub fn new(path: String, text: String, mut sites: Vec<Site>, next: &mut u32) -> Self {
        // Outer places before those in them.
        sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
        let mut places = Vec::new();
        for site in sites {
            let group = *next;
            let line = text[..site.range.start].matches('\n').count() + 1;
            let mutant = |(change, code)| {
                let id = *next;
                *next += 1;
                Mutant { id, group, path: path.clone(), line, change, code }
            };
            let mutants = site.variants.into_iter().map(mutant).collect();
            places.push((site.range, mutants));
        }
        File { path, text, places }
    }

    pub fn mutants(&self) -> impl Iterator<Item = &Mutant> {
        self.places.iter().flat_map(|(_, mutants)| mutants)
    }

    /// The file with all mutants but those that do not compile.
    pub fn rewritten(&self, dropped: &HashSet<u32>) -> Rewritten {
        let mut out = Rewritten { text: String::new(), arms: Vec::new(), groups: Vec::new() };
        self.emit(0..self.text.len(), &self.places, dropped, &mut out);
        out
    }

    fn emit(
        &self,
        range: Range<usize>,
        mut places: &[(Range<usize>, Vec<Mutant>)],
        dropped: &HashSet<u32>,
        out: &mut Rewritten,
    ) {
        let mut at = range.start;
        while let [(place, mutants), rest @ ..] = places {
            let inside = rest.iter().take_while(|(other, _)| other.start < place.end).count();
            out.text.push_str(&self.text[at..place.start]);
            let living: Vec<&Mutant> =
                mutants.iter().filter(|m| !dropped.contains(&m.id)).collect();
            let start = out.text.len();
            if let Some(first) = living.first() {
                let _ = write!(out.text, "(match crate::mutants::at({}) {{", first.group);
                for mutant in &living {
                    let _ = write!(out.text, " {} => {{", mutant.id);
                    let arm = out.text.len();
                    out.text.push_str(&mutant.code);
                    out.arms.push((arm..out.text.len(), mutant.id));
                    out.text.push('}');
                }
                out.text.push_str(" _ => {");
            }
            self.emit(place.clone(), &rest[..inside], dropped, out);
            if !living.is_empty() {
                out.text.push_str("}})");
                let ids = living.iter().map(|mutant| mutant.id).collect();
                out.groups.push((start..out.text.len(), ids));
            }
            at = place.end;
            places = &rest[inside..];
        }
        out.text.push_str(&self.text[at..range.end]);
    }
}

impl Rewritten {
    /// The mutants that an error at these bytes is the fault of: the one whose code it is in, or all of the innermost
    /// place around it.
    pub fn blamed(&self, at: Range<usize>) -> Option<Blame> {
        let holds = |range: &Range<usize>| range.start <= at.start && at.end <= range.end;
        if let Some((_, id)) = self.arms.iter().find(|(range, _)| holds(range)) {
            return Some(Blame::One(*id));
        }
        let groups = self.groups.iter().filter(|(range, _)| holds(range));
        let (_, ids) = groups.min_by_key(|(range, _)| range.len())?;
        Some(Blame::All(ids.clone()))
    }

    /// The mutants between these bytes that leave out a call.
    pub fn missing_calls(&self, at: Range<usize>) -> impl Iterator<Item = u32> {
        let inside = move |range: &Range<usize>| at.start <= range.start && range.end <= at.end;
        let empty = |range: &Range<usize>| &self.text[range.clone()] == "{}";
        self.arms.iter().filter(move |(range, _)| inside(range) && empty(range)).map(|(_, id)| *id)
    }
}

/// Whose fault an error is.
pub enum Blame {
    One(u32),
    All(Vec<u32>),
}
