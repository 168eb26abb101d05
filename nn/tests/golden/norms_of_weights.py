"""Writes weight_norm.json and spectral_norm.json beside this file: torch.nn.utils.parametrizations in float64."""

import json
import pathlib

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
LAYERS = {
    "linear": lambda: (nn.Linear(3, 4), (5, 3)),
    "conv2d": lambda: (nn.Conv2d(2, 4, (2, 3), groups=2), (1, 2, 3, 4)),
    "conv_transpose1d": lambda: (nn.ConvTranspose1d(3, 2, 2), (1, 3, 4)),
}


def short(shape):
    """Short binary fractions, exact in float32."""
    return (torch.randn(shape) * 64).round() / 64


def array(x):
    return {"shape": list(x.shape), "data": x.detach().reshape(-1).tolist()}


def arrays(named):
    return {name: array(x) for name, x in named.items()}


def run(layer, inputs, shape):
    """Outputs, a cotangent, and the gradients of the inputs."""
    y = layer(inputs["x"])
    cotangent = short(shape or y.shape)
    grads = torch.autograd.grad(y, list(inputs.values()), cotangent)
    return y, cotangent, dict(zip(inputs, grads))


def weight_cases():
    for kind, make in LAYERS.items():
        for dim in (0, 1):
            layer, shape = make()
            layer = weight_norm(layer, dim=dim)
            weight = layer.parametrizations.weight
            params = {"g": weight.original0, "v": weight.original1, "bias": layer.bias}
            for p in params.values():
                p.data = short(p.shape)
            inputs = {"x": short(shape).requires_grad_(), **params}
            y, cotangent, grads = run(layer, inputs, None)
            yield {
                "name": f"{kind}/dim{dim}",
                "params": {"kind": kind, "dim": dim},
                "inputs": arrays(inputs),
                "outputs": arrays({"y": y}),
                "cotangents": arrays({"y": cotangent}),
                "grads": arrays(grads),
            }


def spectral_cases():
    """Two forward passes in training, the second from the vectors of the first, then one in evaluation."""
    for kind, make in LAYERS.items():
        for iterations in (1, 3) if kind == "linear" else (1,):
            layer, shape = make()
            layer = spectral_norm(layer, n_power_iterations=iterations)
            weight = layer.parametrizations.weight
            params = {"weight": weight.original, "bias": layer.bias}
            for p in params.values():
                p.data = short(p.shape)
            first = {"u": weight[0]._u.clone(), "v": weight[0]._v.clone()}
            steps = []
            for training in (True, True, False):
                layer.train(training)
                inputs = {"x": short(shape).requires_grad_(), **params}
                y, cotangent, grads = run(layer, inputs, None)
                steps.append({
                    "training": training,
                    "x": array(inputs["x"]),
                    "outputs": arrays({"y": y, "u": weight[0]._u, "v": weight[0]._v}),
                    "cotangents": arrays({"y": cotangent}),
                    "grads": arrays(grads),
                })  # fmt: skip
            yield {
                "name": f"{kind}/{iterations}",
                "params": {"kind": kind, "n_power_iterations": iterations},
                "inputs": arrays({**params, **first}),
                "steps": steps,
            }


def write(op, convention, cases):
    table = {"op": op, "kind": "op", "framework": f"torch {torch.__version__}", "dtype": "float64",
             "convention": convention, "cases": list(cases)}  # fmt: skip
    path = pathlib.Path(__file__).with_name(f"{op}.json")
    path.write_text(json.dumps(table) + "\n")


write("weight_norm", "parametrizations.weight_norm(layer, dim): g is original0, v is original1", weight_cases())
write("spectral_norm", "parametrizations.spectral_norm(layer, n_power_iterations), dim by default", spectral_cases())
