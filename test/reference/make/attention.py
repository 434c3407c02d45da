"""Attention, recurrent layers, einsum, norms and Fréchet distances, as PyTorch computes them."""

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from .common import derivatives, randn, save


def masked(q, k, v, scale, causal, mask):
    """F.scaled_dot_product_attention where a query sees a key; zeros where it sees none."""
    seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool)
    if causal:
        seen = seen.tril()
    bias = torch.zeros(seen.shape, dtype=torch.float64)
    if mask is not None and mask.dtype == torch.bool:
        seen = seen & mask
    elif mask is not None:
        bias = mask
    bias = bias.masked_fill(~seen, -torch.inf)
    alone = ~torch.broadcast_to(seen, (*q.shape[:-1], k.shape[-2])).any(-1, keepdim=True)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.masked_fill(alone, 0), scale=scale)
    return torch.where(alone, 0, y)


def attention():
    torch.manual_seed(21)
    plain = dict(causal=False)
    causal = dict(causal=True)
    cases = [
        ((1, 1, 1, 1), (), plain), ((4, 4, 3, 3), (), plain), ((5, 3, 4, 2), (2,), plain), ((3, 7, 2, 5), (2, 3), plain),
        ((9, 9, 8, 8), (1,), plain), ((16, 4, 2, 8), (2,), plain), ((17, 17, 1, 3), (), plain), ((1, 9, 4, 4), (3,), plain),
        ((6, 1, 3, 2), (2,), plain), ((6, 6, 4, 4), (2,), dict(scale=1.0)), ((4, 5, 3, 2), (), dict(scale=-0.5)),
        ((5, 5, 2, 2), (2,), causal), ((3, 6, 4, 1), (), causal), ((7, 2, 3, 3), (2,), causal), ((8, 8, 4, 2), (2, 2), causal),
        ((5, 5, 3, 2), (1,), dict(causal=True, scale=2.0)),
    ]
    masks = [
        ((3, 4, 2, 2), (), "bool", (3, 4)), ((3, 4, 2, 2), (2,), "bool", (2, 1, 4)), ((5, 4, 3, 1), (2, 2), "bool", (4,)),
        ((3, 4, 2, 2), (2,), "bool", (3, 1)), ((4, 4, 2, 3), (2,), "float", (4, 4)), ((3, 5, 2, 2), (2, 2), "float", (2, 1, 5)),
        ((4, 3, 2, 2), (2,), "float", (2, 4, 3)), ((2, 3, 4, 2), (2, 2), "float", (2, 1, 1, 3)),
    ]
    result = []

    def add(sizes, lead, mask, scale=None, causal=False):
        queries, keys, depth, value_depth = sizes
        inputs = {"q": randn(*lead, queries, depth), "k": randn(*lead, keys, depth), "v": randn(*lead, keys, value_depth)}
        options = {"causal": causal} | ({} if scale is None else {"scale": scale})
        kept = {}
        if mask is not None and mask.dtype == torch.bool:
            kept = {"mask": mask.double()}
            found = derivatives(lambda q, k, v: masked(q, k, v, scale, causal, mask), inputs)
        elif mask is not None:
            found = derivatives(lambda q, k, v, m: masked(q, k, v, scale, causal, m), inputs | {"mask": mask})
        else:
            found = derivatives(lambda q, k, v: masked(q, k, v, scale, causal, None), inputs)
        result.append({"options": options, **kept, **found})

    for sizes, lead, options in cases:
        add(sizes, lead, None, **options)
    for i, (sizes, lead, kind, shape) in enumerate(masks):
        mask = torch.rand(shape) < 0.6 if kind == "bool" else randn(*shape)
        add(sizes, lead, mask, causal=i % 3 == 2)
    save("attention", result)


