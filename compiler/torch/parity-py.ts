/** test_parity.py of an exported program: the program against what Sinter computed, on the model's shadow. */
export const parityPy = `"""python test_parity.py: the program against Sinter's own numbers, on its shadow.

The shadow has the structure of the model in small sizes: model.py is the same text for both. parity/
holds its sizes and what Sinter computed with it. What this machine's PyTorch lacks is said to be
skipped.
"""
import json
import os
import pathlib
import sys

import torch
import torch.distributed as dist

import parallel
import train
import weights
from model import LanguageModel

HERE = pathlib.Path(__file__).parent
SIZES = json.loads((HERE / "parity" / "model.json").read_text())
FOUND = weights.read(HERE / "parity" / "parity.safetensors")


class Given:
    recompute = compile = False
    tensor = replicas = 1
    mode = "ddp"


def part(prefix):
    return {name[len(prefix) :]: tensor for name, tensor in FOUND.items() if name.startswith(prefix)}


def fresh(dtype, known="weights."):
    model = LanguageModel(SIZES).to(dtype)
    with torch.no_grad():
        for name, value in model.named_parameters():
            weights.tokens_of(model, name, value.zero_()).copy_(part(known)[name])
    return model


def batch():
    return FOUND["tokens"].long(), FOUND["targets"].long()


def far(got, wanted):
    """The largest distance, beside the largest number of what was wanted."""
    got, wanted = (torch.as_tensor(x, dtype=torch.float64).detach() for x in (got, wanted))
    return float((got - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30))


def near(what, got, wanted, most):
    distance = far(got, wanted)
    print(f"  {what}: {distance:.1e} of {most:.0e}")
    if not distance <= most:
        raise SystemExit(f"{what} is {distance:.1e} off, and may be {most:.0e}")


def test_forward_and_gradients():
    """One pass in float64 against Sinter's float32; a wrong layout of weights is far beyond these
    bounds.
    """
    tokens, targets = batch()
    model = fresh(torch.float64)
    near("logits", model(tokens), FOUND["logits"].view(*tokens.shape, -1), 2e-5)
    total, balance = model.loss_sum(tokens, targets, chunks=3)
    loss = total / (targets >= 0).sum()
    (loss + balance).backward()
    near("loss", loss, FOUND["losses"][0], 2e-6)
    norm = torch.sqrt(sum(p.grad.square().sum() for p in model.parameters()))
    near("norm of all gradients", norm, FOUND["norm"][0], 2e-5)
    wanted = part("gradient.")
    largest = max(float(g.abs().max()) for g in wanted.values())
    # beside its own size, or beside a thousandth of the largest one: a bias of keys has none but rounding
    ratio = lambda got, g: float((got - g).abs().max()) / max(float(g.abs().max()), 1e-3 * largest)
    rows = lambda name, p: weights.tokens_of(model, name, p)
    worst, name = max(
        (ratio(rows(name, p.grad), wanted[name]), name) for name, p in model.named_parameters()
    )
    near(f"gradient of {name}", 1.0 + worst, 1.0, 5e-4)


def steps(spread, model, count=None):
    """Losses of as many steps as Sinter took, all on one batch, with its settings of AdamW."""
    t = SIZES["parity"]
    tokens, targets = batch()
    optimizer = train.make_optimizer(spread.plain(model), t, torch.device("cpu"))
    mine = [spread.share(tokens, targets)]
    losses = [
        train.train_step(model, optimizer, mine, t, t["lr"], spread)[0]
        for _ in range(count or len(FOUND["losses"]))
    ]
    return torch.tensor(losses), optimizer


def test_training():
    spread = parallel.Single(Given, torch.device("cpu"))
    model = fresh(torch.float32)
    losses, _ = steps(spread, model)
    near("losses", losses, FOUND["losses"], 1e-4)
    after, gradients = part("after."), part("gradient.")
    largest = max(float(g.abs().max()) for g in gradients.values())
    # a bias of keys changes nothing: its gradient is rounding, and AdamW makes whole steps of it
    moved = [name for name, g in gradients.items() if float(g.abs().max()) > 1e-6 * largest]
    state = weights.state(model)
    worst = max((far(state[name], after[name]), name) for name in moved)
    near(f"weights after {len(losses)} steps, {worst[1]}", 1.0 + worst[0], 1.0, 1e-3)


def test_recomputation():
    given = Given()
    given.recompute = True
    spread = parallel.Single(given, torch.device("cpu"))
    losses, _ = steps(spread, spread.wrap(fresh(torch.float32)), 3)
    near("losses with layers computed again", losses, FOUND["losses"][:3], 1e-4)


def losses_of_many(out, mode, tensor):
    given = Given()
    given.mode, given.tensor = mode, tensor
    with parallel.started(given) as spread:
        losses, _ = steps(spread, spread.wrap(fresh(torch.float32)))
        if spread.is_first:
            torch.save(losses, out)


def many(ranks, mode, tensor=1):
    out = HERE / "parity" / f"losses-{mode}-{tensor}.pt"
    parallel.on_this_machine(ranks, losses_of_many, str(out), mode, tensor)
    losses = torch.load(out)
    out.unlink()
    return losses


def test_two_processes():
    if not dist.is_available() or not getattr(dist, "is_gloo_available", lambda: True)():
        return skip("two processes", "this PyTorch has no gloo")
    near("losses of two processes (DDP)", many(2, "ddp"), FOUND["losses"], 1e-4)


def test_two_shards():
    if not parallel.can_shard():
        return skip("fsdp2 on 2 processes", f"torch {torch.__version__} has no fully_shard")
    near("losses of two shards (FSDP2)", many(2, "fsdp"), FOUND["losses"], 1e-4)


def test_tensor_parallelism():
    what = "tensor parallelism on 2 processes"
    if not parallel.can_shard():
        return skip(what, f"torch {torch.__version__} has none")
    why = parallel.undivided(LanguageModel(SIZES, device="meta"), 2)
    if why:
        return skip(what, f"the shadow's sizes: {why}")
    near("losses of two parts of each layer and table", many(2, "fsdp", 2), FOUND["losses"], 1e-4)


def test_there_and_back():
    """A checkpoint with moments, read again: the steps after it are the same."""
    spread = parallel.Single(Given, torch.device("cpu"))
    model = fresh(torch.float32)
    _, optimizer = steps(spread, model, 3)
    out = HERE / "parity" / "checkpoint"
    out.mkdir(exist_ok=True)
    spread.save(model, optimizer, out, 3)
    again = fresh(torch.float32)
    other = train.make_optimizer(again, SIZES["parity"], torch.device("cpu"))
    assert spread.resume(again, other, out) == 3
    t, mine = SIZES["parity"], [batch()]
    both = [
        train.train_step(m, o, mine, t, t["lr"], spread)[0]
        for m, o in ((model, optimizer), (again, other))
    ]
    near("the step after a checkpoint", torch.tensor(both[1]), torch.tensor(both[0]), 1e-7)
    for file in out.iterdir():
        file.unlink()
    out.rmdir()


def test_full_size():
    """Every tensor of the model itself, by name and shape, without its memory."""
    sizes = json.loads((HERE / "model.json").read_text())
    model = LanguageModel(sizes, device="meta")
    state = weights.state(model)
    shapes = {name: list(value.shape) for name, value in state.items()}
    wanted = json.loads((HERE / "parity" / "tensors.json").read_text())
    if shapes != wanted:
        wrong = [name for name in {*shapes, *wanted} if shapes.get(name) != wanted.get(name)]
        raise SystemExit(f"tensors differ from Sinter's: {wrong[:5]}")
    count = sum(value.numel() for value in state.values())
    if count != sizes["parameters"]:
        raise SystemExit(f"{count:,} parameters instead of {sizes['parameters']:,}")
    print(f"  {len(shapes)} tensors, {count:,} parameters")


SKIPPED = []


def skip(what, why):
    SKIPPED.append(what)
    print(f"SKIPPED {what}: {why}")


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # on CPUs, wherever it runs
    chosen = [
        (name, test)
        for name, test in list(globals().items())
        if name.startswith("test_") and (not sys.argv[1:] or name in sys.argv[1:])
    ]
    for name, test in chosen:
        print(name, flush=True)
        test()
    print(f"{len(chosen) - len(SKIPPED)} passed, 0 failed, {len(SKIPPED)} skipped")
`;
