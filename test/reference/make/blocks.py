"""Normalisations, StyleGAN's and SNGAN's blocks, minibatch layers, and gradient penalties through all of them."""

import torch
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

from .common import ACTIVATIONS, conv2d, conv_transpose2d, derivatives, instance_norm, layer_norm, nchw, nhwc, randn, save


def finish(z, activation="none", gain=1.0, clamp=None):
    y = ACTIVATIONS[activation](z) * gain
    return y if clamp is None else y.clamp(-clamp, clamp)


def group_norm(x, groups, gamma, beta, eps):
    channels_first = x.movedim(-1, 1)
    return F.group_norm(channels_first, groups, gamma, beta, eps).movedim(1, -1)


def per_sample(p, x):
    return p.reshape(p.shape[0], *[1] * (x.dim() - 2), p.shape[1])


def ada_in(x, gamma, beta, eps):
    # Written out: for one image, instance_norm (2.13) gives a wrong gradient where the incoming one is not contiguous.
    axes = tuple(range(1, x.dim() - 1))
    centred = x - x.mean(axes, keepdim=True)
    normalised = centred / torch.sqrt(centred.square().mean(axes, keepdim=True) + eps)
    assert torch.allclose(normalised, F.instance_norm(x.movedim(-1, 1), eps=eps).movedim(1, -1))
    return normalised * per_sample(gamma, x) + per_sample(beta, x)


def conditional_batch_norm(x, gamma, beta, eps):
    normalised = F.batch_norm(x.movedim(-1, 1), None, None, training=True, eps=eps).movedim(1, -1)
    return normalised * per_sample(gamma, x) + per_sample(beta, x)


def pixel_norm(x, eps):
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt()


def norms():
    torch.manual_seed(11)
    eps, result = 1e-5, []

    def add(op, f, inputs, **attrs):
        result.append({"op": op, "attrs": attrs, **derivatives(f, inputs)})

    def inputs(shape, parameter):
        return {
            "x": randn(*shape, scale=2, shift=0.5),
            "gamma": randn(*parameter, scale=0.5, shift=1),
            "beta": randn(*parameter, scale=0.5),
        }

    for activation, act in ACTIVATIONS.items():
        add("groupNorm", lambda x, g, b: act(group_norm(x, 2, g, b, eps)), inputs((2, 2, 3, 4), (4,)),
            groups=2, activation=activation)
        add("adaIN", lambda x, g, b: act(ada_in(x, g, b, eps)), inputs((2, 3, 2, 3), (2, 3)), activation=activation)
        add("conditionalBatchNorm", lambda x, g, b: act(conditional_batch_norm(x, g, b, eps)),
            inputs((3, 2, 2, 3), (3, 3)), activation=activation)
    for shape, groups in (((1, 3, 3, 6), 3), ((2, 5, 6), 6), ((3, 8), 1), ((1, 3, 1, 1), 1), ((2, 3, 5, 4), 4)):
        add("groupNorm", lambda x, g, b: group_norm(x, groups, g, b, eps), inputs(shape, shape[-1:]),
            groups=groups, activation="none")
    for shape in ((1, 3, 5, 2), (4, 3, 1), (2, 2, 3, 2, 2)):
        add("adaIN", lambda x, g, b: ada_in(x, g, b, eps), inputs(shape, (shape[0], shape[-1])), activation="none")
        add("conditionalBatchNorm", lambda x, g, b: conditional_batch_norm(x, g, b, eps),
            inputs(shape, (shape[0], shape[-1])), activation="none")
    for shape, small in (((2, 3, 3, 4), 1e-8), ((5, 7), 1e-8), ((3, 1), 0.1), ((1, 2, 2, 17), 1e-3), ((6,), 1e-8)):
        add("pixelNorm", lambda x: pixel_norm(x, small), {"x": randn(*shape)}, eps=small)
    for activation in ACTIVATIONS:
        for gain, clamp in ((2**0.5, None), (1.5, 0.7)):
            add("biasAct", lambda x, b: finish(x + b, activation, gain, clamp), {"x": randn(3, 2, 5), "b": randn(5)},
                activation=activation, gain=gain, **({} if clamp is None else {"clamp": clamp}))
    save("blocks_norm", result)


