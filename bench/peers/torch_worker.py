# The protocol of the workers (worker.ts) and the options that all of PyTorch's sides share.
import json
import resource
import sys
import time

import torch

case = json.loads(sys.argv[1])
channels_last = case.get("format") == "channels_last"
device = case.get("device", "cpu")
torch.set_default_device(device)
torch.set_num_threads(int(case["threads"]))
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(case.get("tf32"))
torch.backends.cudnn.benchmark = True
torch.manual_seed(0)


def layout(t):
    """Tensors and modules in the memory format of the case."""
    if isinstance(t, torch.nn.Module):
        return t.to(memory_format=torch.channels_last) if channels_last else t
    return t.contiguous(memory_format=torch.channels_last) if channels_last and t.dim() == 4 else t


def serve(step):
    print(json.dumps({"version": "PyTorch " + torch.__version__}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(json.loads(line)["steps"]):
            t = time.perf_counter()
            step()
            times.append((time.perf_counter() - t) * 1e3)
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        extra = {"deviceMiB": torch.cuda.max_memory_allocated() / 2**20} if device == "cuda" else {}
        print(json.dumps({"ms": times, "rss": rss, "extra": extra}), flush=True)
