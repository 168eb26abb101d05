//! Single precision.

super::basics!(f32);

// ln 2 in two parts; the first has 9 bits, so its product with an exponent is exact.
const LN2_HI: f32 = 355.0 / 512.0;
const LN2_LO: f32 = -2.121_944_4e-4;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
const ONE: u32 = 1f32.to_bits();
/// Adding this rounds to an integer and leaves it in the low mantissa bits.
const MAGIC: f32 = 12_582_912.0;

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
const EXP: [f32; 5] = [0.49999994, 0.16666517, 0.041668102, 0.0083691785, 0.0013838338];
const EXP_M1: [f32; 6] = [0.5, 0.16666667, 0.041666243, 0.008333286, 0.0013948479, 0.00019907458];
/// (ln(1 + f) - f + f^2 / 2) / f^3 on sqrt(1/2) <= 1 + f <= sqrt(2).
const LN: [f32; 8] = [
    0.3333333,
    -0.2500082,
    0.20001225,
    -0.16623363,
    0.14201781,
    -0.13160138,
    0.12761441,
    -0.076344945,
];
/// (ln(1 + t) - t + t^2 / 2) / (t^3 / 2) on 0 <= t <= 1.
const LN_UNIT: [f32; 9] = [
    0.666666,
    -0.4999451,
    0.3991268,
    -0.32698372,
    0.2593038,
    -0.18004465,
    0.095652275,
    -0.03270264,
    0.0052216267,
];
/// (tanh(x) - x) / x^3 in x^2 on |x| <= 0.55.
const TANH: [f32; 5] = [-0.33333334, 0.13333495, -0.053960443, 0.021535099, -0.0069344733];
/// erf(x) / x - 1 in x^2 on |x| <= 1.
const ERF: [f32; 7] =
    [0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883236, -0.00080101273, 7.853543e-5];
/// ln(erfc(a)) in a - 1 on 1 <= a <= 3.93.
const ERFC: [f32; 7] =
    [-1.8496056, -2.6389668, -0.84311837, -0.041500654, 0.00989083, -0.0018261179, 0.00018556206];
/// (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4.
const SIN: [f32; 3] = [-0.16666664, 0.0083326055, -0.00019563406];
const COS: [f32; 3] = [0.041666664, -0.0013888077, 2.450878e-5];

/// `(e^r - 1, t)` with `x = n ln(2) + r`, where the low bits of `t` hold `n + bias`.
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f32, bias: f32) -> (f32, u32) {
    let t = fma::<FMA>(x, LOG2_E, MAGIC + bias);
    let n = t - (MAGIC + bias);
    let r = fma::<FMA>(-n, LN2_LO, fma::<FMA>(-n, LN2_HI, x));
    (fma::<FMA>(r * r, poly::<FMA, _>(r, &EXP), r), t.to_bits())
}

/// `(e^r - 1, a, b)` with `e^x = a b e^r` and powers of two a and b, for `-104
/// <= x <= 89`. As two factors, overflow gives infinity and a subnormal result
/// is rounded once.
#[inline(always)]
fn exp_wide<const FMA: bool>(x: f32) -> (f32, f32, f32) {
    let (y, t) = exp_parts::<FMA>(x, 254.0);
    let half = t >> 1;
    (y, f32::from_bits(half << 23), f32::from_bits((t - half) << 23))
}

/// `e^x` for `-87 <= x <= 88`.
#[inline(always)]
fn exp_near<const FMA: bool>(x: f32) -> f32 {
    let (y, t) = exp_parts::<FMA>(x, 127.0);
    (1.0 + y) * f32::from_bits(t << 23)
}

/// [`exp_wide`] of `-|x|`.
#[inline(always)]
fn exp_neg_abs<const FMA: bool>(x: f32) -> (f32, f32, f32) {
    let a = -x.abs();
    exp_wide::<FMA>(if a < -104.0 { -104.0 } else { a })
}

/// `e^x`, all `x`; 0 below -103.97, infinity above 88.72, subnormals exact to
/// one rounding. Error at most 1.02 ulp.
///
/// `e^x = 2^n e^r` with the Cody-Waite reduction and a minimax polynomial.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    // In this form a NaN passes both selects.
    let x = if x > 89.0 { 89.0 } else { x };
    let (y, a, b) = exp_wide::<FMA>(if x < -104.0 { -104.0 } else { x });
    (1.0 + y) * a * b
}

