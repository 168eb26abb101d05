//! Double precision.

super::basics!(f64);

// ln 2 in two parts; the first has 32 bits, so its product with an exponent is exact.
const LN2_HI: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN2_LO: f64 = f64::from_bits(0x3DEA_39EF_3579_3C76);
const LOG2_E: f64 = std::f64::consts::LOG2_E;
const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
const ONE: u64 = 1f64.to_bits();
/// Adding this rounds to an integer and leaves it in the low mantissa bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
const EXP: [f64; 10] = [
    0.500000000000001,
    0.16666666666666674,
    0.04166666666652298,
    0.008333333333322283,
    0.001388888894755162,
    0.0001984126988638393,
    2.480148759948917e-5,
    2.7557242546981748e-6,
    2.7632562476965934e-7,
    2.5109978162640134e-8,
];
const EXP_M1: [f64; 11] = [
    0.5,
    0.16666666666666677,
    0.04166666666666651,
    0.008333333333321676,
    0.0013888888888962528,
    0.00019841269886013165,
    2.4801587172317267e-5,
    2.755724432120601e-6,
    2.7557402765733163e-7,
    2.5108999097804614e-8,
    2.0875310537170925e-9,
];
/// (ln(1 + f) - 2 s) / s^3 in s^2, s = f / (2 + f), on sqrt(1/2) <= 1 + f <= sqrt(2).
const LN: [f64; 7] = [
    0.6666666666666666,
    0.4000000000002996,
    0.2857142859288115,
    0.22222214324090078,
    0.18182744226318995,
    0.15334838847852417,
    0.14590974108876736,
];
/// The same on 0 <= f <= 1.
const LN_UNIT: [f64; 11] = [
    0.6666666666666666,
    0.39999999999999997,
    0.28571428571430624,
    0.22222222221333388,
    0.18181818326183719,
    0.15384604268833343,
    0.13333795565926984,
    0.11753587190252784,
    0.10684650514163202,
    0.08221833633737911,
    0.14235855116885884,
];
/// (tanh(x) - x) / x^3 in x^2 on |x| <= 0.55.
const TANH: [f64; 12] = [
    -0.3333333333333333,
    0.13333333333333333,
    -0.05396825396825376,
    0.021869488536110235,
    -0.008863235526246382,
    0.003592127895966647,
    -0.0014558314416989791,
    0.0005899909333345689,
    -0.0002388490446440247,
    9.556518996213451e-5,
    -3.524704552323986e-5,
    8.85664698449178e-6,
];
/// erf(x) / x - 1 in x^2 on |x| <= 1.
const ERF: [f64; 13] = [
    0.1283791670955126,
    -0.37612638903183754,
    0.11283791670955125,
    -0.026866170645130746,
    0.005223977625425576,
    -0.0008548327020909195,
    0.00012055332771018536,
    -1.4925639990788882e-5,
    1.6461795272979082e-6,
    -1.6359536017448067e-7,
    1.4726929144243283e-8,
    -1.1650980424344205e-9,
    6.456703419452536e-11,
];
/// ln(erfc(a)) in a - 1 on 1 <= a <= 5.93.
const ERFC: [f64; 18] = [
    -1.8496055099332482,
    -2.6389675142347757,
    -0.8431072563594142,
    -0.041561098025054644,
    0.01003382517890551,
    -0.001977901214713725,
    0.00023731643125459353,
    2.6296334650008138e-5,
    -2.7198984750382054e-5,
    9.671390774649126e-6,
    -2.131951491956328e-6,
    2.048192029972184e-7,
    5.800828858649101e-8,
    -3.339018619709327e-8,
    8.518532997724979e-9,
    -1.3190685426815584e-9,
    1.193230630903626e-10,
    -4.8649231922153565e-12,
];
/// (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4.
const SIN: [f64; 6] = [
    -0.16666666666666666,
    0.008333333333328728,
    -0.00019841269833917254,
    2.7557314904072164e-6,
    -2.5050924284737278e-8,
    1.5905404532090225e-10,
];
const COS: [f64; 6] = [
    0.041666666666666664,
    -0.0013888888888884373,
    2.480158729535087e-5,
    -2.755731591837833e-7,
    2.0875921314081687e-9,
    -1.1369248437201488e-11,
];

