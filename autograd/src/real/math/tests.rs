//! Error in ulp at every instruction level, and the values at the limits.
//!
//! `MATH_STRIDE=1` makes the sweep of f32 exhaustive, `MATH_TABLE=file` compares f64 with a larger
//! table than `data/f64.csv`; both are made by `data/table.py`.
#![allow(unsafe_code, reason = "calling a loop with target features after testing for them")]

use crate::kernel::simd::Level;

/// The levels that this machine can run.
fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Level::Avx2);
        }
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        if wide && is_x86_feature_detected!("fma") {
            levels.push(Level::Avx512);
        }
    }
    levels
}

/// Loops over slices, one a function, each compiled for every level.
macro_rules! loops {
    ($t:ident: $($f:ident)*) => {
        pub mod $t {
            use crate::kernel::simd::Level;
            use crate::real::math::Math;

            $(
                #[inline(never)]
                pub fn $f(level: Level, x: &[$t], out: &mut [$t]) {
                    #[inline(always)]
                    fn each<const FMA: bool>(x: &[$t], out: &mut [$t]) {
                        for (out, x) in out.iter_mut().zip(x) {
                            *out = Math::$f::<FMA>(*x);
                        }
                    }
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2(x: &[$t], out: &mut [$t]) {
                        each::<true>(x, out);
                    }
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                    fn avx512(x: &[$t], out: &mut [$t]) {
                        each::<true>(x, out);
                    }
                    match level {
                        // SAFETY: the levels come from `levels`, which tests for these features.
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx2 => unsafe { avx2(x, out) },
                        // SAFETY: as above.
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx512 => unsafe { avx512(x, out) },
                        _ => each::<false>(x, out),
                    }
                }
            )*

            pub type Loop = fn(Level, &[$t], &mut [$t]);
            pub const ALL: &[(&str, Loop)] = &[$((stringify!($f), $f)),*];
        }
    };
}

mod loops {
    loops!(f32: exp exp_m1 ln ln_1p tanh sigmoid softplus erf sin cos);
    loops!(f64: exp exp_m1 ln ln_1p tanh sigmoid softplus erf sin cos);
}

/// Function, greatest error in ulp allowed in f32 and in f64.
const LIMITS: &[(&str, f64, f64)] = &[
    ("exp", 1.02, 1.0),
    ("exp_m1", 1.31, 1.25),
    ("ln", 0.94, 0.8),
    ("ln_1p", 1.55, 1.42),
    ("tanh", 1.5, 1.45),
    ("sigmoid", 1.72, 1.6),
    ("softplus", 1.96, 1.72),
    ("erf", 1.35, 1.22),
    ("sin", 1.6, 0.78),
    ("cos", 1.6, 0.78),
];

fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// Distance of `y` from the value `exact`, in ulps of the latter in f32.
fn ulp32(y: f32, exact: f64) -> f64 {
    let near = exact as f32;
    if y == near || (y.is_nan() && exact.is_nan()) {
        return if y.is_finite() && near.is_finite() {
            (f64::from(y) - exact).abs() / 2f64.powi(exponent(exact).max(-126) - 23)
        } else {
            0.0
        };
    }
    if !y.is_finite() || exact.is_nan() {
        return f64::INFINITY;
    }
    (f64::from(y) - exact).abs() / 2f64.powi(exponent(exact).max(-126) - 23)
}

/// Distance of `y` from `near + off` ulps of `near`.
fn ulp64(y: f64, near: f64, off: f64) -> f64 {
    if y.is_infinite() || near.is_infinite() {
        return if y == near { 0.0 } else { f64::INFINITY };
    }
    // The difference of close values is exact; subnormal ulps need a scale.
    let up = if exponent(near) < -900 { 2f64.powi(200) } else { 1.0 };
    let shift = if up > 1.0 { 200 } else { 0 };
    let ulp = 2f64.powi(exponent(near).max(-1022) - 52 + shift);
    ((y - near) * up / ulp - off).abs()
}

fn truth(name: &str, x: f64) -> f64 {
    let mut out = [0.0];
    match name {
        "exp" => x.exp(),
        "exp_m1" => x.exp_m1(),
        "ln" => x.ln(),
        "ln_1p" => x.ln_1p(),
        "tanh" => x.tanh(),
        "sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "softplus" => x.max(0.0) + (-x.abs()).exp().ln_1p() + x * 0.0,
        "erf" => {
            // The f64 version is held against the table below.
            loops::f64::erf(Level::Portable, &[x], &mut out);
            out[0]
        }
        "sin" => x.sin(),
        "cos" => x.cos(),
        _ => unreachable!("{name}"),
    }
}

