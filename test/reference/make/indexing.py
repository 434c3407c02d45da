"""Activations, indexing, sorting, scans and losses: values, gradients and gradients of gradients.

Each file is a list of cases {op, args, ...}; `args` are passed on as ganvas names them.
"""

import torch
import torch.nn.functional as F

from .common import derivatives, randn, save


def activations():
    torch.manual_seed(20)
    unary = [
        ("erf", {}, torch.erf),
        ("gelu", {}, F.gelu),
        ("gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
        ("silu", {}, F.silu),
        ("elu", {}, F.elu),
        ("elu", {"alpha": 0.4}, lambda x: F.elu(x, 0.4)),
        ("selu", {}, F.selu),
        ("celu", {"alpha": 1.7}, lambda x: F.celu(x, 1.7)),
        ("mish", {}, F.mish),
        ("logSigmoid", {}, F.logsigmoid),
        ("hardtanh", {}, lambda x: torch.clamp(x, -1, 1)),
        ("softplus", {}, F.softplus),
        ("tanh", {}, torch.tanh),
        ("sigmoid", {}, torch.sigmoid),
    ]
    result = []
    for op, args, f in unary:
        for shape, scale in (((3, 7), 1.0), ((1,), 1.0), ((2, 3, 1, 5), 4.0)):
            result.append({"op": op, "args": args, **derivatives(f, {"x": randn(*shape, scale=scale)})})
    for shape, channels in (((5, 4), 4), ((2, 3, 3, 6), 6), ((3, 5), 1), ((2, 2, 3), 3)):
        def prelu(x, a):
            return torch.where(x > 0, x, a * x)

        inputs = {"x": randn(*shape), "a": randn(channels, scale=0.3)}
        x = inputs["x"]
        theirs = F.prelu(x.reshape(-1, shape[-1]), inputs["a"]).reshape(shape)
        assert torch.allclose(prelu(**inputs), theirs)
        result.append({"op": "prelu", "args": {}, **derivatives(prelu, inputs)})
    for shape, axis in (((3, 8), -1), ((4, 3), 0), ((2, 4, 3, 5), 1), ((1, 2), 1)):
        found = derivatives(lambda x: F.glu(x, axis), {"x": randn(*shape)})
        result.append({"op": "glu", "args": {"axis": axis}, **found})
    save("activations", result)


def indexing():
    torch.manual_seed(21)
    result = []

    def indices(shape, size, repeat, axis):
        if repeat:
            return torch.randint(0, size, shape)
        # A permutation along the axis, so that no two updates meet.
        order = torch.rand(*[size if i == axis else n for i, n in enumerate(shape)]).argsort(axis)
        return order.narrow(axis, 0, shape[axis])

    def add(op, shape, axis, of, repeat):
        axis = axis % len(shape)
        index = indices(of, shape[axis], repeat, axis)
        args = {"axis": axis, "indices": {"shape": list(of), "values": index.reshape(-1).tolist()}}
        if op == "takeAlongAxis":
            found = derivatives(lambda x: x.gather(axis, index), {"x": randn(*shape)})
        elif op == "scatterAlongAxis":
            inputs = {"x": randn(*shape), "updates": randn(*of)}
            found = derivatives(lambda x, u: x.scatter(axis, index, u), inputs)
        else:
            inputs = {"updates": randn(*of)}
            args["shape"] = list(shape)
            zero = torch.zeros(*shape, dtype=torch.float64)
            found = derivatives(lambda u: zero.scatter_add(axis, index, u), inputs)
        result.append({"op": op, "args": args, **found})

    for shape, axis, of, repeat in (
        ((7,), 0, (4,), False),
        ((5, 3), 0, (2, 3), False),
        ((5, 3), 0, (9, 2), True),
        ((2, 9), 1, (2, 4), False),
        ((2, 9), 1, (1, 12), True),
        ((2, 3, 4), 1, (2, 2, 4), False),
        ((2, 3, 4, 2), 2, (1, 3, 3, 2), False),
        ((1, 1), 1, (1, 1), False),
    ):
        add("takeAlongAxis", shape, axis, of, repeat)
        add("scatterAddAlongAxis", shape, axis, of, repeat)
        if not repeat:
            add("scatterAlongAxis", shape, axis, of, repeat)

    for shape, axis, which in (((6, 5), 0, (4, 4, 0)), ((6, 5), 1, (1,)), ((2, 3, 4), 1, (2, 0))):
        index = torch.tensor(which)
        args = {"axis": axis, "indices": {"shape": [len(which)], "values": list(which)}}
        result.append({"op": "gather", "args": args,
                       **derivatives(lambda x: x.index_select(axis, index), {"x": randn(*shape)})})
    save("indexing", result)


def sorting():
    torch.manual_seed(22)
    result = []
    for shape, axis, descending in (
        ((7,), 0, False),
        ((3, 9), 1, True),
        ((9, 3), 0, False),
        ((2, 5, 3), 1, True),
        ((1, 1), 1, False),
        ((2, 33), -1, False),
    ):
        x = randn(*shape)
        args = {"axis": axis, "descending": descending}
        found = derivatives(lambda x: torch.sort(x, dim=axis, descending=descending, stable=True).values, {"x": x})
        order = torch.sort(x, dim=axis, descending=descending, stable=True).indices
        result.append({"op": "sort", "args": args, "indices": order.reshape(-1).tolist(), **found})
    ties = torch.randint(0, 4, (4, 30)).double().requires_grad_()
    for descending in (False, True):
        args = {"axis": 1, "descending": descending}
        found = derivatives(lambda x: torch.sort(x, dim=1, descending=descending, stable=True).values, {"x": ties})
        order = torch.sort(ties, dim=1, descending=descending, stable=True).indices
        result.append({"op": "sort", "args": args, "indices": order.reshape(-1).tolist(), **found})
    for shape, axis, k, largest in (((8,), 0, 3, True), ((3, 9), 1, 4, False), ((9, 3), 0, 2, True), ((2, 5, 2), 1, 5, False), ((4, 1), 1, 1, True)):
        x = randn(*shape)
        args = {"axis": axis, "k": k, "largest": largest}
        found = derivatives(lambda x: torch.topk(x, k, axis, largest).values, {"x": x})
        order = torch.topk(x, k, axis, largest).indices
        result.append({"op": "topK", "args": args, "indices": order.reshape(-1).tolist(), **found})
    for op, f in (("cumsum", torch.cumsum), ("cumprod", torch.cumprod)):
        for shape, axis in (((7,), 0), ((3, 5), 1), ((5, 3), 0), ((2, 4, 3), 1), ((1, 6), 0)):
            result.append({"op": op, "args": {"axis": axis}, **derivatives(lambda x: f(x, axis), {"x": randn(*shape)})})
    zeros = randn(4, 6)
    with torch.no_grad():
        zeros[1, 2] = 0
        zeros[2, 0] = 0
        zeros[3, 1] = zeros[3, 4] = 0
    result.append({"op": "cumprod", "args": {"axis": 1}, **derivatives(lambda x: torch.cumprod(x, 1), {"x": zeros})})
    save("sorting", result)


def supervised():
    torch.manual_seed(23)
    result = []
    reductions = ("mean", "sum", "none")

    def probabilities(*shape):
        return torch.rand(*shape, dtype=torch.float32).double().mul(0.96).add(0.02).float().double()

    def add(op, f, inputs, constants=None, **options):
        constants = constants or {}
        found = derivatives(f, inputs)
        labels = {k: {"shape": list(v.shape), "values": v.reshape(-1).tolist()} for k, v in constants.items()}
        result.append({"op": op, "options": options, "constants": labels, **found})

    for reduction in reductions:
        r = dict(reduction=reduction)
        targets = probabilities(4, 3)
        fixed = {"target": targets}
        add("bceWithLogits", lambda x: F.binary_cross_entropy_with_logits(x, targets, **r), {"x": randn(4, 3, scale=3)}, fixed, **r)
        p = probabilities(4, 3).requires_grad_()
        add("bce", lambda x: F.binary_cross_entropy(x, targets, **r), {"x": p}, fixed, **r)
        for name, f in (("mse", F.mse_loss), ("l1", F.l1_loss)):
            add(name, lambda x, t: f(x, t, **r), {"x": randn(3, 2, 4), "target": randn(3, 2, 4)}, **r)
        for delta in (1.0, 0.3):
            add("huber", lambda x, t: F.huber_loss(x, t, delta=delta, **r), {"x": randn(9), "target": randn(9)}, delta=delta, **r)
        for beta in (1.0, 0.25):
            add("smoothL1", lambda x, t: F.smooth_l1_loss(x, t, beta=beta, **r), {"x": randn(9), "target": randn(9)}, beta=beta, **r)
        labels = torch.randint(0, 5, (6,))
        for smoothing in (0.0, 0.1):
            o = dict(reduction=reduction, label_smoothing=smoothing)
            add("crossEntropy", lambda x: F.cross_entropy(x, labels, **o), {"x": randn(6, 5, scale=2)}, {"labels": labels}, labelSmoothing=smoothing, **r)
            soft = torch.softmax(randn(6, 5), 1).float().double().detach()
            add("crossEntropy", lambda x: F.cross_entropy(x, soft, **o), {"x": randn(6, 5, scale=2)}, {"target": soft}, labelSmoothing=smoothing, **r)
        places = torch.randint(0, 4, (2, 3))
        add("crossEntropy", lambda x: F.cross_entropy(x.permute(0, 2, 1), places, **r), {"x": randn(2, 3, 4)}, {"labels": places}, **r)
        add("nll", lambda x: F.nll_loss(x, labels, **r), {"x": randn(6, 5)}, {"labels": labels}, **r)
        signs = torch.tensor([1, -1, 1, -1, -1])
        for margin in (0.0, 0.3):
            add("cosineEmbedding", lambda a, b: F.cosine_embedding_loss(a, b, signs, margin=margin, **r), {"a": randn(5, 4), "b": randn(5, 4)}, {"labels": signs}, margin=margin, **r)
    for reduction, theirs in (("batchMean", "batchmean"), ("mean", "mean"), ("sum", "sum"), ("none", "none")):
        target = torch.softmax(randn(4, 6), 1).float().double().detach()
        target[1, 2] = 0
        add("klDiv", lambda x: F.kl_div(F.log_softmax(x, 1), target, reduction=theirs), {"x": randn(4, 6)}, {"target": target}, reduction=reduction)
        add("klDivWithLogits", lambda x, t: F.kl_div(F.log_softmax(x, 1), F.log_softmax(t, 1), reduction=theirs, log_target=True), {"x": randn(4, 6), "target": randn(4, 6)}, reduction=reduction)

    def gaussian(mu, lv):
        normal = torch.distributions.Normal(mu, torch.exp(lv / 2))
        unit = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return torch.distributions.kl_divergence(normal, unit).sum(1)

    add("gaussianKL", lambda m, v: gaussian(m, v).mean(), {"means": randn(5, 3), "logVariances": randn(5, 3)})
    add("gaussianKL", gaussian, {"means": randn(5, 3), "logVariances": randn(5, 3)}, reduction="none")
    real = randn(4, 3, 2).detach()
    add("featureMatching", lambda f: F.l1_loss(f, real), {"fake": randn(4, 3, 2)}, {"real": real})
    add("meanFeatureMatching", lambda f: (f.mean(0) - real.mean(0)).square().sum(), {"fake": randn(6, 3, 2)}, {"real": real})
    save("supervised", result)


WRITERS = (activations, indexing, sorting, supervised)
