"""Convolutions in one, two and three dimensions and their transposes, over strides, paddings, dilations, groups."""

import torch
import torch.nn.functional as F

from .common import derivatives, randn, save

NAMES = {"output_padding": "outputPadding"}


def channels_first(t):
    return t.movedim(-1, 1)


def channels_last(t):
    return t.movedim(1, -1)


def run(f, x, w, options):
    return channels_last(f(channels_first(x), channels_first(w), **options))


def write(name, seed, ops):
    """ops: (name, PyTorch's function, [(x shape, w shape, options)])."""
    torch.manual_seed(seed)
    result = []
    for op, f, cases in ops:
        for x, w, options in cases:
            found = derivatives(lambda x, w: run(f, x, w, options), {"x": randn(*x), "w": randn(*w, scale=0.5)})
            result.append({"op": op, "options": {NAMES.get(k, k): v for k, v in options.items()}, **found})
    save(name, result)


def conv1d():
    down = [
        ((2, 8, 3), (4, 4, 3), dict(stride=2, padding=1)),
        ((1, 9, 2), (3, 3, 2), dict(padding=1)),
        ((1, 1, 1), (1, 1, 1), dict()),
        ((3, 1, 2), (2, 3, 2), dict(padding=1)),
        ((1, 25, 1), (2, 25, 1), dict(stride=4, padding=11)),
        ((2, 7, 2), (3, 2, 2), dict(stride=3)),
        ((1, 11, 2), (2, 3, 2), dict(dilation=3, padding=2)),
        ((1, 10, 1), (3, 4, 1), dict(dilation=2, stride=2, padding=3)),
        ((2, 6, 4), (6, 3, 2), dict(groups=2, padding=1)),
        ((1, 9, 6), (6, 5, 1), dict(groups=6, stride=2, padding=2)),
        ((1, 8, 3), (9, 3, 1), dict(groups=3, padding=1)),
        ((2, 5, 8), (4, 1, 2), dict(groups=4)),
        ((1, 13, 1), (1, 7, 1), dict(padding=6)),
        ((1, 6, 5), (2, 6, 5), dict()),
        ((1, 17, 2), (18, 3, 2), dict(padding=1)),
        ((2, 5, 17), (1, 3, 17), dict(padding=1, stride=2)),
    ]
    up = [
        ((1, 1, 5), (5, 4, 3), dict()),
        ((2, 4, 3), (3, 4, 2), dict(stride=2, padding=1)),
        ((1, 4, 2), (2, 25, 1), dict(stride=4, padding=11, output_padding=1)),
        ((1, 5, 2), (2, 3, 2), dict(stride=3, padding=1, output_padding=2)),
        ((2, 5, 4), (4, 3, 2), dict(groups=2, padding=1, stride=2, output_padding=1)),
        ((1, 4, 3), (3, 4, 1), dict(groups=3, stride=2, padding=1)),
        ((1, 4, 2), (2, 3, 2), dict(dilation=2)),
        ((1, 3, 1), (1, 2, 1), dict(stride=5)),
        ((2, 3, 2), (2, 1, 3), dict(stride=2, output_padding=1)),
        ((1, 5, 2), (2, 3, 2), dict(dilation=3, padding=2, stride=2)),
    ]
    write("conv1d", 21, (("conv1d", F.conv1d, down), ("convTranspose1d", F.conv_transpose1d, up)))


