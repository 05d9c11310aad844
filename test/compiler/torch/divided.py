"""python divided.py PROGRAM TENSOR: what the first of a tensor group's processes keeps of the model, as JSON.

The group's other processes are not there, and nothing is computed: all tensors are on the meta device.
"""
import json
import pathlib
import sys

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(folder))

import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

import parallel
from model import LanguageModel

dist.init_process_group("fake", rank=0, world_size=count, store=FakeStore())
model = LanguageModel(json.loads((folder / "model.json").read_text()), device="meta")
parallel.divide(model, init_device_mesh("cpu", (count,)))
own = lambda p: p.to_local() if hasattr(p, "to_local") else p
kept = {name: own(p).numel() for name, p in model.named_parameters()}
rows = model.sizes["padded_vocab"]
tables = {name: list(own(p).shape) for name, p in model.named_parameters() if p.shape[0] == rows}
print(json.dumps({"parameters": sum(kept.values()), "tables": tables}))
