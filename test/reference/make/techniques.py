"""Training techniques: relativistic losses, regularisers, and the transforms of ADA composed matrix by matrix."""

import math

import torch
import torch.nn.functional as F

from .common import derivatives, nchw, nhwc, randn, save


# ---- objectives ----

def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def relativistic(real, fake):
    return bce(real - fake, 1.0)


def relativistic_average(real, fake):
    return bce(real - fake.mean(), 1.0) + bce(fake - real.mean(), 0.0)


def relativistic_hinge(real, fake):
    return F.relu(1 - (real - fake.mean())).mean() + F.relu(1 + (fake - real.mean())).mean()


def relativistic_losses():
    torch.manual_seed(21)
    result = []
    for name, loss in (
        ("relativistic", relativistic),
        ("relativisticAverage", relativistic_average),
        ("relativisticHinge", relativistic_hinge),
    ):
        for real, fake in (((5, 1), (5, 1)), ((1, 1), (1, 1)), ((2, 3, 2, 1), (2, 3, 2, 1)), ((3, 1), (7, 1))):
            if name == "relativistic" and real != fake:
                continue
            # The generator's objective has the roles exchanged.
            for side, f in (("discriminator", loss), ("generator", lambda r, f: loss(f, r))):
                inputs = {"real": randn(*real, scale=2, shift=0.5), "fake": randn(*fake, scale=2, shift=-0.5)}
                result.append({"loss": name, "side": side, **derivatives(f, inputs)})
    save("relativistic", result)


# ---- regularisers ----

def regularisers():
    torch.manual_seed(22)
    decay, ema, lecam = 0.9, None, []
    for real_shape, fake_shape in (((4, 1), (4, 1)), ((3, 1), (5, 1)), ((1, 1), (1, 1))):
        real, fake = randn(*real_shape, shift=1), randn(*fake_shape, shift=-1)
        means = torch.stack([real.detach().mean(), fake.detach().mean()])
        ema = means if ema is None else decay * ema + (1 - decay) * means
        value = ((real - ema[1]) ** 2).mean() + ((fake - ema[0]) ** 2).mean()
        grads = torch.autograd.grad(value, [real, fake])
        lecam.append({"real": real, "fake": fake, "value": value, "gradReal": grads[0], "gradFake": grads[1]})

    history, past = [], []
    for _ in range(4):
        theta = {"weight": randn(3, 2), "bias": randn(3)}
        value = torch.zeros((), dtype=torch.float64)
        if past:
            for name, t in theta.items():
                value = value + ((t - torch.stack([p[name] for p in past]).mean(0)) ** 2).sum()
        grads = torch.autograd.grad(value, list(theta.values())) if past else [torch.zeros_like(t) for t in theta.values()]
        history.append({"theta": theta, "value": value, "grads": dict(zip(theta, grads))})
        past.append({name: t.detach() for name, t in theta.items()})

    orthogonal, beta = [], 0.01
    for kind, shape in (("linear", (4, 3)), ("linear", (1, 5)), ("conv", (3, 2, 3, 2)), ("convTranspose", (2, 3, 3, 4))):
        w = randn(*shape)
        rows = w.reshape(-1, shape[-1]).T if kind == "convTranspose" else w.reshape(shape[0], -1)
        gram = rows @ rows.T
        value = beta * (gram - torch.diag(torch.diag(gram))).square().sum()
        orthogonal.append({"kind": kind, "weight": w, "value": value, "grad": torch.autograd.grad(value, w)[0]})
    save("regularisers", {
        "lecam": {"decay": decay, "steps": lecam},
        "history": history,
        "orthogonal": {"beta": beta, "cases": orthogonal},
    })


# ---- ADA: one matrix for each transform, as in the paper's appendix B ----

def f32(values):
    return torch.tensor(values, dtype=torch.float32).double()


def stacked(rows, n):
    full = [[torch.as_tensor(v, dtype=torch.float64).expand(n) for v in row] for row in rows]
    return torch.stack([torch.stack(row, -1) for row in full], -2)


