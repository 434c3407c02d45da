# PyTorch's side of the block benchmark: one forward and backward pass of the block that the case names, as a careful user
# would write it. Inputs that a training step would differentiate by have gradients; so have all parameters.
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch_worker import case, layout, serve


def image(n, c, h, w=None):
    return layout(torch.randn(n, c, h, w or h)).requires_grad_()


def differentiated(module, *inputs):
    """Forward, then the gradients of <y, gy> by the inputs and all parameters."""
    parameters = [p for p in module.parameters() if p.requires_grad] if isinstance(module, nn.Module) else []
    gy = None

    def step():
        nonlocal gy
        y = module(*inputs)
        if gy is None:
            gy = torch.randn_like(y)
        torch.autograd.grad(y, [*inputs, *parameters], gy)

    return step


class Attention(nn.Module):
    """SAGAN's self-attention (Zhang et al. 2019): queries and keys of C/8 channels, values of C/2."""

    def __init__(self, c, flash):
        super().__init__()
        self.flash = flash
        self.f, self.g, self.h = nn.Conv2d(c, c // 8, 1), nn.Conv2d(c, c // 8, 1), nn.Conv2d(c, c // 2, 1)
        self.v, self.gamma = nn.Conv2d(c // 2, c, 1), nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = (m(x).flatten(2).transpose(1, 2) for m in (self.f, self.g, self.h))
        if self.flash:
            o = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        else:
            o = torch.softmax(q @ k.transpose(1, 2), -1) @ v
        return self.gamma * self.v(o.transpose(1, 2).reshape(n, c // 2, h, w)) + x


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return x + self.b(F.relu(self.a(F.relu(x))))


def block(transposed, a, b, size, n):
    conv = (nn.ConvTranspose2d if transposed else nn.Conv2d)(a, b, 4, 2, 1, bias=False)
    return layout(nn.Sequential(conv, nn.BatchNorm2d(b), nn.LeakyReLU(0.2))), image(n, a, size)


def folded():
    x = image(64, 128, 16)
    fused = nn.Sequential(nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True))
    fused, x = layout(fused.eval()), x.detach()

    def step():
        with torch.inference_mode():
            fused(x)

    return step


class BiasAct(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(c))

    def forward(self, x):
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


def optimiser(kind):
    sizes = [1000 * 1000] * 10
    parameters = [torch.randn(s).requires_grad_() for s in sizes]
    grads = [torch.randn(s) for s in sizes]
    if kind == "ema":
        average = [p.detach().clone() for p in parameters]
        return lambda: torch._foreach_lerp_(average, [p.detach() for p in parameters], 0.001)
    if kind == "clip":
        for p, g in zip(parameters, grads):
            p.grad = g
        return lambda: torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    adam = torch.optim.Adam(parameters, 2e-4, (0.5, 0.999), foreach=case.get("foreach"), fused=case.get("fused"))
    for p, g in zip(parameters, grads):
        p.grad = g
    return adam.step


def matmul():
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return lambda: a @ b


STEPS = {
    "conv-norm-act": lambda: differentiated(*block(False, 64, 128, 32, 64)),
    "convT-norm-act": lambda: differentiated(*block(True, 128, 64, 16, 64)),
    "folded": folded,
    "bias-act": lambda: differentiated(BiasAct(128), image(32, 128, 32)),
    "norm-act": lambda: differentiated(nn.Sequential(nn.BatchNorm2d(128), nn.ReLU()), image(32, 128, 32)),
    "attention": lambda: differentiated(layout(Attention(256, case.get("flash", False))), image(16, 256, 32)),
    "residual": lambda: differentiated(layout(Residual(128)), image(32, 128, 32)),
    "matmul": matmul,
    "adam": lambda: optimiser("adam"),
    "ema": lambda: optimiser("ema"),
    "clip": lambda: optimiser("clip"),
}
serve(STEPS[case["block"]]())
