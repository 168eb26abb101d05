"""The workloads of this bench in PyTorch, milliseconds a step, for one thread or as many as the first argument says.

python pytorch.py [threads [workload ..]]
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
torch.manual_seed(0)


def step(model, optimizer, loss):
    def run():
        optimizer.zero_grad(set_to_none=True)
        value = loss(model)
        value.backward()
        optimizer.step()

    return run


def classifier(model, x, optimizer):
    y = torch.randint(10, (x.shape[0],))
    return step(model, optimizer, lambda m: F.cross_entropy(m(x), y))


def perceptron(*sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def tiny():
    m = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    x, y = torch.randn(4, 2), torch.randn(4, 1)
    return step(m, torch.optim.SGD(m.parameters(), 0.1), lambda m: F.mse_loss(m(x), y))


def seed():
    m = nn.Sequential(
        nn.Linear(30, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 1)
    )
    x, y = torch.randn(128, 30), (torch.randn(128, 1) > 0).float()

    def loss(m):
        value = F.binary_cross_entropy_with_logits(m(x), y)
        for layer in (m[0], m[4]):
            value = value + 0.01 * layer.weight.square().sum() + 0.01 * layer.bias.abs().sum()
        return value

    return step(m, torch.optim.Adam(m.parameters()), loss)


def mlp_small():
    m = perceptron(784, 128, 10)
    return classifier(m, torch.randn(32, 784), torch.optim.SGD(m.parameters(), 0.01))


def mlp():
    m = perceptron(784, 512, 256, 10)
    return classifier(m, torch.randn(128, 784), torch.optim.Adam(m.parameters()))


def wide():
    m = perceptron(2048, 2048, 2048, 2048)
    x, y = torch.randn(512, 2048), torch.randn(512, 2048)
    return step(m, torch.optim.SGD(m.parameters(), 1e-3), lambda m: F.mse_loss(m(x), y))


def cnn():
    m = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return classifier(m, torch.randn(64, 1, 28, 28), torch.optim.Adam(m.parameters()))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        conv = lambda: nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.inner = nn.Sequential(
            conv(), nn.BatchNorm2d(64), nn.ReLU(), conv(), nn.BatchNorm2d(64)
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(F.relu(x + self.inner(x)).mean((2, 3)))


def resblock():
    m = Block()
    optimizer = torch.optim.SGD(m.parameters(), 1e-3, momentum=0.9)
    return classifier(m, torch.randn(16, 64, 32, 32), optimizer)


def transformer():
    m = nn.TransformerEncoderLayer(
        128, 4, 512, 0.0, activation="gelu", batch_first=True, norm_first=True
    )
    x, y = torch.randn(16, 64, 128), torch.randn(16, 64, 128)
    return step(m, torch.optim.AdamW(m.parameters()), lambda m: F.mse_loss(m(x), y))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(32, 64, batch_first=True), nn.Linear(64, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def lstm():
    m, x, y = Lstm(), torch.randn(32, 50, 32), torch.randn(32, 1)
    return step(m, torch.optim.Adam(m.parameters()), lambda m: F.mse_loss(m(x), y))


def scalar():
    w, b = ([(0.99 + 0.01 * torch.rand(())).requires_grad_() for _ in range(100)] for _ in "wb")

    def run():
        s = torch.tensor(1.0)
        for i in range(5000):
            s = s * w[i % 100] + b[i % 100]
        torch.autograd.grad(s, [*w, *b])

    return run


def elementwise():
    x, w1, b1, w2, b2 = all = [torch.randn(1 << 20, requires_grad=True) for _ in range(5)]

    def run():
        y = (x * w1 + b1).tanh() * (x * w2 + b2).sigmoid() + (-x * x).exp()
        torch.autograd.grad(y.mean(), all)

    return run


def infer1():
    m, x = perceptron(784, 512, 256, 10).eval(), torch.randn(1, 784)

    def run():
        with torch.inference_mode():
            m(x)

    return run


ALL = [tiny, seed, mlp_small, mlp, wide, cnn, resblock, transformer, lstm, scalar, elementwise, infer1]

for make in ALL:
    if len(sys.argv) > 2 and make.__name__ not in sys.argv[2:]:
        continue
    run, times = make(), []
    begin = time.perf_counter()
    while len(times) < 10 or time.perf_counter() - begin < 2:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"{make.__name__:12} {times[0]:10.4f} {times[len(times) // 2]:10.4f}", flush=True)
