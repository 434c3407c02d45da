"""One step of LSGAN, WGAN, DRAGAN and RaGAN: DCGAN's networks with two halvings, and each paper's objective."""

import torch
import torch.nn.functional as F

from .steps import logit_means, non_saturating_d, non_saturating_g, scores, slopes, write


def dcgan_networks(step, g_name="generator", d_name="discriminator", norm=True):
    """For 12 x 16 images: maps of 6 x 8 and 3 x 4. G of inputs; D's features, and its logits of features."""
    def g(z):
        h = step.linear(f"{g_name}.0", z)
        h = h.reshape(len(z), 3, 4, -1)
        h = step.batch_norm(f"{g_name}.2", h, "relu")
        h = step.conv_transpose(f"{g_name}.3", h, stride=2, padding=1)
        h = step.batch_norm(f"{g_name}.4", h, "relu")
        return step.conv_transpose(f"{g_name}.5", h, "tanh", stride=2, padding=1)

    def features(x):
        h = step.conv(f"{d_name}.body.0", x, "leakyRelu", stride=2, padding=1)
        if norm:
            h = step.conv(f"{d_name}.body.1", h, stride=2, padding=1)
            h = step.batch_norm(f"{d_name}.body.2", h, "leakyRelu")
        else:
            h = step.conv(f"{d_name}.body.1", h, "leakyRelu", stride=2, padding=1)
        return h.flatten(1)

    def head(h):
        return step.linear(f"{d_name}.output", h)

    return g, features, head


def game(step, d_loss, g_loss, report, norm=True, penalty=None):
    """`d_loss` and `g_loss` are functions of the logits of real and of generated images."""
    g, features, head = dcgan_networks(step, norm=norm)

    def d(x):
        return head(features(x))

    def discriminator():
        fake = g(step.draw(step.size, 5)).detach()
        real_logits, fake_logits = d(step.images), d(fake)
        loss = d_loss(real_logits, fake_logits)
        parts = report(real_logits, fake_logits)
        if penalty is None:
            return loss, parts
        added = penalty(step, d)
        return loss + added, {**parts, "penalty": added}

    def generator():
        fake = g(step.draw(step.size, 5))
        with torch.no_grad():
            real_logits = d(step.images)
        return g_loss(real_logits, d(fake)), {}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


def least_squares(a, b, c):
    """Mao et al. 2017, equation 2."""
    def d_loss(real, fake):
        return 0.5 * F.mse_loss(real, torch.full_like(real, b)) + 0.5 * F.mse_loss(fake, torch.full_like(fake, a))

    def g_loss(_, fake):
        return 0.5 * F.mse_loss(fake, torch.full_like(fake, c))

    return d_loss, g_loss, logit_means


def around_real(step, d):
    """Kodali et al. 2017: the slope's norm at x + alpha * 0.5 * std * U(0, 1)."""
    noise = step.draw(*step.images.shape) * 0.5 * step.images.std(unbiased=False)
    alpha = step.draw(step.size, 1, 1, 1)
    return 10 * (slopes(d, step.images + alpha * noise) - 1).square().mean()


def average_relativistic(real, fake):
    """Jolicoeur-Martineau 2019: D~(x) = sigmoid(C(x) - E C(other))."""
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    return F.binary_cross_entropy_with_logits(real - fake.mean(), ones) + F.binary_cross_entropy_with_logits(
        fake - real.mean(), zeros
    )


def of(name, *losses, **options):
    return lambda: write(name, lambda step: game(step, *losses, **options))


WRITERS = [
    of("lsgan", *least_squares(0.0, 1.0, 1.0)),
    of("lsgan-chi2", *least_squares(-1.0, 1.0, 0.0)),
    of(
        "wgan",
        lambda real, fake: fake.mean() - real.mean(),
        lambda _, fake: -fake.mean(),
        lambda real, fake: {"distance": real.mean() - fake.mean()},
    ),
    of(
        "dragan",
        non_saturating_d,
        lambda _, fake: non_saturating_g(fake),
        scores,
        norm=False,
        penalty=around_real,
    ),
    of("ragan", average_relativistic, lambda real, fake: average_relativistic(fake, real), logit_means),
]
