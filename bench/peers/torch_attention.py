# PyTorch's side of the attention benchmark: the sum of y and its gradients by all inputs and parameters.
import torch
import torch.nn.functional as F
from torch import nn
from torch_worker import case, serve

batch, steps, depth, kind = (case[k] for k in ("batch", "steps", "depth", "kind"))
x = torch.randn(batch, steps, depth, requires_grad=True)

if kind == "attention":
    k = torch.randn(batch, case["keys"], depth, requires_grad=True)
    v = torch.randn(batch, case["keys"], case["valueDepth"], requires_grad=True)
    watched = [x, k, v]

    def run():
        if case.get("fused"):
            return F.scaled_dot_product_attention(x[:, None], k[:, None], v[:, None])[:, 0]
        return torch.softmax(x @ k.transpose(1, 2) * depth**-0.5, -1) @ v
elif kind == "multiHead":
    layer = nn.MultiheadAttention(depth, case["heads"], batch_first=True)
    watched = [x, *layer.parameters()]
    run = lambda: layer(x, x, x, need_weights=False)[0]
else:
    layer = {"gru": nn.GRU, "lstm": nn.LSTM}[kind](depth, case["hidden"], batch_first=True)
    watched = [x, *layer.parameters()]
    run = lambda: layer(x)[0]

serve(lambda: torch.autograd.grad(run().sum(), watched))
