"""Steps on one GPU, timed: the exported program beside its plan, and beside a plain step of torch.compile.
python speed.py gpt2|gpt2-xl|llama PROGRAMS
"""
import json

import pathlib
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

import rows

WARM, STEPS = 5, 20
TIME_NEAR, MEMORY_NEAR = 0.15, 0.10
GIB = 2**30

# program, pieces of the loss, tokens a second at least, utilisation at least (causal)
SHAPES = {
    "gpt2": ("gpt2-step", 1, None, None),
    "gpt2-xl": ("gpt2-xl-step", 1, 43_000, None),
    "llama": ("llama-step", 4, None, 0.40),
}
# of a plain step of torch.compile, in the same run
FASTER = 1.04


def card():
    """The device's name in plans. None: there are none of it."""
    name = torch.cuda.get_device_name()
    return next((known for known in ("h100", "h200") if known in name.lower()), None)


def timed(step):
    """Seconds of a step, and the most memory while it ran, allocated and reserved."""
    for _ in range(WARM):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / STEPS
    return seconds, torch.cuda.max_memory_allocated() / GIB, torch.cuda.max_memory_reserved() / GIB


def batch(vocab, micro, sequence):
    text = torch.randint(vocab, (micro, sequence + 1), device="cuda")
    return text[:, :-1].contiguous(), text[:, 1:].contiguous()


def exported(folder, plan, chunks):
    """The program's own step, with everything compiled that it compiles."""
    sys.path.insert(0, str(folder))
    import parallel
    import train
    from model import LanguageModel

    class Given:
        recompute, compile, tensor, mode = False, True, 1, "ddp"

    sizes = json.loads((folder / "model.json").read_text())
    device = torch.device("cuda")
    spread = parallel.Single(Given, device)
    model = LanguageModel(sizes, device=device)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0, 0.02) if value.dim() > 1 else None
    model = spread.wrap(model)
    t = sizes["train"]
    optimizer = train.make_optimizer(model, t, device)
    micro = [batch(sizes["vocab"], plan["settings"]["micro"], plan["settings"]["sequence"])]
    autocast = lambda: torch.autocast("cuda", dtype=torch.bfloat16)
    return timed(lambda: train.train_step(model, optimizer, micro, t, 1e-4, spread, chunks, autocast))


class PlainBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        B, T, C = x.shape
        maps = self.qkv(self.norm_1(x)).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = maps.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm_2(x)), approximate="tanh"))


class Plain(nn.Module):
    """GPT-2 as everyone writes it."""

    def __init__(self, vocab, context, width, layers, heads):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(PlainBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def plain(plan, padded=50304):
    """A step of torch.compile over all of GPT-2: autocast, fused AdamW, clipping."""
    torch.compiler.reset()
    with torch.device("cuda"):
        model = Plain(padded, 1024, 768, 12, 12)
    whole = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens, targets = batch(50257, plan["settings"]["micro"], plan["settings"]["sequence"])

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = whole(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return timed(step)


def main(shape, programs):
    name, chunks, least, utilised = SHAPES[shape]
    plans = json.loads((programs / name / "plans.json").read_text())
    known = card()
    plan = plans[known or "h100"]
    tokens = plan["settings"]["micro"] * plan["settings"]["sequence"]
    seconds, allocated, reserved = exported(programs / name, plan, chunks)
    rate = tokens / seconds
    time_near, memory_near = (TIME_NEAR, MEMORY_NEAR) if known else (None, None)
    predicted = plan["tokens_per_second"] if known else None
    rows.put("speed", f"{shape}: tok/s", rate, predicted=predicted, near=time_near, least=least)
    for convention in ("causal", "full"):
        peak = plan["flops_per_token"][convention] / plan["mfu"][convention] * plan["tokens_per_second"]
        share = plan["flops_per_token"][convention] * rate / peak
        bound = utilised if convention == "causal" and known else None
        planned = plan["mfu"][convention]
        rows.put("speed", f"{shape}: MFU, {convention}", share, predicted=planned, least=bound)
    memory = plan["memory"]["reserved"] / GIB
    rows.put("speed", f"{shape}: GiB reserved", reserved, predicted=memory, near=memory_near)
    rows.put("speed", f"{shape}: GiB allocated", allocated)
    if shape == "gpt2":
        torch.cuda.empty_cache()
        beside, _, kept = plain(plan)
        rows.put("speed", "gpt2, a plain compiled step: tok/s", tokens / beside)
        rows.put("speed", "gpt2, a plain compiled step: GiB reserved", kept)
        rows.put("speed", "gpt2: times as fast as the plain step", beside / seconds, least=FASTER)


if __name__ == "__main__":
    if not torch.cuda.is_available():
        rows.skip("speed", sys.argv[1], "there is no CUDA")
    elif not hasattr(torch, "compile"):
        rows.skip("speed", sys.argv[1], f"torch {torch.__version__} compiles nothing")
    else:
        main(sys.argv[1], pathlib.Path(sys.argv[2]))
