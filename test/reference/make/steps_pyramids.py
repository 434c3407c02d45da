"""One step of R3GAN and of LAPGAN, both with classes."""

import torch
import torch.nn.functional as F

from .common import nchw, nhwc
from .steps import logit_means, non_saturating_d, non_saturating_g, slopes, write


# ---- R3GAN ----

def resampled(x, up):
    """Twice as large or half as large, with the filter [1, 2, 1] * [1, 1]."""
    taps = torch.tensor([1.0, 3, 3, 1], dtype=x.dtype)
    kernel = torch.outer(taps, taps) / 64
    channels = x.shape[3]
    kernel = kernel.expand(channels, 1, 4, 4)
    if up:
        return nhwc(F.conv_transpose2d(nchw(x), 4 * kernel, stride=2, padding=1, groups=channels))
    return nhwc(F.conv2d(nchw(x), kernel, stride=2, padding=1, groups=channels))


def r3gan(step, z_size, cardinality, gamma):
    def block(name, x):
        y = step.conv(f"{name}.expand", x, "leakyRelu")
        y = step.conv(f"{name}.mix", y, "leakyRelu", padding=1, groups=cardinality)
        return x + step.conv(f"{name}.project", y)

    def generate():
        z = torch.cat([step.draw(step.size, z_size), step["generator.embedding.weight"][step.labels]], 1)
        amounts = step.linear("generator.basis.linear", z)
        x = block("generator.body.0", step["generator.basis.basis"] * amounts[:, None, None, :])
        x = resampled(step.conv("generator.body.1", x), up=True)
        return step.conv("generator.output", block("generator.body.3", x))

    def judge(x):
        x = block("discriminator.body.0", step.conv("discriminator.input", x))
        x = block("discriminator.body.3", step.conv("discriminator.body.2", resampled(x, up=False)))
        features = (x * step["discriminator.basis.weight"][..., 0].permute(1, 2, 0)).sum((1, 2))
        scores = step.linear("discriminator.output", features)
        return (scores * step["discriminator.embedding.weight"][step.labels]).sum(1, keepdim=True)

    def discriminator():
        fake = generate().detach()
        real_logits, fake_logits = judge(step.images), judge(fake)
        loss = F.softplus(-(real_logits - fake_logits)).mean()
        r1 = slopes(judge, step.images).square().mean()
        r2 = slopes(judge, fake).square().mean()
        penalty = gamma / 2 * (r1 + r2)
        return loss + penalty, {"penalty": penalty, **logit_means(real_logits, fake_logits)}

    def generator():
        return F.softplus(-(judge(generate()) - judge(step.images))).mean(), {}

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


# ---- LAPGAN ----

def lapgan(step, base_latent):
    n, height, width, channels = step.images.shape
    classes = F.one_hot(step.labels, 3).double()
    base = nhwc(F.avg_pool2d(nchw(step.images), 2))

    def enlarged(x):
        return nhwc(F.interpolate(nchw(x), scale_factor=2, mode="bilinear", align_corners=False))

    def class_plane(network):
        planes = step[f"{network}.levels.0.classPlane.planes.weight"][step.labels]
        return torch.relu(planes).reshape(n, height, width, 1)

    def generate():
        z = step.draw(n, base_latent + height * width)
        x = torch.cat([z[:, :base_latent], classes], 1)
        for layer, activation in ((0, "relu"), (1, "relu"), (2, "tanh")):
            x = step.linear(f"generator.base.body.{layer}", x, activation)
        coarse = enlarged(base)
        noise = z[:, base_latent:].reshape(n, height, width, 1)
        y = torch.cat([coarse, noise, class_plane("generator")], 3)
        for layer, activation, padding in ((0, "relu", 3), (1, "relu", 3), (2, "none", 2)):
            y = step.conv(f"generator.levels.0.body.{layer}", y, activation, padding=padding)
        return x.reshape(base.shape), coarse + y

    def judge_base(x):
        x = torch.cat([x.flatten(1), classes], 1)
        for layer in (0, 2):
            x = step.linear(f"discriminator.base.body.{layer}", x, "relu")
            x = x * step.draw(*x.shape)
        return step.linear("discriminator.base.body.4", x)

    def judge_level(x):
        x = torch.cat([x, class_plane("discriminator")], 3)
        x = step.conv("discriminator.levels.0.body.0", x, "relu", padding=2)
        x = step.conv("discriminator.levels.0.body.1", x, "relu", stride=2, padding=2).flatten(1)
        return step.linear("discriminator.levels.0.body.4", x * step.draw(*x.shape))

    def judge(first, second):
        return judge_base(first), judge_level(second)

    def together(side, losses):
        return sum(losses), {f"{side}{i}": loss for i, loss in enumerate(losses)}

    def discriminator():
        fake = [x.detach() for x in generate()]
        real_logits, fake_logits = judge(base, step.images), judge(*fake)
        return together("D", [non_saturating_d(r, f) for r, f in zip(real_logits, fake_logits)])

    def generator():
        return together("G", [non_saturating_g(logits) for logits in judge(*generate())])

    return [("D", discriminator, ["discriminator"]), ("G", generator, ["generator"])]


WRITERS = [
    lambda: write("r3gan", lambda step: r3gan(step, 5, 2, 0.7)),
    lambda: write("lapgan", lambda step: lapgan(step, 5)),
]
