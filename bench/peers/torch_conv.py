# PyTorch's side of the convolution benchmark: the sum of y and its gradients by x and the weight.
import torch
from torch import nn
from torch_worker import case, serve

rank, channels_last = case["rank"], case["format"] == "channels_last"
formats = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}
memory_format = formats[rank] if channels_last else torch.contiguous_format
kinds = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d)}
layer = kinds[rank][case["transposed"]](
    case["inChannels"], case["outChannels"], case["kernel"], case["stride"], case["padding"],
    groups=case["groups"], bias=False,
).to(memory_format=memory_format)
x = torch.randn(case["batch"], case["inChannels"], *[case["size"]] * rank)
x = x.contiguous(memory_format=memory_format).requires_grad_()


def step():
    torch.autograd.grad(layer(x).sum(), [x, layer.weight])


serve(step)
