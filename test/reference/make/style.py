"""StyleGAN2 and progressive growing, tiny: images, logits, and the gradients of both sides' losses with their penalties."""

import torch
import torch.nn.functional as F

from .blocks import conv_resample, fir, minibatch_stddev, modulated_conv2d, pixel_norm, upfirdn2d
from .common import conv2d, nchw, nhwc, randn, save

FILTER = fir(1, 3, 3, 1)
LEAKY = dict(activation="leakyRelu", gain=2**0.5)


def leaky(x, gain=2**0.5):
    return F.leaky_relu(x, 0.2) * gain


def linear(p, name, x, rate=1.0):
    w = p[name + ".weight"]
    return x @ w.T * (rate / w.shape[1] ** 0.5) + p[name + ".bias"] * rate


def conv(p, name, x, down=1):
    w = p[name + ".weight"]
    y = conv_resample(x, w * (w[0].numel() ** -0.5), FILTER, down=down, padding=w.shape[1] // 2)
    return y + p[name + ".bias"] if name + ".bias" in p else y


def along(parameters, loss):
    """The gradient by name, 0 where the loss does not depend on a parameter."""
    grads = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, retain_graph=True)
    return {k: torch.zeros_like(p) if g is None else g for (k, p), g in zip(parameters.items(), grads)}


# ---- StyleGAN2 ----

LAYERS = ("blocks.0.convolution", "blocks.1.up", "blocks.1.convolution")
CHANNELS, BASE, FULL, COLOURS, Z, W, CLASSES = (4, 3), (3, 4), (6, 8), 2, 5, 4, 3


def mapping_parameters(inputs, size):
    p = {"mapping.embedding.weight": randn(CLASSES, size)}
    for i, width in enumerate((inputs + size, size)):
        p[f"mapping.linears.{i}.weight"] = randn(size, width, scale=100)
        p[f"mapping.linears.{i}.bias"] = randn(size, scale=30)
    return p


def mapping(p, z, labels):
    parts = [] if z is None else [pixel_norm(z, 1e-8)]
    x = torch.cat([*parts, pixel_norm(p["mapping.embedding.weight"][labels], 1e-8)], 1)
    for i in range(2):
        x = leaky(linear(p, f"mapping.linears.{i}", x, 0.01))
    return x


def style_parameters():
    a, b = CHANNELS
    p = {"constant": randn(1, *BASE, a), **mapping_parameters(Z, W)}
    for name, size, shape in zip(LAYERS, (BASE, FULL, FULL), ((a, 3, 3, a), (b, 3, 3, a), (b, 3, 3, b))):
        p[name + ".convolution.weight"] = randn(*shape)
        p[name + ".convolution.bias"] = randn(shape[0], scale=0.3)
        p[name + ".convolution.noiseStrength"] = randn(1, scale=0.3).detach()[0].requires_grad_()
        p[name + ".convolution.affine.weight"] = randn(shape[3], W)
        p[name + ".convolution.affine.bias"] = randn(shape[3], scale=0.3, shift=1)
        p[name + ".noise"] = randn(1, *size)
    for i, c in enumerate(CHANNELS):
        p[f"blocks.{i}.toRGB.weight"] = randn(COLOURS, 1, 1, c, scale=0.1)
        p[f"blocks.{i}.toRGB.bias"] = randn(COLOURS, scale=0.1)
        p[f"blocks.{i}.toRGB.affine.weight"] = randn(c, W)
        p[f"blocks.{i}.toRGB.affine.bias"] = randn(c, shift=1)
    return p


def synthesis(p, w):
    """w [n, 4, W]."""
    def layer(name, x, style, up):
        q = name + ".convolution."
        s = linear(p, q + "affine", style)
        noise = p[name + ".noise"] * p[q + "noiseStrength"]
        return modulated_conv2d(x, p[q + "weight"], s, noise, p[q + "bias"], f=FILTER, up=up, padding=1, **LEAKY)

    def colours(i, x, style):
        q = f"blocks.{i}.toRGB."
        s = linear(p, q + "affine", style) * x.shape[3] ** -0.5
        return modulated_conv2d(x, p[q + "weight"], s, None, p[q + "bias"], f=FILTER, demodulate=False)

    x = layer(LAYERS[0], p["constant"].repeat(w.shape[0], 1, 1, 1), w[:, 0], 1)
    image = colours(0, x, w[:, 1])
    x = layer(LAYERS[2], layer(LAYERS[1], x, w[:, 1], 2), w[:, 2], 1)
    # (taps + up - 1) // 2 and (taps - up) // 2 around the enlarged image.
    enlarged = upfirdn2d(image, FILTER, up=2, padding=(2, 1, 2, 1), gain=4.0)
    return enlarged + colours(1, x, w[:, 3])


