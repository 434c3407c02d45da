# PyTorch's side of the inference benchmark: eager evaluation, batch norm folded by torch.fx's own fusion.
import torch
from torch.fx.experimental.optimization import fuse
from torch_models import build
from torch_worker import case, layout, serve

G, _, latents, _ = build(case)
G = layout(fuse(G.eval()))
z = layout(torch.randn(latents))


def step():
    with torch.inference_mode():
        return G(z).numpy()


serve(step)
