"""One step of SNGAN, projection GAN, SAGAN and BigGAN, from the papers' descriptions."""

import torch
import torch.nn.functional as F

from .common import nchw, nhwc
from .steps import hinge_d, logit_means, write


def upsampled(x):
    return nhwc(F.interpolate(nchw(x), scale_factor=2, mode="nearest"))


def pooled(x):
    return nhwc(F.avg_pool2d(nchw(x), 2))


def self_attention(step, name, x):
    """x + gamma * W_o softmax(q k^T) v, with keys and values max-pooled."""
    def pixels(t):
        return t.flatten(1, 2)

    def max_pooled(t):
        return pixels(nhwc(F.max_pool2d(nchw(t), 2)))

    q = pixels(step.conv(f"{name}.query", x))
    k = max_pooled(step.conv(f"{name}.key", x))
    v = max_pooled(step.conv(f"{name}.value", x))
    seen = (torch.softmax(q @ k.transpose(1, 2), -1) @ v).reshape(*x.shape[:3], -1)
    return x + step[f"{name}.gamma"] * step.conv(f"{name}.output", seen)


def norm(step, name, x, condition):
    """Batch normalisation and ReLU; scale and shift from a vector, of a class, or of the channel."""
    if condition is not None and condition.is_floating_point():
        scale = 1 + step.linear(f"{name}.gain", condition)
        shift = step.linear(f"{name}.shift", condition)
    elif condition is not None:
        scale, shift = step[f"{name}.weight"][condition], step[f"{name}.bias"][condition]
    else:
        return step.batch_norm(name, x, "relu")
    y = F.batch_norm(nchw(x), None, None, training=True)
    return nhwc(F.relu(y * scale[:, :, None, None] + shift[:, :, None, None]))


def networks(step, blocks, halvings, conditional, attention, hierarchical):
    """`blocks` of G and of D; `halvings` of D; `attention`: how many halvings from the image, 0 for none."""
    labels = step.labels if conditional else None

    def g(z):
        n, (height, width) = len(z), step.images.shape[1:3]
        conditions = [labels] * blocks[0]
        if hierarchical:
            part = z.shape[1] // (blocks[0] + 1)
            z, *parts = torch.split(z, [z.shape[1] - blocks[0] * part] + [part] * blocks[0], dim=1)
            embedded = step["generator.shared.weight"][labels]
            conditions = [torch.cat([embedded, p], dim=1) for p in parts]
        h = step.linear("generator.seed", z)
        h = h.reshape(n, height >> blocks[0], width >> blocks[0], -1)
        for i, condition in enumerate(conditions):
            if attention == blocks[0] - i:
                h = self_attention(step, "generator.attention", h)
            name = f"generator.blocks.{i}"
            inner = step.conv(f"{name}.conv1", upsampled(norm(step, f"{name}.norm1", h, condition)), padding=1)
            inner = step.conv(f"{name}.conv2", norm(step, f"{name}.norm2", inner, condition), padding=1)
            h = inner + step.conv(f"{name}.shortcut", upsampled(h))
        h = step.batch_norm("generator.outputNorm", h, "relu")
        return step.conv("generator.output", h, "tanh", padding=1)

    def d(x):
        h = x
        for i in range(blocks[1]):
            name = f"discriminator.blocks.{i}"
            inner = step.conv(f"{name}.conv1", h if i == 0 else F.relu(h), "relu", padding=1)
            inner = step.conv(f"{name}.conv2", inner, padding=1)
            if i < halvings:
                h = pooled(inner) + pooled(step.conv(f"{name}.shortcut", h))
            elif inner.shape == h.shape:
                h = inner + h
            else:
                h = inner + step.conv(f"{name}.shortcut", h)
            if attention == i + 1:
                h = self_attention(step, "discriminator.attention", h)
        features = F.relu(h).sum((1, 2))
        logits = step.linear("discriminator.output", features)
        if conditional:
            logits = logits + (step.weight("discriminator.embedding")[labels] * features).sum(1, keepdim=True)
        return logits

    return g, d


def hinge_game(step, z_size, blocks, halvings, conditional=False, attention=0, hierarchical=False):
    g, d = networks(step, blocks, halvings, conditional, attention, hierarchical)

    def discriminator():
        fake = g(step.draw(step.size, z_size)).detach()
        real_logits, fake_logits = d(step.images), d(fake)
        return hinge_d(real_logits, fake_logits), logit_means(real_logits, fake_logits)

    def generator():
        return -d(g(step.draw(step.size, z_size))).mean(), {}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


def of(name, *shape, **options):
    return lambda: write(name, lambda step: hinge_game(step, *shape, **options))


WRITERS = [
    of("sngan", 5, (2, 3), 2),
    of("projgan", 5, (1, 3), 1, conditional=True),
    of("sagan", 5, (2, 4), 2, conditional=True, attention=1),
    of("sagan-unconditional", 5, (1, 3), 1, attention=1),
    of("biggan", 8, (2, 4), 2, conditional=True, attention=1, hierarchical=True),
]