/// `(e^r - 1, t)` with `x = n ln(2) + r`, where the low bits of `t` hold `n + bias`.
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f64, bias: f64) -> (f64, u64) {
    let t = fma::<FMA>(x, LOG2_E, MAGIC + bias);
    let n = t - (MAGIC + bias);
    let r = fma::<FMA>(-n, LN2_LO, fma::<FMA>(-n, LN2_HI, x));
    (fma::<FMA>(r * r, poly::<FMA, _>(r, &EXP), r), t.to_bits())
}

/// `(e^r - 1, a, b)` with `e^x = a b e^r` and powers of two a and b, for `-746
/// <= x <= 710`. As two factors, overflow gives infinity and a subnormal result
/// is rounded once.
#[inline(always)]
fn exp_wide<const FMA: bool>(x: f64) -> (f64, f64, f64) {
    let (y, t) = exp_parts::<FMA>(x, 2046.0);
    let half = t >> 1;
    (y, f64::from_bits(half << 52), f64::from_bits((t - half) << 52))
}

/// `e^x` for `-708 <= x <= 709`.
#[inline(always)]
fn exp_near<const FMA: bool>(x: f64) -> f64 {
    let (y, t) = exp_parts::<FMA>(x, 1023.0);
    (1.0 + y) * f64::from_bits(t << 52)
}

/// [`exp_wide`] of `-|x|`.
#[inline(always)]
fn exp_neg_abs<const FMA: bool>(x: f64) -> (f64, f64, f64) {
    let a = -x.abs();
    exp_wide::<FMA>(if a < -746.0 { -746.0 } else { a })
}

/// `e^x`, all `x`; 0 below -745.13, infinity above 709.78, subnormals exact to
/// one rounding. Error at most 1.0 ulp.
///
/// `e^x = 2^n e^r` with the Cody-Waite reduction and a minimax polynomial.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f64) -> f64 {
    // In this form a NaN passes both selects.
    let x = if x > 710.0 { 710.0 } else { x };
    let (y, a, b) = exp_wide::<FMA>(if x < -746.0 { -746.0 } else { x });
    (1.0 + y) * a * b
}

/// `e^x - 1`, all `x`, keeping -0. Error at most 1.25 ulp.
///
/// `2^n (e^r - 1) + (2^n - 1)` with the reduction of [`exp`] and its rounding
/// error carried along; the scale is halved so that n = 1024 fits.
#[inline(always)]
pub fn exp_m1<const FMA: bool>(x: f64) -> f64 {
    let a = if x > 710.0 { 710.0 } else { x };
    let a = if a < -38.0 { -38.0 } else { a };
    let t = fma::<FMA>(a, LOG2_E, MAGIC + 1022.0);
    let n = t - (MAGIC + 1022.0);
    let head = fma::<FMA>(-n, LN2_HI, a);
    let r = fma::<FMA>(-n, LN2_LO, head);
    let rest = fma::<FMA>(-n, LN2_LO, head - r);
    let y = fma::<FMA>(r * r, poly::<FMA, _>(r, &EXP_M1), rest);
    let h = f64::from_bits(t.to_bits() << 52);
    let v = 2.0 * fma::<FMA>(h, y, fma::<FMA>(h, r, h - 0.5));
    // Halving would lose the last bit of a subnormal.
    with_sign(if x.abs() < 1e-20 { x } else { v }, x)
}

/// `(e, m - 1)` for positive normal `u = 2^(e - 1023) m`, sqrt(1/2) <= m < sqrt(2).
#[inline(always)]
fn split(u: f64) -> (u64, f64) {
    let v = u.to_bits().wrapping_add(ONE - SQRT_HALF);
    let m = f64::from_bits((v & 0xf_ffff_ffff_ffff) + SQRT_HALF);
    (v >> 52, m - 1.0)
}

