# PyTorch's side of the training benchmark: the step that bench/train.bench.ts describes. The discriminator's weight
# gradients are not computed in the generator's step, as a careful PyTorch user would write it.
import torch
import torch.nn.functional as F

from torch_models import build
from torch_worker import case, device, layout, serve

model = case["model"]
half = case.get("precision") == "bf16"
G, D, latents, images = build(case)
G, D = layout(G), layout(D)
if case.get("compile"):
    G, D = (torch.compile(m, mode="max-autotune") for m in (G, D))
real = layout(torch.rand(images) * 2 - 1)
betas, lr = {"wgan-gp": ((0.0, 0.9), 1e-4), "sngan": ((0.0, 0.9), 2e-4)}.get(model, ((0.5, 0.999), 2e-4))
optG = torch.optim.Adam(G.parameters(), lr, betas)
optD = torch.optim.Adam(D.parameters(), lr, betas)


def penalty(fake):
    alpha = torch.rand(real.shape[0], 1, 1, 1)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(D(mixed).sum(), [mixed], create_graph=True)
    return 10 * ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def loss_of_d(fake):
    r, f = D(real).float(), D(fake).float()
    if model == "wgan-gp":
        return f.mean() - r.mean() + penalty(fake)
    if model == "sngan":
        return F.relu(1 - r).mean() + F.relu(1 + f).mean()
    return F.softplus(-r).mean() + F.softplus(f).mean()


def loss_of_g():
    f = D(G(layout(torch.randn(latents)))).float()
    return -f.mean() if model in ("wgan-gp", "sngan") else F.softplus(-f).mean()


def step():
    with torch.autocast(device, torch.bfloat16, enabled=half):
        with torch.no_grad():
            fake = G(layout(torch.randn(latents)))
        optD.zero_grad(set_to_none=True)
        loss_d = loss_of_d(fake)
    loss_d.backward()
    optD.step()
    D.requires_grad_(False)
    optG.zero_grad(set_to_none=True)
    with torch.autocast(device, torch.bfloat16, enabled=half):
        loss_g = loss_of_g()
    loss_g.backward()
    optG.step()
    D.requires_grad_(True)
    return loss_d.item(), loss_g.item()


serve(step)