def conv2d():
    down = [
        ((1, 1, 1, 1), (1, 1, 1, 1), dict()),
        ((1, 4, 4, 1), (1, 3, 3, 1), dict(padding=1)),
        ((1, 5, 3, 1), (2, 2, 3, 1), dict(padding=(1, 2))),
        ((2, 3, 3, 2), (2, 3, 3, 2), dict()),
        ((1, 6, 6, 3), (2, 1, 1, 3), dict(stride=2)),
        ((1, 7, 5, 2), (3, 4, 4, 2), dict(stride=2, padding=1)),
        ((1, 5, 5, 2), (2, 5, 5, 2), dict(padding=2)),
        ((1, 8, 8, 2), (2, 5, 5, 2), dict(stride=2, padding=2)),
        ((1, 9, 7, 1), (2, 3, 3, 1), dict(stride=3, padding=1)),
        ((1, 7, 7, 1), (1, 2, 2, 1), dict(stride=4)),
        ((1, 8, 6, 2), (2, 3, 3, 2), dict(dilation=(2, 1), padding=(2, 1))),
        ((1, 9, 9, 1), (2, 3, 3, 1), dict(dilation=3, padding=3, stride=2)),
        ((1, 6, 6, 1), (1, 4, 4, 1), dict(dilation=2, padding=3)),
        ((1, 1, 8, 2), (3, 1, 4, 2), dict(stride=(1, 2), padding=(0, 1))),
        ((1, 8, 1, 2), (3, 4, 1, 2), dict(stride=(2, 1), padding=(1, 0))),
        ((3, 2, 2, 1), (1, 2, 2, 1), dict(stride=2)),
        ((1, 3, 3, 9), (2, 3, 3, 9), dict(padding=1)),
        ((1, 2, 3, 17), (2, 3, 2, 17), dict(padding=1)),
        ((1, 2, 3, 2), (18, 3, 2, 2), dict(padding=1)),
        ((1, 4, 4, 4), (4, 3, 3, 2), dict(groups=2, padding=1)),
        ((1, 5, 5, 6), (6, 3, 3, 2), dict(groups=3, padding=1, stride=2)),
        ((2, 4, 3, 4), (8, 3, 3, 1), dict(groups=4, padding=1)),
        ((1, 5, 4, 8), (4, 3, 3, 2), dict(groups=4, padding=1)),
        ((1, 6, 6, 6), (3, 4, 4, 2), dict(groups=3, padding=1, stride=2)),
        ((1, 7, 7, 4), (4, 3, 3, 2), dict(groups=2, dilation=2, padding=2)),
        ((1, 3, 2, 10), (10, 2, 3, 5), dict(groups=2, padding=1)),
        ((1, 2, 3, 32), (32, 1, 2, 2), dict(groups=16, padding=(0, 1))),
        ((1, 2, 2, 34), (34, 1, 2, 17), dict(groups=2)),
        ((2, 3, 4, 7), (7, 3, 3, 1), dict(groups=7, padding=1)),
        ((1, 3, 4, 19), (19, 3, 3, 1), dict(groups=19, padding=1, stride=2)),
        ((1, 6, 6, 5), (5, 5, 5, 1), dict(groups=5, padding=2, stride=2)),
        ((1, 7, 7, 3), (3, 3, 3, 1), dict(groups=3, dilation=2, padding=2)),
        ((1, 4, 4, 3), (3, 4, 4, 1), dict(groups=3)),
        ((1, 2, 9, 2), (2, 1, 7, 2), dict(padding=(0, 3))),
    ]
    up = [
        ((1, 1, 1, 1), (1, 1, 1, 1), dict()),
        ((1, 2, 2, 3), (3, 4, 4, 2), dict(stride=2, padding=1)),
        ((1, 3, 2, 2), (2, 3, 3, 2), dict(stride=2, padding=1, output_padding=1)),
        ((2, 2, 3, 1), (1, 5, 5, 2), dict(stride=2, padding=2, output_padding=(1, 0))),
        ((1, 3, 3, 2), (2, 3, 3, 2), dict(padding=1)),
        ((1, 2, 2, 2), (2, 1, 1, 3), dict(stride=3, output_padding=2)),
        ((1, 2, 2, 2), (2, 2, 2, 2), dict(stride=3)),
        ((1, 3, 3, 1), (1, 3, 3, 2), dict(dilation=2, stride=2, padding=1, output_padding=1)),
        ((1, 3, 4, 4), (4, 3, 3, 2), dict(groups=2, padding=1)),
        ((1, 3, 3, 6), (6, 4, 4, 2), dict(groups=3, stride=2, padding=1)),
        ((1, 3, 3, 4), (4, 4, 4, 1), dict(groups=4, stride=2, padding=1)),
        ((1, 3, 3, 5), (5, 3, 3, 1), dict(groups=5, stride=3, padding=1, output_padding=1)),
        ((1, 2, 2, 17), (17, 2, 3, 2), dict(padding=1)),
        ((1, 4, 1, 2), (2, 4, 1, 2), dict(stride=(2, 1), padding=(1, 0))),
    ]
    write("conv2d", 22, (("conv2d", F.conv2d, [c for c in down if "groups" not in c[2]]),))
    write("conv2d_grouped", 26, (("conv2d", F.conv2d, [c for c in down if "groups" in c[2]]),))
    write("conv_transpose2d", 25, (("convTranspose2d", F.conv_transpose2d, up),))


