"""Workloads of this bench in JAX, each step compiled as a whole, milliseconds a step.

XLA_FLAGS=--xla_cpu_multi_thread_eigen=false taskset -c 0 python jax_jit.py [workload ..]
"""

import sys
import time

import jax
import jax.numpy as jnp

KEY = jax.random.PRNGKey(0)


def normal(*shape, seed=1):
    return jax.random.normal(jax.random.fold_in(KEY, seed), shape)


def dense(*sizes):
    pairs = zip(sizes, sizes[1:])
    return [(normal(a, b, seed=a) / a**0.5, jnp.zeros(b)) for a, b in pairs]


def apply(params, x, f=jax.nn.relu):
    for i, (w, b) in enumerate(params):
        x = x @ w + b
        x = f(x) if i + 1 < len(params) else x
    return x


def cross_entropy(z, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()


def bce(z, y):
    return (y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)).mean()


def zeros_like(p):
    return jax.tree.map(jnp.zeros_like, p)


def adam(p, g, m, v, t, lr, decay=0.0):
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    a, b = 1 - 0.9**t, 1 - 0.999**t
    update = lambda p, m, v: p - lr * (m / a / (jnp.sqrt(v / b + 1e-30) + 1e-8) + decay * p)
    return jax.tree.map(update, p, m, v), m, v


def trained(params, loss, optimizer):
    """A step that gives its state on, whose buffers are used again."""

    def step(state):
        p, m, v, t = state
        g = jax.grad(loss)(p)
        if optimizer == "adam":
            p, m, v = adam(p, g, m, v, t, 1e-3)
        else:
            p = jax.tree.map(lambda p, g: p - optimizer * g, p, g)
        return p, m, v, t + 1

    step, state = jax.jit(step, donate_argnums=0), [(params, zeros_like(params), zeros_like(params), 1.0)]

    def run():
        state[0] = step(state[0])
        jax.block_until_ready(state[0])

    return run


def labels(n):
    return jax.random.randint(KEY, (n,), 0, 10)


def tiny():
    x, y = normal(4, 2), normal(4, 1, seed=2)
    return trained(dense(2, 16, 16, 1), lambda p: ((apply(p, x, jnp.tanh) - y) ** 2).mean(), 0.1)


def mlp_small():
    x, y = normal(32, 784), labels(32)
    return trained(dense(784, 128, 10), lambda p: cross_entropy(apply(p, x), y), 0.01)


def mlp():
    x, y = normal(128, 784), labels(128)
    return trained(dense(784, 512, 256, 10), lambda p: cross_entropy(apply(p, x), y), "adam")


def wide():
    x, y = normal(512, 2048), normal(512, 2048, seed=2)
    return trained(dense(2048, 2048, 2048, 2048), lambda p: ((apply(p, x) - y) ** 2).mean(), 1e-3)


def elementwise():
    def f(x, w1, b1, w2, b2):
        return (jnp.tanh(x * w1 + b1) * jax.nn.sigmoid(x * w2 + b2) + jnp.exp(-x * x)).mean()

    step = jax.jit(jax.grad(f, argnums=(0, 1, 2, 3, 4)))
    all = [normal(1 << 20, seed=i) for i in range(5)]
    return lambda: jax.block_until_ready(step(*all))


def infer1():
    step, x, p = jax.jit(apply), normal(1, 784), dense(784, 512, 256, 10)
    return lambda: jax.block_until_ready(step(p, x))


def hypergrad():
    x, x_val = normal(128, 30), normal(128, 30, seed=2)
    y, y_val = (normal(128, 1, seed=s) > 0 for s in (3, 4))
    start = dense(30, 50, 1)

    def validation(hyper):
        lr, decay = jnp.exp(hyper[0]), jnp.exp(hyper[1])

        def step(state, t):
            p, m, v = state
            g = jax.grad(lambda p: bce(apply(p, x, jnp.tanh), y))(p)
            return adam(p, g, m, v, t, lr, decay), None

        state = (start, zeros_like(start), zeros_like(start))
        (p, _, _), _ = jax.lax.scan(step, state, jnp.arange(1.0, 21.0))
        return bce(apply(p, x_val, jnp.tanh), y_val)

    step, hyper = jax.jit(jax.grad(validation)), jnp.log(jnp.array([1e-2, 1e-2]))
    return lambda: jax.block_until_ready(step(hyper))


for make in [tiny, mlp_small, mlp, wide, elementwise, infer1, hypergrad]:
    if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
        continue
    run, times = make(), []
    run()
    begin = time.perf_counter()
    while len(times) < 10 or time.perf_counter() - begin < 2:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"{make.__name__:12} {times[0]:10.4f} {times[len(times) // 2]:10.4f}", flush=True)