/// Every this many bit patterns of f32 are tried; a prime, so that all low bits occur.
const STRIDE: usize = 4001;

/// Every [`STRIDE`]-th bit pattern, and a grid on [-20, 20].
#[test]
fn f32_sweep() {
    let stride =
        std::env::var("MATH_STRIDE").map_or(STRIDE, |stride| stride.parse().expect("a number"));
    let mut xs = vec![0f32; 4096];
    let mut out = vec![0f32; 4096];
    for &(name, f) in loops::f32::ALL {
        let limit = LIMITS.iter().find(|l| l.0 == name).unwrap().1;
        let periodic = matches!(name, "sin" | "cos");
        let mut worst = [(0.0, 0f32); 3];
        let mut points = (0..=u32::MAX)
            .step_by(stride)
            .map(f32::from_bits)
            .chain((-250_000..250_000).map(|i| i as f32 * 8e-5))
            .filter(|x| !periodic || !x.is_finite() || x.abs() <= super::f32::SIN_COS_MAX)
            .fuse();
        let mut more = true;
        while more {
            let mut n = 0;
            while n < xs.len() {
                let Some(x) = points.next() else {
                    more = false;
                    break;
                };
                xs[n] = x;
                n += 1;
            }
            let want: Vec<f64> = xs[..n]
                .iter()
                .map(|&x| match name {
                    "softplus" if x.is_infinite() => f64::from(x.max(0.0)),
                    _ => truth(name, f64::from(x)),
                })
                .collect();
            for (k, &level) in levels().iter().enumerate() {
                f(level, &xs[..n], &mut out[..n]);
                for i in 0..n {
                    let e = ulp32(out[i], want[i]);
                    if e > worst[k].0 || e.is_nan() {
                        worst[k] = (e, xs[i]);
                    }
                }
            }
        }
        println!("f32 {name:<10} {worst:?}");
        for w in worst {
            assert!(w.0 <= limit, "{name}: {} ulp at {:e}", w.0, w.1);
        }
    }
}

#[test]
fn f64_table() {
    let text = match std::env::var("MATH_TABLE") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => include_str!("data/f64.csv").to_string(),
    };
    for &(name, f) in loops::f64::ALL {
        let limit = LIMITS.iter().find(|l| l.0 == name).unwrap().2;
        let hex = |s: &str| f64::from_bits(u64::from_str_radix(s, 16).unwrap());
        let rows: Vec<(f64, f64, f64)> = text
            .lines()
            .map(|l| l.split(',').collect::<Vec<_>>())
            .filter(|l| l[0] == name)
            .map(|l| (hex(l[1]), hex(l[2]), l[3].parse::<f64>().unwrap() / 1000.0))
            .collect();
        assert!(rows.len() >= 300, "{name}");
        let xs: Vec<f64> = rows.iter().map(|r| r.0).collect();
        let mut out = vec![0.0; xs.len()];
        let mut worst = [(0.0, 0f64); 3];
        for (k, &level) in levels().iter().enumerate() {
            f(level, &xs, &mut out);
            for (r, &y) in rows.iter().zip(&out) {
                let e = ulp64(y, r.1, r.2);
                if e > worst[k].0 || e.is_nan() {
                    worst[k] = (e, r.0);
                }
            }
        }
        println!("f64 {name:<10} {worst:?}");
        for w in worst {
            assert!(w.0 <= limit, "{name}: {} ulp at {:e}", w.0, w.1);
        }
    }
}

/// The vector body, its narrower tails and the scalar rest agree bit for bit.
#[test]
fn place_in_slice_does_not_matter() {
    let xs: Vec<f32> = (0..100).map(|i| (i as f32 - 40.0) * 0.37).collect();
    for &(name, f) in loops::f32::ALL {
        for level in levels() {
            let mut whole = [0.0; 100];
            f(level, &xs, &mut whole);
            for i in 0..100 {
                let mut one = [0.0];
                f(level, &xs[i..=i], &mut one);
                assert_eq!(one[0].to_bits(), whole[i].to_bits(), "{level:?} {name} {i}");
            }
        }
    }
}

