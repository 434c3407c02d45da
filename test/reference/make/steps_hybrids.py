"""One step of the models that are a GAN and something else: semi-supervised GAN, VAE/GAN, BiGAN."""

import torch
import torch.nn.functional as F

from .steps import non_saturating_d, non_saturating_g, scores, write


# ---- semi-supervised GAN ----

def sgan(step, label_weight, feature_matching):
    sizes = [step[f"discriminator.body.{i}.weight"].shape for i in (2, 4, 6, 8, 10)]

    def g(z):
        h = z
        for linear, norm in ((0, 2), (3, 5)):
            h = step.batch_norm(f"generator.{norm}", F.softplus(step.linear(f"generator.{linear}", h)))
        return step.linear("generator.6", h, "tanh").reshape(step.images.shape)

    def features(x):
        h = x.flatten(1)
        for i, (_, inputs) in enumerate(sizes):
            h = h + (0.6 if i == 0 else 0.5) * step.draw(step.size, inputs)
            h = step.linear(f"discriminator.body.{2 * i + 2}", h, "relu")
        return h

    def classes(f):
        return step.linear("discriminator.output.1", f + 0.5 * step.draw(*f.shape))

    def judged(x):
        f = features(x)
        return f, classes(f).logsumexp(1, keepdim=True)

    def discriminator():
        fake_images = g(step.draw(step.size, 5)).detach()
        (_, real), (_, fake) = judged(step.images), judged(fake_images)
        chosen = step.draw(step.size)
        known = step["labelled.images"].detach()[chosen]
        labels = step["labelled.labels"].long()[chosen]
        supervised = label_weight * F.cross_entropy(classes(features(known)), labels)
        # D(x) = Z / (Z + 1), written as it is in the paper.
        z_real, z_fake = real.exp(), fake.exp()
        game = -(z_real / (z_real + 1)).log().mean() - (1 - z_fake / (z_fake + 1)).log().mean()
        return game + supervised, {"classes": supervised, **scores(real, fake)}

    def generator():
        fake_features, fake = judged(g(step.draw(step.size, 5)))
        if not feature_matching:
            return -(fake.exp() / (fake.exp() + 1)).log().mean(), {}
        real_features = judged(step.images)[0].detach()
        distance = feature_matching * (fake_features.mean(0) - real_features.mean(0)).square().sum()
        return distance, {"features": distance}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


# ---- DCGAN's networks for 16 x 12 images: 8 x 6, 4 x 3 ----

def convolutions(step, name, x):
    h = step.conv(f"{name}.0", x, "leakyRelu", stride=2, padding=1)
    h = step.conv(f"{name}.1", h, stride=2, padding=1)
    return step.batch_norm(f"{name}.2", h, "leakyRelu").flatten(1)


def transposed(step, z):
    h = step.linear("generator.0", z)
    h = step.batch_norm("generator.2", h.reshape(len(z), 4, 3, -1), "relu")
    h = step.conv_transpose("generator.3", h, stride=2, padding=1)
    h = step.batch_norm("generator.4", h, "relu")
    return step.conv_transpose("generator.5", h, "tanh", stride=2, padding=1)


# ---- VAE/GAN ----

def vaegan(step, equilibrium=0.68, margin=0.35, gamma=1e-3):
    learns = {}

    def features(x):
        return convolutions(step, "discriminator.body", x)

    def head(f):
        return step.linear("discriminator.output", f)

    def encode():
        mean, log_variance = step.linear("encoder.output", convolutions(step, "encoder.body", step.images)).chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * step.draw(*mean.shape)
        return z, mean, log_variance

    def prior_sample():
        return transposed(step, step.draw(step.size, 5))

    def distance(a, b):
        return 0.5 * (a - b).square().sum(1).mean()

    def gated(loss, on):
        return loss if on else 0 * loss + loss.detach()

    def discriminator():
        reconstructed = transposed(step, encode()[0]).detach()
        sampled = prior_sample().detach()
        real = F.softplus(-head(features(step.images))).mean()
        fake = 0.5 * sum(F.softplus(head(features(x))).mean() for x in (reconstructed, sampled))
        ahead = min(real, fake) < equilibrium - margin
        behind = max(real, fake) > equilibrium + margin
        learns["D"], learns["G"] = not ahead or behind, not behind or ahead
        return gated(real + fake, learns["D"]), {"realCost": real, "fakeCost": fake}

    def encoder():
        z, mean, log_variance = encode()
        reconstruction = distance(features(step.images), features(transposed(step, z)))
        prior = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return (prior + reconstruction) / 5, {"prior": prior, "reconstruction": reconstruction}

    def generator():
        z = encode()[0].detach()
        seen = [features(transposed(step, z)), features(prior_sample())]
        game = 0.5 * sum(F.softplus(-head(f)).mean() for f in seen)
        reconstruction = gamma * distance(features(step.images).detach(), seen[0])
        return gated(game + reconstruction, learns["G"]), {"game": game}

    return [
        ("D", discriminator, ["discriminator"]),
        ("E", encoder, ["encoder"]),
        ("G", generator, ["generator"]),
    ]


# ---- BiGAN ----

def bigan(step, convolutional):
    def g(z):
        if convolutional:
            return transposed(step, z)
        h = step.batch_norm("generator.1", step.linear("generator.0", z), "relu")
        h = step.batch_norm("generator.3", step.linear("generator.2", h), "relu")
        return step.linear("generator.4", h, "tanh").reshape(step.images.shape)

    def read(name, x):
        return convolutions(step, name, x) if convolutional else x.flatten(1)

    def e(x):
        name = "encoder.0.0" if convolutional else "encoder.0"
        h = step.linear("encoder.1", read(name, x), "leakyRelu")
        h = step.batch_norm("encoder.3", step.linear("encoder.2", h), "leakyRelu")
        return step.linear("encoder.4", h)

    def d(x, z):
        seen = read("discriminator.body.0", x)
        h = step.linear("discriminator.layers.0", torch.cat([seen, z], 1), "leakyRelu")
        h = step.batch_norm("discriminator.layers.2", step.linear("discriminator.layers.1", h), "leakyRelu")
        return step.linear("discriminator.layers.3", h)

    def discriminator():
        z = step.draw(step.size, 5)
        code, generated = e(step.images).detach(), g(z).detach()
        real, fake = d(step.images, code), d(generated, z)
        return non_saturating_d(real, fake), scores(real, fake)

    def generator_and_encoder():
        z = step.draw(step.size, 5)
        real, fake = d(step.images, e(step.images)), d(g(z), z)
        # Real pairs shall be called generated, and generated ones real.
        return F.softplus(real).mean() + non_saturating_g(fake), {}

    return [
        ("D", discriminator, ["discriminator"]),
        ("GE", generator_and_encoder, ["generator", "encoder"]),
    ]


WRITERS = [
    lambda: write("sgan", lambda step: sgan(step, 1, 0.01)),
    lambda: write("sgan-game", lambda step: sgan(step, 2, 0)),
    lambda: write("vaegan", vaegan),
    lambda: write("vaegan-behind", lambda step: vaegan(step, equilibrium=0.3)),
    lambda: write("vaegan-ahead", lambda step: vaegan(step, equilibrium=4)),
    lambda: write("vaegan-both", lambda step: vaegan(step, margin=0.001)),
    lambda: write("bigan", lambda step: bigan(step, False)),
    lambda: write("bigan-convolution", lambda step: bigan(step, True)),
]
