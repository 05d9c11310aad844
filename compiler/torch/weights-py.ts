/** weights.py of an exported program: checkpoints in safetensors, whole and with the optimizer's moments. */
export const weightsPy = `"""Weights in safetensors, without a library: a header in JSON, then the numbers.

A file has the names of the model's parameters; for Llama's form these are those of Hugging Face's
checkpoints. Moments of AdamW stand in a file of their own, under the same names behind "exp_avg." and
"exp_avg_sq.", and the step beside them.
"""
import json
import mmap
import pathlib
import struct

import torch

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


def write(path, tensors, metadata=None):
    """Writes into a temporary file first: a file is complete or absent."""
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
        for tensor in tensors.values():
            flat = tensor.detach().cpu().contiguous().flatten()
            file.write(
                (flat.view(torch.int16) if tensor.dtype == torch.bfloat16 else flat).numpy().tobytes()
            )
    part.replace(path)


TABLES = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")


def tokens_of(model, name, tensor):
    """A view of a tensor of the model without the rows that only fill the vocabulary up."""
    return tensor[: model.sizes["vocab"]] if name in TABLES else tensor


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
    with torch.no_grad():
        for name, parameter in wanted.items():
            rows = tokens_of(model, name, parameter.zero_())
            if list(rows.shape) != list(found[name].shape):
                raise SystemExit(
                    f"{path}: {name} is {list(found[name].shape)}, the model has {list(rows.shape)}"
                )
            rows.copy_(found[name])


def state(model):
    """The model's parameters by name; a table that is tied to the output stands in it once."""
    return {name: tokens_of(model, name, value.detach()) for name, value in model.named_parameters()}


def moments(model, optimizer):
    named = {}
    for name, parameter in model.named_parameters():
        for which in ("exp_avg", "exp_avg_sq"):
            kept = optimizer.state.get(parameter, {}).get(which)
            kept = torch.zeros_like(parameter) if kept is None else kept
            named[f"{which}.{name}"] = tokens_of(model, name, kept)
    return named


def load_moments(model, optimizer, path, step):
    found = read(path)
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {"step": torch.tensor(float(step))}
        for which in ("exp_avg", "exp_avg_sq"):
            moment = torch.zeros_like(parameter, requires_grad=False)
            tokens_of(model, name, moment).copy_(found[f"{which}.{name}"])
            optimizer.state[parameter][which] = moment
`;
