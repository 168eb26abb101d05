//! Layers against the tables of PyTorch and Keras, outputs and all gradients, in both precisions. No case is left out.

use gradus_autograd::{Activation, Float, Module, Path, Tape, Tensor, Var};
use gradus_nn::{Embedding, Gru, Layer, Lstm, MultiHeadAttention, Rnn, TransformerEncoderLayer};
use serde_json::Value;

use super::assert_close;

/// |found − expected|, relative to max(1, |expected|).
const F64: f64 = 1e-10;
/// In single precision, whose rounding is 6e-8: sums of some dozens of products.
const F32: f64 = 2e-6;

fn cases(name: &str) -> Vec<Value> {
    cases_of("../tests/golden", name)
}

fn cases_of(folder: &str, name: &str) -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["cases"].as_array().unwrap().clone()
}

fn array<T: Float>(value: &Value) -> Tensor<T> {
    let list = |name: &str| value[name].as_array().unwrap().iter();
    let shape: Vec<usize> = list("shape").map(|n| n.as_u64().unwrap() as usize).collect();
    Tensor::new(&shape, list("data").map(|x| T::of(x.as_f64().unwrap())).collect())
}

/// Which blocks of rows of a PyTorch parameter are which of a Keras one.
fn blocks<T: Float>(x: &Tensor<T>, order: &[usize]) -> Tensor<T> {
    let size = x.shape()[0] / order.len();
    let tape = Tape::inference();
    let parts: Vec<_> =
        order.iter().map(|&at| tape.constant(x.slice(0, at * size..(at + 1) * size))).collect();
    tape.concat(&parts, 0).value()
}

/// A model with parameters from a case, run, and its gradients compared.
struct Run<'a, T: Float> {
    case: &'a Value,
    tolerance: f64,
    /// The name of an input of the table for the path of a parameter.
    named: &'a dyn Fn(&str) -> String,
    /// The value of a parameter from that of the table.
    read: &'a dyn Fn(&str, &Tensor<T>) -> Tensor<T>,
}

impl<T: Float> Run<'_, T> {
    /// `f` gives the outputs by name.
    fn check<M: Module<T>>(
        &self,
        mut model: M,
        inputs: &[&str],
        f: impl for<'t> Fn(&M, &'t Tape<T>, &[Var<'t, T>]) -> Vec<(&'static str, Var<'t, T>)>,
    ) {
        let (case, name) = (self.case, self.case["name"].as_str().unwrap());
        let value = |group: &str, name: &str| array::<T>(&case[group][name]);
        let close = |what: &str, found: &Tensor<T>, expected: &Tensor<T>| {
            let [found, expected] = [found, expected].map(|x| x.map(T::to_f64));
            assert_close(&format!("{name} {what}"), &found, &expected, self.tolerance);
        };
        model.visit_mut(Path::root(), &mut |path, param| {
            let path = path.to_string();
            param.set((self.read)(&path, &value("inputs", &(self.named)(&path))));
        });
        let tape = Tape::new();
        let vars: Vec<_> = inputs.iter().map(|&name| tape.var(value("inputs", name))).collect();
        let outputs = f(&model, &tape, &vars);
        let mut loss = tape.number(0.0);
        for (output, y) in outputs {
            close(output, &y.value(), &value("outputs", output));
            loss = loss + (y * tape.constant(value("cotangents", output))).sum();
        }
        let gradients = loss.backward();
        for (&input, &var) in inputs.iter().zip(&vars) {
            close(&format!("gradient of {input}"), &gradients[var], &value("grads", input));
        }
        for (path, param) in model.params() {
            let expected = (self.read)(&path, &value("grads", &(self.named)(&path)));
            let found = gradients.param(param).unwrap();
            close(&format!("gradient of {path}"), found, &expected);
        }
    }
}

fn size(case: &Value, name: &str) -> usize {
    case["params"][name].as_u64().unwrap() as usize
}

