"""Processes that share a model, on CPUs by gloo: DDP, FSDP2, tensor parallelism, both, recomputation, layers
compiled, the loss in pieces, and a checkpoint of four processes that two go on from.
python processes.py PROGRAMS

Each run takes the steps that Sinter took with the program's shadow, and is held against Sinter's losses.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import torch

import rows

PART = "cpu"
LOSS = 1e-4

# what is run: how many processes, how they share the model
RUNS = {
    "ddp, 2 processes": (2, {"mode": "ddp"}),
    "fsdp2, 2 processes": (2, {"mode": "fsdp"}),
    "fsdp2, 4 processes": (4, {"mode": "fsdp"}),
    "fsdp2 in 2 replicas, 4 processes": (4, {"mode": "fsdp", "replicas": 2}),
    "tensor 2": (2, {"mode": "fsdp", "tensor": 2}),
    "fsdp2 x tensor 2, 4 processes": (4, {"mode": "fsdp", "tensor": 2}),
    "fsdp2, layers computed again": (2, {"mode": "fsdp", "recompute": True}),
    "fsdp2, the loss in 4 pieces": (2, {"mode": "fsdp", "chunks": 4}),
    "1 process, compiled": (1, {"mode": "ddp", "compile": True, "chunks": 4}),
    "ddp, 2 processes, compiled": (2, {"mode": "ddp", "compile": True}),
    "fsdp2 x tensor 2, compiled, layers computed again": (
        4,
        {"mode": "fsdp", "tensor": 2, "compile": True, "recompute": True},
    ),
    "tensor 2, compiled, the loss in 4 pieces": (
        2,
        {"mode": "fsdp", "tensor": 2, "compile": True, "chunks": 4},
    ),
}
# of a model whose table is its output layer, too
TIED = {
    "tied, tensor 2, the loss in 4 pieces": (2, {"mode": "fsdp", "tensor": 2, "chunks": 4}),
    "tied, fsdp2 x tensor 2, compiled, layers computed again, the loss in 4 pieces": (
        4,
        {"mode": "fsdp", "tensor": 2, "compile": True, "recompute": True, "chunks": 4},
    ),
}


def started(asked):
    """The program's own modules, and what is asked of the processes."""
    import parallel
    import test_parity

    given = test_parity.Given()
    for name, value in asked.items():
        setattr(given, name, value)
    return test_parity, parallel.started(given)


def learn(asked, out):
    """All steps; then the checkpoint that `asked` names, or the steps behind it."""
    parity, processes = started(asked)
    with processes as spread:
        import train

        t = parity.SIZES["parity"]
        model = spread.wrap(parity.fresh(torch.float32))
        optimizer = train.make_optimizer(spread.plain(model), t, torch.device("cpu"))
        kept = asked.get("keep") or asked.get("go_on")
        first = spread.resume(model, optimizer, pathlib.Path(kept)) if asked.get("go_on") else 0
        last = asked.get("steps", len(parity.FOUND["losses"]))
        mine = [spread.share(*parity.batch())]
        step = lambda: train.train_step(model, optimizer, mine, t, t["lr"], spread, asked.get("chunks", 1))
        losses = [step()[0] for _ in range(first, last)]
        if asked.get("keep"):
            spread.save(model, optimizer, pathlib.Path(kept), last)
        if spread.is_first:
            torch.save(torch.tensor(losses), out)


def without_guard(asked, out):
    """The norm of the gradients as FSDP2 leaves them to itself, beside that of their sum."""
    parity, processes = started(asked)
    with processes as spread:
        from torch.distributed.fsdp import fully_shard

        model = parity.fresh(torch.float32)
        for unit in [*model.model.layers, model]:
            fully_shard(unit)
        from torch.distributed.fsdp import register_fsdp_forward_method

        register_fsdp_forward_method(model, "loss_sum")
        tokens, targets = parity.batch()
        everything = (targets >= 0).sum()
        mine = [part.chunk(spread.ranks)[spread.rank] for part in (tokens, targets)]
        loss, _ = model.loss_sum(*mine)
        (loss / everything).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf")).full_tensor()
        if spread.is_first:
            torch.save(norm / parity.FOUND["norm"][0], out)


def together(work, ranks, folder, asked):
    import parallel

    out = folder / "found.pt"
    parallel.on_this_machine(ranks, work, asked, str(out))
    found = torch.load(out)
    out.unlink()
    return found


def far(got, wanted):
    return float(((got - wanted).abs() / wanted.abs()).max())


def checkpoint(folder, wanted):
    """Four processes take half of the steps; the others are taken by two, by one from the parts joined into
    files, and by two from these files.
    """
    kept, half = folder / "checkpoint", len(wanted) // 2
    kept.mkdir(exist_ok=True)
    together(learn, 4, folder, {"mode": "fsdp", "keep": str(kept), "steps": half})

    def gone_on(what, ranks, mode):
        losses = together(learn, ranks, folder, {"mode": mode, "go_on": str(kept)})
        rows.put(PART, f"a checkpoint of 4 processes, {what}", far(losses, wanted[half:]), most=LOSS)

    gone_on("gone on from by 2", 2, "fsdp")
    sizes = folder / "parity" / "model.json"
    subprocess.run([sys.executable, folder / "weights.py", kept, "--sizes", sizes], check=True)
    gone_on("joined, by 1", 1, "ddp")
    shutil.rmtree(kept / f"step-{half}")
    gone_on("joined, by 2 again", 2, "fsdp")
    shutil.rmtree(kept)


def compare(folder, runs):
    """Each run's losses, beside Sinter's."""
    # of this folder, whichever folder's were imported before
    for name in ("model", "parallel", "test_parity", "train", "weights"):
        sys.modules.pop(name, None)
    sys.path[0] = str(folder)
    import parallel
    import weights

    has_fsdp2 = parallel.can_shard()
    wanted = weights.read(folder / "parity" / "parity.safetensors")["losses"].clone()
    for what, (ranks, asked) in runs.items():
        if asked["mode"] == "fsdp" and not has_fsdp2:
            rows.skip(PART, what, f"torch {torch.__version__} has no fully_shard")
            continue
        rows.put(PART, f"{what}: losses", far(together(learn, ranks, folder, asked), wanted), most=LOSS)
    return has_fsdp2, wanted


def main(programs):
    sys.path.insert(0, programs)
    compare(pathlib.Path(programs) / "shared-tied", TIED)
    folder = pathlib.Path(programs) / "shared"
    has_fsdp2, wanted = compare(folder, RUNS)
    if not has_fsdp2:
        return rows.skip(PART, "a checkpoint of 4 processes", f"torch {torch.__version__} has no fully_shard")
    checkpoint(folder, wanted)
    ratio = float(together(without_guard, 2, folder, {"mode": "fsdp"}))
    what = "gradients by FSDP2's own average over gloo (0.5: mean, 1: sum)"
    rows.put(PART, what, ratio, predicted=0.5, near=0.01)


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    main(sys.argv[1])
