/** train.py of an exported program: the loop, with Sinter's order of data, schedule, groups and clipping. */
export const trainPy = `"""Trains the model: python3 train.py --data FILE --processes N, or by torchrun

A step sums the losses of all of its tokens and divides by their number, over all micro-batches and all
processes, so that neither changes what is learnt. Windows are drawn by the same generator as in Sinter,
from the same seed: one process, two, and Sinter train on the same tokens in the same order.
"""
import argparse
import json
import math
import pathlib
import time

import numpy
import torch
import torch.distributed as dist

import parallel
import weights
from model import LanguageModel

HERE = pathlib.Path(__file__).parent
MASK = 0xFFFFFFFF


def stream(seed, name):
    """The state of Sinter's random stream of a name: FNV-1a over the text, mixed by MurmurHash3's
    finalizer.
    """

    def word(h):
        for letter in f"{seed}:{name}":
            h = (h ^ ord(letter)) * 0x01000193 & MASK
        h = (h ^ h >> 16) * 0x85EBCA6B & MASK
        h = (h ^ h >> 13) * 0xC2B2AE35 & MASK
        return h ^ h >> 16

    return [word(basis) for basis in (0x9E3779B9, 0x243F6A88, 0xB7E15162, 0x6A09E667)]


class Random:
    """xoshiro128** (Blackman & Vigna 2021)."""

    def __init__(self, state):
        self.state = list(state)

    def word(self):
        a, b, c, d = self.state
        scaled = b * 5 & MASK
        result = (scaled << 7 | scaled >> 25) * 9 & MASK
        shifted = b << 9 & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = (d << 11 | d >> 21) & MASK
        self.state = [a, b, c, d]
        return result

    def below(self, n):
        high, low = self.word() >> 5, self.word() >> 6
        return math.floor((high * 67108864 + low) / 9007199254740992 * n)


def read_tokens(path):
    """Token ids, one after the other: 4 bytes each in a .i32 file, else 2."""
    if not pathlib.Path(path).exists():
        raise SystemExit(f"{path} is not there: --data names a file of token ids")
    kind = numpy.int32 if str(path).endswith(".i32") else numpy.uint16
    return numpy.memmap(path, dtype=kind, mode="r")


def draw(tokens, rows, context, vocab, random):
    """[rows, context] windows at random places, and the tokens one later."""
    starts = [random.below(len(tokens) - context) for _ in range(rows)]
    cut = numpy.stack(
        [numpy.asarray(tokens[at : at + context + 1], dtype=numpy.int64) for at in starts]
    )
    if cut.max() >= vocab or cut.min() < 0:
        found = f"the data have token ids from {cut.min()} to {cut.max()}"
        raise SystemExit(f"{found}; the vocabulary has {vocab}")
    return torch.from_numpy(cut[:, :-1].copy()), torch.from_numpy(cut[:, 1:].copy())


def learning_rate(step, t):
    """Of a step that is counted from 1."""
    at = step - 1
    if at < t["warmup"]:
        return t["lr"] * (at + 1) / (t["warmup"] + 1)

    def share(first):
        return 1 if at >= t["steps"] else 0 if at <= first else (at - first) / (t["steps"] - first)

    if t["schedule"] == "cosine":
        return t["min_lr"] + 0.5 * (1 + math.cos(math.pi * share(t["warmup"]))) * (
            t["lr"] - t["min_lr"]
        )
    if t["schedule"] == "constant":
        return t["lr"]
    first = t["warmup"] if t["schedule"] == "linear" else max(t["warmup"], 0.8 * t["steps"])
    return t["lr"] + (t["min_lr"] - t["lr"]) * share(first)


def make_optimizer(model, t, device):
    """AdamW; matrices decay, vectors do not. A fused step wants the devices of a group to be the same."""
    groups = {}
    for _, p in weights.trained(model):
        groups.setdefault((p.dim() >= 2, getattr(p, "device_mesh", None)), []).append(p)
    groups = [
        {"params": params, "weight_decay": t["decay"] if decays else 0.0}
        for (decays, _), params in groups.items()
    ]
    fused = {"fused": True} if device.type == "cuda" else {}
    return torch.optim.AdamW(groups, lr=t["lr"], betas=(t["beta1"], t["beta2"]), eps=t["eps"], **fused)


def train_step(model, optimizer, batches, t, lr, spread, chunks=1, autocast=None):
    """One update from this process's micro-batches. Returns the mean loss and the norm over all
    processes.
    """
    units = spread.plain(model).units
    counted = sum(int(units(targets)) for _, targets in batches)
    everything = spread.total(torch.tensor(float(counted), device=batches[0][0].device))
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=batches[0][0].device)
    for i, (tokens, targets) in enumerate(batches):
        spread.sync_last(model, i == len(batches) - 1)
        with autocast() if autocast else torch.enable_grad():
            loss, balance = spread.loss_sum(model, tokens, targets, chunks)
        # gradients of processes are summed, not averaged: see parallel.py
        objective = loss + balance * units(targets)
        (objective * (spread.gradient_scale / everything)).backward()
        total = total + loss.detach()
    norm = spread.clip(model, t["clip"])
    optimizer.step()
    return float(spread.total(total) / everything), float(norm)


def main():
    ask = argparse.ArgumentParser(description="Trains the model of model.json.")
    ask.add_argument("--data", required=True, help="token ids: .bin of 2 bytes each, .i32 of 4")
    ask.add_argument("--sizes", default=HERE / "model.json", help="model.json, or a shadow's")
    ask.add_argument("--weights", help="a folder or file to begin from")
    ask.add_argument("--out", default=HERE / "run", type=pathlib.Path, help="folder of the run")
    ask.add_argument("--steps", type=int, help="instead of the schedule's")
    ask.add_argument(
        "--loss-chunks",
        type=int,
        default=1,
        help="pieces in which the output layer's rows are computed",
    )
    ask.add_argument("--save-every", type=int, default=500)
    parallel.add_options(ask)
    parallel.run_all(ask.parse_args(), run)


def autocast_on(device):
    """bf16 on CUDA; None: as it is."""
    return (lambda: torch.autocast("cuda", dtype=torch.bfloat16)) if device.type == "cuda" else None


def run(given):
    sizes = json.loads(pathlib.Path(given.sizes).read_text())
    t = sizes["train"]
    steps = given.steps or t["steps"]
    with parallel.started(given) as spread:
        model = spread.wrap(LanguageModel(sizes, device=spread.builds_on))
        if given.weights:
            weights.load(spread.plain(model), given.weights)
        elif weights.begins(given.out):
            weights.begin(spread.plain(model), t["seed"])
        optimizer = make_optimizer(model, t, spread.device)
        first = spread.resume(model, optimizer, given.out)
        tokens = read_tokens(given.data)
        tokens = tokens[: math.floor(len(tokens) * (1 - t["held_out"]))]
        if len(tokens) <= t["context"]:
            raise SystemExit(f"{given.data}: {len(tokens)} tokens are less than a window of {t['context']}")
        random = Random(stream(t["seed"], "batches"))
        autocast = autocast_on(spread.device)
        given.out.mkdir(parents=True, exist_ok=True)
        began, seen = time.time(), 0
        for step in range(1, steps + 1):
            micro = [
                draw(tokens, t["batch"], t["context"], sizes["vocab"], random)
                for _ in range(t["accumulate"])
            ]
            if step <= first:
                continue  # the generator goes through what was drawn before
            mine = [tuple(part.to(spread.device) for part in spread.share(*batch)) for batch in micro]
            loss, norm = train_step(
                model, optimizer, mine, t, learning_rate(step, t), spread, given.loss_chunks, autocast
            )
            seen += sum(tokens.numel() for tokens, _ in micro)
            if spread.is_first:
                rate = seen / (time.time() - began)
                line = {
                    "step": step,
                    "loss": loss,
                    "norm": norm,
                    "lr": learning_rate(step, t),
                    "tokens_per_second": rate,
                }
                with open(given.out / "log.jsonl", "a") as log:
                    log.write(json.dumps(line) + "\\n")
                if step == 1 or step % 10 == 0 or step == steps:
                    print(
                        f"step {step}  loss {loss:.4f}  norm {norm:.3f}  {rate:,.0f} tok/s", flush=True
                    )
            if step % given.save_every == 0 or step == steps:
                spread.save(model, optimizer, given.out, step)
        if spread.is_first:
            parallel.compare(HERE / "plan.json", seen / (time.time() - began), spread.device)


if __name__ == "__main__":
    main()
`;
