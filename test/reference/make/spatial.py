"""What the spatial ops must reproduce: pooling, resizing, borders, pixel shuffle, grids, upfirdn2d, image similarities."""

import math

import torch
import torch.nn.functional as F

from .common import derivatives, nchw, nhwc, randn, save


def channels_first(x):
    return x.movedim(-1, 1)


def channels_last(x):
    return x.movedim(1, -1)


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def case(op, f, shape, options, scale=1.0):
    found = derivatives(lambda x: channels_last(f(channels_first(x), **options)), {"x": randn(*shape, scale=scale)})
    return {"op": op, "options": {camel(k): v for k, v in options.items()}, **found}


# ---- pooling ----

def pool():
    torch.manual_seed(11)
    result = []
    shapes = {1: (2, 9, 2), 2: (1, 7, 6, 2), 3: (1, 5, 4, 3, 1)}
    options = [
        dict(kernel_size=2),
        dict(kernel_size=3, stride=1, padding=1),
        dict(kernel_size=3, stride=2, padding=1),
        dict(kernel_size=3, stride=2, padding=1, ceil_mode=True),
        dict(kernel_size=2, stride=3, ceil_mode=True),
        dict(kernel_size=1, stride=2),
    ]
    for n, shape in shapes.items():
        maximum, average = getattr(F, f"max_pool{n}d"), getattr(F, f"avg_pool{n}d")
        for o in options:
            result.append(case(f"maxPool{n}d", maximum, shape, o, 3))
            result.append(case(f"avgPool{n}d", average, shape, o))
            if o.get("padding") or o.get("ceil_mode"):
                result.append(case(f"avgPool{n}d", average, shape, o | dict(count_include_pad=False)))
        result.append(case(f"maxPool{n}d", maximum, shape, dict(kernel_size=2, stride=1, dilation=2, padding=1), 3))
        adaptive_average, adaptive_max = getattr(F, f"adaptive_avg_pool{n}d"), getattr(F, f"adaptive_max_pool{n}d")
        for size in (1, 2, 3):
            result.append(case(f"adaptiveAvgPool{n}d", adaptive_average, shape, dict(output_size=[size] * n)))
            result.append(case(f"adaptiveMaxPool{n}d", adaptive_max, shape, dict(output_size=[size] * n), 3))
    for kernel, stride, padding in (([3, 2], [2, 1], [1, 0]), ([1, 4], [1, 2], [0, 2])):
        o = dict(kernel_size=kernel, stride=stride, padding=padding)
        result.append(case("maxPool2d", F.max_pool2d, shapes[2], o, 3))
        result.append(case("avgPool2d", F.avg_pool2d, shapes[2], o))
    result.append(case("adaptiveAvgPool2d", F.adaptive_avg_pool2d, shapes[2], dict(output_size=[9, 4])))
    save("pool", result)


# ---- resizing ----

def resize():
    torch.manual_seed(12)
    result = []

    def add(shape, **options):
        torch_mode = {("bilinear", 3): "linear", ("bilinear", 5): "trilinear"}

        def f(x, mode, **rest):
            return F.interpolate(x, mode=torch_mode.get((mode, x.dim()), mode), **rest)

        result.append(case("resize", f, shape, options))

    image = (1, 5, 4, 2)
    for mode in ("nearest", "nearest-exact"):
        for size in ([10, 8], [3, 7], [5, 2], [1, 1]):
            add(image, mode=mode, size=size)
        for factor in (2.0, 0.6, 1.7, [1.5, 3.0]):
            add(image, mode=mode, scale_factor=factor)
        add((2, 7, 3), mode=mode, size=[11])
        add((1, 3, 2, 3, 2), mode=mode, size=[2, 5, 4])
    for mode in ("bilinear", "bicubic"):
        for align in (False, True):
            for size in ([10, 8], [3, 7], [5, 2], [1, 6]):
                add(image, mode=mode, size=size, align_corners=align)
            for size in ([3, 2], [8, 2], [2, 9], [1, 3]):
                add((1, 7, 6, 2), mode=mode, size=size, align_corners=align, antialias=True)
        for factor in (2.0, 0.6, 1.7, [1.5, 3.0]):
            add(image, mode=mode, scale_factor=factor)
        add((1, 7, 6, 2), mode=mode, scale_factor=0.45, antialias=True)
    for align in (False, True):
        add((2, 7, 3), mode="bilinear", size=[11], align_corners=align)
        add((2, 7, 3), mode="bilinear", size=[4], align_corners=align)
        add((1, 3, 2, 3, 2), mode="bilinear", size=[2, 5, 4], align_corners=align)
    save("resize", result)


