# PyTorch's side of the training benchmark: builds the case named on the command line and runs steps on request.
# Protocol (shared by all workers): one JSON object per line in, one out. {"steps": n} -> {"ms": [...], "rss": MB}.
# The step is the one bench/train.bench.ts describes; the discriminator's weight gradients are not computed in the
# generator's step, as a careful PyTorch user would write it.
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

case = json.loads(sys.argv[1])
channels_last = case.get("format") == "channels_last"
torch.set_num_threads(int(case["threads"]))
torch.manual_seed(0)


def layout(t):
    return t.to(memory_format=torch.channels_last) if channels_last and t.dim() == 4 else t


def perceptron(sizes, batch_norm):
    layers = []
    for i, (a, b) in enumerate(zip(sizes[:-2], sizes[1:-1])):
        layers.append(nn.Linear(a, b))
        if batch_norm and i > 0:
            layers.append(nn.BatchNorm1d(b))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return layers + [nn.Linear(sizes[-2], sizes[-1])]


def dcgan(size, channels, width, latent):
    # Halved, rounding down, while 3 pixels are left: 64 -> 32, 16, 8, 4 and 28 -> 14, 7, 3.
    sizes = [size, size // 2]
    while sizes[-1] // 2 >= 3:
        sizes.append(sizes[-1] // 2)
    stages, start = len(sizes) - 1, sizes[-1]
    top = width * 2 ** (stages - 1)
    g = [nn.ConvTranspose2d(latent, top, start, 1, 0, bias=False), nn.BatchNorm2d(top), nn.ReLU(True)]
    for i in range(stages - 1):
        a, odd = top >> i, sizes[stages - 1 - i] % 2
        g += [nn.ConvTranspose2d(a, a // 2, 4, 2, 1, odd, bias=False), nn.BatchNorm2d(a // 2), nn.ReLU(True)]
    g += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    d = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for i in range(stages - 1):
        a = width << i
        d += [nn.Conv2d(a, a * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(a * 2), nn.LeakyReLU(0.2, inplace=True)]
    d += [nn.Conv2d(top, 1, start, 1, 0), nn.Flatten()]
    return nn.Sequential(*g), nn.Sequential(*d)


batch, latent = case["batch"], 100
if case["model"] == "gan":
    G = nn.Sequential(*perceptron([latent, 256, 512, 1024, 784], True), nn.Tanh())
    D = nn.Sequential(*perceptron([784, 512, 256, 1], False))
    real = torch.rand(batch, 784) * 2 - 1
    noise = lambda: torch.randn(batch, latent)
else:
    size, channels = case["size"], case["channels"]
    G, D = dcgan(size, channels, case["width"], latent)
    if channels_last:
        G, D = G.to(memory_format=torch.channels_last), D.to(memory_format=torch.channels_last)
    real = layout(torch.rand(batch, channels, size, size) * 2 - 1)
    noise = lambda: layout(torch.randn(batch, latent, 1, 1))

optG = torch.optim.Adam(G.parameters(), 2e-4, (0.5, 0.999))
optD = torch.optim.Adam(D.parameters(), 2e-4, (0.5, 0.999))


def step():
    with torch.no_grad():
        fake = G(noise())
    optD.zero_grad(set_to_none=True)
    loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
    loss_d.backward()
    optD.step()
    D.requires_grad_(False)
    optG.zero_grad(set_to_none=True)
    loss_g = F.softplus(-D(G(noise()))).mean()
    loss_g.backward()
    optG.step()
    D.requires_grad_(True)
    return loss_d.item(), loss_g.item()


print(json.dumps({"ready": True, "version": "PyTorch " + torch.__version__, "pid": os.getpid()}), flush=True)
for line in sys.stdin:
    times = []
    for _ in range(json.loads(line)["steps"]):
        t = time.perf_counter()
        losses = step()
        times.append((time.perf_counter() - t) * 1e3)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": times, "rss": rss, "losses": losses}), flush=True)