/// `e^x - 1`, all `x`, keeping -0. Error at most 1.31 ulp.
///
/// `2^n (e^r - 1) + (2^n - 1)` with the reduction of [`exp`] and its rounding
/// error carried along; the scale is halved so that n = 128 fits.
#[inline(always)]
pub fn exp_m1<const FMA: bool>(x: f32) -> f32 {
    let a = if x > 89.0 { 89.0 } else { x };
    let a = if a < -18.0 { -18.0 } else { a };
    let t = fma::<FMA>(a, LOG2_E, MAGIC + 126.0);
    let n = t - (MAGIC + 126.0);
    let head = fma::<FMA>(-n, LN2_HI, a);
    let r = fma::<FMA>(-n, LN2_LO, head);
    let rest = fma::<FMA>(-n, LN2_LO, head - r);
    let y = fma::<FMA>(r * r, poly::<FMA, _>(r, &EXP_M1), rest);
    let h = f32::from_bits(t.to_bits() << 23);
    let v = 2.0 * fma::<FMA>(h, y, fma::<FMA>(h, r, h - 0.5));
    // Halving would lose the last bit of a subnormal.
    with_sign(if x.abs() < 1e-12 { x } else { v }, x)
}

/// `(e, m - 1)` for positive normal `u = 2^(e - 127) m`, sqrt(1/2) <= m < sqrt(2).
#[inline(always)]
fn split(u: f32) -> (u32, f32) {
    let v = u.to_bits().wrapping_add(ONE - SQRT_HALF);
    let m = f32::from_bits((v & 0x7f_ffff) + SQRT_HALF);
    (v >> 23, m - 1.0)
}

/// `k ln(2) + ln(1 + f)`, where the bits of `e` below 2^23 less `bias` are k.
#[inline(always)]
fn ln_sum<const FMA: bool>(e: u32, bias: f32, f: f32) -> f32 {
    let k = f32::from_bits(e | 0x4b00_0000) - (8_388_608.0 + bias);
    let y = f * f * fma::<FMA>(f, poly::<FMA, _>(f, &LN), -0.5);
    fma::<FMA>(k, LN2_HI, f + fma::<FMA>(k, LN2_LO, y))
}

/// `y` for a finite `x > pole`, else the limit of a logarithm: -infinity at
/// the pole, NaN below it, and infinity or NaN for those.
#[inline(always)]
fn ln_limits(x: f32, pole: f32, y: f32) -> f32 {
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x > pole { y } else { f32::NAN };
    if x == pole { f32::NEG_INFINITY } else { y }
}

/// Natural logarithm, all `x` with subnormals; -infinity at 0, NaN below.
/// Error at most 0.94 ulp.
///
/// `k ln(2) + ln(m)` with m in [sqrt(1/2), sqrt(2)) and a minimax polynomial.
#[inline(always)]
pub fn ln<const FMA: bool>(x: f32) -> f32 {
    let small = x < f32::MIN_POSITIVE;
    let u = if small { x * 8_388_608.0 } else { x };
    let (e, f) = split(u);
    let bias = if small { 150.0 } else { 127.0 };
    ln_limits(x, 0.0, ln_sum::<FMA>(e, bias, f))
}

/// `ln(1 + x)`, all `x`, keeping -0; -infinity at -1, NaN below. Error at most
/// 1.55 ulp.
///
/// The exponent k comes from the rounded `1 + x`, the reduced argument
/// `2^-k x + (2^-k - 1)` from `x` itself, with one rounding.
#[inline(always)]
pub fn ln_1p<const FMA: bool>(x: f32) -> f32 {
    let (e, far) = split(1.0 + x);
    let s = f32::from_bits(254u32.wrapping_sub(e) << 23);
    // For large x the 1 no longer counts, and s may leave the normal range.
    let f = if x > 1e18 { far } else { fma::<FMA>(x, s, s - 1.0) };
    with_sign(ln_limits(x, -1.0, ln_sum::<FMA>(e, 127.0, f)), x)
}

/// Hyperbolic tangent, all `x`, keeping -0. Error at most 1.5 ulp.
///
/// `x + x^3 P(x^2)` below 0.55, `1 - 2 / (e^2|x| + 1)` above.
#[inline(always)]
pub fn tanh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let near = fma::<FMA>(a * z, poly::<FMA, _>(z, &TANH), a);
    let top = if a > 10.0 { 10.0 } else { a };
    let far = 1.0 - 2.0 / (exp_near::<FMA>(top + top) + 1.0);
    with_sign(if a < 0.55 { near } else { far }, x)
}

