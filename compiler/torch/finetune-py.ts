/** finetune.py of an exported program: answers to questions, and which of two answers is better. */
export const finetunePy = `"""Fine-tunes the model: python3 finetune.py [--data FILE --objective NAME]

The program of a run of \`sinter sft\` or \`sinter prefer\` has its examples, objective and settings, and goes
on where the run stands. Any other reads a FILE of its own: each line is an example in token ids, as JSON,
{"prompt": [...], "answer": [...]} for an objective of tokens or answers, {"prompt": [...], "chosen": [...],
"rejected": [...]} for one of pairs. Instead of ids an answer may be a row, prompt and all: {"tokens": [...],
"targets": [...]}, where targets of -1 do not count, and "reference", ln p of each target by the model that
this one is compared with; by default that is the one that the run begins with.

Answers hold the token that ends them. An example has a row of its own, and what is longer than the context is
left out. Every example comes once in an epoch, in Sinter's order.
"""
import argparse
import itertools
import json
import pathlib

import torch
from torch.nn import functional as F

import parallel
import train
import weights
from model import LanguageModel
from objectives import OBJECTIVES, Answers

HERE = pathlib.Path(__file__).parent


class FineTuned(LanguageModel):
    """The model with another loss: of tokens, answers, or pairs, of which two rows are one."""

    def begin(self, objective, settings):
        self.unit, self.equation, given, self.compares = OBJECTIVES[objective]
        self.settings = {**given, **settings}
        self.references = []
        return self

    def logprobs(self, tokens, targets):
        """ln p of each target [N, T], and the experts' balance."""
        rows, penalty = self.model(tokens, targets.flatten() >= 0)
        logits = self.lm_head(rows)[..., : self.sizes["vocab"]]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        lost = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none")
        return -lost.view_as(targets), penalty

    def loss_sum(self, tokens, targets, chunks=1):
        """The sum of all losses of these rows. What the reference says of them was put into references."""
        logp, penalty = self.logprobs(tokens, targets)
        ref = self.references.pop(0)
        counted = targets >= 0
        if self.unit == "pair":
            pair = (Answers(logp[i::2], ref[i::2], counted[i::2]) for i in (0, 1))
            return self.equation(*pair, self.settings).sum(), penalty
        own = Answers(logp, ref, counted)
        lost = self.equation(own, self.settings)
        return (own.sum(lost) if self.unit == "token" else lost).sum(), penalty

    def units(self, targets):
        if self.unit == "token":
            return super().units(targets)
        return torch.tensor(len(targets) // (2 if self.unit == "pair" else 1), device=targets.device)


def row_of(prompt, answer):
    """Tokens, and as targets those of the answer one place earlier."""
    ids, first = [*prompt, *answer], max(len(prompt), 1)
    return {"tokens": ids[:-1], "targets": [-1] * (first - 1) + ids[first:]}


def rows_of(example, unit):
    """The row of an example; the two of a pair, the better one first."""
    pair = unit == "pair"
    answers = [example["chosen"], example["rejected"]] if pair else [example.get("answer", example)]
    return [one if isinstance(one, dict) else row_of(example["prompt"], one) for one in answers]


def read(path, unit, context):
    """The rows of all examples that fit into the context."""
    found = [rows_of(json.loads(line), unit) for line in open(path) if line.strip()]
    kept = [rows for rows in found if all(len(row["tokens"]) <= context for row in rows)]
    if not kept:
        raise SystemExit(f"{path}: none of {len(found)} examples fits into {context} tokens")
    if len(kept) < len(found):
        print(f"{len(found) - len(kept)} of {len(found)} examples are longer than {context} tokens")
    return kept


def order(count, seed):
    """Which example comes next, for ever: the places of each epoch are shuffled (Fisher & Yates)."""
    for epoch in itertools.count():
        random = train.Random(train.stream(seed, f"epoch {epoch}"))
        places = list(range(count))
        for i in range(count - 1, 0, -1):
            j = random.below(i + 1)
            places[i], places[j] = places[j], places[i]
        yield from places


def batch_of(examples):
    """tokens, targets and reference [N, T] of all rows; what is behind a row's end is not counted."""
    rows = [row for example in examples for row in example]
    length = max(len(row["tokens"]) for row in rows)

    def filled(name, value):
        padded = [row.get(name, []) for row in rows]
        return torch.tensor([one + [value] * (length - len(one)) for one in padded])

    return filled("tokens", 0), filled("targets", -1), filled("reference", 0.0)


@torch.no_grad()
def refer(model, examples, device, at_once=8):
    """Writes into each row what the model says of it before it learns."""
    for first in range(0, len(examples), at_once):
        some = examples[first : first + at_once]
        tokens, targets, _ = (part.to(device) for part in batch_of(some))
        said = model.logprobs(tokens, targets)[0].tolist()
        for row, own in zip((row for example in some for row in example), said):
            row["reference"] = own[: len(row["tokens"])]


def settings_of(given):
    return {name: float(value) for name, _, value in (pair.partition("=") for pair in given)}


def training(sizes, given):
    """As the run's own stage says; otherwise what suits fine-tuning after the model's training."""
    t = dict(sizes["train"])
    if "objective" not in sizes:
        steps = given.steps or 200
        t.update(lr=t["lr"] / 10, min_lr=0, warmup=min(100, steps // 20), schedule="linear", decay=0)
        t.update(steps=steps, batch=8, accumulate=1)
    if given.batch:
        t.update(batch=given.batch, accumulate=1)
    if given.lr:
        t.update(lr=given.lr)
    return t


def main():
    ask = argparse.ArgumentParser(description="Fine-tunes the model of model.json.")
    ask.add_argument("--data", default=HERE / "examples.jsonl", help="examples: JSON Lines of token ids")
    ask.add_argument("--objective", choices=sorted(OBJECTIVES), help="default: the run's own, else sft")
    ask.add_argument("--set", action="append", default=[], help="a number of the objective: beta=0.2")
    ask.add_argument("--sizes", default=HERE / "model.json", help="model.json, or a shadow's")
    ask.add_argument("--weights", help="a folder or file to begin from")
    ask.add_argument("--out", type=pathlib.Path, help="default: the run's own folder, else run-tuned")
    ask.add_argument("--steps", type=int, help="default: the run's own, else 200")
    ask.add_argument("--batch", type=int, help="sequences of a step, over all processes; two are a pair")
    ask.add_argument("--lr", type=float, help="default: the run's own, else a tenth of training's")
    ask.add_argument("--processes", type=int, default=1, help="on this machine, where torchrun starts none")
    ask.add_argument("--mode", default="ddp", choices=["ddp"])
    ask.add_argument("--recompute", action="store_true")
    ask.add_argument("--compile", action="store_true")
    given = ask.parse_args()
    if given.processes > 1:
        parallel.on_this_machine(given.processes, run, given)
    else:
        run(given)


def run(given):
    sizes = json.loads(pathlib.Path(given.sizes).read_text())
    t = training(sizes, given)
    steps = given.steps or t["steps"]
    out = given.out or HERE / ("run" if "objective" in sizes else "run-tuned")
    with parallel.started(given) as spread:
        model = FineTuned(sizes, device=spread.device)
        model.begin(given.objective or sizes.get("objective", "sft"), settings_of(given.set))
        weights.begin(model, t["seed"])
        if given.weights:
            weights.load(model, given.weights)
        each = t["batch"] // (2 if model.unit == "pair" else 1)
        if each % spread.ranks:
            raise SystemExit(f"{each} examples do not divide among {spread.ranks} processes")
        examples = read(given.data, model.unit, sizes["context"])
        unknown = model.compares and any("reference" not in row for rows in examples for row in rows)
        model = spread.wrap(model)
        plain = spread.plain(model)
        optimizer = train.make_optimizer(plain, t, spread.device)
        first = spread.resume(model, optimizer, out)
        if unknown and first > 0:
            raise SystemExit(f"{out} has learnt {first} steps, and is no reference: begin with another --out")
        if unknown:
            refer(plain, examples, spread.device)
        places = order(len(examples), t["seed"])
        out.mkdir(parents=True, exist_ok=True)
        for step in range(1, steps + 1):
            drawn = [[examples[next(places)] for _ in range(each)] for _ in range(t["accumulate"])]
            if step <= first:
                continue
            micro = [tuple(p.to(spread.device) for p in spread.share(*batch_of(some))) for some in drawn]
            plain.references = [reference for _, _, reference in micro]
            rate = train.learning_rate(step, t)
            batches = [(tokens, targets) for tokens, targets, _ in micro]
            loss, norm = train.train_step(model, optimizer, batches, t, rate, spread)
            if spread.is_first:
                line = {"step": step, "loss": loss, "norm": norm, "lr": rate}
                with open(out / "log.jsonl", "a") as log:
                    log.write(json.dumps(line) + "\\n")
                if step == 1 or step % 10 == 0 or step == steps:
                    print(f"step {step}  loss {loss:.4f}  norm {norm:.3f}", flush=True)
        spread.save(model, optimizer, out, steps)


if __name__ == "__main__":
    main()
`;
