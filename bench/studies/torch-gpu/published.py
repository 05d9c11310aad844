"""What Hugging Face's transformers makes of what Sinter writes: folders of `sinter export --to hf`, beside
the program with the same weights, and the names and shapes of models of full size. Needs no GPU.
python published.py PROGRAMS
"""
import pathlib
import sys

import torch

import numerics
import rows

PART = "published"


def folders(programs):
    """Logits, as from_pretrained reads them."""
    from transformers import AutoModelForCausalLM

    for folder in sorted(programs.glob("run-*-hf")):
        name = folder.name[len("run-") : -len("-hf")]
        program = programs / f"run-{name}-torch"
        sizes, ours = numerics.model_of(program)
        sys.modules["weights"].load(ours, program / "run")
        theirs = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
        distance, _ = numerics.apart(sizes, ours, theirs)
        rows.put(PART, f"{name}: logits, from_pretrained", distance, most=1e-5)


# of the models that everyone quotes: the program's folder, and what transformers has for it
FULL_SIZE = {"llama3.1-405b": numerics.llama, "gpt2-xl-step": numerics.gpt2}


def full_size(programs):
    """Names and shapes on the meta device; rows that are there are those that both have."""
    for name, make in FULL_SIZE.items():
        _, ours = numerics.model_of(programs / name, device="meta")
        state = sys.modules["weights"].state(ours)
        with torch.device("meta"):
            theirs, named = make(programs / name, state)
        there, here = (
            {key: tuple(value.shape) for key, value in of.items()} for of in (theirs.state_dict(), named)
        )
        wrong = [key for key in {*there, *here} if there.get(key) != here.get(key)]
        if wrong:
            raise SystemExit(f"{name}: other names or shapes than in transformers: {sorted(wrong)[:5]}")
        what = f"{name}: tensors as in transformers"
        rows.put(PART, what, len(there), predicted=len(here), near=0)


if __name__ == "__main__":
    try:
        import transformers  # noqa: F401
    except ImportError:
        rows.skip(PART, "all of it", "there is no transformers")
    else:
        folders(pathlib.Path(sys.argv[1]))
        full_size(pathlib.Path(sys.argv[1]))