/// `1 / (1 + e^-x)`, all `x`, with subnormal results. Error at most
/// 1.72 ulp.
///
/// With `t = e^-|x| = 2^n (1 + y)`, `q = 1 / (1 + t)` or `2^n (q + q y)`:
/// nothing overflows, and t itself is never rounded.
#[inline(always)]
pub fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let (y, a, b) = exp_neg_abs::<FMA>(x);
    let (s, one) = (a * b, 1.0 + a * b);
    let d = fma::<FMA>(s, y, one);
    let q = 1.0 / d;
    // For x < 0, put the rounding of d back where it is cheap: into y.
    let slip = fma::<FMA>(s, y, one - d);
    let y = fma::<FMA>(-slip, fma::<FMA>(q, y, q), y);
    if x >= 0.0 { q } else { fma::<FMA>(q, y, q) * a * b }
}

/// `ln(1 + e^x)`, all `x`, never overflowing. Error at most 1.96 ulp.
///
/// `max(x, 0) + ln(1 + t)`, `t = e^-|x|`, and a polynomial for t in [0, 1].
#[inline(always)]
pub fn softplus<const FMA: bool>(x: f32) -> f32 {
    let (y, a, b) = exp_neg_abs::<FMA>(x);
    let t = (1.0 + y) * a * b;
    let square = 0.5 * t * t;
    let tail = fma::<FMA>(square, t * poly::<FMA, _>(t, &LN_UNIT), -square);
    // In this order, as tail is negative and cancels part of a small x.
    (if x > 0.0 { x } else { 0.0 }) + tail + t
}

/// Error function, all `x`, keeping -0. Error at most 1.35 ulp.
///
/// `x + x P(x^2)` below 1, `1 - e^Q(|x|)` above with Q = ln(erfc).
#[inline(always)]
pub fn erf<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let near = fma::<FMA>(a, poly::<FMA, _>(x * x, &ERF), a);
    let top = if a > 3.93 { 3.93 } else { a };
    let far = 1.0 - exp_near::<FMA>(poly::<FMA, _>(top - 1.0, &ERFC));
    with_sign(if a < 1.0 { near } else { far }, x)
}

/// Largest `|x|` for which [`sin`] and [`cos`] keep their stated error. From
/// there to 1e15 the absolute error grows as |x| 2^-52; beyond, they give NaN.
pub const SIN_COS_MAX: f32 = 1e6;

/// `sin(x + turn pi / 2)`: a two-part Cody-Waite reduction in double
/// precision (33 bits of pi / 2, then the rest), then sine or cosine of the rest.
#[inline(always)]
fn sin_cos<const FMA: bool>(x: f32, turn: u32) -> f32 {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    const PIO2_HI: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
    const PIO2_LO: f64 = f64::from_bits(0x3DD0_B461_1A62_6331);
    let wide = f64::from(x);
    let t = wide * std::f64::consts::FRAC_2_PI + MAGIC;
    let n = t - MAGIC;
    let r = ((wide - n * PIO2_HI) - n * PIO2_LO) as f32;
    let q = (t.to_bits() as u32).wrapping_add(turn);
    let z = r * r;
    let s = with_sign(fma::<FMA>(r * z, poly::<FMA, _>(z, &SIN), r), r);
    let c = fma::<FMA>(z, fma::<FMA>(z, poly::<FMA, _>(z, &COS), -0.5), 1.0);
    let y = if q & 1 == 0 { s } else { c };
    let y = f32::from_bits(y.to_bits() ^ ((q & 2) << 30));
    if x.abs() < 1e15 { y } else { f32::NAN }
}

/// Sine, keeping -0. Error at most 1.6 ulp for `|x|` up to [`SIN_COS_MAX`]; see
/// there for larger `x`.
#[inline(always)]
pub fn sin<const FMA: bool>(x: f32) -> f32 {
    sin_cos::<FMA>(x, 0)
}

/// Cosine. Error at most 1.6 ulp for `|x|` up to [`SIN_COS_MAX`]; see
/// there for larger `x`.
#[inline(always)]
pub fn cos<const FMA: bool>(x: f32) -> f32 {
    sin_cos::<FMA>(x, 1)
}
