/**
 * The keys of a safetensors header's `__metadata__` (huggingface.co/docs/safetensors). They are free texts,
 * except for `format`.
 */
import { noneOf, refused, type KeyTable } from "../../base/known-keys.ts";

export const safetensorsKeys = {
  format: refused(
    "these weights are named and turned as that program has them",
    ["pt", "mlx", "np"],
    "tf",
    "Take the weights that were saved from PyTorch.",
  ),
  sinter: refused(
    "it is a checkpoint of a run",
    [],
    "1",
    "Name the run's folder: sinter export RUN -o DIR makes it a published model.",
  ),
  ...noneOf(
    "says where it comes from, or what made it",
    "total_size",
    "total_parameters",
    "modelspec.*",
    "framework",
    "source",
    "license",
    "name",
    "version",
    "description",
    "author",
    "date",
  ),
  ...noneOf(
    "a tensor that is kept once, under the name that is its value: it is looked for there",
    "*.weight",
    "*.bias",
  ),
} satisfies KeyTable;
