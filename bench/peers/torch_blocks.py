# PyTorch's side of the block benchmark. The StyleGAN2 parts follow the authors' code where it runs on a CPU: their
# reference upfirdn2d (zeros put in, depthwise convolution) and bias_act, and modulated_conv2d in both of its forms.
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch_worker import case, layout, serve

batch, size, channels, grouped, style_size = case["batch"], case["size"], case["channels"], case["grouped"], 512
taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
fir = (taps[:, None] * taps[None, :]) / 64


def upfirdn2d(x, up=1, padding=(0, 0, 0, 0), gain=1.0):
    n, c, h, w = x.shape
    if up > 1:
        x = x.reshape(n, c, h, 1, w, 1)
        x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1]).reshape(n, c, h * up, w * up)
    x = F.pad(x, padding)
    return F.conv2d(x, (fir * gain).flip(0, 1)[None, None].repeat(c, 1, 1, 1), groups=c)


def resampled(x, w, up, padding, groups=1):
    if up == 1:
        return F.conv2d(x, w, padding=padding, groups=groups)
    if groups == 1:
        w = w.transpose(0, 1)
    else:
        w = w.reshape(groups, -1, *w.shape[1:]).transpose(1, 2).reshape(groups * w.shape[1], -1, *w.shape[2:])
    return upfirdn2d(F.conv_transpose2d(x, w, stride=up, groups=groups), padding=(1, 1, 1, 1), gain=4.0)


def modulated_conv2d(x, w, styles, noise=None, up=1, padding=1, demodulate=True):
    n = x.shape[0]
    if grouped or demodulate:
        per_sample = w[None] * styles[:, None, :, None, None]
    if demodulate:
        d = (per_sample.square().sum([2, 3, 4]) + 1e-8).rsqrt()
    if not grouped:
        x = resampled(x * styles[:, :, None, None], w, up, padding)
        if demodulate:
            x = x * d[:, :, None, None]
    else:
        if demodulate:
            per_sample = per_sample * d[:, :, None, None, None]
        x = resampled(x.reshape(1, -1, *x.shape[2:]), per_sample.reshape(-1, *w.shape[1:]), up, padding, groups=n)
        x = x.reshape(n, -1, *x.shape[2:])
    return x if noise is None else x + noise


class Layer(nn.Module):
    def __init__(self, outputs, kernel, up=1, rgb=False):
        super().__init__()
        self.up, self.rgb, self.padding = up, rgb, kernel // 2
        self.weight = nn.Parameter(layout(torch.randn(outputs, channels, kernel, kernel)))
        self.affine = nn.Linear(style_size, channels)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = None if rgb else nn.Parameter(torch.zeros([]))

    def forward(self, x, style):
        styles = self.affine(style)
        if self.rgb:
            styles = styles / math.sqrt(channels)
            return modulated_conv2d(x, self.weight, styles, padding=0, demodulate=False) + self.bias[:, None, None]
        side = x.shape[2] * self.up
        noise = torch.randn(batch, 1, side, side) * self.strength
        x = modulated_conv2d(x, self.weight, styles, noise, self.up, self.padding)
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


style = torch.randn(batch, style_size, requires_grad=True)
if case["block"] == "synthesis":
    up, conv, rgb = Layer(channels, 3, up=2), Layer(channels, 3), Layer(3, 1, rgb=True)
    x, skip = (layout(torch.randn(batch, c, size // 2, size // 2)).requires_grad_() for c in (channels, 3))
    by = [x, skip, style, *up.parameters(), *conv.parameters(), *rgb.parameters()]

    def loss():
        h = conv(up(x, style), style)
        image = rgb(h, style) + upfirdn2d(skip, up=2, padding=(2, 1, 2, 1), gain=4.0)
        return h.sum() + image.sum()

elif case["block"] == "modulated":
    conv = Layer(channels, 3)
    x = layout(torch.randn(batch, channels, size, size)).requires_grad_()
    by = [x, style, *conv.parameters()]

    def loss():
        return conv(x, style).sum()

elif case["block"] == "spectral":
    layers = [spectral_norm(nn.Conv2d(channels, channels, size, bias=False)) for _ in range(batch)]
    by = [p for layer in layers for p in layer.parameters()]

    def loss():
        return sum(layer.weight.sum() for layer in layers)

else:
    x = layout(torch.randn(batch, channels, size, size)).requires_grad_()
    shape = (batch, channels, 1, 1) if case["block"] == "conditional" else (channels,)
    gamma, beta = (torch.randn(shape, requires_grad=True) for _ in range(2))
    by = [x, gamma, beta]

    def loss():
        if case["block"] == "conditional":
            return F.relu(F.batch_norm(x, None, None, training=True) * gamma + beta).sum()
        return F.relu(F.group_norm(x, 32, gamma, beta)).sum()


serve(lambda: torch.autograd.grad(loss(), by))
