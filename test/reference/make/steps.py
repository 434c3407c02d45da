"""One training step of whole models with PyTorch: the frame, and layers on weights named as ganvas names them.

ganvas writes the weights, the batch and every random draw of each phase (test/models/step.ts):

    GANVAS_DUMP_STEPS=/tmp/steps npx vitest run test/models
    GANVAS_STEPS=/tmp/steps python test/reference/make_fixtures.py steps_plain

A model is a function of a Step that yields (phase, loss, parts, networks it trains) in the order of its phases. Losses are
written out here or with torch's own functions, never by reading what ganvas computed.
"""

import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

from .common import conv2d, conv_transpose2d, save

DTYPES = {"F32": np.float32, "I32": np.int32, "U8": np.uint8}
ACTIVATIONS = {
    "none": lambda x: x,
    "relu": torch.relu,
    "leakyRelu": lambda x: F.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    result = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        result[name] = torch.from_numpy(values.copy())
    return result


class Step:
    """Weights, batch and draws of one model, in float64."""

    def __init__(self, name):
        tensors = read_safetensors(os.path.join(os.environ["GANVAS_STEPS"], name + ".safetensors"))
        self.draws = {k: v for k, v in tensors.items() if k.startswith("draw.")}
        self.images = tensors.pop("images").double()
        self.labels = tensors.pop("labels").long() if "labels" in tensors else None
        self.weights = {
            k: v.double().requires_grad_() for k, v in tensors.items() if k not in self.draws
        }
        self.size = self.images.shape[0]
        self.begin(None)

    def begin(self, phase):
        self.phase, self.next = phase, 0

    def draw(self, *shape):
        """The next random tensor that this phase drew; its shape is checked."""
        name = f"draw.{self.phase}.{self.next}"
        assert name in self.draws, f"{name}: no such draw"
        self.next += 1
        value = self.draws[name]
        assert list(value.shape) == list(shape), f"{name} has shape {list(value.shape)}, expected {list(shape)}"
        return value.double() if value.dtype == torch.float32 else value.long()

    def end(self):
        count = sum(k.startswith(f"draw.{self.phase}.") for k in self.draws)
        assert self.next == count, f"{self.phase}: {self.next} of {count} draws used"

    def __getitem__(self, name):
        return self.weights[name]

    def __contains__(self, name):
        return name in self.weights

    # ---- layers, by the name of the layer ----

    def weight(self, name):
        """The layer's weight; a spectrally normalised one after one power iteration, whose vectors are kept."""
        if f"{name}.weight" in self.weights:
            return self.weights[f"{name}.weight"]
        w = self.weights[f"{name}.spectral.weight"]
        return self.spectral(name, w, rows_last=False)

    def spectral(self, name, w, rows_last):
        u, v = self.weights[f"{name}.spectral.u"], self.weights[f"{name}.spectral.v"]
        matrix = w.movedim(-1, 0).flatten(1) if rows_last else w.flatten(1)
        with torch.no_grad():
            u.copy_(F.normalize(matrix @ v, dim=0, eps=1e-12))
            v.copy_(F.normalize(matrix.T @ u, dim=0, eps=1e-12))
            left, right = u.clone(), v.clone()
        return w / (left @ matrix @ right)

    def linear(self, name, x, activation="none"):
        return ACTIVATIONS[activation](F.linear(x, self.weight(name), self.weights.get(f"{name}.bias")))

    def conv(self, name, x, activation="none", **options):
        y = conv2d(x, self.weight(name), **options)
        bias = self.weights.get(f"{name}.bias")
        return ACTIVATIONS[activation](y if bias is None else y + bias)

    def conv_transpose(self, name, x, activation="none", **options):
        if f"{name}.weight" in self.weights:
            w = self.weights[f"{name}.weight"]
        else:
            w = self.spectral(name, self.weights[f"{name}.spectral.weight"], rows_last=True)
        y = conv_transpose2d(x, w, **options)
        bias = self.weights.get(f"{name}.bias")
        return ACTIVATIONS[activation](y if bias is None else y + bias)

    def batch_norm(self, name, x, activation="none", eps=1e-5):
        channels_first = x.movedim(-1, 1)
        y = F.batch_norm(
            channels_first, None, None, self[f"{name}.weight"], self[f"{name}.bias"], training=True, eps=eps
        )
        return ACTIVATIONS[activation](y.movedim(1, -1))


def write(name, model):
    """Runs a model's phases and stores their losses, parts and gradients."""
    step = Step(name)
    result = {}
    phases = model(step)
    for phase, run, networks in phases:
        step.begin(phase)
        loss, parts = run()
        step.end()
        trained = {
            k: w
            for k, w in step.weights.items()
            if k.split(".")[0] in networks and not k.endswith(BUFFERS)
        }
        grads = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        result[phase] = {
            "parts": {"loss": loss.item(), **{k: v.item() for k, v in parts.items()}},
            "grads": {k: torch.zeros_like(w) if g is None else g for (k, w), g in zip(trained.items(), grads)},
        }
    save(f"steps/{name}", result)


# What a module keeps and does not train.
BUFFERS = (
    ".runningMean",
    ".runningVar",
    ".spectral.u",
    ".spectral.v",
    ".referenceMean",
    ".referenceSquare",
    ".referenceSize",
    ".wAverage",
    ".noise",
    ".growth.steps",
)


# ---- objectives, from logits ----

def non_saturating_d(real, fake):
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    return F.binary_cross_entropy_with_logits(real, ones) + F.binary_cross_entropy_with_logits(fake, zeros)


def non_saturating_g(fake):
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def hinge_d(real, fake):
    return torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()


def scores(real, fake):
    return {"scoreReal": torch.sigmoid(real).mean(), "scoreFake": torch.sigmoid(fake).mean()}


def logit_means(real, fake):
    return {"logitReal": real.mean(), "logitFake": fake.mean()}


def slopes(critic, x):
    """Norm of the critic's gradient at each sample."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.flatten(1).norm(dim=1)


WRITERS = []
