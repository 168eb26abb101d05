"""Writes the files beside this one: a small CNN and an LSTM of PyTorch, and what they make of an input."""

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, num_layers=2, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


cnn = nn.Sequential(
    nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 5),
)  # fmt: skip
for name, model, shape in [("cnn", cnn, (3, 1, 8, 8)), ("lstm", Lstm(), (2, 5, 3))]:
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    model.train()(torch.randn(8, *shape[1:]))  # so that running statistics are not those of the start
    model.eval()
    x = torch.randn(shape)
    with torch.no_grad():
        save_file({"x": x, "y": model(x)}, f"{name}_values.safetensors")
    save_file(model.state_dict(), f"{name}.safetensors")
