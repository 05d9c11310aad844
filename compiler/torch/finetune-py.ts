/** finetune.py of an exported program: answers to questions, and which of two answers is better. */
export const finetunePy = `"""Fine-tunes the model: python3 finetune.py [--data FILE --objective NAME]

The program of a run of \`sinter sft\` or \`sinter prefer\` has its examples, objective and settings, and goes
on where the run stands. Any other reads a FILE of its own: each line is an example in token ids, as JSON,
{"prompt": [...], "answer": [...]} for an objective of tokens or answers, {"prompt": [...], "chosen": [...],
"rejected": [...]} for one of pairs. Instead of ids an answer may be a row, prompt and all: {"tokens": [...],
"targets": [...]}, where targets of -1 do not count, and "reference", ln p of each target by the model that
this one is compared with; by default that is the one that the run begins with.

Answers hold the token that ends them, and what is longer than the context is left out. An example has a row
of its own, or, where the run has packed them, several share one and see themselves alone. Every example comes
once in an epoch, in Sinter's order.
"""
import argparse
import itertools
import json
import pathlib

import torch

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
        self.beside = []
        return self

    def logprobs(self, tokens, targets, positions=None):
        """ln p of each target [N, T], and the experts' balance."""
        rows, penalty = self.model(tokens, targets.flatten() >= 0, positions)
        lost = self.losses(rows.flatten(0, 1), targets.flatten())
        return -lost.view_as(targets), penalty

    def reference(self, tokens, targets):
        return self.logprobs(tokens, targets)[0]

    def loss_sum(self, tokens, targets, chunks=1):
        """The sum of all losses of these rows. What the reference says of them, and their positions if they
        are packed, were put beside.
        """
        ref, positions = self.beside.pop(0)
        logp, penalty = self.logprobs(tokens, targets, positions)
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
    if not pathlib.Path(path).exists():
        raise SystemExit(f"{path} is not there: --data names a file of examples")
    found = [rows_of(json.loads(line), unit) for line in open(path) if line.strip()]
    kept = [rows for rows in found if all(len(row["tokens"]) <= context for row in rows)]
    if not kept:
        raise SystemExit(f"{path}: none of {len(found)} examples fits into {context} tokens")
    if len(kept) < len(found):
        print(f"{len(found) - len(kept)} of {len(found)} examples are longer than {context} tokens")
    return kept


def shuffled(count, seed, name):
    """The places of an epoch (Fisher & Yates)."""
    random = train.Random(train.stream(seed, name))
    places = list(range(count))
    for i in range(count - 1, 0, -1):
        j = random.below(i + 1)
        places[i], places[j] = places[j], places[i]
    return places


def best_fit(lengths, context):
    """Which of these lengths, longest first, share a row: each goes to the fullest that has room (Johnson
    1973).
    """
    rows, with_room = [], [[] for _ in range(context + 1)]
    for rank, length in enumerate(lengths):
        room = next((room for room in range(length, context + 1) if with_room[room]), context)
        if not with_room[room]:
            with_room[room].append(len(rows))
            rows.append([])
        row = with_room[room].pop()
        rows[row].append(rank)
        with_room[room - length].append(row)
    return rows


def order(examples, seed, context=None):
    """The examples of the next row, for ever: one, or, packed into \`context\` tokens, as many as have room.
    Which lengths share a row is the same in each epoch; which examples these are is not.
    """
    length = lambda place: len(examples[place][0]["tokens"])
    longest_first = lambda places: sorted(places, key=length, reverse=True)
    rows = context and best_fit([length(i) for i in longest_first(range(len(examples)))], context)
    for epoch in itertools.count():
        places = shuffled(len(examples), seed, f"epoch {epoch}")
        if not context:
            yield from ([examples[place]] for place in places)
            continue
        by_rank = longest_first(places)
        for row in shuffled(len(rows), seed, f"rows of epoch {epoch}"):
            yield [examples[by_rank[rank]] for rank in rows[row]]


def batch_of(drawn, packed=False, multiple=1):
    """tokens, targets, reference and positions [N, T] of what was drawn, each a row's examples; those of a
    pair have a row each. What is behind a row's end is not counted, and a document of its own; T is a
    multiple of what tensor parallelism divides by.
    """
    rows = [[one[0] for one in row] for row in drawn] if packed else [[one] for [row] in drawn for one in row]
    length = max(sum(len(one["tokens"]) for one in row) for row in rows)
    length += -length % multiple

    def filled(name, value):
        padded = [[number for one in row for number in one.get(name, [])] for row in rows]
        return torch.tensor([one + [value] * (length - len(one)) for one in padded])

    counts = [[i for one in row for i in range(len(one["tokens"]))] for row in rows]
    positions = torch.tensor([one + [0] * (length - len(one)) for one in counts])
    return filled("tokens", 0), filled("targets", -1), filled("reference", 0.0), positions


@torch.no_grad()
def refer(model, examples, spread, autocast, at_once=8):
    """Writes into each row what the model says of it before it learns; without adapters, if it has some."""
    model.adapters_count = False
    for first in range(0, len(examples), at_once):
        some = examples[first : first + at_once]
        batch = batch_of([[example] for example in some], multiple=spread.given.tensor)
        tokens, targets, *_ = (part.to(spread.device) for part in batch)
        with autocast() if autocast else torch.no_grad():
            said = model.reference(tokens, targets).tolist()
        for row, own in zip((row for example in some for row in example), said):
            row["reference"] = own[: len(row["tokens"])]
    model.adapters_count = True


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
    parallel.add_options(ask)
    parallel.run_all(ask.parse_args(), run)


def run(given):
    sizes = json.loads(pathlib.Path(given.sizes).read_text())
    t = training(sizes, given)
    steps = given.steps or t["steps"]
    out = given.out or HERE / ("run" if "objective" in sizes else "run-tuned")
    with parallel.started(given) as spread:
        model = FineTuned(sizes, device=spread.builds_on)
        model.begin(given.objective or sizes.get("objective", "sft"), settings_of(given.set))
        model = spread.wrap(model)
        plain = spread.plain(model)
        if given.weights:
            weights.load(plain, given.weights)
        elif weights.begins(out):
            weights.begin(plain, t["seed"])
        each = t["batch"] // (2 if plain.unit == "pair" else 1)
        if each % spread.readers:
            raise SystemExit(f"{each} examples do not divide among {spread.readers} processes")
        packed = "packing" in sizes and plain.unit == "token"
        examples = read(given.data, plain.unit, t["context"] if packed else sizes["context"])
        unknown = plain.compares and any("reference" not in row for rows in examples for row in rows)
        autocast = train.autocast_on(spread.device)
        optimizer = train.make_optimizer(plain, t, spread.device)
        first = spread.resume(model, optimizer, out)
        if unknown and first > 0 and "lora" not in sizes:
            raise SystemExit(f"{out} has learnt {first} steps, and is no reference: begin with another --out")
        if unknown:
            refer(plain, examples, spread, autocast)
        rows = order(examples, t["seed"], t["context"] if packed else None)
        out.mkdir(parents=True, exist_ok=True)
        for step in range(1, steps + 1):
            drawn = [[next(rows) for _ in range(each)] for _ in range(t["accumulate"])]
            if step <= first:
                continue
            step_rows = [batch_of(some, packed, given.tensor) for some in drawn]
            micro = [tuple(part.to(spread.device) for part in spread.share(*batch)) for batch in step_rows]
            plain.beside = [(said, positions if packed else None) for _, _, said, positions in micro]
            rate = train.learning_rate(step, t)
            batches = [(tokens, targets) for tokens, targets, *_ in micro]
            loss, norm = train.train_step(model, optimizer, batches, t, rate, spread, 1, autocast)
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