macro_rules! limits {
    ($test:ident, $t:ident, $small:expr, $big:expr) => {
        #[test]
        fn $test() {
            use loops::$t as f;
            const INF: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const MIN: $t = $t::from_bits(1);
            // (function, argument, value): NaN stands for any NaN.
            let cases: &[(f::Loop, $t, $t)] = &[
                (f::exp, INF, INF),
                (f::exp, -INF, 0.0),
                (f::exp, 0.0, 1.0),
                (f::exp, -0.0, 1.0),
                (f::exp, $big, INF),
                (f::exp, -1000.0, 0.0),
                (f::exp, $t::MAX, INF),
                (f::exp, $t::MIN, 0.0),
                (f::exp_m1, INF, INF),
                (f::exp_m1, -INF, -1.0),
                (f::exp_m1, 0.0, 0.0),
                (f::exp_m1, -0.0, -0.0),
                (f::exp_m1, $big, INF),
                (f::exp_m1, -1000.0, -1.0),
                (f::exp_m1, MIN, MIN),
                (f::exp_m1, -MIN, -MIN),
                (f::ln, 0.0, -INF),
                (f::ln, -0.0, -INF),
                (f::ln, -1.0, NAN),
                (f::ln, -INF, NAN),
                (f::ln, -MIN, NAN),
                (f::ln, INF, INF),
                (f::ln, 1.0, 0.0),
                (f::ln, MIN, MIN.ln()),
                (f::ln_1p, -1.0, -INF),
                (f::ln_1p, -1.5, NAN),
                (f::ln_1p, -INF, NAN),
                (f::ln_1p, INF, INF),
                (f::ln_1p, 0.0, 0.0),
                (f::ln_1p, -0.0, -0.0),
                (f::ln_1p, MIN, MIN),
                (f::ln_1p, -MIN, -MIN),
                (f::ln_1p, $t::MAX, $t::MAX.ln()),
                (f::tanh, INF, 1.0),
                (f::tanh, -INF, -1.0),
                (f::tanh, 0.0, 0.0),
                (f::tanh, -0.0, -0.0),
                (f::tanh, MIN, MIN),
                (f::tanh, -MIN, -MIN),
                (f::tanh, 1000.0, 1.0),
                (f::tanh, $t::MIN, -1.0),
                (f::sigmoid, INF, 1.0),
                (f::sigmoid, -INF, 0.0),
                (f::sigmoid, 0.0, 0.5),
                (f::sigmoid, -0.0, 0.5),
                (f::sigmoid, 1000.0, 1.0),
                (f::sigmoid, -1000.0, 0.0),
                (f::sigmoid, $small, $small.exp()),
                (f::softplus, INF, INF),
                (f::softplus, -INF, 0.0),
                (f::softplus, 1000.0, 1000.0),
                (f::softplus, -1000.0, 0.0),
                (f::softplus, $t::MAX, $t::MAX),
                (f::softplus, $small, $small.exp()),
                (f::erf, INF, 1.0),
                (f::erf, -INF, -1.0),
                (f::erf, 0.0, 0.0),
                (f::erf, -0.0, -0.0),
                (f::erf, 1000.0, 1.0),
                (f::erf, $t::MIN, -1.0),
                (f::erf, MIN, MIN),
                (f::sin, INF, NAN),
                (f::sin, -INF, NAN),
                (f::sin, 0.0, 0.0),
                (f::sin, -0.0, -0.0),
                (f::sin, MIN, MIN),
                (f::sin, 1e16, (1e16 as $t).sin()),
                (f::cos, 1e16, (1e16 as $t).cos()),
                (f::cos, INF, NAN),
                (f::cos, -INF, NAN),
                (f::cos, 0.0, 1.0),
                (f::cos, MIN, 1.0),
            ];
            let same = |a: $t, b: $t| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            for level in levels() {
                for (i, &(f, x, want)) in cases.iter().enumerate() {
                    // Long enough to reach the vector loop as well as its tail.
                    let (xs, mut out) = ([x; 37], [0.5; 37]);
                    f(level, &xs, &mut out);
                    for y in out {
                        assert!(
                            same(y, want),
                            "{level:?} case {i}: f({x:e}) = {y:e}, not {want:e}"
                        );
                    }
                }
                for x in (13..50).map(|i| 1.37 * ((1u64 << i) as $t)) {
                    let mut out = [0.0; 2];
                    f::sin(level, &[x, x], &mut out);
                    assert!(
                        (out[0] - x.sin()).abs() < x * 2.3e-16 + $t::EPSILON,
                        "{level:?} sin {x}"
                    );
                    f::cos(level, &[x, x], &mut out);
                    assert!(
                        (out[1] - x.cos()).abs() < x * 2.3e-16 + $t::EPSILON,
                        "{level:?} cos {x}"
                    );
                }
                for &(name, f) in f::ALL {
                    let mut out = [0.5; 37];
                    f(level, &[NAN; 37], &mut out);
                    f(level, &[-NAN; 37], &mut out[..18]);
                    assert!(out.iter().all(|y| y.is_nan()), "{level:?} {name}");
                }
            }
        }
    };
}
limits!(f32_limits, f32, -101.5f32, 88.8);
limits!(f64_limits, f64, -743.5f64, 709.9);