# ---- borders and rearrangement ----

def border():
    torch.manual_seed(13)
    result = []
    shapes = {(2, 5, 3): [(1, 2), (4, 0)], (2, 4, 3, 2): [(1, 2, 3, 0), (2, 2, 1, 1)], (1, 3, 4, 3, 2): [(1, 2, 0, 1, 2, 0)]}
    for shape, paddings in shapes.items():
        for pads in paddings:
            for mode in ("reflect", "replicate", "circular"):
                # PyTorch lists the last axis first.
                pairs = [pads[i : i + 2] for i in range(0, len(pads), 2)][::-1]
                found = case("pad", lambda x, mode: F.pad(x, pads, mode=mode), shape, dict(mode=mode))
                found["options"]["padding"] = [[0, 0], *[list(p) for p in pairs], [0, 0]]
                result.append(found)
    for shape, factor in (((2, 2, 3, 8), 2), ((1, 1, 2, 18), 3), ((1, 2, 2, 3), 1)):
        result.append(case("pixelShuffle", F.pixel_shuffle, shape, dict(upscale_factor=factor)))
    for shape, factor in (((2, 4, 6, 2), 2), ((1, 3, 6, 1), 3)):
        result.append(case("pixelUnshuffle", F.pixel_unshuffle, shape, dict(downscale_factor=factor)))
    save("border", result)


# ---- grids ----

def grid_formula(x, grid, mode, padding, align):
    """grid_sample in single ops, because PyTorch has no second derivative of its own."""
    n, c, height, width = x.shape

    def place(g, size):
        p = (g + 1) / 2 * (size - 1) if align else ((g + 1) * size - 1) / 2
        if padding == "reflection":
            low, span = (0, size - 1) if align else (-0.5, size)
            inside = (p - low).abs()
            flips = torch.floor(inside / span)
            rest = inside - flips * span
            p = torch.where(flips % 2 == 0, rest, span - rest) + low
        return p if padding == "zeros" else p.clamp(0, size - 1)

    def pixels(rows, columns):
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        at = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).long().reshape(n, 1, -1)
        found = x.reshape(n, c, -1).gather(2, at.expand(n, c, at.shape[2]))
        return found.reshape(n, c, *rows.shape[1:]) * seen[:, None]

    px, py = place(grid[..., 0], width), place(grid[..., 1], height)
    if mode == "nearest":
        return pixels(py.round(), px.round()) + 0 * (px + py)[:, None]
    left, top = px.floor().detach(), py.floor().detach()
    tx, ty = (px - left)[:, None], (py - top)[:, None]
    upper = pixels(top, left) * (1 - tx) + pixels(top, left + 1) * tx
    lower = pixels(top + 1, left) * (1 - tx) + pixels(top + 1, left + 1) * tx
    return upper * (1 - ty) + lower * ty