def scale2d(sx, sy):
    return stacked([[sx, 0, 0], [0, sy, 0], [0, 0, 1]], len(sx))


def rotate2d(a):
    return stacked([[a.cos(), -a.sin(), 0], [a.sin(), a.cos(), 0], [0, 0, 1]], len(a))


def translate2d(tx, ty):
    return stacked([[1, 0, tx], [0, 1, ty], [0, 0, 1]], len(tx))


def transforms():
    torch.manual_seed(23)
    geometric = []
    for shape in ((3, 6, 6, 3), (2, 5, 8, 1), (1, 7, 3, 4), (2, 1, 4, 1)):
        n, h, w, _ = shape
        u = {
            "mirror": f32([-1.0, 1.0, -1.0][:n]),
            "scale": f32([1.25, 0.7, 1.0][:n]),
            "turn": f32([0.4, -2.0, 3.0][:n]),
            "anisotropy": f32([0.8, 1.3, 1.1][:n]),
            "turnAfter": f32([-1.0, 0.3, 2.2][:n]),
            "x": f32([1.5, -2.25, 0.3][:n]),
            "y": f32([-0.75, 3.0, 0.6][:n]),
        }
        # From the first transform to the last; the image is read where the inverse of their product points.
        steps = [
            scale2d(u["mirror"], torch.ones_like(u["mirror"])),
            scale2d(u["scale"], u["scale"]),
            rotate2d(u["turn"]),
            scale2d(u["anisotropy"], 1 / u["anisotropy"]),
            rotate2d(u["turnAfter"]),
            translate2d(u["x"], u["y"]),
        ]
        forward = torch.eye(3, dtype=torch.float64)
        for step in steps:
            forward = step @ forward
        to_pixels = torch.diag(torch.tensor([w / 2, h / 2, 1.0], dtype=torch.float64))
        theta = (to_pixels.inverse() @ forward.inverse() @ to_pixels)[:, :2]

        def move(x):
            grid = F.affine_grid(theta, [n, shape[3], h, w], align_corners=False)
            return nhwc(F.grid_sample(nchw(x), grid, padding_mode="reflection", align_corners=False))

        x = randn(*shape)
        y = move(x)
        gy = torch.randn(y.shape).double()
        geometric.append({"parameters": u, "x": x, "y": y, "gy": gy, "grad": torch.autograd.grad((y * gy).sum(), x)[0]})

    colour = []
    for shape in ((4, 2, 3, 3), (3, 3, 2, 1), (1, 1, 1, 3)):
        n, channels = shape[0], shape[3]
        u = {
            "brightness": f32([0.3, -0.2, 0.0, 0.1][:n]),
            "contrast": f32([1.5, 0.6, 1.0, 1.2][:n]),
            "luma": f32([-1.0, 1.0, -1.0, 1.0][:n]),
            "hue": f32([0.7, -2.5, 3.0, 1.0][:n]),
            "saturation": f32([0.5, 2.0, 1.0, 0.0][:n]),
        }
        v = torch.ones(3, dtype=torch.float64) / math.sqrt(3)
        eye, grey = torch.eye(3, dtype=torch.float64), torch.outer(v, v)

        def recolour(x):
            y = x.expand(*x.shape[:3], 3)  # an image without colour is a grey one
            images = []
            for i in range(n):
                z = (y[i] + u["brightness"][i]) * u["contrast"][i]
                if u["luma"][i] < 0:
                    z = z @ (eye - 2 * grey).T
                skew = torch.tensor([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]], dtype=torch.float64)
                z = z @ torch.linalg.matrix_exp(skew * u["hue"][i]).T
                images.append(z @ (grey + (eye - grey) * u["saturation"][i]).T)
            result = torch.stack(images)
            return result if channels == 3 else result.mean(-1, keepdim=True)

        colour.append({"parameters": u, **derivatives(recolour, {"x": randn(*shape)})})
    save("augmentations", {"geometric": geometric, "colour": colour})


WRITERS = [relativistic_losses, regularisers, transforms]
