/** parallel.py of an exported program: one process, DDP, FSDP2 and HSDP, FSDP2 with tensor parallelism. */
export const parallelPy = `"""How processes share the work.

What PyTorch 1.13 lacks is imported where it is used.

Gradients are summed over processes and divided by the tokens of the whole step, wherever these are. DDP
averages, so the loss is multiplied by the number of processes. FSDP2 is told to sum, on every module that
it wraps: told on the root alone, PyTorch 2.11 averages the gradients of the blocks, and with gloo its own
average has been a sum (pytorch/pytorch #162338).
"""
import contextlib
import importlib.util
import json
import math
import os
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.utils.checkpoint import checkpoint

import weights


def can_shard():
    """Whether this PyTorch has FSDP2. An older one's fsdp cannot be imported with every Python."""
    if importlib.util.find_spec("torch.distributed.tensor") is None:
        return False
    import torch.distributed.fsdp

    return hasattr(torch.distributed.fsdp, "fully_shard")


class Single:
    """One process."""

    gradient_scale = 1
    is_first = True
    ranks = readers = 1

    def __init__(self, given, device):
        self.given, self.device = given, device
        self.builds_on = device

    def wrap(self, model):
        return self.prepared(model)

    def prepared(self, model):
        if self.given.recompute:
            model.model.around = lambda block, *ins: checkpoint(block, *ins, use_reentrant=False)
        if self.given.compile:
            for block in model.model.layers:
                block.compile()
            model.piece_loss = torch.compile(model.piece_loss)
        return model

    def plain(self, model):
        return model

    def loss_sum(self, model, tokens, targets, chunks):
        return model.loss_sum(tokens, targets, chunks)

    def sync_last(self, model, is_last):
        pass

    def total(self, number):
        return number

    def share(self, *parts):
        """Of each part of a micro-batch [sequences, ...] what this process works on."""
        return parts

    def clip(self, model, most):
        return torch.nn.utils.clip_grad_norm_(model.parameters(), most if most > 0 else float("inf"))

    def save(self, model, optimizer, out, step):
        plain, about = self.plain(model), {"step": str(step)}
        weights.write_all(out, "model", weights.state(plain), about)
        weights.write_all(out, "moments", weights.moments(plain, optimizer), about)
        (out / "step.json").write_text(json.dumps({"step": step}))

    def resume(self, model, optimizer, out):
        """The step to go on from; 0: the run begins, with the weights that stand there, if any."""
        step = weights.step_of(out)
        plain = self.plain(model)
        if weights.files_of(out):
            weights.load(plain, out)
        elif step > 0:
            raise SystemExit(f"{out} has parts of many processes; python3 weights.py {out} joins them")
        if step > 0:
            weights.load_moments(plain, optimizer, out, step)
        return step


class Many(Single):
    """Several processes, each with its rows of every micro-batch."""

    def __init__(self, given, device):
        super().__init__(given, device)
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self.is_first = self.rank == 0
        self.readers, self.reader = self.ranks, self.rank

    def total(self, number):
        number = number.clone()
        dist.all_reduce(number)
        return number

    def share(self, *parts):
        return divided(parts, self.readers, self.reader)


def divided(parts, count, at):
    sequences = len(parts[0])
    if sequences % count:
        raise SystemExit(f"a micro-batch of {sequences} sequences does not divide by {count}")
    return tuple(part.chunk(count)[at] for part in parts)


class Loss(torch.nn.Module):
    """DDP hears of a forward only through the module that it wraps."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, tokens, targets, chunks):
        return self.inner.loss_sum(tokens, targets, chunks)


class Replicated(Many):
    """DDP: all of the model on every process."""

    def wrap(self, model):
        self.gradient_scale = self.ranks
        return torch.nn.parallel.DistributedDataParallel(Loss(self.prepared(model)))

    def plain(self, model):
        return model.module.inner

    def loss_sum(self, model, tokens, targets, chunks):
        return model(tokens, targets, chunks)

    def sync_last(self, model, is_last):
        model.require_backward_grad_sync = is_last

    def save(self, model, optimizer, out, step):
        if self.is_first:
            super().save(model, optimizer, out, step)
        dist.barrier()


class Sharded(Many):
    """FSDP2, in several replicas if asked (HSDP), and tensor parallelism within it. No process ever has
    all of the model.
    """

    def __init__(self, given, device):
        super().__init__(given, device)
        self.builds_on = torch.device("meta")
        # the processes of a tensor group are neighbours, and work on the same sequences
        self.readers, self.reader = self.ranks // given.tensor, self.rank // given.tensor

    def wrap(self, model):
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        tensor, replicas = self.given.tensor, self.given.replicas
        shape, names = (replicas, self.readers // replicas, tensor), ("replica", "shard", "tensor")
        mesh = init_device_mesh(self.device.type, shape, mesh_dim_names=names)
        shared = mesh["replica", "shard"] if replicas > 1 else mesh["shard"]
        if tensor > 1:
            divide(model, mesh["tensor"])
        model = self.prepared(model)
        half = self.device.type == "cuda"
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if half else MixedPrecisionPolicy()
        units = [*model.model.layers, model]
        for unit in units:
            fully_shard(unit, mesh=shared, mp_policy=policy)
        for unit in units:
            unit.set_gradient_divide_factor(1.0)
            if hasattr(unit, "set_force_sum_reduction_for_comms"):
                unit.set_force_sum_reduction_for_comms(True)
        from torch.distributed.fsdp import register_fsdp_forward_method

        for name in ("loss_sum", "reference"):
            if hasattr(model, name):
                register_fsdp_forward_method(model, name)
        if next(model.parameters()).is_meta:
            model.to_empty(device=self.device)
            model.tie()
        return model

    def total(self, number):
        return super().total(number) / self.given.tensor

    def sync_last(self, model, is_last):
        model.set_requires_gradient_sync(is_last)

    def clip(self, model, most):
        """As clip_grad_norm_, which cannot take tensors that are shared out on different meshes."""
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        own = [gradient.to_local() for gradient in gradients]
        lengths = [torch.linalg.vector_norm(part) for part in own]
        squares = sum(n.square() / self.copies(g) for n, g in zip(lengths, gradients))
        dist.all_reduce(squares)
        norm = squares.sqrt()
        if most > 0:
            torch._foreach_mul_(own, (most / (norm + 1e-6)).clamp(max=1))
        return norm

    def copies(self, tensor):
        """On how many processes the same part of it stands."""
        mesh = tensor.device_mesh
        parts = [mesh.size(i) for i, place in enumerate(tensor.placements) if not place.is_replicate()]
        return self.ranks // math.prod(parts)

    def save(self, model, optimizer, out, step):
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import get_state_dict

        parts = dict(zip(("model", "optimizer"), get_state_dict(model, optimizer)))
        dcp.save(parts, checkpoint_id=out / f"step-{step}")
        if self.is_first:
            (out / "step.json").write_text(json.dumps({"step": step}))
            weights.remove(out)  # files of an earlier step
        dist.barrier()

    def resume(self, model, optimizer, out):
        """From parts; where there are none of the last step, from the files of one process."""
        step = weights.step_of(out)
        if not (out / f"step-{step}").exists():
            return super().resume(model, optimizer, out)
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

        parts = dict(zip(("model", "optimizer"), get_state_dict(model, optimizer)))
        dcp.load(parts, checkpoint_id=out / f"step-{step}")
        set_state_dict(
            model, optimizer, model_state_dict=parts["model"], optim_state_dict=parts["optimizer"]
        )
        return step


def divide(model, mesh):
    """Tensor parallelism: maps into a part are divided by columns, maps out of it by rows, tables by the
    tokens of the vocabulary, and what lies between the parts of layers by places of the sequences.
    """
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        RowwiseParallel,
        SequenceParallel,
        parallelize_module,
    )

    why = undivided(model, mesh.size())
    if why:
        raise SystemExit(f"--tensor: {why}")
    columns, rows = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"), ("o_proj", "down_proj")
    places = Places(mesh)
    for block in model.model.layers:
        plan = {}
        for name, part in block.named_children():
            maps = [key for key, module in part.named_modules() if isinstance(module, torch.nn.Linear)]
            plan.update({f"{name}.{key}": ColwiseParallel() for key in maps if key in columns})
            plan.update(
                {f"{name}.{key}": RowwiseParallel(output_layouts=Shard(1)) for key in maps if key in rows}
            )
            if not maps:
                plan[name] = SequenceParallel(use_local_output=True)
            elif f"{name}.{maps[0]}" in plan:
                part.register_forward_pre_hook(places.gather)
            else:
                part.register_forward_pre_hook(places.gather_all)
                part.register_forward_hook(places.cut_output)
        parallelize_module(block, mesh, plan)
    model.model.layers[0].register_forward_pre_hook(places.cut)
    model.model.layers[-1].register_forward_hook(places.end)
    tables = {"model.embed_tokens": RowwiseParallel(input_layouts=Replicate()), "lm_head": ColwiseParallel()}
    parallelize_module(model, mesh, tables)
    # compiled layers give no gradient to a tensor that is still on its way (PyTorch 2.13); a copy has come
    model.model.embed_tokens.register_forward_hook(lambda module, given, rows: rows.clone())
    model.tie()
    model.divided = Vocabulary(mesh, model.sizes["vocab"])


def undivided(model, count):
    """What cannot be divided by so many processes; None: all can be."""
    for name, part in model.sizes["parts"].items():
        for what in ("heads", "kv_heads", "hidden"):
            if part.get(what, 0) % count:
                return f"{count} does not divide the {part[what]} {what} of {name}"
    if any(name.endswith("q_norm") for name, _ in model.named_parameters()):
        return "the norms of queries and keys cannot be divided"
    if "lora" in model.sizes:
        return "adapters cannot be divided"
    rows = model.sizes["padded_vocab"]
    if rows % count:
        more = rows + -rows % count
        return (
            f"{count} does not divide the {rows} rows of the tables; with padded_vocab {more} in "
            "model.json it does (files do not have these rows)"
        )
    return None


class Places:
    """Between parts each process of a tensor group has some places of each sequence (sequence parallelism,
    Korthikanti et al. 2022): norms and sums work on these, and what lies between layers is a part everywhere.
    """

    def __init__(self, mesh):
        from torch.distributed.tensor import DTensor, Replicate, Shard

        self.mesh, self.whole, self.some = mesh, [Replicate()], [Shard(1)]
        self.on = DTensor.from_local

    def all_of(self, rows):
        return self.on(rows, self.mesh, self.some).redistribute(placements=self.whole)

    def some_of(self, rows):
        return self.on(rows, self.mesh, self.whole).redistribute(placements=self.some).to_local()

    def cut(self, block, given):
        """Into the first layer."""
        rows, *others = given
        if rows.shape[1] % self.mesh.size():
            count, length = self.mesh.size(), rows.shape[1]
            raise SystemExit(f"--tensor {count} does not divide sequences of {length} tokens")
        return (self.some_of(rows), *others)

    def gather(self, part, given):
        """Into a part whose maps are divided: gradients of its rows are summed as they are cut again."""
        return (self.all_of(given[0]), *given[1:])

    def gather_all(self, part, given):
        """Into a part that is whole on each process."""
        return (self.all_of(given[0]).to_local(), *given[1:])

    def cut_output(self, part, given, out):
        if isinstance(out, tuple):
            return (self.some_of(out[0]), *out[1:])
        return self.some_of(out)

    def end(self, block, given, out):
        return (self.on(out[0], self.mesh, self.some).full_tensor().clone(), *out[1:])


class Vocabulary:
    """Losses where each process of a tensor group has some columns of the logits: the largest logit and the
    sum of exponentials are those of all columns, as if they were on one process.
    """

    def __init__(self, mesh, tokens):
        self.mesh, self.tokens = mesh, tokens

    def losses(self, logits, wanted):
        """-ln p of each target [N], 0 where it does not count, from this process's columns [N, V / t]."""
        count = logits.shape[-1]
        first = self.mesh.get_local_rank() * count
        behind = torch.arange(count, device=logits.device) + first >= self.tokens
        logits = logits.masked_fill(behind, -math.inf)
        most = self.over_all(logits.detach().amax(-1), "max")
        total = self.over_all((logits - most[:, None]).exp().sum(-1), "sum")
        at = wanted - first
        elsewhere = (at < 0) | (at >= count)
        found = logits.gather(-1, at.clamp(0, count - 1)[:, None]).squeeze(-1)
        found = self.over_all(found.masked_fill(elsewhere, 0), "sum")
        return (total.log() + most - found).masked_fill(wanted < 0, 0)

    def over_all(self, own, how):
        from torch.distributed.tensor import DTensor, Partial

        return DTensor.from_local(own, self.mesh, [Partial(how)]).full_tensor()

    def gathered(self, logits):
        """All columns of them."""
        from torch.distributed.tensor import DTensor, Shard

        return DTensor.from_local(logits, self.mesh, [Shard(logits.dim() - 1)]).full_tensor()


def add_options(ask):
    """How processes share the work."""
    ask.add_argument("--processes", type=int, default=1, help="on this machine, where torchrun starts none")
    ask.add_argument(
        "--mode", default="ddp", choices=["ddp", "fsdp"], help="each has all of the model, or a part"
    )
    ask.add_argument("--tensor", type=int, default=1, help="tensor parallelism (fsdp)")
    ask.add_argument("--replicas", type=int, default=1, help="of the model among the processes (fsdp: HSDP)")
    ask.add_argument(
        "--recompute", action="store_true", help="compute layers again instead of keeping their activations"
    )
    ask.add_argument("--compile", action="store_true", help="torch.compile each layer (PyTorch 2)")


def check(given, ranks):
    """Refuses what would have no effect, and what this PyTorch lacks."""
    degrees = f"--tensor {given.tensor} --replicas {given.replicas}"
    if given.tensor * given.replicas > 1 and given.mode != "fsdp":
        raise SystemExit(f"{degrees}: these go with --mode fsdp")
    if ranks % (given.tensor * given.replicas):
        raise SystemExit(f"{degrees}: {given.tensor * given.replicas} does not divide {ranks} processes")
    if ranks > 1 and given.mode == "fsdp" and not can_shard():
        raise SystemExit(f"--mode fsdp needs PyTorch 2.6 or later; this is {torch.__version__}")
    if given.compile and not hasattr(torch, "compile"):
        raise SystemExit(f"--compile needs PyTorch 2; this is {torch.__version__}")


def run_all(given, work):
    """work(given), in as many processes as are asked for."""
    check(given, int(os.environ.get("WORLD_SIZE", given.processes)))
    if given.processes > 1:
        on_this_machine(given.processes, work, given)
    else:
        work(given)


def on_this_machine(ranks, work, *args):
    """Runs work(*args) in as many processes, as torchrun does on many machines."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    try:
        torch.multiprocessing.spawn(process, args=(ranks, port, work, args), nprocs=ranks)
    except torch.multiprocessing.ProcessExitedException as ended:
        raise SystemExit(ended.exit_code)  # it has said why


def process(rank, ranks, port, work, args):
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    places.update(RANK=rank, WORLD_SIZE=ranks, LOCAL_RANK=rank)
    os.environ.update({name: str(value) for name, value in places.items()})
    os.environ.setdefault("USE_LIBUV", "0")  # Debian's PyTorch is built without it
    torch.set_num_threads(max(1, torch.get_num_threads() // ranks))
    work(*args)


@contextlib.contextmanager
def started(given):
    """One of the processes that were started, here or by torchrun; without any, one alone."""
    cuda = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield Single(given, device)
        return
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield (Replicated if given.mode == "ddp" else Sharded)(given, device)
    finally:
        dist.destroy_process_group()


def compare(plan, rate, device):
    """What was planned beside what was measured, on devices such as the plan is for."""
    if device.type != "cuda" or not plan.exists():
        return
    planned = json.loads(plan.read_text())
    cluster = f"{planned['devices']} x {planned['hardware']}"
    if "figures" in planned:
        cluster += f" ({planned['figures']})"
    line = f"predicted {planned['tokens_per_second']:,.0f} tok/s on {cluster}"
    line += f" and {planned['memory_bytes'] / 2**30:.1f} GiB; measured {rate:,.0f} tok/s"
    print(f"{line} and {torch.cuda.max_memory_reserved() / 2**30:.1f} GiB", flush=True)
`;