# ---- StyleGAN2: the definitions of upfirdn2d, conv2d_resample and modulated_conv2d, without their fast paths ----

def upfirdn2d(x, f, up=1, down=1, padding=(0, 0, 0, 0), gain=1.0):
    """x NHWC; f one-dimensional taps, applied along both axes as a convolution."""
    n, h, w, c = x.shape
    grown = torch.stack([x] + [torch.zeros_like(x)] * (up - 1), 2).reshape(n, h * up, w, c)
    grown = torch.stack([grown] + [torch.zeros_like(grown)] * (up - 1), 3).reshape(n, h * up, w * up, c)
    top, bottom, left, right = padding
    padded = F.pad(nchw(grown), (left, right, top, bottom))
    taps = (f[:, None] * f[None, :] * gain).flip(0, 1)[None, None].repeat(c, 1, 1, 1)
    return nhwc(F.conv2d(padded, taps, groups=c)[:, :, ::down, ::down])


def conv_resample(x, w, f, up=1, down=1, padding=0):
    taps, k = len(f), w.shape[1]
    before = after = padding
    if up > 1:
        before, after = before + (taps + up - 1) // 2, after + (taps - up) // 2
    if down > 1:
        before, after = before + (taps - down + 1) // 2, after + (taps - down) // 2
    if up == 1 and down == 1:
        return conv2d(x, w, padding=padding)
    filtered = upfirdn2d(x, f, up=up, padding=(before, after) * 2, gain=float(up**2))
    if up > 1:
        w = w.flip(1, 2)
    return conv2d(filtered, w, stride=down)


def modulated_conv2d(x, w, s, noise=None, bias=None, *, f, demodulate=True, up=1, down=1, padding=0, gain_in=1.0, **end):
    """One weight per sample, as in the paper (equations 1 to 3)."""
    weights = w[None] * s[:, None, None, None, :]
    if demodulate:
        weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    weights = weights * gain_in
    y = torch.cat([conv_resample(x[i : i + 1], weights[i], f, up, down, padding) for i in range(x.shape[0])])
    if noise is not None:
        y = y + noise[..., None]
    if bias is not None:
        y = y + bias
    return finish(y, **end)


def fir(*taps):
    f = torch.tensor(taps, dtype=torch.float64)
    return f / f.sum()


FIRS = {"1331": [1, 3, 3, 1], "121": [1, 2, 1], "12": [1, 2]}


