/** weights.py of an exported program: checkpoints in safetensors, whole and with the optimizer's moments. */
export const weightsPy = `"""Weights in safetensors, without a library: a header in JSON, then the numbers.

python weights.py RUN joins what FSDP2's processes left of a run's last step.

A file has the names of the model's parameters; for Llama's form these are those of Hugging Face's
checkpoints. Moments of AdamW stand in a file of their own, under the same names behind "exp_avg." and
"exp_avg_sq.", and the step beside them. What is more than MOST_BYTES is several files, of a layer each, and
an index that says what is where, as Hugging Face's checkpoints have it. Files are mapped: of each tensor a
process reads what it needs, one after the other.
"""
import argparse
import json
import mmap
import os
import pathlib
import re
import struct

import torch

HERE = pathlib.Path(__file__).parent
# of one file
MOST_BYTES = int(os.environ.get("MOST_BYTES", 4 * 2**30))
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


def opened(path):
    """The file, mapped into memory; its header; where the numbers begin."""
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    length = struct.unpack("<Q", mapped[:8])[0]
    return mapped, json.loads(mapped[8 : 8 + length]), 8 + length


def read(path):
    """All tensors of a file by their names; they are views of the file."""
    mapped, header, begin = opened(path)
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        first, last = about["data_offsets"]
        kind = DTYPES[about["dtype"]]
        count = (last - first) // torch.empty((), dtype=kind).element_size()
        flat = torch.frombuffer(mapped, dtype=kind, count=count, offset=begin + first)
        tensors[name] = flat.view(about["shape"])
    return tensors


def write(path, tensors, metadata=None, read_one=None):
    """With \`read_one\` the tensors may be on the meta device, and are read by their names when their turn
    comes.
    """
    header, at = {"__metadata__": {"format": "pt", **(metadata or {})}}, 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + bytes_of(tensor)],
        }
        at += bytes_of(tensor)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            whole = read_one(name) if read_one else tensor
            flat = whole.detach().cpu().contiguous().flatten()
            file.write((flat.view(torch.int16) if tensor.dtype == torch.bfloat16 else flat).numpy())


def bytes_of(tensor):
    return tensor.numel() * tensor.element_size()


def shards(tensors):
    """These tensors in as few files as may be; where one is not enough, each layer has its own."""
    if sum(map(bytes_of, tensors.values())) <= MOST_BYTES:
        return [tensors]
    found, layer, size = [], None, 0
    for name, tensor in sorted(tensors.items(), key=lambda item: layer_of(item[0])):
        size += bytes_of(tensor)
        if not found or layer_of(name) != layer or size > MOST_BYTES:
            found.append({})
            layer, size = layer_of(name), bytes_of(tensor)
        found[-1][name] = tensor
    return found


def layer_of(name):
    numbers = re.search("[.]layers[.]([0-9]+)[.]", name)
    return int(numbers[1]) if numbers else -1


def index_of(folder, stem):
    return folder / f"{stem}.safetensors.index.json"


def write_all(folder, stem, tensors, metadata, read_one=None):
    """STEM.safetensors, or several files with an index. Those of an earlier step are there until these are
    written.
    """
    parts = shards(tensors)
    count, names = len(parts), [f"{stem}.safetensors"]
    if count > 1:
        names = [f"{stem}-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    for name, part in zip(names, parts):
        write(folder / f"{name}.new", part, metadata, read_one)
    for name in names:
        (folder / f"{name}.new").replace(folder / name)
    if count > 1:
        where = {tensor: name for name, part in zip(names, parts) for tensor in part}
        size = sum(map(bytes_of, tensors.values()))
        index = {"metadata": {"total_size": size, **metadata}, "weight_map": where}
        index_of(folder, stem).write_text(json.dumps(index, indent=2))
    else:
        index_of(folder, stem).unlink(missing_ok=True)
    for old in stored(folder, stem) - set(names):
        (folder / old).unlink()


def stored(folder, stem):
    """The names of all files of a stem."""
    several = [path.name for path in folder.glob(f"{stem}-*-of-*.safetensors")]
    return {*several, *(path.name for path in folder.glob(f"{stem}.safetensors"))}


def remove(folder):
    for stem in ("model", "moments"):
        index_of(folder, stem).unlink(missing_ok=True)
        for name in stored(folder, stem):
            (folder / name).unlink()


def files_of(folder, stem="model"):
    """Those that hold all of it; none where there is nothing. \`folder\` may be a file."""
    if not folder.is_dir():
        return [folder] if folder.exists() else []
    index, single = index_of(folder, stem), folder / f"{stem}.safetensors"
    if not index.exists():
        return [single] if single.exists() else []
    files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    steps = {opened(folder / name)[1].get("__metadata__", {}).get("step") for name in files}
    if len(steps) > 1:
        raise SystemExit(f"{folder}: files of {stem} are of several steps: {sorted(map(str, steps))}")
    return [folder / name for name in files]


MOMENTS = ("exp_avg", "exp_avg_sq")
TABLES = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")


def rows_of(model, name, tensor):
    """How many rows of a tensor a file has: those that only fill the vocabulary up stay out."""
    return model.sizes["vocab"] if name in TABLES else len(tensor)


def tokens_of(model, name, tensor):
    """A view of a tensor of the model as it is in files."""
    return tensor[: rows_of(model, name, tensor)]


def own_part(like):
    """Which part of a tensor that FSDP2 shares out as it does \`like\` this process has; without it all."""
    shape, first = like.shape, [0] * like.dim()
    if hasattr(like, "device_mesh"):
        from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

        shape, first = compute_local_shape_and_global_offset(like.shape, like.device_mesh, like.placements)
    return tuple(slice(at, at + count) for at, count in zip(first, shape))


def local_of(tensor):
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


@torch.no_grad()
def put(whole, into):
    """A tensor into a parameter or a moment. Rows that only fill the vocabulary up are 0."""
    local = local_of(into)
    found = whole[own_part(into)]
    local[: len(found)].copy_(found)
    local[len(found) :].zero_()


@torch.no_grad()
def begin(model, seed):
    """First weights; each process draws its own part of them."""
    for name, parameter in model.named_parameters():
        rows, *columns = own_part(parameter)
        last = min(rows.stop, rows_of(model, name, parameter))
        local = local_of(parameter).zero_()
        if rows.start < last:
            drawn = model.first_rows(name, parameter.shape, seed, rows.start, last)
            local[: last - rows.start].copy_(drawn[(slice(None), *columns)])


def begins(folder):
    """Whether there is nothing to go on from."""
    return step_of(folder) == 0 and not files_of(folder)


def load(model, path):
    """Fills a model from a file or a folder. Says what is missing and what is not known."""
    files = files_of(pathlib.Path(path))
    if not files:
        raise SystemExit(f"{path} has no model.safetensors and no index of several files")
    found = {name: about["shape"] for file in files for name, about in headers(file)}
    wanted = dict(model.named_parameters())
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted and name != "lm_head.weight"]
    if missing or unknown:
        raise SystemExit(f"{path}: missing {missing or 'nothing'}, not known {unknown or 'nothing'}")
    for name, parameter in wanted.items():
        shape = [rows_of(model, name, parameter), *parameter.shape[1:]]
        if shape != found[name]:
            raise SystemExit(f"{path}: {name} is {found[name]}, the model has {shape}")
    for file in files:
        for name, whole in read(file).items():
            if name in wanted:
                put(whole, wanted[name])


def headers(file):
    return [(name, about) for name, about in opened(file)[1].items() if name != "__metadata__"]


def state(model):
    """The model's parameters by name; a table that is tied to the output stands in it once."""
    return {name: tokens_of(model, name, value.detach()) for name, value in model.named_parameters()}


def trained(model):
    """All parameters but those beside which adapters are trained."""
    return [(name, value) for name, value in model.named_parameters() if value.requires_grad]


def moments(model, optimizer):
    named = {}
    for name, parameter in trained(model):
        for which in MOMENTS:
            kept = optimizer.state.get(parameter, {}).get(which)
            kept = torch.zeros_like(parameter) if kept is None else kept
            named[f"{which}.{name}"] = tokens_of(model, name, kept)
    return named


def load_moments(model, optimizer, folder, step):
    parameters = dict(trained(model))
    for name, parameter in parameters.items():
        optimizer.state[parameter] = {
            "step": torch.tensor(float(step), device=parameter.device),
            **{which: torch.zeros_like(parameter, requires_grad=False) for which in MOMENTS},
        }
    wanted = {f"{which}.{name}": (which, name) for name in parameters for which in MOMENTS}
    for file in files_of(folder, "moments"):
        for key, whole in read(file).items():
            if key not in wanted:
                raise SystemExit(f"{file}: {key} is a moment of nothing that is trained")
            which, name = wanted.pop(key)
            put(whole, optimizer.state[parameters[name]][which])
    if wanted:
        raise SystemExit(f"{folder}: moments are missing: {sorted(wanted)[:5]}")


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
    write_all(folder, "model", shapes, about, own)
    learnt = {name: shapes[name] for name, _ in trained(model)}
    both = {f"{which}.{name}": shape for which in MOMENTS for name, shape in learnt.items()}
    kept = {f"{which}.{name}": f"optimizer.state.{name}.{which}" for which in MOMENTS for name in learnt}
    write_all(folder, "moments", both, about, lambda name: whole(kept[name], len(both[name])))
    files = len(stored(folder, "model") | stored(folder, "moments"))
    print(f"{folder}: weights and moments of step {step}, {len(shapes)} tensors in {files} files")


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