def conv3d():
    down = [
        ((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), dict()),
        ((1, 4, 4, 4, 2), (2, 4, 4, 4, 2), dict(stride=2, padding=1)),
        ((1, 4, 4, 4, 1), (3, 4, 4, 4, 1), dict(stride=2, padding=1)),
        ((1, 3, 3, 3, 2), (2, 3, 3, 3, 2), dict(padding=1)),
        ((2, 2, 3, 2, 1), (1, 3, 3, 3, 1), dict(padding=1)),
        ((2, 2, 2, 2, 3), (2, 2, 2, 2, 3), dict()),
        ((1, 3, 2, 4, 2), (3, 1, 1, 1, 2), dict()),
        ((1, 5, 3, 3, 1), (2, 1, 1, 1, 1), dict(stride=(2, 1, 2))),
        ((1, 3, 4, 4, 2), (2, 1, 3, 3, 2), dict(padding=(0, 1, 1))),
        ((1, 5, 2, 2, 2), (2, 3, 1, 1, 2), dict(padding=(1, 0, 0))),
        ((1, 6, 3, 3, 1), (2, 4, 3, 3, 1), dict(stride=(2, 1, 1), padding=1)),
        ((1, 5, 3, 4, 1), (1, 2, 3, 2, 1), dict(stride=(1, 2, 3), padding=(0, 1, 1))),
        ((1, 7, 3, 3, 1), (1, 3, 2, 2, 1), dict(dilation=(3, 1, 2), padding=(2, 1, 1))),
        ((1, 6, 4, 4, 1), (1, 2, 2, 2, 1), dict(dilation=2, stride=2)),
        ((1, 7, 1, 2, 1), (2, 2, 1, 1, 1), dict(stride=4)),
        ((1, 3, 3, 3, 4), (4, 3, 3, 3, 2), dict(groups=2, padding=1)),
        ((1, 3, 4, 3, 3), (3, 3, 3, 3, 1), dict(groups=3, padding=1)),
        ((1, 4, 4, 4, 2), (4, 4, 4, 4, 1), dict(groups=2, stride=2, padding=1)),
        ((1, 2, 2, 3, 9), (4, 2, 2, 2, 9), dict()),
        ((1, 1, 4, 4, 2), (2, 3, 3, 3, 2), dict(padding=1)),
    ]
    up = [
        ((1, 1, 1, 1, 3), (3, 4, 4, 4, 2), dict()),
        ((1, 2, 2, 2, 2), (2, 4, 4, 4, 2), dict(stride=2, padding=1)),
        ((1, 2, 2, 2, 2), (2, 4, 4, 4, 1), dict(stride=2, padding=1)),
        ((1, 2, 1, 2, 2), (2, 3, 3, 3, 1), dict(stride=2, padding=1, output_padding=1)),
        ((1, 3, 2, 2, 1), (1, 3, 3, 3, 2), dict(padding=1)),
        ((1, 2, 2, 2, 2), (2, 1, 1, 1, 2), dict(stride=2, output_padding=1)),
        ((1, 2, 2, 2, 1), (1, 2, 2, 2, 2), dict(stride=(3, 1, 2))),
        ((1, 2, 3, 2, 2), (2, 2, 2, 2, 1), dict(dilation=(2, 1, 2))),
        ((1, 2, 2, 2, 4), (4, 3, 3, 3, 1), dict(groups=2, padding=1, stride=2, output_padding=(1, 0, 1))),
        ((1, 2, 2, 2, 3), (3, 4, 2, 2, 1), dict(groups=3, stride=2, padding=(1, 0, 0))),
        ((2, 2, 1, 1, 2), (2, 4, 1, 1, 3), dict(stride=(2, 1, 1), padding=(1, 0, 0))),
    ]
    write("conv3d", 23, (("conv3d", F.conv3d, down), ("convTranspose3d", F.conv_transpose3d, up)))


def padding_modes():
    """Convolutions whose input is padded by something else than zeros, as torch.nn.Conv does it."""
    torch.manual_seed(24)
    result = []
    for rank, layer in ((1, torch.nn.Conv1d), (2, torch.nn.Conv2d), (3, torch.nn.Conv3d)):
        for mode in ("reflect", "replicate", "circular"):
            for kernel, padding in ((3, 1), (4, 2), (3, "same")):
                module = layer(2, 3, kernel, padding=padding, padding_mode=mode).double()

                def f(x, w, b):
                    return channels_last(torch.func.functional_call(module, {"weight": channels_first(w), "bias": b},
                                                                    channels_first(x)))

                sides = (5, 4, 3)[3 - rank:]
                inputs = {"x": randn(1, *sides, 2), "w": randn(3, *[kernel] * rank, 2), "b": randn(3)}
                found = derivatives(f, inputs)
                result.append({"rank": rank, "kernel": kernel, "padding": padding, "paddingMode": mode, **found})
    save("conv_padding", result)


WRITERS = (conv1d, conv2d, conv3d, padding_modes)
