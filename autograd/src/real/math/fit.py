#!/usr/bin/env python3
"""Weighted minimax (Remez) fits for the polynomials in f32.rs and f64.rs. Needs mpmath.

Each fit minimises max |w(x) * (f(x) - P(v(x)))|, where w turns the error of P
into a relative error of the function it ends up in. Prints Rust arrays, lowest
power first, and the error of the rounded coefficients as a power of two.
"""
import struct
import sys
from mpmath import mp, mpf

mp.dps = 50


def f32(v):
    return struct.unpack("f", struct.pack("f", float(v)))[0]


def remez(f, v, w, lo, hi, n, rounds=12):
    lo, hi = mpf(lo), mpf(hi)
    m = n + 1
    ref = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * (i + mpf("0.01")) / (m - 1 + mpf("0.02")))
           for i in range(m)]
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * (i + mpf("0.3")) / (30 * m)) for i in range(30 * m)]
    gf, gv, gw = [f(x) for x in grid], [v(x) for x in grid], [w(x) for x in grid]
    coef = None
    for _ in range(rounds):
        a, b = mp.matrix(m, m), mp.matrix(m, 1)
        for i, x in enumerate(ref):
            wx, vx = w(x), v(x)
            for j in range(n):
                a[i, j] = wx * vx ** j
            a[i, n] = (-1) ** i
            b[i] = wx * f(x)
        s = mp.lu_solve(a, b)
        coef, level = [s[j] for j in range(n)], abs(s[n])
        err = [gw[k] * (gf[k] - mp.polyval(coef[::-1], gv[k])) for k in range(len(grid))]
        runs = []
        for k, e in enumerate(err):
            if runs and (err[runs[-1]] > 0) == (e > 0):
                if abs(e) > abs(err[runs[-1]]):
                    runs[-1] = k
            else:
                runs.append(k)
        while len(runs) > m:
            runs.pop(0 if abs(err[runs[0]]) < abs(err[runs[-1]]) else -1)
        peak = max(abs(e) for e in err)
        if len(runs) < m or peak < level * mpf("1.01"):
            break
        ref = [grid[k] for k in runs]

    def worst(c):
        return max(abs(gw[k] * (gf[k] - mp.polyval([mpf(q) for q in c[::-1]], gv[k]))) for k in range(len(grid)))
    return coef, worst


def show(name, bits, args):
    f, v, w, lo, hi, n = args
    coef, worst = remez(*args)
    plain = [f32(q) if bits == 32 else float(q) for q in coef]
    # Round from the lowest power up and refit the rest each time, so that
    # later coefficients absorb the rounding of earlier ones. This can go
    # astray near the zero of w, so keep it only where it is better.
    c, g, gw = [], f, w
    for left in range(n, 0, -1):
        q = remez(g, v, gw, lo, hi, left, 6)[0][0]
        q = f32(q) if bits == 32 else float(q)
        c.append(q)
        g = lambda x, g=g, q=q: (g(x) - mpf(q)) / v(x)
        gw = lambda x, gw=gw: gw(x) * v(x)
    c = min(plain, c, key=worst)
    print(f"// {name}: 2^{float(mp.log(worst(coef), 2)):.1f}, rounded 2^{float(mp.log(worst(c), 2)):.1f}")
    text = []
    for q in c:
        if bits == 32:
            for d in range(6, 12):
                t = f"{q:.{d}g}"
                if f32(float(t)) == q:
                    break
        else:
            t = repr(q)
        if "e" not in t and "." not in t:
            t += ".0"
        text.append(t.replace("e-0", "e-"))
    print(f"const {name}: [f{bits}; {len(c)}] = [" + ", ".join(text) + "];\n")
    sys.stdout.flush()


sq = lambda x: x * x
ident = lambda x: x
one = lambda x: mpf(1)
half_ln2 = mp.log(2) / 2 + mpf("1e-4")
root = mp.sqrt(mpf(2))
atanh_g = lambda s: (2 * mp.atanh(s) / s - 2) / (s * s)
smax = (root - 1) / (root + 1)


def fits(bits, n):
    tiny = mpf("1e-5")
    return [
        # e^r = 1 + r + r^2 P(r)
        ("EXP", bits, ((lambda r: (mp.expm1(r) - r) / sq(r)), ident, (lambda r: sq(r) / mp.exp(r)),
                       -half_ln2, half_ln2, n["EXP"])),
        # the same for e^r - 1
        ("EXP_M1", bits, ((lambda r: (mp.expm1(r) - r) / sq(r)), ident, (lambda r: sq(r) / abs(mp.expm1(r))),
                          -half_ln2, half_ln2, n["EXP_M1"])),
        # tanh x = x + x^3 P(x^2)
        ("TANH", bits, ((lambda x: (mp.tanh(x) - x) / x ** 3), sq, (lambda x: x ** 3 / mp.tanh(x)),
                        tiny, 0.5501, n["TANH"])),
        # erf x = x + x P(x^2)
        ("ERF", bits, ((lambda x: mp.erf(x) / x - 1), sq, (lambda x: x / mp.erf(x)), tiny, 1.0001, n["ERF"])),
        # erfc a = e^P(a - 1)
        ("ERFC", bits, ((lambda a: mp.log(mp.erfc(a))), (lambda a: a - 1), mp.erfc, 1 + tiny, n["TOP"], n["ERFC"])),
        # sin r = r + r^3 P(r^2), cos r = 1 - r^2/2 + r^4 P(r^2)
        ("SIN", bits, ((lambda x: (mp.sin(x) - x) / x ** 3), sq, (lambda x: x ** 3 / mp.sin(x)),
                       tiny, mp.pi / 4 + mpf("1e-4"), n["SIN"])),
        ("COS", bits, ((lambda x: (mp.cos(x) - 1 + x * x / 2) / x ** 4), sq, (lambda x: x ** 4 / mp.cos(x)),
                       tiny, mp.pi / 4 + mpf("1e-4"), n["COS"])),
    ]


jobs = fits(32, dict(EXP=5, TANH=5, EXP_M1=6, ERF=7, ERFC=7, SIN=3, COS=3, TOP=3.93))
jobs += [
    # ln(1+f) = f - f^2/2 + f^3 P(f)
    ("LN", 32, ((lambda f: (mp.log1p(f) - f + f * f / 2) / f ** 3), ident, (lambda f: f ** 3 / mp.log1p(f)),
                1 / root - 1, root - 1, 8)),
    # ln(1+t) = t - t^2/2 + t^3/2 P(t), 0 < t <= 1
    ("LN_UNIT", 32, ((lambda t: (mp.log1p(t) - t + t * t / 2) / t ** 3 * 2), ident,
                     (lambda t: t ** 3 / mp.log1p(t) / 2), 1e-5, 1, 9)),
]
jobs += fits(64, dict(EXP=10, EXP_M1=11, TANH=12, ERF=13, ERFC=18, SIN=6, COS=6, TOP=5.93))
jobs += [
    # ln((1+s)/(1-s)) = 2s + s^3 P(s^2), so ln(1+f) with s = f/(2+f)
    ("LN", 64, (atanh_g, sq, (lambda s: s ** 3 / (2 * mp.atanh(s))), 1e-5, smax, 7)),
    ("LN_UNIT", 64, (atanh_g, sq, (lambda s: s ** 3 / (2 * mp.atanh(s))), 1e-5, mpf(1) / 3, 11)),
]
if __name__ == "__main__":
    for name, bits, args in jobs:
        show(name, bits, args)
