"""Storing of fixtures, ganvas's layouts in PyTorch, and first and second derivatives; shared by the files beside it."""


import os

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures")


# ---- storing ----

def encode(value):
    """JSON text; a tensor becomes {"shape": [...], "data": [...]} with the shortest digits that restore its float32."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().contiguous().reshape(-1).numpy(force=True).astype(np.float32)
        data = ",".join(str(v).removesuffix(".0") for v in flat)
        return '{"shape":[%s],"data":[%s]}' % (",".join(map(str, value.shape)), data)
    if isinstance(value, dict):
        return "{%s}" % ",".join('"%s":%s' % (k, encode(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(encode(v) for v in value)
    if isinstance(value, str):
        return '"%s"' % value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def save(name, value):
    path = os.path.join(FOLDER, name + ".json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(encode(value) + "\n")
    print(f"{path}: {os.path.getsize(path)} bytes")


def randn(*shape, scale=1.0, shift=0.0):
    """A leaf with float32 values in float64."""
    values = torch.randn(*shape, dtype=torch.float32) * scale + shift
    return values.double().requires_grad_()


def rand_like(x):
    return torch.randn(x.shape, dtype=torch.float32).double()


# ---- ganvas's layouts ----

def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv2d(x, w, **options):
    return nhwc(F.conv2d(nchw(x), nchw(w), **options))


def conv_transpose2d(x, w, **options):
    return nhwc(F.conv_transpose2d(nchw(x), nchw(w), **options))


def batch_norm(x, gamma, beta, eps=1e-5):
    axes = tuple(range(x.dim() - 1))
    mean = x.mean(axes)
    var = ((x - mean) ** 2).mean(axes)
    y = (x - mean) / torch.sqrt(var + eps) * gamma + beta
    if x.dim() == 4:  # the formula above is what PyTorch computes; checked because it is used everywhere below
        theirs = nhwc(F.batch_norm(nchw(x), None, None, gamma, beta, training=True, eps=eps))
        assert torch.allclose(y, theirs, atol=1e-12)
    return y


def layer_norm(x, gamma, beta, eps=1e-5):
    """Over everything but the batch for images, as in a WGAN-GP critic; gamma and beta have shape [H, W, C]."""
    return F.layer_norm(x, gamma.shape, gamma, beta, eps)


def instance_norm(x, gamma, beta, eps=1e-5):
    return nhwc(F.instance_norm(nchw(x), weight=gamma, bias=beta, eps=eps))


ACTIVATIONS = {
    "none": lambda x: x,
    "relu": F.relu,
    "leakyRelu": lambda x: F.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def derivatives(f, inputs):
    """y, gradients of <y, gy>, and gradients of <those gradients, v>, by name."""
    y = f(*inputs.values())
    gy = rand_like(y).requires_grad_()
    grads = torch.autograd.grad((y * gy).sum(), list(inputs.values()), create_graph=True)
    v = [rand_like(g) for g in grads]
    second_of = [*inputs.values(), gy]
    along = sum((g * d).sum() for g, d in zip(grads, v))
    second = torch.autograd.grad(along, second_of, allow_unused=True)
    second = [torch.zeros_like(x) if s is None else s for s, x in zip(second, second_of)]
    return {
        "inputs": inputs,
        "y": y,
        "gy": gy,
        "grads": dict(zip(inputs, grads)),
        "v": dict(zip(inputs, v)),
        "second": dict(zip([*inputs, "gy"], second)),
    }
