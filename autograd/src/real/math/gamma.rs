//! The digamma function and its derivatives, which no library of the kind has.

use std::f64::consts::PI;

/// B₂, B₄, … B₂₄
const BERNOULLI: [f64; 12] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43_867.0 / 798.0,
    -174_611.0 / 330.0,
    854_513.0 / 138.0,
    -236_364_091.0 / 2730.0,
];

/// ψ⁽ⁿ⁾(x), the derivative of order n + 1 of ln Γ. At the poles, 0, −1, −2 …: NaN, but for ψ(±0) = ∓∞.
///
/// Reflection below 1/2, then the recurrence up to where the asymptotic series has all digits
/// (Abramowitz and Stegun 6.4.6, 6.4.7, 6.4.11).
pub fn polygamma(n: u32, x: f64) -> f64 {
    if x.is_nan() || x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    if x <= 0.0 && x.fract() == 0.0 {
        return if x == 0.0 && n == 0 { -x.signum() * f64::INFINITY } else { f64::NAN };
    }
    let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    if x < 0.5 {
        return sign * (above(n, 1.0 - x) - cotangent(n, x));
    }
    above(n, x)
}

/// For x ≥ 1/2.
fn above(n: u32, mut x: f64) -> f64 {
    let order = f64::from(n);
    let factorial = (1..=n).map(f64::from).product::<f64>(); // n!
    let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 }; // (−1)ⁿ⁺¹
    let mut sum = 0.0;
    while x < 12.0 + order {
        sum += factorial / x.powi(n as i32 + 1);
        x += 1.0;
    }
    // n = 0: −ln x + 1/2x + Σ B₂ₖ/(2k·x²ᵏ); else (n−1)!/xⁿ + n!/2xⁿ⁺¹ + Σ B₂ₖ·(2k+n−1)!/((2k)!·x²ᵏ⁺ⁿ).
    let power = x.powi(-(n as i32));
    sum += if n == 0 { -x.ln() } else { factorial / order * power };
    sum += factorial / 2.0 * power / x;
    let mut term = factorial * power; // (2k+n−1)!/(2k)!·x⁻²ᵏ⁻ⁿ, from k = 1 on
    for (i, b) in BERNOULLI.iter().enumerate() {
        let k = 2.0 * (i + 1) as f64;
        term *= if i == 0 {
            (order + 1.0) / 2.0
        } else {
            (k + order - 2.0) * (k + order - 1.0) / ((k - 1.0) * k)
        };
        term /= x * x;
        sum += b * term;
    }
    sign * sum
}

/// The derivative of order n of −π·cot(πx), as a polynomial in the cotangent c: c′ = −π(1 + c²).
fn cotangent(n: u32, x: f64) -> f64 {
    let c = 1.0 / (PI * x.fract()).tan();
    let mut poly = vec![0.0, PI];
    for _ in 0..n {
        let mut next = vec![0.0; poly.len() + 1];
        for (power, a) in poly.iter().enumerate().skip(1) {
            let slope = -PI * a * power as f64;
            next[power - 1] += slope;
            next[power + 1] += slope;
        }
        poly = next;
    }
    // ψ⁽ⁿ⁾(1−x)·(−1)ⁿ − ψ⁽ⁿ⁾(x) is the derivative of π·cot(πx).
    let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    sign * poly.iter().rev().fold(0.0, |sum, a| sum * c + a)
}

#[cfg(test)]
mod tests {
    use super::polygamma;

    /// A part of max(1, |y|).
    const DIGITS: f64 = 1e-13;

    /// Values with 30 digits from mpmath.
    #[test]
    fn values() {
        for (n, x, y) in TABLE {
            let found = polygamma(n, x);
            assert!((found - y).abs() <= DIGITS * y.abs().max(1.0), "{n} {x}: {found} {y}");
        }
        assert_eq!(polygamma(0, 0.0), f64::NEG_INFINITY);
        assert!(polygamma(0, -1.0).is_nan() && polygamma(1, f64::NAN).is_nan());
    }

    const TABLE: [(u32, f64, f64); 32] = [
        (0, 0.001, -1000.5755719318103),
        (0, 0.3, -3.502524222200133),
        (0, 1.0, -0.5772156649015329),
        (0, 2.5, 0.7031566406452432),
        (0, 17.0, 2.8035133283274605),
        (0, 123.0, 4.808113806573255),
        (0, -0.3, 2.113309779635399),
        (0, -2.6, 0.1148975066969342),
        (1, 0.001, 1000001.6425331958),
        (1, 0.3, 12.245364546107732),
        (1, 1.0, 1.6449340668482264),
        (1, 2.5, 0.49035775610023485),
        (1, 17.0, 0.060587533403239364),
        (1, 123.0, 0.008163219974594368),
        (1, -0.3, 13.945160267805722),
        (1, -2.6, 10.591688362390217),
        (2, 0.001, -2000000002.3976321),
        (2, 0.3, -75.27253658872604),
        (2, 1.0, -2.4041138063191885),
        (2, 2.5, -0.2362040516417274),
        (2, 17.0, -0.003669728873958962),
        (2, 123.0, -6.66377903155316e-05),
        (2, -0.3, 67.63908119988317),
        (2, -2.6, -22.377796580409246),
        (4, 0.001, -2.4000000000000024e+16),
        (4, 0.3, -9883.46855549699),
        (4, 1.0, -24.88626612344088),
        (4, 2.5, -0.3137559995067314),
        (4, 17.0, -8.070307000983783e-05),
        (4, 123.0, -2.6642978815220476e-08),
        (4, -0.3, 9731.83495623352),
        (4, -2.6, -2037.458483014219),
    ];
}
