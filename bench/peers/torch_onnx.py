# Writes the generator of a case as ONNX: torch_onnx.py CASE FILE. Batch norm is folded before, as deployed models have it.
import json
import sys
import warnings

import torch
from torch.fx.experimental.optimization import fuse
from torch_models import build

warnings.filterwarnings("ignore")
torch.manual_seed(0)
G, _, latents, _ = build(json.loads(sys.argv[1]))
torch.onnx.export(fuse(G.eval()), (torch.randn(latents),), sys.argv[2], dynamo=False)