/// `ln(1 + f) - f`. As `2 s = f - s f`, only `s (f^2 / 2 + s^2 P) - f^2 / 2`
/// carries the rounding of `s` (the form used by fdlibm).
#[inline(always)]
fn ln_tail<const FMA: bool, const N: usize>(f: f64, c: &[f64; N]) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let square = 0.5 * f * f;
    fma::<FMA>(s, fma::<FMA>(z, poly::<FMA, N>(z, c), square), -square)
}

/// `k ln(2) + ln(1 + f)`, where the bits of `e` below 2^52 less `bias` are k.
#[inline(always)]
fn ln_sum<const FMA: bool>(e: u64, bias: f64, f: f64) -> f64 {
    let k = f64::from_bits(e | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + bias);
    let y = ln_tail::<FMA, _>(f, &LN);
    fma::<FMA>(k, LN2_HI, f + fma::<FMA>(k, LN2_LO, y))
}

/// `y` for a finite `x > pole`, else the limit of a logarithm: -infinity at
/// the pole, NaN below it, and infinity or NaN for those.
#[inline(always)]
fn ln_limits(x: f64, pole: f64, y: f64) -> f64 {
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x > pole { y } else { f64::NAN };
    if x == pole { f64::NEG_INFINITY } else { y }
}

/// Natural logarithm, all `x` with subnormals; -infinity at 0, NaN below.
/// Error at most 0.8 ulp.
///
/// `k ln(2) + ln(m)` with m in [sqrt(1/2), sqrt(2)), and a polynomial in
/// `((m - 1) / (m + 1))^2`.
#[inline(always)]
pub fn ln<const FMA: bool>(x: f64) -> f64 {
    let small = x < f64::MIN_POSITIVE;
    let u = if small { x * 4_503_599_627_370_496.0 } else { x };
    let (e, f) = split(u);
    let bias = if small { 1075.0 } else { 1023.0 };
    ln_limits(x, 0.0, ln_sum::<FMA>(e, bias, f))
}

/// `ln(1 + x)`, all `x`, keeping -0; -infinity at -1, NaN below. Error at most
/// 1.42 ulp.
///
/// The exponent k comes from the rounded `1 + x`, the reduced argument
/// `2^-k x + (2^-k - 1)` from `x` itself, with one rounding.
#[inline(always)]
pub fn ln_1p<const FMA: bool>(x: f64) -> f64 {
    let (e, far) = split(1.0 + x);
    let s = f64::from_bits(2046u64.wrapping_sub(e) << 52);
    // For large x the 1 no longer counts, and s may leave the normal range.
    let f = if x > 1e18 { far } else { fma::<FMA>(x, s, s - 1.0) };
    with_sign(ln_limits(x, -1.0, ln_sum::<FMA>(e, 1023.0, f)), x)
}

/// Hyperbolic tangent, all `x`, keeping -0. Error at most 1.45 ulp.
///
/// `x + x^3 P(x^2)` below 0.55, `1 - 2 / (e^2|x| + 1)` above.
#[inline(always)]
pub fn tanh<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let z = x * x;
    let near = fma::<FMA>(a * z, poly::<FMA, _>(z, &TANH), a);
    let top = if a > 20.0 { 20.0 } else { a };
    let far = 1.0 - 2.0 / (exp_near::<FMA>(top + top) + 1.0);
    with_sign(if a < 0.55 { near } else { far }, x)
}

/// `1 / (1 + e^-x)`, all `x`, with subnormal results. Error at most
/// 1.6 ulp.
///
/// With `t = e^-|x| = 2^n (1 + y)`, `q = 1 / (1 + t)` or `2^n (q + q y)`:
/// nothing overflows, and t itself is never rounded.
#[inline(always)]
pub fn sigmoid<const FMA: bool>(x: f64) -> f64 {
    let (y, a, b) = exp_neg_abs::<FMA>(x);
    let (s, one) = (a * b, 1.0 + a * b);
    let d = fma::<FMA>(s, y, one);
    let q = 1.0 / d;
    // For x < 0, put the rounding of d back where it is cheap: into y.
    let slip = fma::<FMA>(s, y, one - d);
    let y = fma::<FMA>(-slip, fma::<FMA>(q, y, q), y);
    if x >= 0.0 { q } else { fma::<FMA>(q, y, q) * a * b }
}