fn cells_and_layers_of_pytorch<T: Float>(tolerance: f64) {
    for case in cases("rnn_cells").iter().chain(&cases("rnn_layers")) {
        // A cell is a layer over one step.
        let is_cell = case["params"]["t"].is_null();
        let named = |path: &str| -> String {
            let (stem, rest) = path.split_once("_l").unwrap();
            let stem = stem.replace("weight", "w").replace("bias", "b");
            let layer = rest.replace("_reverse", "r");
            if is_cell { stem } else { format!("l{layer}_{stem}") }
        };
        let run = Run { case, tolerance, named: &named, read: &|_, x| x.clone() };
        let (inputs, units) = (size(case, "I"), size(case, "H"));
        let layers = case["params"]["layers"].as_u64().unwrap_or(1) as usize;
        let is_bidirectional = case["params"]["bi"] == true;
        macro_rules! made {
            ($layer:ident) => {{
                let layer = $layer::<T>::new(units).layers(layers);
                let layer = if is_bidirectional { layer.bidirectional() } else { layer };
                layer.inputs(inputs)
            }};
        }
        let [h, c] = if is_cell { ["h", "c"] } else { ["h0", "c0"] };
        // Tables are time first; the state of a cell has no axis of layers.
        match case["params"]["kind"].as_str().unwrap() {
            "lstm" => run.check(made!(Lstm), &["x", h, c], |layer, _, v| {
                if is_cell {
                    let state = [v[1].unsqueeze(0), v[2].unsqueeze(0)];
                    let (_, [h, c]) = layer.forward_with(v[0].unsqueeze(1), Some(state));
                    return vec![("h", h.squeeze(0)), ("c", c.squeeze(0))];
                }
                let (y, [h, c]) = layer.forward_with(v[0].transpose(0, 1), Some([v[1], v[2]]));
                vec![("y", y.transpose(0, 1)), ("h_n", h), ("c_n", c)]
            }),
            kind => {
                macro_rules! one_state {
                    ($layer:ident) => {
                        run.check(made!($layer), &["x", h], |layer, _, v| {
                            if is_cell {
                                let x = v[0].unsqueeze(1);
                                let (_, h) = layer.forward_with(x, Some(v[1].unsqueeze(0)));
                                return vec![("h", h.squeeze(0))];
                            }
                            let (y, h) = layer.forward_with(v[0].transpose(0, 1), Some(v[1]));
                            vec![("y", y.transpose(0, 1)), ("h_n", h)]
                        })
                    };
                }
                if kind == "gru" { one_state!(Gru) } else { one_state!(Rnn) }
            }
        }
    }
}

fn layers_of_keras<T: Float>(tolerance: f64) {
    for case in &cases("keras_rnn") {
        let kind = case["params"]["kind"].as_str().unwrap();
        let cell = match kind {
            "LSTM" => "lstm_cell",
            "GRU" => "gru_cell",
            _ => "simple_rnn_cell",
        };
        let named = |path: &str| {
            let name = match path {
                "weight_ih_l0" => "kernel",
                "weight_hh_l0" => "recurrent_kernel",
                _ => "bias",
            };
            format!("{cell}/{name}")
        };
        // Keras' kernels are transposed, and its GRU has z, r, h where PyTorch has r, z, n.
        let read = |path: &str, x: &Tensor<T>| {
            let x = match (path, x.shape()) {
                ("bias_ih_l0", [2, _]) => x.row(0),
                ("bias_hh_l0", [2, _]) => x.row(1),
                ("bias_ih_l0", _) => x.clone(),
                ("bias_hh_l0", _) => Tensor::zeros(x.shape()),
                _ => x.t(),
            };
            if kind == "GRU" { blocks(&x, &[1, 0, 2]) } else { x }
        };
        let units = size(case, "units");
        let all = case["params"]["return_sequences"] == true;
        let before = case["params"]["reset_after"] == false;
        let one_bias = case["inputs"][&named("bias")]["shape"].as_array().unwrap().len() == 1;
        let run = Run { case, tolerance, named: &named, read: &read };
        macro_rules! check {
            ($layer:expr) => {{
                let layer = $layer.return_sequences(all).inputs(2);
                if one_bias {
                    run.check(OneBias(layer), &["x"], |layer, _, v| {
                        vec![("y", layer.0.forward(v[0]))]
                    })
                } else {
                    run.check(layer, &["x"], |layer, _, v| vec![("y", layer.forward(v[0]))])
                }
            }};
        }
        match kind {
            "LSTM" => check!(Lstm::<T>::new(units)),
            "GRU" => check!(Gru::<T>::new(units).reset_after(!before)),
            _ => check!(Rnn::<T>::new(units)),
        }
    }
}

