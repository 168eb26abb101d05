//! A drawing of a graph, as text for Graphviz.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Kind, Var};
use crate::element::Float;
use crate::param::Module;

impl<T: Float> Var<'_, T> {
    /// What this variable was made from, in the language of Graphviz: `dot -Tsvg` draws it. Operations are boxes with
    /// the shape of their result, parameters of the model (bound by [`Tape::param`](crate::Tape::param)) are ellipses
    /// with their path, other leaves and constants are plain; single constant numbers stand in the box that uses
    /// them.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape, Tensor};
    /// let w = Param::new(Tensor::from([1.0, 2.0]));
    /// let tape = Tape::<f64>::new();
    /// let y = (tape.param(&w) * 3.0).sum();
    /// let drawing = y.to_dot(Some(&w));
    /// assert!(drawing.starts_with("digraph"));
    /// ```
    pub fn to_dot(self, model: Option<&dyn Module<T>>) -> String {
        let parts = self.tape.parts.borrow();
        let params = model.map(|model| model.params()).unwrap_or_default();
        let path = |id: u32| {
            let (of, _) = parts.bindings.iter().find(|(_, var)| *var == id)?;
            let (path, _) = params.iter().find(|(_, param)| param.id() == *of)?;
            Some(if path.is_empty() { "parameter".to_owned() } else { path.clone() })
        };
        // The ancestors, in the order of the list. A further result stands in the box of the first.
        let owner = |id: u32| match parts.nodes[id as usize].kind {
            Kind::Result => parts.nodes[id as usize].inputs[0],
            _ => id,
        };
        let mut used: BTreeMap<u32, bool> = BTreeMap::from([(owner(self.id), true)]);
        let mut open = vec![owner(self.id)];
        while let Some(id) = open.pop() {
            for &input in &parts.nodes[id as usize].inputs {
                if used.insert(owner(input), true).is_none() {
                    open.push(owner(input));
                }
            }
        }
        let is_number = |id: u32| {
            let node = &parts.nodes[id as usize];
            matches!(node.kind, Kind::Constant) && node.value.rank() == 0
        };
        let mut text = String::from(
            "digraph {\n  rankdir=BT;\n  node [fontname=\"sans-serif\", fontsize=11];\n  edge [color=gray40];\n",
        );
        for &id in used.keys() {
            let node = &parts.nodes[id as usize];
            let shape = format!("{:?}", node.value.shape());
            let (label, style) = match &node.kind {
                Kind::Op(op, results) => {
                    let name = op.as_ref().map_or("operation", |op| op.name());
                    let numbers = node.inputs.iter().filter(|&&input| is_number(input));
                    let numbers: Vec<String> = numbers
                        .map(|&input| parts.nodes[input as usize].value.item().to_string())
                        .collect();
                    let mut label = name.to_owned();
                    if !numbers.is_empty() {
                        let _ = write!(label, " ({})", numbers.join(", "));
                    }
                    if *results > 1 {
                        let _ = write!(label, ", {results} results");
                    }
                    (label, "shape=box, style=\"rounded,filled\", fillcolor=\"#e8eef7\"")
                }
                Kind::Leaf => match path(id) {
                    Some(path) => (path, "shape=ellipse, style=filled, fillcolor=\"#fdf1d8\""),
                    None => ("leaf".into(), "shape=ellipse"),
                },
                Kind::Constant | Kind::Result if is_number(id) => continue,
                Kind::Constant | Kind::Result => match path(id) {
                    Some(path) => {
                        (path, "shape=ellipse, style=\"filled,dashed\", fillcolor=\"#fdf1d8\"")
                    }
                    None => ("constant".into(), "shape=plaintext"),
                },
            };
            let _ = writeln!(text, "  n{id} [label=\"{}\\n{shape}\", {style}];", escaped(&label));
            for &input in &node.inputs {
                if !is_number(input) {
                    let _ = writeln!(text, "  n{} -> n{id};", owner(input));
                }
            }
        }
        text + "}\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
