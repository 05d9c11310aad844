/** adapters.py of an exported program whose run has adapters. */
export const adaptersPy = `"""Adapters (LoRA, Hu et al. 2021): thin maps beside those of the layers, x A B.

All else stays as it is.
"""
import torch
from torch import nn
from torch.nn import functional as F


def put_beside(model, lora, **on):
    """Maps that are named together have one A, the first one's, and each its own B. They can be left out:
    model.adapters_count = False.
    """
    model.adapters_count = True
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in lora["whole"])

    def adds_to(first):
        def added(module, given, out):
            if not model.adapters_count:
                return out
            thin = F.linear(given[0], first.lora_A) * lora["scale"]
            return out + F.linear(thin, module.lora_B)

        return added

    for block in model.model.layers:
        for names in lora["maps"]:
            maps = [block.get_submodule(name) for name in names]
            maps[0].lora_A = nn.Parameter(torch.zeros(lora["rank"], maps[0].in_features, **on))
            for one in maps:
                one.lora_B = nn.Parameter(torch.zeros(one.out_features, lora["rank"], **on))
                one.register_forward_hook(adds_to(maps[0]))

`;