def grid():
    torch.manual_seed(14)
    result = []
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for align in (False, True):
                def f(x, grid):
                    y = grid_formula(nchw(x), grid, mode, padding, align)
                    theirs = F.grid_sample(nchw(x), grid, mode=mode, padding_mode=padding, align_corners=align)
                    assert torch.allclose(y, theirs, atol=1e-12)
                    return nhwc(y)

                for shape, out in (((2, 4, 3, 2), (2, 3)), ((1, 5, 6, 3), (3, 2))):
                    options = dict(mode=mode, paddingMode=padding, alignCorners=align)
                    inputs = {"x": randn(*shape), "grid": randn(shape[0], *out, 2, scale=0.9)}
                    result.append({"op": "gridSample", "options": options, **derivatives(f, inputs)})
    for align in (False, True):
        for size in ((3, 4), (1, 2)):
            f = lambda theta: F.affine_grid(theta, (2, 1, *size), align_corners=align)
            found = derivatives(f, {"theta": randn(2, 2, 3)})
            result.append({"op": "affineGrid", "options": dict(size=list(size), alignCorners=align), **found})
    # The whole way of an augmentation: a rotated and scaled image.
    for angle, zoom in ((0.3, 1.1), (2.0, 0.6)):
        c, s = math.cos(angle) * zoom, math.sin(angle) * zoom
        theta = torch.tensor([[[c, -s, 0.1], [s, c, -0.2]]], dtype=torch.float32).double()

        def f(x):
            places = F.affine_grid(theta, (1, 1, 6, 5), align_corners=False)
            return nhwc(grid_formula(nchw(x), places, "bilinear", "zeros", False))

        found = derivatives(f, {"x": randn(1, 6, 5, 2)})
        result.append({"op": "rotate", "options": dict(theta=theta), **found})
    save("grid", result)


# ---- upfirdn2d ----

def upfirdn2d_ref(x, f, up=1, down=1, padding=0, flip=False, gain=1):
    """The reference implementation of StyleGAN2 (NVlabs/stylegan2-ada-pytorch, torch_utils/ops/upfirdn2d.py)."""
    ux, uy = (up[1], up[0]) if isinstance(up, list) else (up, up)
    dx, dy = (down[1], down[0]) if isinstance(down, list) else (down, down)
    pads = padding if isinstance(padding, list) else [padding, padding]
    top, bottom, left, right = pads if len(pads) == 4 else (pads[0], pads[0], pads[1], pads[1])
    n, c, height, width = x.shape
    x = F.pad(x.reshape(n, c, height, 1, width, 1), [0, ux - 1, 0, 0, 0, uy - 1]).reshape(n, c, height * uy, width * ux)
    x = F.pad(x, [max(left, 0), max(right, 0), max(top, 0), max(bottom, 0)])
    x = x[:, :, max(-top, 0) : x.shape[2] - max(-bottom, 0), max(-left, 0) : x.shape[3] - max(-right, 0)]
    f = f * (gain ** (f.dim() / 2))
    if not flip:
        f = f.flip(list(range(f.dim())))
    f = f[None, None].expand(c, 1, *f.shape)
    if f.dim() == 4:
        x = F.conv2d(x, f, groups=c)
    else:
        x = F.conv2d(x, f.unsqueeze(2), groups=c)
        x = F.conv2d(x, f.unsqueeze(3), groups=c)
    return x[:, :, ::dy, ::dx]