def top_parameters(area):
    a = CHANNELS[0]
    return {
        "top.convolution.weight": randn(a, 3, 3, a + 1), "top.convolution.bias": randn(a, scale=0.3),
        "top.linear.weight": randn(a, area * a), "top.linear.bias": randn(a, scale=0.3),
    }


def top(p, x):
    y = leaky(conv(p, "top.convolution", minibatch_stddev(x, min(4, x.shape[0]), 1)))
    return leaky(linear(p, "top.linear", y.reshape(x.shape[0], -1)))


def judge_parameters():
    a, b = CHANNELS
    p = {"fromRGB.weight": randn(b, 1, 1, COLOURS), "fromRGB.bias": randn(b, scale=0.3)}
    p |= {"blocks.0.first.weight": randn(b, 3, 3, b), "blocks.0.first.bias": randn(b, scale=0.3)}
    p |= {"blocks.0.second.weight": randn(a, 3, 3, b), "blocks.0.second.bias": randn(a, scale=0.3)}
    p |= {"blocks.0.skip.weight": randn(a, 1, 1, b), **top_parameters(BASE[0] * BASE[1])}
    return p | {"output.weight": randn(a, a), "output.bias": randn(a, scale=0.3), **mapping_parameters(0, a)}


def judge(p, x, labels):
    y = leaky(conv(p, "fromRGB", x))
    y = conv(p, "blocks.0.skip", y, down=2) * 0.5**0.5 + leaky(
        conv(p, "blocks.0.second", leaky(conv(p, "blocks.0.first", y)), down=2), 1.0
    )
    f = linear(p, "output", top(p, y))
    return (f * mapping(p, None, labels)).sum(1, keepdim=True) / f.shape[1] ** 0.5


