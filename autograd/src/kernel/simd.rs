//! Run-time dispatch: a kernel is written once, compiled for three instruction sets, and the best
//! that the processor has is chosen when it runs. A build for `target-cpu=native` gains nothing more.
#![allow(unsafe_code, reason = "calling a function with target features after testing for them")]

use std::sync::atomic::{AtomicU8, Ordering};

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Level {
    Portable = 1,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    Avx2 = 2,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    Avx512 = 3,
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The best level of this processor, found once.
///
/// `GRADUS_SIMD=portable` or `avx2` asks for less, for comparing results and speed.
#[inline(always)]
pub(crate) fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => detect(),
    }
}

/// From now on uses no wider vectors than `widest`, and returns the level that this leaves.
#[cfg(test)]
pub(crate) fn limit(widest: Level) -> Level {
    let best = detect();
    let level = if widest < best { widest } else { best };
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

#[cold]
fn detect() -> Level {
    let asked = std::env::var("GRADUS_SIMD").unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    let best = if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("fma")
    {
        Level::Avx512
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Level::Avx2
    } else {
        Level::Portable
    };
    #[cfg(not(target_arch = "x86_64"))]
    let best = Level::Portable;
    let level = match (asked.as_str(), best) {
        ("portable", _) => Level::Portable,
        ("avx2", Level::Avx512) => Level::Avx2,
        _ => best,
    };
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

/// A loop to be compiled for each level. `run` and all that it calls must be `#[inline(always)]`:
/// only code inlined into the functions below is compiled with their instructions.
pub(crate) trait Kernel {
    type Out;
    /// `FMA` tells whether fused multiply-add is an instruction here and not a slow call.
    fn run<const FMA: bool>(self) -> Self::Out;
}

/// Runs a kernel with the best instructions of this processor.
#[inline(always)]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    match level() {
        // SAFETY: `level` has tested the processor for exactly these features.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(kernel) },
        _ => kernel.run::<false>(),
    }
}

/// Whether there are vectors that the kernels of rules are compiled for. An x86-64 without AVX2, which has not been
/// made in ten years, reads rules number by number: a third instruction set would cost every build as much as the
/// second one does.
#[inline(always)]
pub(crate) fn has_vectors() -> bool {
    !cfg!(target_arch = "x86_64") || level() > Level::Portable
}

/// As [`dispatch`], where [there are vectors](has_vectors), for kernels of numbers of type `T`. Those of 64 bits are not
/// compiled for AVX-512.
#[inline(always)]
pub(crate) fn on_vectors<T, K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    match level() {
        // SAFETY: `level` has tested the processor for exactly these features.
        Level::Avx512 if size_of::<T>() == 4 => unsafe { avx512(kernel) },
        // SAFETY: as above; every processor with AVX-512 has AVX2.
        Level::Avx512 | Level::Avx2 => unsafe { avx2(kernel) },
        Level::Portable => unreachable!("a kernel for vectors where there are none"),
    }
    #[cfg(not(target_arch = "x86_64"))]
    kernel.run::<false>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<true>()
}
