/** weights.py of an exported program: checkpoints in safetensors, whole and with the optimizer's moments. */
export const weightsPy = `"""Weights in safetensors, without a library: a header in JSON, then the numbers.

python weights.py RUN joins what FSDP2's processes left of a run's last step.

A file has the names of the model's parameters; for Llama's form these are those of Hugging Face's
checkpoints. Moments of AdamW stand in a file of their own, under the same names behind "exp_avg." and
"exp_avg_sq.", and the step beside them.
"""
import argparse
import json
import mmap
import pathlib
import struct

import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U16": torch.int16,
}
NAMES = {dtype: name for name, dtype in DTYPES.items() if name != "U16"}


def read(path):
    """All tensors of a file by their names; they are views of the file, which is mapped into memory."""
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    length = struct.unpack("<Q", mapped[:8])[0]
    header = json.loads(mapped[8 : 8 + length])
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        first, last = (8 + length + offset for offset in about["data_offsets"])
        kind = DTYPES[about["dtype"]]
        flat = torch.frombuffer(
            mapped,
            dtype=kind,
            count=(last - first) // torch.empty((), dtype=kind).element_size(),
            offset=first,
        )
        tensors[name] = flat.view(about["shape"])
    return tensors


def write(path, tensors, metadata=None, read_one=None):
    """Writes into a temporary file first: a file is complete or absent. With \`read_one\` the tensors may be
    on the meta device, and are read by their names when their turn comes.
    """
    header, at = {"__metadata__": {"format": "pt", **(metadata or {})}}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(path)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            whole = read_one(name) if read_one else tensor
            flat = whole.detach().cpu().contiguous().flatten()
            file.write(
                (flat.view(torch.int16) if tensor.dtype == torch.bfloat16 else flat).numpy().tobytes()
            )
    part.replace(path)


MOMENTS = ("exp_avg", "exp_avg_sq")
TABLES = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")


def rows_of(model, name, tensor):
    """How many rows of a tensor a file has: those that only fill the vocabulary up stay out."""
    return model.sizes["vocab"] if name in TABLES else len(tensor)


def tokens_of(model, name, tensor):
    """A view of a tensor of the model as it is in files."""
    return tensor[: rows_of(model, name, tensor)]


def own_part(whole, like):
    """What this process has of a tensor that FSDP2 shares out as it does \`like\`; without it all."""
    if not hasattr(like, "device_mesh"):
        return whole
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    shape, first = compute_local_shape_and_global_offset(whole.shape, like.device_mesh, like.placements)
    return whole[tuple(slice(at, at + count) for at, count in zip(first, shape))]


@torch.no_grad()
def put(whole, into):
    """A tensor into a parameter or a moment. Rows that only fill the vocabulary up are 0."""
    filled = F.pad(whole, [0, 0] * (whole.dim() - 1) + [0, len(into) - len(whole)])
    local = into.to_local() if hasattr(into, "to_local") else into
    local.copy_(own_part(filled, into))


def begin(model, seed):
    for parameter, whole in model.first_weights(seed):
        put(whole, parameter)


def load(model, path):
    """Fills a model from a file, or from the files that an index names. Says what is missing and what
    is not known.
    """
    path = pathlib.Path(path)
    index = path / "model.safetensors.index.json"
    if path.is_dir() and index.exists():
        files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        found = {name: tensor for file in files for name, tensor in read(path / file).items()}
    else:
        found = read(path / "model.safetensors" if path.is_dir() else path)
    wanted = dict(model.named_parameters())
    if model.tied:
        found.setdefault("lm_head.weight", found.get("model.embed_tokens.weight"))
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted and name != "lm_head.weight"]
    if missing or unknown:
        raise SystemExit(f"{path}: missing {missing or 'nothing'}, not known {unknown or 'nothing'}")
    for name, parameter in wanted.items():
        shape = [rows_of(model, name, parameter), *parameter.shape[1:]]
        if shape != list(found[name].shape):
            raise SystemExit(f"{path}: {name} is {list(found[name].shape)}, the model has {shape}")
        put(found[name], parameter)


def state(model):
    """The model's parameters by name; a table that is tied to the output stands in it once."""
    return {name: tokens_of(model, name, value.detach()) for name, value in model.named_parameters()}


def moments(model, optimizer):
    named = {}
    for name, parameter in model.named_parameters():
        for which in MOMENTS:
            kept = optimizer.state.get(parameter, {}).get(which)
            kept = torch.zeros_like(parameter) if kept is None else kept
            named[f"{which}.{name}"] = tokens_of(model, name, kept)
    return named


def load_moments(model, optimizer, path, step):
    found = read(path)
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {"step": torch.tensor(float(step), device=parameter.device)}
        for which in MOMENTS:
            moment = torch.zeros_like(parameter, requires_grad=False)
            put(found[f"{which}.{name}"], moment)
            optimizer.state[parameter][which] = moment


def step_of(folder):
    """The last step that a run has kept; 0: none."""
    file = folder / "step.json"
    return json.loads(file.read_text())["step"] if file.exists() else 0


def join(model, folder):
    """Writes the files of one process from the parts of many, one tensor at a time. \`model\`: on the meta
    device.
    """
    import torch.distributed.checkpoint as dcp

    step = step_of(folder)
    parts = folder / f"step-{step}"
    if not parts.exists():
        raise SystemExit(f"{folder}: there are no parts of step {step}")
    known = dcp.FileSystemReader(parts).read_metadata().state_dict_metadata

    def whole(name, rows):
        tensor = torch.empty(known[name].size, dtype=known[name].properties.dtype)
        dcp.load({name: tensor}, checkpoint_id=parts)
        return tensor[:rows]

    about, shapes = {"step": str(step)}, state(model)
    own = lambda name: whole(f"model.{name}", len(shapes[name]))
    write(folder / "model.safetensors", shapes, about, own)
    both = {f"{which}.{name}": shape for which in MOMENTS for name, shape in shapes.items()}
    kept = {f"{which}.{name}": f"optimizer.state.{name}.{which}" for which in MOMENTS for name in shapes}
    write(folder / "moments.safetensors", both, about, lambda name: whole(kept[name], len(both[name])))
    print(f"{folder}: model.safetensors and moments.safetensors of step {step}, {len(shapes)} tensors")


def main():
    ask = argparse.ArgumentParser(description="Joins what the processes of a run left of its last step.")
    ask.add_argument("run", type=pathlib.Path, help="train.py's --out")
    ask.add_argument("--sizes", default=HERE / "model.json", type=pathlib.Path, help="as train.py's")
    given = ask.parse_args()
    from model import LanguageModel

    join(LanguageModel(json.loads(given.sizes.read_text()), device="meta"), given.run)


if __name__ == "__main__":
    main()
`;