/// `ln(1 + e^x)`, all `x`, never overflowing. Error at most 1.72 ulp.
///
/// `max(x, 0) + ln(1 + t)`, `t = e^-|x|`, with the form of [`ln`] for t in [0, 1].
#[inline(always)]
pub fn softplus<const FMA: bool>(x: f64) -> f64 {
    let (y, a, b) = exp_neg_abs::<FMA>(x);
    let t = (1.0 + y) * a * b;
    let tail = ln_tail::<FMA, _>(t, &LN_UNIT);
    // In this order, as tail is negative and cancels part of a small x.
    (if x > 0.0 { x } else { 0.0 }) + tail + t
}

/// Error function, all `x`, keeping -0. Error at most 1.22 ulp.
///
/// `x + x P(x^2)` below 1, `1 - e^Q(|x|)` above with Q = ln(erfc).
#[inline(always)]
pub fn erf<const FMA: bool>(x: f64) -> f64 {
    let a = x.abs();
    let near = fma::<FMA>(a, poly::<FMA, _>(x * x, &ERF), a);
    let top = if a > 5.93 { 5.93 } else { a };
    let far = 1.0 - exp_near::<FMA>(poly::<FMA, _>(top - 1.0, &ERFC));
    with_sign(if a < 1.0 { near } else { far }, x)
}

/// Largest `|x|` for which [`sin`] and [`cos`] keep their stated error. From
/// there to 1e15 the absolute error grows as |x| 2^-52; beyond, they give NaN.
pub const SIN_COS_MAX: f64 = 1e6;

/// `sin(x + turn pi / 2)`: a Cody-Waite reduction with pi / 2 in parts of 33,
/// 33 and 53 bits to `r + rest`, then sine or cosine of that.
#[inline(always)]
fn sin_cos<const FMA: bool>(x: f64, turn: u64) -> f64 {
    const PIO2_1: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
    const PIO2_2: f64 = f64::from_bits(0x3DD0_B461_1A60_0000);
    const PIO2_3: f64 = f64::from_bits(0x3BA3_198A_2E03_7073);
    let t = fma::<FMA>(x, std::f64::consts::FRAC_2_PI, MAGIC);
    let n = t - MAGIC;
    // Both products and the first difference are exact. The second may cancel
    // either way, so its error takes the two-sum of Knuth.
    let a = fma::<FMA>(-n, PIO2_1, x);
    let b = -n * PIO2_2;
    let head = a + b;
    let part = head - a;
    let slip = (a - (head - part)) + (b - part);
    let tail = fma::<FMA>(-n, PIO2_3, slip);
    let r = head + tail;
    let rest = (head - r) + tail;

    let q = t.to_bits().wrapping_add(turn);
    let z = r * r;
    // sin(r + rest) = sin r + rest (1 - z / 2), cos(r + rest) = cos r - r rest.
    let s = fma::<FMA>(r * z, poly::<FMA, _>(z, &SIN), fma::<FMA>(-0.5 * z, rest, rest));
    // `head` also has the sign of a zero.
    let s = with_sign(r + s, head);
    let half = 0.5 * z;
    let one = 1.0 - half;
    let c = fma::<FMA>(z * z, poly::<FMA, _>(z, &COS), fma::<FMA>(-r, rest, (1.0 - one) - half));
    let y = if q & 1 == 0 { s } else { one + c };
    let y = f64::from_bits(y.to_bits() ^ ((q & 2) << 62));
    if x.abs() < 1e15 { y } else { f64::NAN }
}

/// Sine, keeping -0. Error at most 0.78 ulp for `|x|` up to [`SIN_COS_MAX`]; see
/// there for larger `x`.
#[inline(always)]
pub fn sin<const FMA: bool>(x: f64) -> f64 {
    sin_cos::<FMA>(x, 0)
}

/// Cosine. Error at most 0.78 ulp for `|x|` up to [`SIN_COS_MAX`]; see
/// there for larger `x`.
#[inline(always)]
pub fn cos<const FMA: bool>(x: f64) -> f64 {
    sin_cos::<FMA>(x, 1)
}