def multi_head():
    torch.manual_seed(22)
    result = []
    for size, heads, shapes, causal in (
        (4, 2, ((2, 3), (2, 3)), False), (6, 3, ((1, 5), (1, 2)), False), (4, 1, ((2, 4), (2, 4)), True),
        (8, 4, ((2, 2), (2, 7)), False), (4, 4, ((3, 1), (3, 1)), False),
    ):
        layer = torch.nn.MultiheadAttention(size, heads, batch_first=True, dtype=torch.float64)
        for p in layer.parameters():
            p.data = torch.randn(p.shape, dtype=torch.float32).double() * 0.5
        q, k = (randn(*s, size) for s in shapes)
        mask = ~torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril() if causal else None
        names = ("query", "key", "value")
        w, b = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
        state = {f"{n}Projection.weight": x for n, x in zip(names, w)} | {f"{n}Projection.bias": x for n, x in zip(names, b)}
        state |= {"outputProjection.weight": layer.out_proj.weight, "outputProjection.bias": layer.out_proj.bias}
        y = lambda q, k: layer(q, k, k, attn_mask=mask, need_weights=False)[0]
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels have no second derivatives
            found = derivatives(y, {"q": q, "k": k})
        result.append({"size": size, "heads": heads, "causal": causal, "state": state, **found})
    save("multi_head", result)


