/**
 * THE tables of `plan NAME of MODEL on HARDWARE { … }`: what a plan may say of training a model on machines
 * that are not here, and which facts it may expect. compiler/planner computes them.
 */
import { integer, real, realAbove } from "../../runtime/contract/limits.ts";
import { optimizers, type Optimizer } from "../../runtime/contract/model.ts";
import {
  conventions,
  recomputations,
  stateSchemes,
  type Recompute,
  type StateScheme,
} from "../planner/tables/choices.ts";
import { precisions, priceKinds, type Precision } from "../planner/tables/hardware.ts";
import { number, word, type Fields, type ValuesOf } from "./fields.ts";

const count = integer(1, 1e9);
const degree = integer(1, 1_000_000);
const share = realAbove(0, 1);

/** A default that the planner finds, where it is not simply a number. */
const found = (shown: string) => [shown, () => NaN] as const;
const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>): readonly K[] =>
  Object.keys(table) as K[];

export const planFields = {
  devices: number("Devices of the cluster.", degree, found("one node")),
  tokens: number("Tokens of the whole run.", integer(1, Number.MAX_SAFE_INTEGER), found("20 a parameter")),
  sequence: number("Tokens of a sequence.", integer(1, 2 ** 24), found("the model's context")),
  batch_tokens: number(
    "Tokens of a step over all devices.",
    integer(1, 1e12),
    found("one micro-batch each, or what fills a pipeline"),
  ),
  micro: number("Sequences of a micro-batch on one rank.", count, found("as many as fit")),
  tensor: number("Devices among which each matrix is divided.", degree, 1),
  pipeline: number("Stages in which the layers stand.", degree, 1),
  context: number("Devices among which each sequence is divided.", degree, 1),
  expert: number("Devices among which a mixture's experts are divided.", degree, 1),
  shard: number(
    "Devices among which weights, gradients and moments are divided (FSDP, ZeRO-3).",
    degree,
    found("devices / (tensor * pipeline)"),
  ),
  replicas: number(
    "Groups of devices that hold all weights once; with it, the degrees have to make up all devices.",
    degree,
    found("devices / (tensor * pipeline * shard)"),
  ),
  interleaved: number("Pieces of a pipeline's stage that take turns.", degree, 1),
  precision: word<Precision>("Of products.", precisions, [
    "bf16; fp16 where the device has none",
    () => "bf16",
  ]),
  states: word<StateScheme>("How weights, gradients and moments are kept.", keysOf(stateSchemes), [
    "sharded; replicated on one device",
    () => "sharded",
  ]),
  optimizer: word<Optimizer>("AdamW, or with moments in 8 bits.", optimizers, [
    "as the spec trains",
    () => "adamw",
  ]),
  recompute: word<Recompute>("Which activations are computed again in the backward.", recomputations, [
    "selective; full where train has `recompute layers`",
    () => "selective",
  ]),
  loss_chunks: number("Pieces in which the output layer's rows are computed.", count, 1),
  mfu: number(
    "A step's utilisation, where it is known better than predicted.",
    share,
    found("as predicted from the time of a step"),
  ),
  convention: word("How `mfu` counts attention.", conventions, "causal"),
  goodput: number("Share of the time that makes steps that count.", share, 0.87),
  price: number("Dollars for an hour of one device.", real(0, 10_000), found("the range of known prices")),
  price_kind: word("What kind of price that is.", keysOf(priceKinds), "rent"),
  price_year: number("Of which year.", integer(1950, 2200), found("not said")),
  pue: number("All of a hall's power over that of its devices.", real(1, 10), 1.1),
} satisfies Fields;

/** What a plan's block says; all else has a default. */
export type PlanValues = Partial<ValuesOf<typeof planFields>>;

/** What `expect` may name in a plan, with its unit. */
export const planFactDocs = {
  flops: "Operations of the whole run as papers count them: 6 · N · D, of parameters that a token uses.",
  flops_causal: "Operations of the whole run, of the graph's products; attention sees earlier positions.",
  flops_full: "The same, with attention to all positions of a sequence.",
  hours: "Device hours of the whole run, goodput included.",
  days: "Days of the whole run, goodput included.",
  cost: "Dollars of the whole run. Without `price` a range, which has to be expected as a whole.",
  energy: "Kilowatt-hours of the whole run.",
  memory: "Bytes of the fullest device.",
  step_seconds: "Seconds of a step.",
  tokens_per_second: "Tokens per second of all devices together, in a step.",
  cache: "Bytes of the keys and values of a token, in 16 bits.",
  decode: "Tokens per second of one text that is written, in 16 bits on the devices of a node; 0: none fits.",
  mfu: "Utilisation of a step, attention counted causally.",
  mfu_full: "Utilisation of a step, attention to all positions counted.",
} as const;
export type PlanFact = keyof typeof planFactDocs;
export const planFacts = keysOf(planFactDocs);

/** How far a fact of a plan may be off where it does not say: percent. */
export const PLAN_TOLERANCE = 1;
