//! Indices and shapes.

use gradus_autograd::{Float, Interpolation, PadMode, Tensor, Var};

use super::{Found, On};

/// Rows of a table by number, in the shape of the index.
fn rows<'t, T: Float>(x: Var<'t, T>, index: &Tensor<i64>) -> Var<'t, T> {
    let y = x.index_select(0, &index.reshape(&[index.len()]));
    let shape: Vec<usize> = index.shape().iter().copied().chain([x.shape()[1]]).collect();
    y.reshape(&shape)
}

pub fn embedding<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (weight, index) = (on.var("weight"), on.whole("index"));
    let y = rows(weight, &index);
    // The padding row is looked up, and gets no gradient.
    Found::y(match on.case.list("padding_idx") {
        None => y,
        Some(padding) => {
            let n = index.len();
            let trained = index.map(|i| i as isize != padding[0]).reshape(&[n, 1]);
            on.tape.where_(&trained, y, y.detach())
        }
    })
}

pub fn indexing<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = || on.var("x");
    Found::y(match on.text("f") {
        "gather" => x().gather(on.axis(), &on.whole("index")),
        "index_select" => rows(x(), &on.whole("index")),
        "scatter_add" => x().scatter_add(on.axis(), &on.whole("index"), on.var("src")),
        "index_add" => x().index_add(on.axis(), &on.whole("index"), on.var("src")),
        "masked_fill" => x().masked_fill(&on.mask("mask"), on.number("value", 0.0)),
        "masked_select" => x().masked_select(&on.mask("mask")),
        "one_hot" => {
            let hot = Tensor::<T>::one_hot(&on.whole("index"), on.number("classes", 0.0) as usize);
            let hot = hot.to_vec().into_iter().map(Float::to_f64).collect();
            return Some(Found { vars: vec![], facts: vec![("y", hot)] });
        }
        _ => return None,
    })
}

pub fn shape_ops<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let sizes = |name| {
        on.case.list(name).map(|all| all.into_iter().map(|n| n as usize).collect::<Vec<_>>())
    };
    let x = || on.var("x");
    Found::y(match on.text("f") {
        "permute" => x().permute(&sizes("dims")?),
        "reshape" => x().reshape(&sizes("to")?),
        "expand" => x().broadcast_to(&sizes("to")?),
        "slice" => {
            let ranges = on.case.param("s")?.as_array()?.clone();
            let at = |range: &serde_json::Value, i: usize| range[i].as_i64().expect("a place");
            (0..).zip(&ranges).fold(x(), |x, (axis, range)| {
                let [start, end, step] = [0, 1, 2].map(|i| at(range, i) as isize);
                x.slice_step(axis, Some(start), Some(end), step)
            })
        }
        "flip" => x().flip(&on.case.list("dims")?),
        "roll" => x().roll(on.number("shift", 0.0) as isize, on.axis()),
        "pad" => {
            // From the last axis on, as PyTorch has them.
            let (pad, mut counts) = (sizes("pad")?, vec![(0, 0); x().rank()]);
            for (pair, count) in pad.chunks(2).zip(counts.iter_mut().rev()) {
                *count = (pair[0], pair[1]);
            }
            let constant = PadMode::Constant(on.number("value", 0.0));
            x().pad(&counts, if on.text("mode") == "reflect" { PadMode::Reflect } else { constant })
        }
        "repeat" => x().repeat(&sizes("reps")?),
        "tril" => x().tril(0),
        "diag" => x().diag(),
        "unfold" => {
            let (size, stride) = (on.number("kernel_size", 0.0), on.number("stride", 1.0));
            x().unfold([size as usize; 2], [stride as usize; 2])
        }
        "upsample" => {
            let [.., h, w] = x().shape()[..] else { return None };
            let mode = match on.text("mode") {
                "nearest" => Interpolation::Nearest,
                _ => Interpolation::Bilinear,
            };
            x().resize([2 * h, 2 * w], mode)
        }
        "cat" => on.tape.concat(&[on.var("a"), on.var("b"), on.var("a")], on.axis()),
        "stack" => on.tape.stack(&["a", "b", "a"].map(|name| on.var(name)), on.axis()),
        "split" => {
            let parts = x().split(&sizes("sizes")?, on.axis());
            let vars = vec![("y0", parts[0]), ("y1", parts[1])];
            return Some(Found { vars, facts: vec![] });
        }
        _ => return None,
    })
}
