//! Convolutions and pooling.

use gradus_autograd::{Conv, Float, PerAxis, Pool, Var};

use super::{Found, On};

/// A setting of one number for all axes, or of one for each.
fn per_axis<T: Float, const D: usize>(
    on: &On<'_, '_, T>,
    name: &str,
    default: impl PerAxis<D>,
) -> [usize; D] {
    match on.case.list(name) {
        Some(all) if all.len() == D => std::array::from_fn(|axis| all[axis] as usize),
        Some(all) => [all[0] as usize; D],
        None => default.per_axis(),
    }
}

fn settings<T: Float, const D: usize>(on: &On<'_, '_, T>) -> Conv<D> {
    Conv::new()
        .stride(per_axis(on, "stride", 1))
        .padding(per_axis(on, "padding", 0))
        .dilation(per_axis(on, "dilation", 1))
        .output_padding(per_axis(on, "output_padding", 0))
        .groups(on.number("groups", 1.0) as usize)
}

pub fn conv<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, w, b) = (on.var("x"), on.var("w"), on.has("b").then(|| on.var("b")));
    Found::y(match x.rank() {
        3 => x.conv1d(w, b, settings(on)),
        4 => x.conv2d(w, b, settings(on)),
        _ => x.conv3d(w, b, settings(on)),
    })
}

pub fn conv_transpose<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, w, b) = (on.var("x"), on.var("w"), on.has("b").then(|| on.var("b")));
    Found::y(match x.rank() {
        3 => x.conv_transpose1d(w, b, settings(on)),
        _ => x.conv_transpose2d(w, b, settings(on)),
    })
}

fn windows<T: Float, const D: usize>(on: &On<'_, '_, T>) -> Pool<D> {
    let size: [usize; D] = per_axis(on, "kernel_size", 1);
    let mut windows =
        Pool::new(size).stride(per_axis(on, "stride", size)).padding(per_axis(on, "padding", 0));
    if on.case.flag("ceil_mode", false) {
        windows = windows.ceil();
    }
    if !on.case.flag("count_include_pad", true) {
        windows = windows.without_padding();
    }
    windows
}

pub fn max_pool<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(if x.rank() == 3 { x.max_pool1d(windows(on)) } else { x.max_pool2d(windows(on)) })
}

pub fn avg_pool<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(if x.rank() == 3 { x.avg_pool1d(windows(on)) } else { x.avg_pool2d(windows(on)) })
}

pub fn adaptive_pool<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, size) = (on.var("x"), per_axis(on, "out", 1));
    let is_max = on.text("mode") == "max";
    Found::y(if is_max { x.adaptive_max_pool2d(size) } else { x.adaptive_avg_pool2d(size) })
}

/// Keras has the channels last, and the axes of a kernel in another order.
pub fn keras<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    let last = x.rank() - 1;
    let swap = |x: Var<'t, T>, to_first: bool| {
        let mut order: Vec<usize> = (0..=last).collect();
        match to_first {
            true => order.remove(last),
            false => order.remove(1),
        };
        order.insert(if to_first { 1 } else { last }, if to_first { last } else { 1 });
        x.permute(&order)
    };
    let x = swap(x, true);
    let stride = |default: usize| on.case.list("strides").map_or(default, |all| all[0] as usize);
    let size = || on.number("pool_size", 1.0) as usize;
    let y = match on.text("kind") {
        "GlobalAveragePooling2D" => return Found::y(x.mean_axes(&[2, 3])),
        "MaxPooling2D" => x.max_pool2d(Pool::new(size()).stride(stride(size())).same()),
        "AveragePooling2D" => x.avg_pool2d(Pool::new(size()).stride(stride(size())).same()),
        "Conv1D" => {
            let w = on.var("kernel").permute(&[2, 1, 0]);
            let settings = Conv::new().causal().dilation(on.number("dilation_rate", 1.0) as usize);
            x.conv1d(w, Some(on.var("bias")), settings)
        }
        kind => {
            let (w, depthwise) = (on.var("kernel"), kind == "DepthwiseConv2D");
            let w = w.permute(if depthwise { &[2, 3, 0, 1] } else { &[3, 2, 0, 1] });
            let mut settings = Conv::new().stride(stride(1));
            if on.text("padding") == "same" {
                settings = settings.same();
            }
            if depthwise {
                settings = settings.groups(x.shape()[1]);
            }
            x.conv2d(w, Some(on.var("bias")), settings)
        }
    };
    Found::y(swap(y, false))
}