def modulated():
    torch.manual_seed(12)
    result = []

    def add(x, w, noise=None, bias=False, taps="1331", **options):
        inputs = {"x": randn(*x), "w": randn(*w, scale=0.5), "styles": randn(x[0], x[3], scale=0.5, shift=1)}
        if noise is not None:
            inputs["noise"] = randn(*noise, scale=0.5)
        if bias:
            inputs["bias"] = randn(w[0])
        names = list(inputs)[3:]
        f = fir(*FIRS[taps])
        padding = options.pop("padding", w[1] // 2)

        def run(x, w, s, *more):
            gain_in = options.get("inputGain", 1.0)
            rest = {k: v for k, v in options.items() if k != "inputGain"}
            return modulated_conv2d(x, w, s, f=f, padding=padding, gain_in=gain_in, **rest, **dict(zip(names, more)))

        found = derivatives(run, inputs)
        result.append({"options": {**options, "padding": padding}, "taps": FIRS[taps], **found})

    leaky = dict(activation="leakyRelu", gain=2**0.5)
    for demodulate in (True, False):
        add((2, 4, 4, 3), (2, 3, 3, 3), demodulate=demodulate)
        add((2, 3, 4, 3), (4, 1, 1, 3), demodulate=demodulate)
        add((2, 3, 3, 2), (3, 3, 3, 2), demodulate=demodulate, up=2)
        add((2, 4, 6, 2), (3, 3, 3, 2), demodulate=demodulate, down=2)
        add((1, 3, 3, 2), (2, 1, 1, 2), demodulate=demodulate, up=2)
        add((2, 4, 4, 2), (3, 1, 1, 2), demodulate=demodulate, down=2)
        add((2, 3, 3, 2), (2, 3, 3, 2), demodulate=demodulate, noise=(2, 3, 3), bias=True, **leaky)
        add((2, 3, 3, 2), (2, 3, 3, 2), demodulate=demodulate, noise=(1, 6, 6), bias=True, up=2, **leaky)
    add((1, 3, 5, 1), (1, 3, 3, 1), demodulate=False)  # demodulation would cancel the only style
    add((3, 1, 1, 4), (2, 3, 3, 4))
    add((2, 3, 3, 2), (2, 3, 3, 2), bias=True, clamp=0.6, **leaky)
    add((2, 3, 3, 2), (2, 3, 3, 2), bias=True, activation="tanh")
    add((2, 4, 4, 2), (2, 3, 3, 2), padding=0)
    add((2, 4, 4, 2), (2, 5, 5, 2), padding=1)
    add((2, 3, 3, 2), (2, 3, 3, 2), inputGain=0.7)
    add((1, 3, 2, 2), (2, 3, 3, 2), up=2, taps="121")
    add((1, 5, 5, 2), (2, 3, 3, 2), down=2, taps="12")
    add((1, 2, 3, 2), (2, 3, 3, 2), up=3)
    add((1, 3, 3, 2), (2, 5, 5, 2), up=2)
    add((1, 4, 4, 2), (2, 3, 3, 2), up=2, down=2)
    save("blocks_modulated", result)


def spectral():
    torch.manual_seed(13)
    result = []
    for layer, shape, steps in (
        (torch.nn.Linear(5, 3), None, 1),
        (torch.nn.Linear(2, 7), None, 4),
        (torch.nn.Linear(1, 1), None, 1),
        (torch.nn.Conv2d(2, 3, 3), "conv", 1),
        (torch.nn.Conv2d(3, 4, 1), "conv", 3),
        (torch.nn.Conv2d(4, 2, (2, 3)), "conv", 2),
        (torch.nn.Conv2d(4, 4, 3, groups=2), "conv", 1),
        (torch.nn.ConvTranspose2d(2, 3, 3), "transposed", 1),
        (torch.nn.ConvTranspose2d(4, 2, 2), "transposed", 5),
        (torch.nn.ConvTranspose2d(3, 3, (1, 2)), "transposed", 2),
        (torch.nn.Conv1d(2, 3, 3), "conv1d", 1),
        (torch.nn.Conv3d(2, 2, 2), "conv3d", 2),
    ):
        layer = layer.double()
        with torch.no_grad():
            layer.weight.copy_(layer.weight.float().double() * 2)
        start = layer.weight.detach().clone()
        spectral_norm(layer)
        p = layer.parametrizations.weight[0]
        u0 = F.normalize(torch.randn(p._u.shape), dim=0).float().double()
        v0 = F.normalize(torch.randn(p._v.shape), dim=0).float().double()
        p._u.copy_(u0)
        p._v.copy_(v0)
        layer.train()
        for _ in range(steps):
            trained = layer.weight
        layer.eval()
        assert torch.allclose(trained, layer.weight)
        u, v = p._u.clone(), p._v.clone()
        # ganvas keeps channels last, so the inputs' singular vector has another order.
        last = (lambda w: w) if shape is None else (lambda w: w.movedim(1, -1))

        def order(v):
            if shape is None or shape == "transposed":
                return v  # [in, ...kernel] already is ganvas's order
            return v.reshape(start.shape[1:]).movedim(0, -1).reshape(-1)

        def normalise(w):
            matrix = w.movedim(-1, 0) if shape == "transposed" else w
            sigma = u @ matrix.reshape(matrix.shape[0], -1) @ order(v)
            return w / sigma

        weight = last(start).contiguous().float().double().requires_grad_()
        assert torch.allclose(normalise(weight), last(trained))
        result.append({
            "layer": shape or "linear", "steps": steps, "u0": u0, "v0": order(v0), "uAfter": u, "vAfter": order(v),
            **derivatives(normalise, {"w": weight}),
        })
    save("blocks_spectral", result)


def minibatch_stddev(x, group, features):
    n, c = x.shape[0], x.shape[-1]
    g = min(group, n)
    y = x.reshape(g, n // g, -1, features, c // features)
    y = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt().mean((1, 3))
    y = y.reshape(1, n // g, *[1] * (x.dim() - 2), features).expand(g, n // g, *x.shape[1:-1], features)
    return torch.cat([x, y.reshape(n, *x.shape[1:-1], features)], -1)


def minibatch_discrimination(x, t):
    m = (x @ t.flatten(1)).reshape(x.shape[0], *t.shape[1:])
    d = (m[:, None] - m[None]).abs().sum(-1)
    return torch.cat([x, torch.exp(-d).sum(1) - 1], 1)


def minibatch():
    # Groups of three or more: the deviation of two numbers is linear, and its second derivative rounding alone.
    torch.manual_seed(14)
    result = []
    for shape, group, features in (
        ((4, 3, 3, 2), 4, 1), ((6, 2, 2, 4), 3, 2), ((6, 2, 3, 3), 3, 1), ((3, 2, 2, 3), 4, 3), ((6, 2, 2, 1), 3, 1),
        ((8, 5), 4, 1), ((4, 1, 1, 6), 4, 2), ((6, 2, 2, 2, 2), 3, 1), ((8, 1, 3, 2), 4, 2), ((5, 3, 2), 5, 1),
    ):
        found = derivatives(lambda x: minibatch_stddev(x, group, features), {"x": randn(*shape)})
        result.append({"op": "minibatchStddev", "options": {"groupSize": group, "features": features}, **found})
    for n, a, b, c in ((4, 3, 2, 3), (2, 5, 4, 1), (1, 3, 2, 2), (6, 2, 1, 2), (3, 4, 17, 2), (8, 2, 3, 5)):
        inputs = {"x": randn(n, a, scale=0.5), "projection": randn(a, b, c, scale=0.5)}
        result.append({"op": "minibatchDiscrimination", "options": {}, **derivatives(minibatch_discrimination, inputs)})
    save("blocks_minibatch", result)


# ---- penalties through whole critics: conv -> block -> leaky ReLU -> dense, the block given by name ----

def critics():
    f = fir(1, 3, 3, 1)
    c = 4
    gamma, beta = (lambda *s: randn(*s, scale=0.3, shift=1)), (lambda *s: randn(*s, scale=0.3))
    return {
        "conv": ({"w": randn(c, 3, 3, c, scale=0.3)}, lambda p, h: conv2d(h, p["w"], padding=1)),
        "strided conv": ({"w": randn(c, 4, 4, c, scale=0.3)}, lambda p, h: conv2d(h, p["w"], stride=2, padding=1)),
        "transposed conv": ({"w": randn(c, 4, 4, 3, scale=0.3)},
                            lambda p, h: conv_transpose2d(h, p["w"], stride=2, padding=1)),
        "layerNorm": ({"gamma": gamma(4, 4, c), "beta": beta(4, 4, c)}, lambda p, h: layer_norm(h, p["gamma"], p["beta"])),
        "instanceNorm": ({"gamma": gamma(c), "beta": beta(c)}, lambda p, h: instance_norm(h, p["gamma"], p["beta"])),
        "groupNorm": ({"gamma": gamma(c), "beta": beta(c)}, lambda p, h: group_norm(h, 2, p["gamma"], p["beta"], 1e-5)),
        "pixelNorm": ({}, lambda p, h: pixel_norm(h, 1e-8)),
        "adaIN": ({"gamma": gamma(2, c), "beta": beta(2, c)}, lambda p, h: ada_in(h, p["gamma"], p["beta"], 1e-5)),
        "conditionalBatchNorm": ({"gamma": gamma(2, c), "beta": beta(2, c)},
                                 lambda p, h: conditional_batch_norm(h, p["gamma"], p["beta"], 1e-5)),
        "spectralNorm": ({"w": randn(c, 3, 3, c, scale=0.3)}, None),
        "modulatedConv": ({"w": randn(c, 3, 3, c), "styles": gamma(2, c), "noise": beta(2, 4, 4), "bias": beta(c)},
                          lambda p, h: modulated_conv2d(h, p["w"], p["styles"], p["noise"], p["bias"], f=f, padding=1,
                                                        activation="leakyRelu", gain=2**0.5)),
        "modulatedConv up": ({"w": randn(3, 3, 3, c), "styles": gamma(2, c)},
                             lambda p, h: modulated_conv2d(h, p["w"], p["styles"], f=f, padding=1, up=2)),
        "upfirdn2d": ({}, lambda p, h: upfirdn2d(h, f, down=2, padding=(1, 1, 1, 1))),
        "minibatchStddev": ({"w": randn(c, 3, 3, c + 1, scale=0.3)},
                            lambda p, h: conv2d(minibatch_stddev(h, 2, 1), p["w"], padding=1)),
        "minibatchDiscrimination": ({"t": randn(4 * 4 * c, 3, 2, scale=0.1)},
                                    lambda p, h: minibatch_discrimination(h.flatten(1), p["t"])),
    }


def penalties():
    torch.manual_seed(15)
    result = []
    for name, (own, block) in critics().items():
        extra = {}
        if name == "spectralNorm":
            matrix = own["w"].detach().reshape(4, -1)
            u, v = (x.float().double() for x in torch.linalg.svd(matrix)[::2])
            u, v = u[:, 0].contiguous(), v[0].contiguous()
            extra = {"u": u, "v": v}

            def block(p, h):
                return conv2d(h, p["w"] / (u @ p["w"].reshape(4, -1) @ v), padding=1)

        first = randn(4, 3, 3, 2, scale=0.4)
        x = randn(2, 4, 4, 2).detach()
        with torch.no_grad():
            size = block(own, conv2d(x, first, padding=1)).flatten(1).shape[1]
        p = {"first": first, **own, "last": randn(size, 1, scale=0.3)}

        def critic(x):
            h = block(p, F.leaky_relu(conv2d(x, p["first"], padding=1), 0.2))
            return torch.tanh(F.leaky_relu(h, 0.2).flatten(1) @ p["last"])

        at = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(at).sum(), [at], create_graph=True)
        norms = slope.flatten(1).square().sum(1)
        for penalty, value in (("slope", 10 * ((norms.sqrt() - 1) ** 2).mean()), ("r1", 10 / 2 * norms.mean())):
            loss = critic(x).mean() + value
            grads = torch.autograd.grad(loss, list(p.values()), retain_graph=True)
            result.append({"critic": name, "penalty": penalty, "x": x, "parameters": p, "value": value, **extra,
                           "grads": dict(zip(p, grads))})
    save("blocks_penalties", result)


def path_lengths():
    """Latents [N, D] or, one per layer, [N, 2, D] -> dense -> two modulated convolutions, one of them up -> images."""
    torch.manual_seed(16)
    f = fir(1, 3, 3, 1)
    result = []
    for layers, before in ((0, 0.0), (0, 0.8), (2, 0.5)):
        n, d, c = 3, 4, 3
        latents = randn(n, layers, d) if layers else randn(n, d)
        p = {
            "dense": randn(d, 2 * 2 * c, scale=0.5), "style1": randn(d, c, scale=0.4), "w1": randn(c, 3, 3, c),
            "bias1": randn(c, scale=0.2), "style2": randn(d, c, scale=0.4), "w2": randn(2, 3, 3, c),
        }

        def synthesise(latents):
            first, second = (latents[:, 0], latents[:, 1]) if layers else (latents, latents)
            h = torch.tanh(first @ p["dense"]).reshape(n, 2, 2, c)
            h = modulated_conv2d(h, p["w1"], first @ p["style1"] + 1, None, p["bias1"], f=f, padding=1, up=2,
                                 activation="leakyRelu", gain=2**0.5)
            return modulated_conv2d(h, p["w2"], second @ p["style2"] + 1, f=f, padding=1)

        images = synthesise(latents)
        noise = torch.randn(images.shape).double()
        (slope,) = torch.autograd.grad((images * noise / 4).sum(), [latents], create_graph=True)
        squares = slope.square().sum(-1)
        lengths = (squares.mean(1) if layers else squares).sqrt()
        mean = before + 0.01 * (lengths.mean() - before)
        value = 2 * (lengths - mean).square().mean()
        grads = torch.autograd.grad(value, list(p.values()))
        result.append({"latents": latents, "parameters": p, "noise": noise, "before": before, "after": mean,
                       "value": value, "grads": dict(zip(p, grads))})
    save("blocks_path_length", result)


WRITERS = (norms, modulated, spectral, minibatch, penalties, path_lengths)
