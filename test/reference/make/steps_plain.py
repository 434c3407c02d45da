"""One step of the models made of perceptrons and of DCGAN's convolutions."""

from .steps import non_saturating_d, non_saturating_g, scores, slopes, write


def perceptrons(step):
    def g(z, name="generator"):
        h = step.linear(f"{name}.0", z, "leakyRelu")
        for i in (1, 3, 5):
            h = step.batch_norm(f"{name}.{i + 1}", step.linear(f"{name}.{i}", h), "leakyRelu")
        return step.linear(f"{name}.7", h, "tanh").reshape(step.images.shape)

    def d(x):
        h = step.linear("discriminator.body.1", x.flatten(1), "leakyRelu")
        h = step.linear("discriminator.body.2", h, "leakyRelu")
        return step.linear("discriminator.output", h)

    return g, d


def dcgan_networks(step, norm=True):
    """For 8 x 8 images: one halving and a seed of 4 x 4."""
    def g(z):
        h = step.linear("generator.0", z)
        width = step["generator.2.weight"].shape[0]
        h = step.batch_norm("generator.2", h.reshape(-1, 4, 4, width), "relu")
        return step.conv_transpose("generator.3", h, "tanh", stride=2, padding=1)

    def d(x):
        h = step.conv("discriminator.body.0", x, "leakyRelu", stride=2, padding=1)
        return step.linear("discriminator.output", h.flatten(1))

    return g, d


def non_saturating_game(step, networks, z_size):
    g, d = networks(step)

    def discriminator():
        fake = g(step.draw(step.size, z_size)).detach()
        real_logits, fake_logits = d(step.images), d(fake)
        return non_saturating_d(real_logits, fake_logits), scores(real_logits, fake_logits)

    def generator():
        return non_saturating_g(d(g(step.draw(step.size, z_size)))), {}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


def wgan_gp(step, z_size):
    g, d = dcgan_networks(step)

    def critic():
        fake = g(step.draw(step.size, z_size)).detach()
        loss = d(fake).mean() - d(step.images).mean()
        mix = step.draw(step.size, 1, 1, 1)
        penalty = 10 * (slopes(d, mix * step.images + (1 - mix) * fake) - 1).square().mean()
        return loss + penalty, {"distance": -loss, "penalty": penalty}

    return [
        ("D", critic, ["discriminator"]),
        ("G", lambda: (-d(g(step.draw(step.size, z_size))).mean(), {}), ["generator"]),
    ]


WRITERS = [
    lambda: write("gan", lambda step: non_saturating_game(step, perceptrons, 5)),
    lambda: write("dcgan", lambda step: non_saturating_game(step, dcgan_networks, 5)),
    lambda: write("wgan-gp", lambda step: wgan_gp(step, 5)),
]