def stylegan2():
    torch.manual_seed(31)
    g, d = style_parameters(), judge_parameters()
    trained = {k: v for k, v in g.items() if not k.endswith(".noise")}
    z, labels = randn(4, Z), torch.tensor([0, 2, 1, 2])
    real, y = randn(4, *FULL, COLOURS), randn(4, *FULL, COLOURS)
    w = mapping(g, z, labels)[:, None].repeat(1, 4, 1)
    fake = synthesis(g, w)
    assert fake.abs().max() < 1  # evaluation clamps
    real_logits, fake_logits = judge(d, real, labels), judge(d, fake, labels)
    loss_d = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    (slope,) = torch.autograd.grad(real_logits.sum(), [real], create_graph=True)
    r1 = slope.square().sum((1, 2, 3)).mean() * (2.5 / 2)
    loss_g = F.softplus(-fake_logits).mean()
    pixels = FULL[0] * FULL[1]
    (slope,) = torch.autograd.grad((fake * y).sum() / pixels**0.5, [w], create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()
    before = torch.tensor(0.125, dtype=torch.float64)
    average = before + 0.01 * (lengths.mean() - before)
    path = (lengths - average).square().mean() * 2
    save("stylegan2", {
        "generator": g, "discriminator": d, "z": z, "labels": labels.tolist(), "real": real, "noise": y,
        "w": w[:, 0], "fake": fake, "realLogits": real_logits, "fakeLogits": fake_logits,
        "lossD": loss_d, "r1": r1, "lossG": loss_g, "average": before, "averageAfter": average, "path": path,
        "gradsD": along(d, loss_d), "gradsR1": along(d, r1),
        "gradsG": along(trained, loss_g), "gradsPath": along(trained, path),
    })


# ---- progressive growing ----

WIDTHS, SIZES = (4, 4, 3), ((3, 4), (6, 8), (12, 16))


def enlarge(x):
    return x.repeat_interleave(2, 1).repeat_interleave(2, 2)


def shrink(x):
    return nhwc(F.avg_pool2d(nchw(x), 2))


def progressive_parameters():
    area = SIZES[0][0] * SIZES[0][1]

    def layer(name, *shape):
        return {name + ".weight": randn(*shape), name + ".bias": randn(shape[0], scale=0.3)}

    g = layer("base.first", area * WIDTHS[0], Z) | layer("base.second", WIDTHS[0], 3, 3, WIDTHS[0])
    d = {}
    for i, (a, b) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        g |= layer(f"blocks.{i}.first", b, 3, 3, a) | layer(f"blocks.{i}.second", b, 3, 3, b)
        d |= layer(f"blocks.{i}.first", b, 3, 3, b) | layer(f"blocks.{i}.second", a, 3, 3, b)
    for i, c in enumerate(WIDTHS):
        g |= layer(f"toRGB.{i}", COLOURS, 1, 1, c)
        d |= layer(f"fromRGB.{i}", c, 1, 1, COLOURS)
    return g, d | top_parameters(area) | layer("output", 1, WIDTHS[0])


def grow(p, z, shares):
    """The authors' "linear" structure: every level, each mixed with the ones below."""
    x = pixel_norm(leaky(linear(p, "base.first", pixel_norm(z, 1e-8))).reshape(-1, *SIZES[0], WIDTHS[0]), 1e-8)
    x = pixel_norm(leaky(conv(p, "base.second", x)), 1e-8)
    image = conv(p, "toRGB.0", x)
    for i, share in enumerate(shares):
        x = pixel_norm(leaky(conv(p, f"blocks.{i}.first", enlarge(x))), 1e-8)
        x = pixel_norm(leaky(conv(p, f"blocks.{i}.second", x)), 1e-8)
        image = enlarge(image) * (1 - share) + conv(p, f"toRGB.{i + 1}", x) * share
    return image


def criticise(p, x, shares):
    y = leaky(conv(p, f"fromRGB.{len(shares)}", x))
    for i in reversed(range(len(shares))):
        y = leaky(conv(p, f"blocks.{i}.second", leaky(conv(p, f"blocks.{i}.first", y))))
        x, y = shrink(x), shrink(y)
        y = leaky(conv(p, f"fromRGB.{i}", x)) * (1 - shares[i]) + y * shares[i]
    return linear(p, "output", top(p, y))


def progressive():
    torch.manual_seed(32)
    g, d = progressive_parameters()
    z, real = randn(2, Z), randn(2, *SIZES[-1], COLOURS)
    result = {"generator": g, "discriminator": d, "z": z, "real": real, "cases": []}
    # stableSteps 2 and fadeSteps 4: level 1 fades in from step 2, level 2 from step 8.
    for steps, level, shares in ((3, 1, (0.25, 0.0)), (7, 1, (1.0, 0.0)), (11, 2, (1.0, 0.75))):
        whole = grow(g, z, shares)
        fake = grow(g, z, shares[:level])
        seen = real
        for _ in range(2 - level):
            seen = shrink(seen)
        share = shares[level - 1]
        seen = enlarge(shrink(seen)) * (1 - share) + seen * share
        mixed = (0.25 * seen + 0.75 * fake).detach().float().double().requires_grad_()
        real_logits, fake_logits = (criticise(d, x, shares[:level]) for x in (seen, fake))
        # The penalty is on the gradient by an image of full size, where each pixel of this level is 4^m pixels.
        factor = 2.0 ** (2 - level)
        (slope,) = torch.autograd.grad(criticise(d, mixed, shares[:level]).sum(), [mixed], create_graph=True)
        norms = slope.square().sum((1, 2, 3)).sqrt() / factor
        penalty = 10 * (norms - 1).square().mean()
        loss = fake_logits.mean() - real_logits.mean() + penalty + 0.5 * real_logits.square().mean()
        result["cases"].append({
            "steps": steps, "level": level, "whole": whole, "fake": fake, "seen": seen, "mixed": mixed,
            "realLogits": real_logits, "wholeLogits": criticise(d, real, shares), "penalty": penalty, "lossD": loss,
            "lossG": -fake_logits.mean(), "gradsD": along(d, loss), "gradsG": along(g, -fake_logits.mean()),
        })
    save("progressive", result)


WRITERS = (stylegan2, progressive)
