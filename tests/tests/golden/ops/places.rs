//! Indices and shapes.

use gradus_autograd::{Float, Tensor, Var};

use super::{Found, On};

/// Whole rows of a matrix by number, as an embedding has them.
fn rows<'t, T: Float>(x: Var<'t, T>, index: &Tensor<i64>) -> Var<'t, T> {
    let (n, width) = (index.len(), x.shape()[1]);
    let y = x.gather(0, &index.reshape(&[n, 1]).broadcast_to(&[n, width]));
    let shape: Vec<usize> = index.shape().iter().copied().chain([width]).collect();
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
        "masked_fill" => {
            on.tape.where_(&on.mask("mask"), on.tape.number(on.number("value", 0.0)), x())
        }
        "masked_select" => {
            let mask = on.mask("mask").to_vec();
            let places: Vec<i64> =
                (0..).zip(mask).filter(|(_, taken)| *taken).map(|(at, _)| at).collect();
            x().reshape(&[x().value().len()]).gather(0, &Tensor::from(places))
        }
        _ => return None,
    })
}

pub fn shape_ops<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let sizes = |name| {
        on.case.list(name).map(|all| all.into_iter().map(|n| n as usize).collect::<Vec<_>>())
    };
    let x = || on.var("x");
    // One index for each place of an axis.
    let along = |x: Var<'t, T>, axis: usize, index: Vec<usize>| {
        let parts: Vec<Var<'t, T>> =
            index.into_iter().map(|i| x.slice(axis as isize, i..i + 1)).collect();
        on.tape.concat(&parts, axis as isize)
    };
    Found::y(match on.text("f") {
        "permute" => x().permute(&sizes("dims")?),
        "reshape" => x().reshape(&sizes("to")?),
        "expand" => x().broadcast_to(&sizes("to")?),
        "slice" => {
            let ranges = on.case.param("s")?.as_array()?.clone();
            let at =
                |range: &serde_json::Value, i: usize| range[i].as_u64().expect("a place") as usize;
            (0..).zip(&ranges).fold(x(), |x, (axis, range)| {
                along(x, axis, (at(range, 0)..at(range, 1)).step_by(at(range, 2)).collect())
            })
        }
        "flip" => {
            let axis = sizes("dims")?[0];
            along(x(), axis, (0..x().shape()[axis]).rev().collect())
        }
        "roll" => {
            let (axis, by) = (sizes("dim")?[0], sizes("shift")?[0]);
            let n = x().shape()[axis];
            on.tape.concat(
                &[x().slice(axis as isize, n - by..n), x().slice(axis as isize, 0..n - by)],
                axis as isize,
            )
        }
        "pad" if on.text("mode").is_empty() => {
            let pad = sizes("pad")?;
            let side = |n| {
                on.tape.constant(Tensor::full(&[x().shape()[0], n], T::of(on.number("value", 0.0))))
            };
            on.tape.concat(&[side(pad[0]), x(), side(pad[1])], 1)
        }
        "repeat" => {
            (0..).zip(sizes("reps")?).fold(x(), |x, (axis, n)| on.tape.concat(&vec![x; n], axis))
        }
        "tril" => {
            let n = x().shape()[0];
            let below = Tensor::<bool>::from_fn(&[n, n], |at| at[1] <= at[0]);
            on.tape.where_(&below, x(), on.tape.number(0.0))
        }
        "diag" => {
            let n = x().shape()[0];
            x().reshape(&[n * n])
                .gather(0, &Tensor::from((0..n).map(|i| (i * (n + 1)) as i64).collect::<Vec<_>>()))
        }
        "cat" => on.tape.concat(&[on.var("a"), on.var("b"), on.var("a")], on.axis()),
        "stack" => {
            let parts = ["a", "b", "a"].map(|name| on.var(name).unsqueeze(on.axis()));
            on.tape.concat(&parts, on.axis())
        }
        "split" => {
            let (axis, sizes) = (on.axis(), sizes("sizes")?);
            let (first, whole) = (sizes[0], sizes.iter().sum());
            let vars =
                vec![("y0", x().slice(axis, 0..first)), ("y1", x().slice(axis, first..whole))];
            return Some(Found { vars, facts: vec![] });
        }
        _ => return None,
    })
}
