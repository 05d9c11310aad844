"""What Hugging Face's transformers makes of what Sinter writes: folders of `sinter export --to hf`, beside the
program with the same weights, and the names and shapes of models of full size. Needs no GPU.
python published.py PROGRAMS
"""
import json
import pathlib
import sys

import torch

import numerics
import rows

PART = "published"
LONGEST, COMPARED = 4400, 256


def folders(programs):
    """Logits in fp64, of the last positions of a text as long as the model's, or longer than 4096."""
    from transformers import AutoModelForCausalLM

    for folder in sorted(programs.glob("run-*-hf")):
        name = folder.name[len("run-") : -len("-hf")]
        program = programs / f"run-{name}-torch"
        numerics.program(program)
        sizes = json.loads((program / "model.json").read_text())
        ours = sys.modules["model"].LanguageModel(sizes)
        sys.modules["weights"].load(ours, program / "run")
        theirs = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
        length = min(sizes["context"], LONGEST)
        tokens = torch.randint(sizes["vocab"], (1, length), generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            logits = ours.double()(tokens), numerics.in_double(theirs)(tokens).logits
        distance = numerics.far(*(part[:, -COMPARED:] for part in logits))
        rows.put(PART, f"{name}: logits, from_pretrained", distance, most=1e-5)


# of the models that everyone quotes: the program's folder, and what transformers has for it
FULL_SIZE = {"llama3.1-405b": numerics.llama, "gpt2-xl-step": numerics.gpt2}


def full_size(programs):
    """Names and shapes on the meta device; rows that are there are those that both have."""
    for name, make in FULL_SIZE.items():
        numerics.program(programs / name)
        sizes = json.loads((programs / name / "model.json").read_text())
        state = sys.modules["weights"].state(sys.modules["model"].LanguageModel(sizes, device="meta"))
        with torch.device("meta"):
            theirs, named = make(programs / name, state)
        shapes = [{key: tuple(value.shape) for key, value in of.items()} for of in (theirs.state_dict(), named)]
        wrong = [key for key in {*shapes[0], *shapes[1]} if shapes[0].get(key) != shapes[1].get(key)]
        if wrong:
            raise SystemExit(f"{name}: other names or shapes than in transformers: {sorted(wrong)[:5]}")
        rows.put(PART, f"{name}: tensors as in transformers", len(shapes[0]), predicted=len(shapes[1]), near=0)


if __name__ == "__main__":
    try:
        import transformers  # noqa: F401
    except ImportError:
        rows.skip(PART, "all of it", "there is no transformers")
    else:
        folders(pathlib.Path(sys.argv[1]))
        full_size(pathlib.Path(sys.argv[1]))
