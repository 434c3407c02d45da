"""One step of StyleGAN2, with classes, and of progressive growing at its only level. The networks are those of style.py."""

import torch

from .steps import non_saturating_d, non_saturating_g, scores, slopes, write
from .style import CHANNELS, FULL, LAYERS, conv, judge, leaky, linear, mapping, synthesis, top
from .blocks import pixel_norm


def part(step, network):
    return {k.removeprefix(network + "."): w for k, w in step.weights.items() if k.startswith(network + ".")}


def stylegan2(step, z_size, mixing, gamma, penalty_every, path_every):
    g, d = part(step, "generator"), part(step, "discriminator")

    def mixed_styles(labels):
        n = len(labels)
        first = mapping(g, step.draw(n, z_size), labels)
        second = mapping(g, step.draw(n, z_size), labels)
        mixes, place = step.draw() < mixing, step.draw()
        crossover = place if mixes else 4
        return torch.stack([first if layer < crossover else second for layer in range(4)], 1)

    def images(w):
        sizes = ((FULL[0] // 2, FULL[1] // 2), FULL, FULL)
        noise = {name + ".noise": step.draw(w.shape[0], *size) for name, size in zip(LAYERS, sizes)}
        return synthesis(g | noise, w)

    def discriminator():
        fake = images(mixed_styles(step.labels)).detach()
        real_logits, fake_logits = judge(d, step.images, step.labels), judge(d, fake, step.labels)
        return non_saturating_d(real_logits, fake_logits), scores(real_logits, fake_logits)

    def discriminator_penalty():
        penalty = gamma / 2 * slopes(lambda x: judge(d, x, step.labels), step.images).square().mean()
        return penalty_every * penalty, {"penalty": penalty}

    def generator():
        return non_saturating_g(judge(d, images(mixed_styles(step.labels)), step.labels)), {}

    def path_length(decay, weight):
        w = mixed_styles(step.labels[: step.size // 2])
        fake = images(w)
        noise = step.draw(*fake.shape) / (FULL[0] * FULL[1]) ** 0.5
        (slope,) = torch.autograd.grad((fake * noise).sum(), [w], create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        average = step["pathLength.value"].detach() * (1 - decay) + lengths.mean() * decay
        with torch.no_grad():
            step["pathLength.value"].copy_(average)
        penalty = 2 * (lengths - average).square().mean()
        return weight * penalty, {"path": penalty}

    return [
        ("D", discriminator, ["discriminator"]),
        ("Dreg", discriminator_penalty, ["discriminator"]),
        ("G", generator, ["generator"]),
        ("Gstart", lambda: path_length(1.0, 1), ["generator"]),
        ("Greg", lambda: path_length(0.01, path_every), ["generator"]),
    ]


def pggan(step, z_size):
    g, d = part(step, "generator"), part(step, "discriminator")
    n, height, width, _ = step.images.shape

    def generate():
        x = leaky(linear(g, "base.first", pixel_norm(step.draw(n, z_size), 1e-8)))
        x = pixel_norm(x.reshape(n, height, width, CHANNELS[0]), 1e-8)
        return conv(g, "toRGB.0", pixel_norm(leaky(conv(g, "base.second", x)), 1e-8))

    def criticise(x):
        return linear(d, "output", top(d, leaky(conv(d, "fromRGB.0", x))))

    def critic():
        fake = generate().detach()
        real_logits = criticise(step.images)
        value = criticise(fake).mean() - real_logits.mean()
        mix = step.draw(n, 1, 1, 1)
        penalty = 10 * (slopes(criticise, mix * step.images + (1 - mix) * fake) - 1).square().mean()
        drift = 0.001 * real_logits.square().mean()
        return value + penalty + drift, {"distance": -value, "penalty": penalty, "level": torch.zeros(())}

    return [
        ("D", critic, ["discriminator"]),
        ("G", lambda: (-criticise(generate()).mean(), {}), ["generator"]),
    ]


WRITERS = [
    lambda: write("stylegan2", lambda step: stylegan2(step, 5, 0.9, 3.0, 16, 4)),
    lambda: write("pggan", lambda step: pggan(step, 5)),
]
