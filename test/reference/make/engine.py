"""What the engine and the first models must reproduce: convolutions, norms, softmax, losses, optimisers, DCGAN."""

import torch
import torch.nn.functional as F

from .common import (
    ACTIVATIONS,
    batch_norm,
    conv2d,
    conv_transpose2d,
    derivatives,
    instance_norm,
    layer_norm,
    rand_like,
    randn,
    save,
)

def conv():
    torch.manual_seed(1)
    cases = [
        ((2, 8, 8, 3), (4, 4, 4, 3), dict(stride=2, padding=1)),
        ((1, 7, 9, 2), (3, 3, 3, 2), dict(padding=1)),
        ((2, 9, 7, 2), (3, 3, 2, 2), dict(stride=(2, 1), padding=(2, 0))),
        ((1, 9, 9, 2), (2, 3, 3, 2), dict(dilation=2, padding=2)),
        ((2, 6, 6, 4), (6, 3, 3, 2), dict(groups=2, padding=1)),
        ((1, 8, 8, 6), (6, 5, 5, 1), dict(groups=6, stride=2, padding=2)),
        ((3, 5, 5, 3), (7, 1, 1, 3), dict()),
    ]
    transposed = [
        ((2, 1, 1, 5), (5, 4, 4, 3), dict()),
        ((1, 4, 4, 3), (3, 4, 4, 2), dict(stride=2, padding=1)),
        ((2, 3, 4, 2), (2, 5, 5, 3), dict(stride=2, padding=2, output_padding=1)),
        ((1, 4, 3, 2), (2, 3, 3, 2), dict(stride=3, padding=1, output_padding=(2, 1))),
        ((1, 5, 5, 4), (4, 3, 3, 2), dict(groups=2, padding=1, stride=2, output_padding=1)),
        ((1, 4, 4, 2), (2, 3, 3, 2), dict(dilation=2)),
    ]
    result = []
    for op, f, list_of_cases in (("conv2d", conv2d, cases), ("convTranspose2d", conv_transpose2d, transposed)):
        for x, w, options in list_of_cases:
            found = derivatives(lambda x, w: f(x, w, **options), {"x": randn(*x), "w": randn(*w, scale=0.5)})
            names = {"output_padding": "outputPadding"}
            result.append({"op": op, "options": {names.get(k, k): v for k, v in options.items()}, **found})
    save("conv", result)


def norm():
    torch.manual_seed(2)
    result = []
    for op, f, shape, of in (
        ("batchNorm", batch_norm, (4, 3, 5, 3), (3,)),
        ("batchNorm", batch_norm, (7, 5), (5,)),
        ("layerNorm", layer_norm, (3, 7), (7,)),
        ("instanceNorm", instance_norm, (2, 4, 3, 5), (5,)),
    ):
        for activation, act in ACTIVATIONS.items():
            inputs = {
                "x": randn(*shape, scale=2, shift=0.5),
                "gamma": randn(*of, scale=0.5, shift=1),
                "beta": randn(*of, scale=0.5),
            }
            found = derivatives(lambda x, g, b: act(f(x, g, b)), inputs)
            result.append({"op": op, "activation": activation, "eps": 1e-5, **found})
    save("norm", result)


