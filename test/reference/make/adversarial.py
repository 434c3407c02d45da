"""Adversarial attacks on a small smooth classifier: the fast gradient sign method and projected gradient steps."""

import torch
import torch.nn.functional as F

from .common import conv2d, randn, save

LOW, HIGH = -1.0, 1.0


def logits(x, w, v):
    hidden = torch.tanh(conv2d(x, w, padding=1))
    return hidden.flatten(1) @ v


def ascend(x, at, labels, w, v, step, eps, sign, smallest):
    """One projected step; notes how far the gradient stays from 0, where its sign would depend on rounding."""
    at = at.detach().requires_grad_()
    loss = F.cross_entropy(logits(at, w, v), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, at)
    smallest.append((gradient.abs().min() / gradient.abs().max()).item())
    moved = at + sign * step * gradient.sign()
    return torch.max(torch.min(moved, x + eps), x - eps).clamp(LOW, HIGH).detach()


def attacks():
    torch.manual_seed(11)
    x = torch.rand(3, 5, 4, 2, dtype=torch.float32).double() * 2 - 1
    w, v = randn(6, 3, 3, 2, scale=0.4).detach(), randn(5 * 4 * 6, 5, scale=0.3).detach()
    labels, targets = torch.tensor([0, 3, 2]), torch.tensor([4, 1, 0])
    eps, step, smallest = 0.125, 0.0625, []
    fgsm = ascend(x, x, labels, w, v, eps, eps, 1, smallest)
    targeted = ascend(x, x, targets, w, v, eps, eps, -1, smallest)
    pgd, pgd_targeted = x, x
    for _ in range(5):
        pgd = ascend(x, pgd, labels, w, v, step, eps, 1, smallest)
        pgd_targeted = ascend(x, pgd_targeted, targets, w, v, step, eps, -1, smallest)
    assert min(smallest) > 1e-5, min(smallest)
    save(
        "adversarial",
        {
            "x": x,
            "w": w,
            "v": v,
            "labels": labels.tolist(),
            "targets": targets.tolist(),
            "eps": eps,
            "step": step,
            "fgsm": fgsm,
            "fgsmTargeted": targeted,
            "pgd": pgd,
            "pgdTargeted": pgd_targeted,
        },
    )


WRITERS = [attacks]