def upfirdn():
    torch.manual_seed(15)
    result = []
    binomial, slanted = [1.0, 3.0, 3.0, 1.0], [1.0, -2.0, 0.5]
    product = [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [0.5, 1.0, 0.5]]
    round_filter = [[0.0, 1.0, 0.5], [1.0, -4.0, 1.0], [0.25, 1.0, 0.0], [1.0, 0.0, 0.0]]
    options = [
        dict(),
        dict(padding=1, gain=2.0),
        dict(up=2, padding=[2, 1, 2, 1], gain=4.0),
        dict(down=2, padding=1),
        dict(up=[2, 3], down=[3, 1], padding=[3, 2, 1, 2]),
        dict(up=2, padding=[-1, 2, 1, -2]),
        dict(up=3, down=2, padding=2, flip=True),
        dict(padding=[-1, 0], flip=True, gain=0.5),
    ]
    for f in (binomial, slanted, product, round_filter):
        taps = torch.tensor(f, dtype=torch.float64)
        for o in options:
            found = case("upfirdn2d", lambda x, **rest: upfirdn2d_ref(x, taps, **rest), (1, 6, 5, 2), o)
            found["options"]["filter"] = f
            result.append(found)
    normal = torch.tensor(binomial, dtype=torch.float64) / 8
    n = len(binomial)
    for name, o in {
        "filter2d": dict(padding=[n // 2, (n - 1) // 2] * 2),
        "upsample2d": dict(up=2, padding=[(n + 1) // 2, (n - 2) // 2] * 2, gain=4),
        "downsample2d": dict(down=2, padding=[(n - 1) // 2, (n - 2) // 2] * 2),
    }.items():
        found = case(name, lambda x, **rest: upfirdn2d_ref(x, normal, **rest), (1, 6, 8, 2), o)
        found["options"] = dict(filter=[v / 8 for v in binomial])
        result.append(found)

    def blur(x, sigma, size):
        t = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        taps = torch.exp(-(t**2) / (2 * sigma**2))
        half = (size - 1) // 2
        return upfirdn2d_ref(F.pad(x, [half] * 4, mode="reflect"), taps / taps.sum())

    for sigma, size in ((0.8, 5), (1.5, 3), (0.3, 7)):
        found = case("gaussianBlur", lambda x: blur(x, sigma, size), (2, 5, 6, 2), dict())
        found["options"] = dict(sigma=sigma, kernelSize=size)
        result.append(found)
    save("upfirdn", result)


# ---- similarities and losses of images ----

def ssim_parts(a, b, data_range, sigma=1.5, size=11, k1=0.01, k2=0.03):
    """Wang et al. 2004 over the windows inside the image; per image, with the contrast-structure part."""
    t = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    g = torch.exp(-(t**2) / (2 * sigma**2))
    window = torch.outer(g, g) / g.sum() ** 2
    c = a.shape[1]
    mean = lambda x: F.conv2d(x, window.expand(c, 1, size, size), groups=c)
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    contrast = (2 * cov + c2) / (va + vb + c2)
    full = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1) * contrast
    return full.mean((1, 2, 3)), contrast.mean((1, 2, 3))


def ms_ssim(a, b, betas, **options):
    product = 1
    for i, beta in enumerate(betas):
        if i:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        full, contrast = ssim_parts(a, b, **options)
        product = product * torch.relu(full if i == len(betas) - 1 else contrast) ** beta
    return product


def image():
    torch.manual_seed(16)
    result = []

    def add(op, f, shape, **options):
        a = randn(*shape, scale=0.4)
        b = (a.detach() * 0.7 + randn(*shape, scale=0.15).detach()).float().double().requires_grad_()
        result.append({"op": op, "options": options, **derivatives(lambda a, b: f(nchw(a), nchw(b)), {"a": a, "b": b})})

    for size, sigma, span in ((11, 1.5, 2.0), (7, 1.0, 1.0), (3, 0.5, 2.0)):
        f = lambda a, b: ssim_parts(a, b, span, sigma, size)[0]
        add("ssim", f, (2, size + 1, size + 2, 2), dataRange=span, sigma=sigma, kernelSize=size, reduction="none")
    add("ssim", lambda a, b: ssim_parts(a, b, 2.0, k1=0.05, k2=0.1)[0].mean(), (2, 12, 11, 1), dataRange=2.0, k1=0.05, k2=0.1)
    for betas in ([0.3, 0.7], [0.2, 0.3, 0.5]):
        options = dict(data_range=2.0, sigma=0.8, size=3)
        stored = dict(dataRange=2.0, sigma=0.8, kernelSize=3, betas=betas)
        add("msSsim", lambda a, b: ms_ssim(a, b, betas, **options), (2, 13, 12, 1), **stored, reduction="none")

    def steps(x):
        return x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]

    def total_variation(a, b):
        return sum(d.abs().sum((1, 2, 3)) for d in steps(a * b))

    def gradient_difference(a, b, alpha):
        return sum((da.abs() - db.abs()).abs().pow(alpha).sum((1, 2, 3)) for da, db in zip(steps(a), steps(b)))

    add("totalVariation", lambda a, b: total_variation(a, b).mean(), (2, 4, 5, 2))
    add("totalVariation", total_variation, (3, 1, 4, 1), reduction="none")
    for alpha in (1, 2, 1.5):
        add("gradientDifference", lambda a, b: gradient_difference(a, b, alpha).mean(), (2, 4, 3, 2), alpha=alpha)
    save("image", result)


WRITERS = (pool, resize, border, grid, upfirdn, image)