def softmax():
    torch.manual_seed(3)
    result = []
    for op, f in (("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)):
        for shape, axis in (((5, 9), -1), ((3, 4, 5), 1), ((17,), 0), ((2, 1), 1), ((4, 33), 0)):
            found = derivatives(lambda x: f(x, axis), {"x": randn(*shape, scale=3)})
            result.append({"op": op, "axis": axis, **found})
    large = torch.tensor([[1000.0, 999.0, -1000.0], [-3e38, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    for op, f in (("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)):
        result.append({"op": op, "axis": 1, **derivatives(lambda x: f(x, 1), {"x": large})})
    save("softmax", result)


def losses():
    torch.manual_seed(4)
    real, fake = randn(9, 1, scale=3), randn(9, 1, scale=3)
    mean = torch.mean
    discriminator = {
        "minimax": mean(F.softplus(-real)) + mean(F.softplus(fake)),
        "nonSaturating": mean(F.softplus(-real)) + mean(F.softplus(fake)),
        "wasserstein": mean(fake) - mean(real),
        "hinge": mean(F.relu(1 - real)) + mean(F.relu(1 + fake)),
        "leastSquares": (mean((real - 1) ** 2) + mean(fake**2)) / 2,
    }
    generator = {
        "minimax": -mean(F.softplus(fake)),
        "nonSaturating": mean(F.softplus(-fake)),
        "wasserstein": -mean(fake),
        "hinge": -mean(fake),
        "leastSquares": mean((fake - 1) ** 2) / 2,
    }
    result = {"real": real, "fake": fake, "discriminator": {}, "generator": {}}
    for name, loss in discriminator.items():
        gr, gf = torch.autograd.grad(loss, [real, fake])
        result["discriminator"][name] = {"loss": loss, "real": gr, "fake": gf}
    for name, loss in generator.items():
        result["generator"][name] = {"loss": loss, "fake": torch.autograd.grad(loss, [fake])[0]}

    logits = torch.cat([randn(8, scale=4), torch.tensor([90.0, -90.0, 0.0])]).detach().requires_grad_()
    targets = torch.cat([torch.rand(8, dtype=torch.float32).double(), torch.tensor([0.0, 1.0, 0.9]).double()])
    loss = F.binary_cross_entropy_with_logits(logits, targets.float().double())
    (gradient,) = torch.autograd.grad(loss, [logits])
    result["binaryCrossEntropy"] = {"logits": logits, "targets": targets, "loss": loss, "gradient": gradient}

    scores, labels = randn(6, 5, scale=2), torch.tensor([0, 4, 2, 2, 1, 3])
    loss = F.cross_entropy(scores, labels)
    (gradient,) = torch.autograd.grad(loss, [scores])
    result["crossEntropy"] = {"logits": scores, "labels": labels.tolist(), "loss": loss, "gradient": gradient}
    save("losses", result)


def critic_mlp(norm):
    def run(p, x):
        h = x @ p["w1"] + p["b1"]
        if norm:
            h = layer_norm(h, p["gamma"], p["beta"])
        h = F.leaky_relu(h, 0.2)
        h = torch.tanh(h @ p["w2"] + p["b2"])
        return h @ p["w3"]

    parameters = {"w1": randn(6, 10, scale=0.5), "b1": randn(10, scale=0.1), "w2": randn(10, 8, scale=0.5)}
    parameters |= {"b2": randn(8, scale=0.1), "w3": randn(8, 1, scale=0.5)}
    if norm:
        parameters |= {"gamma": randn(10, scale=0.2, shift=1), "beta": randn(10, scale=0.2)}
    return run, parameters, (5, 6)


def critic_conv(norm):
    def run(p, x):
        h = F.leaky_relu(conv2d(x, p["w1"], stride=2, padding=1), 0.2)
        h = conv2d(h, p["w2"], stride=2, padding=1)
        h = F.leaky_relu(norm(h, p["gamma"], p["beta"]), 0.2)
        return h.reshape(h.shape[0], -1) @ p["w3"]

    affine = (2, 2, 6) if norm is layer_norm else (6,)
    parameters = {"w1": randn(4, 4, 4, 2, scale=0.3), "w2": randn(6, 4, 4, 4, scale=0.3)}
    parameters |= {"gamma": randn(*affine, scale=0.2, shift=1), "beta": randn(*affine, scale=0.2)}
    parameters |= {"w3": randn(24, 1, scale=0.5)}
    return run, parameters, (3, 8, 8, 2)


def wgan_gp():
    """L = E[D(fake)] - E[D(real)] + 10 E[(||grad D(mix)||_2 - 1)^2] and its gradients by the critic's parameters."""
    torch.manual_seed(5)
    result = []
    for name, (run, parameters, shape) in {
        "mlp": critic_mlp(False),
        "mlp with layerNorm": critic_mlp(True),
        "conv with layerNorm": critic_conv(layer_norm),
        "conv with instanceNorm": critic_conv(instance_norm),
        "conv with batchNorm": critic_conv(batch_norm),
    }.items():
        real, fake = randn(*shape), randn(*shape)
        alpha = torch.rand(shape[0], *[1] * (len(shape) - 1), dtype=torch.float32).double()
        mixed = (alpha * real + (1 - alpha) * fake).float().double().detach().requires_grad_()
        (slope,) = torch.autograd.grad(run(parameters, mixed).sum(), [mixed], create_graph=True)
        norms = slope.reshape(shape[0], -1).square().sum(1).sqrt()
        penalty = ((norms - 1) ** 2).mean()
        loss = run(parameters, fake).mean() - run(parameters, real).mean() + 10 * penalty
        grads = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values()))))
        result.append({"critic": name, "real": real, "fake": fake, "mixed": mixed, "parameters": parameters})
        result[-1] |= {"penalty": penalty, "loss": loss, "grads": grads}
    save("wgan_gp", result)


def optim():
    torch.manual_seed(6)
    start = [randn(3, 5), randn(7)]
    steps = [[rand_like(p) for p in start] for _ in range(5)]
    result = []
    for name, cls, options in (
        ("sgd", torch.optim.SGD, dict(lr=0.1)),
        ("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
        ("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        ("adam", torch.optim.Adam, dict(lr=0.01)),
        ("adam", torch.optim.Adam, dict(lr=2e-4, betas=(0.5, 0.999))),
        ("adam", torch.optim.Adam, dict(lr=0.01, betas=(0.0, 0.9), eps=1e-6, weight_decay=0.1)),
        ("adamw", torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1)),
        ("rmsprop", torch.optim.RMSprop, dict(lr=0.01)),
        ("rmsprop", torch.optim.RMSprop, dict(lr=5e-5, alpha=0.9, eps=1e-6, momentum=0.5)),
    ):
        parameters = [p.detach().clone().requires_grad_() for p in start]
        optimiser = cls(parameters, **options)
        after = []
        for grads in steps:
            for p, g in zip(parameters, grads):
                p.grad = g.clone()
            optimiser.step()
            after.append([p.detach().clone() for p in parameters])
        result.append({"optimiser": name, "options": options, "after": after})
    save("optim", {"start": start, "grads": steps, "cases": result})


def ties():
    """Derivatives at kinks and ties, where only a convention decides."""
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([-2.0, 0.0, 0.0, 1.0, 1.0], dtype=torch.float64, requires_grad=True)
    rows = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [5.0, 4.0, 0.0]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    unary = {
        "abs": torch.abs, "relu": F.relu, "leakyRelu": lambda x: F.leaky_relu(x, 0.2), "sign": torch.sign,
        "pow2": lambda x: x.pow(2), "pow3": lambda x: x.pow(3), "pow1": lambda x: x.pow(1), "pow0": lambda x: x.pow(0),
        "square": torch.square, "floor": torch.floor,
    }
    result = {"x": x, "y": y, "rows": rows, "weight": weight, "unary": {}, "binary": {}, "reduce": {}}
    for name, f in unary.items():
        value = f(x)
        result["unary"][name] = {"y": value, "dx": torch.autograd.grad((value * weight).sum(), [x])[0]}
    for name, f in {"maximum": torch.maximum, "minimum": torch.minimum}.items():
        value = f(x, y)
        dx, dy = torch.autograd.grad((value * weight).sum(), [x, y])
        result["binary"][name] = {"y": value, "dx": dx, "dy": dy}
    for name, f in {"max": torch.amax, "min": torch.amin}.items():
        value = f(rows, 1)
        result["reduce"][name] = {"y": value, "dx": torch.autograd.grad((value * weight[:3]).sum(), [rows])[0]}
    save("ties", result)


def dcgan():
    """One training step of a 16x16 DCGAN: D on real and fake apart, Adam, then G through the updated D, Adam."""
    torch.manual_seed(7)
    batch, latent, width = 4, 6, 4
    g = {
        "dense": randn(latent, 16 * 2 * width, scale=0.3),
        "gamma1": randn(2 * width, scale=0.1, shift=1), "beta1": randn(2 * width, scale=0.1),
        "up1": randn(2 * width, 4, 4, width, scale=0.2),
        "gamma2": randn(width, scale=0.1, shift=1), "beta2": randn(width, scale=0.1),
        "up2": randn(width, 4, 4, 3, scale=0.2), "bias": randn(3, scale=0.1),
    }
    d = {
        "down1": randn(width, 4, 4, 3, scale=0.2), "bias1": randn(width, scale=0.1),
        "down2": randn(2 * width, 4, 4, width, scale=0.2),
        "gamma": randn(2 * width, scale=0.1, shift=1), "beta": randn(2 * width, scale=0.1),
        "dense": randn(16 * 2 * width, 1, scale=0.2),
    }

    def generator(p, z):
        h = (z @ p["dense"]).reshape(batch, 4, 4, 2 * width)
        h = F.relu(batch_norm(h, p["gamma1"], p["beta1"]))
        h = conv_transpose2d(h, p["up1"], stride=2, padding=1)
        h = F.relu(batch_norm(h, p["gamma2"], p["beta2"]))
        return torch.tanh(conv_transpose2d(h, p["up2"], stride=2, padding=1) + p["bias"])

    def discriminator(p, x):
        h = F.leaky_relu(conv2d(x, p["down1"], stride=2, padding=1) + p["bias1"], 0.2)
        h = F.leaky_relu(batch_norm(conv2d(h, p["down2"], stride=2, padding=1), p["gamma"], p["beta"]), 0.2)
        return h.reshape(batch, -1) @ p["dense"]

    def step(parameters, loss):
        grads = torch.autograd.grad(loss, list(parameters.values()))
        before = {k: p.detach().clone().requires_grad_() for k, p in parameters.items()}
        optimiser = torch.optim.Adam(before.values(), lr=2e-4, betas=(0.5, 0.999))
        for p, grad in zip(before.values(), grads):
            p.grad = grad.clone()
        optimiser.step()
        return dict(zip(parameters, grads)), before

    real = torch.tanh(randn(batch, 16, 16, 3)).float().double().detach()
    z_d, z_g = randn(batch, latent), randn(batch, latent)
    fake = generator(g, z_d).detach()
    loss_d = F.softplus(-discriminator(d, real)).mean() + F.softplus(discriminator(d, fake)).mean()
    grads_d, d_after = step(d, loss_d)
    loss_g = F.softplus(-discriminator(d_after, generator(g, z_g))).mean()
    grads_g, g_after = step(g, loss_g)
    result = {"generator": g, "discriminator": d, "real": real, "zD": z_d, "zG": z_g, "fake": fake}
    result |= {"lossD": loss_d, "lossG": loss_g, "gradsD": grads_d, "gradsG": grads_g}
    save("dcgan", result | {"generatorAfter": g_after, "discriminatorAfter": d_after})


WRITERS = (conv, norm, softmax, losses, wgan_gp, optim, ties, dcgan)
