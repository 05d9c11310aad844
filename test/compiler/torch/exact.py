"""
    /usr/bin/python3 test/compiler/torch/exact.py FOLDER…

Each folder has an exported model.py with its weights.py and model.json, and exact.safetensors: weights, a batch, logits, mean
loss and gradients in float64, as the references of Sinter's operations compute them. Prints the largest distance of each,
beside the largest number of what was wanted: {"folder": {"logits": …, "loss": …, "gradients": …}}.
"""
import importlib
import json
import pathlib
import sys

import torch

torch.set_default_dtype(torch.float64)


def far(got, wanted):
    return float((got - wanted).detach().abs().max() / wanted.abs().max().clamp(min=1e-30))


def measure(folder):
    sys.path.insert(0, str(folder))
    for name in ("model", "weights"):
        sys.modules.pop(name, None)
    model_py, weights_py = (importlib.import_module(name) for name in ("model", "weights"))
    sys.path.pop(0)
    found = weights_py.read(folder / "exact.safetensors")
    model = model_py.LanguageModel(json.loads((folder / "model.json").read_text()))
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(found["weights." + name])
    tokens, targets = found["tokens"].long(), found["targets"].long()
    logits = model(tokens)
    total, balance = model.loss_sum(tokens, targets)
    loss = total / (targets >= 0).sum()
    (loss + balance).backward()
    largest = max(float(found["gradient." + name].abs().max()) for name, _ in model.named_parameters())
    gradients = [float((p.grad - found["gradient." + name]).abs().max()) / largest for name, p in model.named_parameters()]
    return {"logits": far(logits, found["logits"].view_as(logits)), "loss": far(loss, found["loss"][0]), "gradients": max(gradients)}


print(json.dumps({folder: measure(pathlib.Path(folder)) for folder in sys.argv[1:]}))