def sagan():
    """Self-attention of BigGAN's code: pooled keys and values, no 1/sqrt(d), a residual with gamma."""
    torch.manual_seed(23)
    result = []
    for shape, pool in (((2, 4, 4, 8), True), ((1, 6, 2, 16), True), ((2, 3, 5, 8), False), ((1, 5, 5, 8), True)):
        c = shape[3]
        weights = {"query": randn(c // 8, 1, 1, c), "key": randn(c // 8, 1, 1, c), "value": randn(c // 2, 1, 1, c)}
        weights |= {"output": randn(c, 1, 1, c // 2, scale=0.5), "gamma": randn(1)}

        def block(x, query, key, value, output, gamma):
            x = x.permute(0, 3, 1, 2)
            conv = lambda x, w: F.conv2d(x, w.permute(0, 3, 1, 2))
            shrink = (lambda t: F.max_pool2d(t, 2)) if pool else (lambda t: t)
            q, k, v = conv(x, query).flatten(2), shrink(conv(x, key)).flatten(2), shrink(conv(x, value)).flatten(2)
            p = torch.softmax(torch.bmm(q.transpose(1, 2), k), -1)
            o = torch.bmm(v, p.transpose(1, 2)).reshape(x.shape[0], c // 2, *x.shape[2:])
            return (x + gamma * conv(o, output)).permute(0, 2, 3, 1)

        result.append({"pool": pool, **derivatives(block, {"x": randn(*shape), **weights})})
    save("sagan", result)


def rnn():
    torch.manual_seed(24)
    result = []
    for kind, batch, steps, features, hidden, layers, bias in (
        ("GRU", 1, 1, 1, 1, 1, True), ("GRU", 2, 4, 3, 2, 1, True), ("GRU", 3, 2, 2, 5, 1, False), ("GRU", 2, 3, 2, 3, 2, True),
        ("GRU", 1, 7, 2, 2, 1, True), ("GRU", 2, 3, 3, 17, 1, True), ("LSTM", 1, 1, 1, 1, 1, True), ("LSTM", 2, 4, 3, 2, 1, True),
        ("LSTM", 3, 2, 2, 5, 1, False), ("LSTM", 2, 3, 2, 3, 2, True), ("LSTM", 1, 7, 2, 2, 1, True),
        ("LSTM", 2, 3, 3, 17, 1, True),
    ):
        layer = getattr(torch.nn, kind)(features, hidden, layers, bias=bias, batch_first=True, dtype=torch.float64)
        state = {}
        for name, p in layer.named_parameters():
            p.data = torch.randn(p.shape, dtype=torch.float32).double() * 0.5
            what, of, number = name.split("_")
            state[f"cells.{number[1:]}.{what}{of.capitalize()}"] = p
        first = {"h": randn(layers, batch, hidden)} | ({"c": randn(layers, batch, hidden)} if kind == "LSTM" else {})

        def run(x, *states):
            output, last = layer(x, states if kind == "LSTM" else states[0])
            ends = torch.cat(last, -1) if kind == "LSTM" else last
            return torch.cat([output.reshape(-1), ends.reshape(-1)])

        found = derivatives(run, {"x": randn(batch, steps, features), **first})
        sizes = {"features": features, "hidden": hidden, "layers": layers, "bias": bias}
        y = run(*found["inputs"].values())
        weight_grads = dict(zip(state, torch.autograd.grad((y * found["gy"]).sum(), list(state.values()))))
        result.append({"kind": kind, **sizes, "state": state, "weightGrads": weight_grads, **found})
    save("rnn", result)


def einsum():
    torch.manual_seed(25)
    cases = [
        ("i,i->", [(5,), (5,)]), ("i,j->ij", [(3,), (4,)]), ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("ij->i", [(2, 3)]),
        ("ii->", [(4, 4)]), ("ii->i", [(4, 4)]), ("iij->j", [(3, 3, 2)]), ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,kj->ik", [(2, 3), (4, 3)]),
        ("ji,jk->ki", [(3, 2), (3, 4)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]), ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
        ("ij,ij->ij", [(2, 3), (2, 3)]), ("ijk,ijk->j", [(2, 3, 2), (2, 3, 2)]), ("ij,j", [(2, 3), (3,)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
        ("bij,cj->bci", [(2, 3, 4), (5, 4)]), ("...ij,...jk->...ik", [(2, 2, 3), (3, 2)]), ("...i->...", [(2, 3, 4)]), ("b...,b...->...", [(2, 3), (2, 3)]),
        ("ij,ij->i", [(2, 1), (2, 4)]), ("abc,abd->dc", [(2, 3, 2), (2, 3, 4)]), ("ij,k->k", [(2, 3), (4,)]), ("a,b,c->cab", [(2,), (3,), (4,)]),
        ("i->i", [(4,)]), ("ba", [(2, 3)]), ("nhwc,oc->nhwo", [(1, 2, 2, 3), (4, 3)]),
    ]
    result = []
    for equation, shapes in cases:
        inputs = {f"x{i}": randn(*shape) for i, shape in enumerate(shapes)}
        result.append({"equation": equation, **derivatives(lambda *xs: torch.einsum(equation, *xs), inputs)})
    save("einsum", result)


def vector():
    torch.manual_seed(26)
    result = []
    for p in (2.0, 1.0, 3.0, 1.5, torch.inf, -torch.inf, 0.5):
        for shape, axis in (((3, 4), None), ((3, 4), 1), ((2, 3, 2), (0, 2))):
            found = derivatives(lambda x: torch.linalg.vector_norm(x, p, dim=axis), {"x": randn(*shape)})
            name = {torch.inf: "Infinity", -torch.inf: "-Infinity"}.get(p, str(p))
            result.append({"op": "norm", "p": name, **({} if axis is None else {"axis": axis}), **found})
    for shape, axis in (((3, 4), -1), ((2, 3, 2), 1), ((5,), 0)):
        result.append({"op": "normalize", "axis": axis, **derivatives(lambda x: F.normalize(x, dim=axis), {"x": randn(*shape)})})
        pair = {"x": randn(*shape), "y": randn(*shape)}
        result.append({"op": "cosineSimilarity", "axis": axis, **derivatives(lambda x, y: F.cosine_similarity(x, y, dim=axis), pair)})
    for op, f, b in (("dot", torch.dot, 4), ("outer", torch.outer, 3)):
        result.append({"op": op, **derivatives(f, {"x": randn(4), "y": randn(b)})})
    save("vector", result)


def frechet():
    """Distances by eigenvalues of the product of covariances, in float64, for full and for singular covariances."""
    torch.manual_seed(27)
    result = []
    for n1, n2, d in ((50, 60, 3), (200, 150, 12), (8, 9, 20), (40, 5, 10), (30, 30, 1)):
        a, b = randn(n1, d, shift=0.3).detach(), (randn(n2, d) @ torch.randn(d, d).double() + 1).detach().float().double()
        sigma1, sigma2 = (torch.cov(x.T).reshape(d, d) for x in (a, b))
        values, vectors = torch.linalg.eigh(sigma1)
        root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
        trace = torch.linalg.eigvalsh(root @ sigma2 @ root).clamp(min=0).sqrt().sum()
        distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + sigma1.trace() + sigma2.trace() - 2 * trace
        result.append({"a": a, "b": b, "distance": distance.item(), "mean": a.mean(0).tolist(), "covariance": sigma1.reshape(-1).tolist()})
    save("frechet", result)


WRITERS = (attention, multi_head, sagan, rnn, einsum, vector, frechet)
