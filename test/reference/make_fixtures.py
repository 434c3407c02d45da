"""Writes test/reference/fixtures/*.json with PyTorch: what ganvas must reproduce.

Run by hand with any Python that has torch: `python test/reference/make_fixtures.py [module ...]`, the modules being the
files in make/ (all by default). Deterministic. Everything is computed in float64 from inputs that float32 represents
exactly and stored as float32. Arrays are in ganvas's layouts (images NHWC, convolution weights [out, kH, kW, in /
groups], dense weights [in, out]); the permutations are in make/common.py.
"""

import importlib
import pkgutil
import sys

import torch

import make

if __name__ == "__main__":
    torch.set_num_threads(1)
    modules = sys.argv[1:] or [m.name for m in pkgutil.iter_modules(make.__path__) if m.name != "common"]
    for name in modules:
        for write in importlib.import_module(f"make.{name}").WRITERS:
            write()