/// A layer whose second bias stays 0 and is not shown.
struct OneBias<M>(M);

impl<T: Float, M: Module<T>> Module<T> for OneBias<M> {
    fn visit<'m>(
        &'m self,
        path: Path<'_>,
        f: &mut dyn FnMut(Path<'_>, &'m gradus_autograd::Param<T>),
    ) {
        self.0.visit(path, &mut |path, param| {
            if !path.to_string().starts_with("bias_hh") {
                f(path, param);
            }
        });
    }
    fn visit_mut(
        &mut self,
        path: Path<'_>,
        f: &mut dyn FnMut(Path<'_>, &mut gradus_autograd::Param<T>),
    ) {
        self.0.visit_mut(path, &mut |path, param| {
            if !path.to_string().starts_with("bias_hh") {
                f(path, param);
            }
        });
    }
}

fn embeddings_of_pytorch<T: Float>(tolerance: f64) {
    for case in &cases("embedding") {
        let weight: Tensor<T> = array(&case["inputs"]["weight"]);
        let mut layer = Embedding::<T>::new(weight.shape()[0], weight.shape()[1]);
        if let Some(row) = case["params"]["padding_idx"].as_u64() {
            layer = layer.padding_idx(row as usize);
        }
        let index: Tensor<T> = array(&case["inputs"]["index"]);
        let run = Run { case, tolerance, named: &str::to_owned, read: &|_, x| x.clone() };
        run.check(layer, &[], |layer, tape, _| {
            vec![("y", layer.forward(tape.constant(index.clone())))]
        });
    }
}

fn attention_of_pytorch<T: Float>(tolerance: f64) {
    for case in &cases("multihead_attention") {
        let named = |path: &str| {
            let name = match path {
                "in_proj_weight" => "w_in",
                "in_proj_bias" => "b_in",
                "out_proj.kernel" => "w_out",
                _ => "b_out",
            };
            name.to_owned()
        };
        let read = |path: &str, x: &Tensor<T>| {
            if path == "out_proj.kernel" { x.t().contiguous() } else { x.clone() }
        };
        let run = Run { case, tolerance, named: &named, read: &read };
        let layer = || MultiHeadAttention::<T>::new(size(case, "e"), size(case, "h"));
        run.check(layer(), &["x"], |layer, _, v| vec![("y", layer.forward(v[0]))]);
        run.check(layer(), &["x"], |layer, _, v| vec![("y", layer.attend(v[0], v[0], v[0], None))]);
    }
}

fn blocks_of_pytorch<T: Float>(tolerance: f64) {
    for case in &cases_of("tests/golden", "transformer_encoder_layer") {
        let read = |path: &str, x: &Tensor<T>| {
            if path.ends_with("kernel") { x.t().contiguous() } else { x.clone() }
        };
        let named = |path: &str| path.replace("kernel", "weight");
        let run = Run { case, tolerance, named: &named, read: &read };
        let is = |name: &str| case["params"][name] == true;
        let gelu = case["params"]["activation"] == "gelu";
        let block = TransformerEncoderLayer::<T>::new(4, 2).feed_forward(6).dropout(0.0);
        let block = block.activation(if gelu { Activation::Gelu } else { Activation::Relu });
        let block = if is("norm_first") { block.pre_norm() } else { block };
        let block = if is("causal") { block.causal() } else { block };
        run.check(block, &["x"], |block, _, v| vec![("y", block.forward(v[0]))]);
    }
}

/// Each of them in both precisions.
macro_rules! in_both {
    ($($table:ident)*) => {
        mod in_f64 {
            $(#[test] fn $table() { super::$table::<f64>(super::F64) })*
        }
        mod in_f32 {
            $(#[test] fn $table() { super::$table::<f32>(super::F32) })*
        }
    };
}

in_both! {
    cells_and_layers_of_pytorch
    layers_of_keras
    embeddings_of_pytorch
    attention_of_pytorch
    blocks_of_pytorch
}
