"""One step of CGAN (PyTorch-GAN's form), ACGAN and InfoGAN, from the papers' equations."""

import torch
import torch.nn.functional as F

from .steps import logit_means, non_saturating_d, non_saturating_g, scores, write
from .steps_objectives import dcgan_networks


def cgan(step):
    """Embedding beside the latent and beside the pixels; squared errors with the targets 0 and 1."""
    units = len(step["discriminator.body.0.bias"])

    def g(z):
        h = torch.cat([z, step["generator.embedding.weight"][step.labels]], 1)
        h = step.linear("generator.body.0", h, "leakyRelu")
        for i in (1, 3, 5):
            h = step.linear(f"generator.body.{i}", h)
            h = step.batch_norm(f"generator.body.{i + 1}", h, "leakyRelu")
        return step.linear("generator.body.7", h, "tanh").reshape(step.images.shape)

    def d(x):
        h = torch.cat([x.flatten(1), step["discriminator.embedding.weight"][step.labels]], 1)
        h = step.linear("discriminator.body.0", h, "leakyRelu")
        for i in (1, 3):
            # What dropout multiplies by was drawn: 0 or 1 / 0.6.
            h = step.linear(f"discriminator.body.{i}", h, "leakyRelu") * step.draw(step.size, units)
        return step.linear("discriminator.body.5", h)

    def discriminator():
        fake = g(step.draw(step.size, 5)).detach()
        real_logits, fake_logits = d(step.images), d(fake)
        loss = 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())
        return loss, logit_means(real_logits, fake_logits)

    def generator():
        return 0.5 * (d(g(step.draw(step.size, 5))) - 1).square().mean(), {}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


def acgan(step, product, weights):
    """Odena et al. 2017, equations 2 and 3, the source's real target softened to 0.95. Weights: real, fake, G's."""
    g, features, head = dcgan_networks(step, "generator.body", "discriminator.base")

    def generated():
        z, embedded = step.draw(step.size, 5), step["generator.embedding.weight"][step.labels]
        return g(z * embedded if product else torch.cat([z, embedded], 1))

    def class_loss(h):
        return F.cross_entropy(step.linear("discriminator.classifier", h), step.labels)

    def discriminator():
        real, fake = features(step.images), features(generated().detach())
        real_logits, fake_logits = head(real), head(fake)
        source = F.binary_cross_entropy_with_logits(
            real_logits, torch.full_like(real_logits, 0.95)
        ) + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
        parts = {"classReal": weights[0] * class_loss(real), "classFake": weights[1] * class_loss(fake)}
        loss = source + parts["classReal"] + parts["classFake"]
        return loss, {**scores(real_logits, fake_logits), **parts}

    def generator():
        fake = features(generated())
        part = weights[2] * class_loss(fake)
        return non_saturating_g(head(fake)) + part, {"classG": part}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


def infogan_networks(step):
    """For 12 x 16 images, whose smallest map is 6 x 8. G of inputs; D's features, and its logits of features."""
    def g(z):
        h = step.batch_norm("generator.1", step.linear("generator.0", z), "relu")
        h = step.linear("generator.2", h).reshape(len(z), 6, 8, -1)
        h = step.batch_norm("generator.4", h, "relu")
        return step.conv_transpose("generator.5", h, "tanh", stride=2, padding=1)

    def features(x):
        h = step.conv("discriminator.base.body.0", x, "leakyRelu", stride=2, padding=1)
        h = step.linear("discriminator.base.body.2", h.flatten(1))
        return step.batch_norm("discriminator.base.body.3", h, "leakyRelu")

    def head(h):
        return step.linear("discriminator.base.output", h)

    return g, features, head


def infogan(step, categorical, weight, learned):
    """Chen et al. 2016, equation 6, without the codes' entropy, which is constant; 3 values, 2 continuous codes."""
    g, features, head = infogan_networks(step)

    def latent():
        noise = step.draw(step.size, 5)
        values = [step.draw(step.size) for _ in range(categorical)]
        numbers = [step.draw(step.size, 1) for _ in range(2)]
        codes = [F.one_hot(v, 3).double() for v in values]
        return torch.cat([noise, *codes, *numbers], 1), values, numbers

    def information(h, values, numbers):
        q = step.linear("discriminator.recogniser.0", h)
        q = step.batch_norm("discriminator.recogniser.1", q, "leakyRelu")
        q = step.linear("discriminator.recogniser.2", q)
        sizes = [3] * categorical + [2 if learned else 1] * 2
        q = torch.split(q, sizes, 1)
        cross_entropy = sum(F.cross_entropy(logits, v) for logits, v in zip(q, values))
        likelihood = 0
        for parameters, c in zip(q[categorical:], numbers):
            deviation = torch.exp(0.5 * parameters[:, 1:]) if learned else torch.tensor(1.0).double()
            likelihood += torch.distributions.Normal(parameters[:, :1], deviation).log_prob(c).mean()
        return cross_entropy, -weight * likelihood

    def discriminator():
        z, values, numbers = latent()
        real, fake = features(step.images), features(g(z).detach())
        real_logits, fake_logits = head(real), head(fake)
        cross_entropy, unlikely = information(fake, values, numbers)
        loss = non_saturating_d(real_logits, fake_logits) + cross_entropy + unlikely
        parts = {"categoricalD": cross_entropy, "continuousD": unlikely}
        return loss, {**scores(real_logits, fake_logits), **parts}

    def generator():
        z, values, numbers = latent()
        fake = features(g(z))
        cross_entropy, unlikely = information(fake, values, numbers)
        parts = {"categoricalG": cross_entropy, "continuousG": unlikely}
        return non_saturating_g(head(fake)) + cross_entropy + unlikely, parts

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


WRITERS = [
    lambda: write("cgan", cgan),
    lambda: write("acgan", lambda step: acgan(step, True, (1, 0, 1))),
    lambda: write("acgan-concat", lambda step: acgan(step, False, (2, 0.5, 3))),
    lambda: write("infogan", lambda step: infogan(step, 1, 0.1, learned=False)),
    lambda: write("infogan-learned", lambda step: infogan(step, 2, 2.0, learned=True)),
]
