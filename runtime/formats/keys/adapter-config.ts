/**
 * The keys of adapter_config.json (huggingface.co/docs/peft: PeftConfig, LoraConfig). base/known-keys.ts says
 * what the entries mean.
 */
import { noneOf, read, refused, type KeyTable, type ReadIn } from "../../base/known-keys.ts";

function isEmpty(value: unknown): boolean {
  if (value instanceof Map) return value.size === 0;
  return Array.isArray(value) ? value.length === 0 : value === "" || value === false;
}

const MERGE_THERE = "Merge it into its base with PEFT (merge_and_unload), and import the result.";
/** Ways to begin that leave the base as it was. The others (PiSSA, OLoRA, …) take something out of it. */
const plainBeginnings: readonly unknown[] = [true, false, "gaussian", "eva", "orthogonal"];

export const adapterKeys = {
  peft_type: read("which kind of adapter it is: LORA", "IA3"),
  r: read("the rank", 3),
  lora_alpha: read("what x A B is multiplied by is lora_alpha / r", 5),
  use_rslora: read("it is multiplied by lora_alpha / √r", true),
  base_model_name_or_path: read("the base's name, for messages", "another"),

  use_dora: refused("DoRA has magnitudes beside A and B", [false], true, MERGE_THERE),
  rank_pattern: refused("its maps have different ranks", isEmpty, { q_proj: 4 }, MERGE_THERE),
  alpha_pattern: refused("its maps have different alphas", isEmpty, { q_proj: 4 }, MERGE_THERE),
  bias: refused("biases of the base were trained too", ["none"], "all", MERGE_THERE),
  lora_bias: refused("B has a bias", [false], true, MERGE_THERE),
  init_lora_weights: refused(
    "it began in a way that changes the base",
    (value) => plainBeginnings.includes(value),
    "pissa",
    "Convert it to a plain adapter with PEFT (path_initial_model_for_weight_conversion).",
  ),
  layer_replication: refused("it stands beside layers that are repeated", isEmpty, [[0, 2]], MERGE_THERE),
  trainable_token_indices: refused("rows of the table were trained too", isEmpty, [5], MERGE_THERE),
  target_parameters: refused(
    "it stands beside parameters that are no linear maps",
    isEmpty,
    ["w"],
    MERGE_THERE,
  ),
  use_qalora: refused("QA-LoRA takes groups of inputs together", [false], true, MERGE_THERE),
  use_bdlora: refused("its matrices are made of blocks", isEmpty, { blocks: 2 }, MERGE_THERE),
  alora_invocation_tokens: refused("it counts from certain tokens on", isEmpty, [1, 2], MERGE_THERE),
  kasa_config: refused("KaSA has a diagonal between A and B", isEmpty, { beta: 1 }, MERGE_THERE),
  monteclora_config: refused("its matrices are drawn anew at each step", isEmpty, { N: 4 }, MERGE_THERE),
  velora_config: refused("it is one of a kind that is not known here", isEmpty, { rank: 1 }, MERGE_THERE),
  arrow_config: refused("it is one of several between which a router chooses", isEmpty, { top_k: 1 }),

  ...noneOf(
    "the tensors say which maps have one",
    "target_modules",
    "exclude_modules",
    "modules_to_save",
    "layers_to_transform",
    "layers_pattern",
  ),
  ...noneOf("the base's class decides it", "fan_in_fan_out"),
  ...noneOf(
    "for training alone",
    "lora_dropout",
    "inference_mode",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "loftq_config",
    "qalora_group_size",
    "megatron_config",
    "megatron_core",
    "runtime_config",
    "ensure_weight_tying",
  ),
  ...noneOf(
    "says where it comes from, or what made it",
    "task_type",
    "auto_mapping",
    "revision",
    "peft_version",
    "unsloth_*",
  ),
} satisfies KeyTable;

export type AdapterKey = ReadIn<typeof adapterKeys>;
