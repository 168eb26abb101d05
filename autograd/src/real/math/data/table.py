#!/usr/bin/env python3
"""Writes the f64 reference table (stdout) for ../tests.rs. Needs mpmath.

Lines: function, bits of x, bits of the correctly rounded f(x), and how far the
exact value lies above that in thousandths of an ulp. An argument sets the
number of points per function (default 400); larger tables can be given to the
test with MATH_TABLE.
"""
import math
import random
import struct
import sys
from mpmath import mp, mpf

mp.prec = 300
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 400
rng = random.Random(20240229)


def bits(x):
    return struct.pack(">d", x).hex()


def rounded(v):
    """The double nearest to v, ties to even, and the rest in 1/1000 ulp."""
    if v == 0:
        return 0.0, 0
    top = int(mp.floor(mp.log(abs(v), 2)))
    if abs(v) < mpf(2) ** top:
        top -= 1
    q = max(top - 52, -1074)
    scaled = mp.ldexp(abs(v), -q)
    n = int(mp.floor(scaled))
    rest = scaled - n
    if rest > 0.5 or (rest == 0.5 and n % 2):
        n += 1
    try:
        y = math.ldexp(n, q)
    except OverflowError:
        return math.copysign(math.inf, v), 0
    off = int(mp.nint((scaled - n) * 1000)) * (1 if v > 0 else -1)
    return math.copysign(y, v), off


def sigmoid(x):
    e = mp.exp(-abs(x))
    return 1 / (1 + e) if x > 0 else e / (1 + e)


def softplus(x):
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


# function, span of uniform points, exponents of log-uniform points, signs, edges
R2 = math.sqrt(0.5)
JOBS = [
    ("exp", mp.exp, [(-1, 1), (-40, 40), (-745.2, 709.8), (-746, -707)], (-60, 9), (1, -1), [709.78, 709.782712893384, -708.4, -745.13, -745.1332191019411, 0.34657359027997264]),
    ("exp_m1", mp.expm1, [(-1, 1), (-0.4, 0.4), (-38, 5), (-1, 709.8)], (-1074, 9), (1, -1), [709.782712893384, 0.34657359027997264, -0.34657359027997264, -37.5]),
    ("ln", mp.log, [(0.5, 2), (0.7, 1.45), (0.99, 1.01), (0, 50)], (-1074, 1023), (1,), [R2, 2 * R2, 1 - 2 ** -53, 1 + 2 ** -52, 5e-324, 2 ** -1022, 1.7976931348623157e308]),
    ("ln_1p", mp.log1p, [(-0.999, 1), (-0.3, 0.45), (0, 50), (-0.01, 0.01)], (-1074, 1023), (1, -1), [-1 + 2 ** -53, R2 - 1, 2 * R2 - 1, 1.7976931348623157e308, 1e18, 2.0 ** 53]),
    ("tanh", mp.tanh, [(-1, 1), (0.5, 0.6), (-5, 5), (-20, 20)], (-1074, 4), (1, -1), [0.55, 0.5499999999999999, 19.06, 20.0]),
    ("sigmoid", sigmoid, [(-1, 1), (-10, 10), (-40, 40), (-746, -700)], (-60, 9), (1, -1), [-745.13, -708.4, -709.0, 36.7]),
    ("softplus", softplus, [(-1, 1), (-10, 10), (-40, 40), (-746, -700)], (-60, 9), (1, -1), [-745.13, -708.4, 36.7, 700.0, 1000.0]),
    ("erf", mp.erf, [(-1, 1), (0.9, 1.5), (-6, 6)], (-1074, 2), (1, -1), [1.0, 0.9999999999999999, 5.93, 5.863584748755167]),
    ("sin", mp.sin, [(-1, 1), (-7, 7), (-1000, 1000), (-1e6, 1e6)], (-1074, 19), (1, -1), [k * math.pi / 4 for k in (1, 2, 3, 4, 5, 8, 1000, 1272000)]),
    ("cos", mp.cos, [(-1, 1), (-7, 7), (-1000, 1000), (-1e6, 1e6)], (-60, 19), (1, -1), [k * math.pi / 4 for k in (1, 2, 3, 4, 5, 6, 1002, 1272002)]),
]

for name, f, spans, (lo, hi), signs, edges in JOBS:
    xs = list(edges)
    while len(xs) < COUNT:
        if len(xs) % 4 == 0:
            e = rng.uniform(lo, hi)
            x = rng.choice(signs) * 2.0 ** e
            if name == "ln_1p" and x <= -1:
                continue
        else:
            x = rng.uniform(*spans[len(xs) % len(spans)])
        if x != 0:
            xs.append(x)
    for x in xs:
        y, off = rounded(f(mpf(x)))
        print(f"{name},{bits(x)},{bits(y)},{off}")
