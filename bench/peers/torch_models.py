# The networks of the benchmarks in PyTorch, written as a careful user would: in-place activations, no bias before a norm.
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


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


def critic(size, channels, width):
    layers, a = [], channels
    for i in range(4):
        layers += [nn.Conv2d(a, width << i, 4, 2, 1), nn.LeakyReLU(0.2)]
        a = width << i
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(a * (size // 16) ** 2, 1))


class UpBlock(nn.Module):
    """Miyato et al. 2018, the generator's residual block: BN, ReLU, upsample, conv, BN, ReLU, conv; 1x1 shortcut."""

    def __init__(self, a, b):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(a), nn.BatchNorm2d(b)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, 1, 1), nn.Conv2d(b, b, 3, 1, 1)
        self.shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x):
        h = F.interpolate(F.relu(self.bn1(x)), scale_factor=2)
        h = self.conv2(F.relu(self.bn2(self.conv1(h))))
        # A 1x1 convolution commutes with nearest upsampling, and is four times cheaper before it.
        return h + F.interpolate(self.shortcut(x), scale_factor=2)


class DownBlock(nn.Module):
    """The discriminator's residual block with spectral norm; `first` has no activation before its first convolution."""

    def __init__(self, a, b, down, first=False):
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = spectral_norm(nn.Conv2d(a, b, 3, 1, 1))
        self.conv2 = spectral_norm(nn.Conv2d(b, b, 3, 1, 1))
        self.shortcut = spectral_norm(nn.Conv2d(a, b, 1)) if down or a != b else None

    def forward(self, x):
        h = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + (x if self.shortcut is None else self.shortcut(x))


def sngan(channels, width):
    top = 2 * width
    g = nn.Sequential(
        nn.Linear(128, 16 * top), nn.Unflatten(1, (top, 4, 4)), UpBlock(top, top), UpBlock(top, top),
        UpBlock(top, top), nn.BatchNorm2d(top), nn.ReLU(True), nn.Conv2d(top, channels, 3, 1, 1), nn.Tanh(),
    )
    d = nn.Sequential(
        DownBlock(channels, width, True, first=True), DownBlock(width, width, True), DownBlock(width, width, False),
        DownBlock(width, width, False), nn.ReLU(), SumPool(), spectral_norm(nn.Linear(width, 1)),
    )
    return g, d


class SumPool(nn.Module):
    def forward(self, x):
        return x.sum((2, 3))


def build(case):
    """G, D, shape of the latents and shape of the images."""
    model, batch = case["model"], case["batch"]
    if model == "gan":
        g = nn.Sequential(*perceptron([100, 256, 512, 1024, 784], True), nn.Tanh())
        return g, nn.Sequential(*perceptron([784, 512, 256, 1], False)), (batch, 100), (batch, 784)
    size, channels, width = case["size"], case["channels"], case["width"]
    images = (batch, channels, size, size)
    if model == "sngan":
        return *sngan(channels, width), (batch, 128), images
    g, d = dcgan(size, channels, width, 100)
    if model == "wgan-gp":
        d = critic(size, channels, width)
    return g, d, (batch, 100, 1, 1), images
