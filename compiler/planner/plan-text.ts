/** A plan as rows for people, and as JSON for programs. Every figure has its unit and its convention. */
import { counted, duration, percent, sizeText, thousands, timeText } from "../../runtime/contract/amounts.ts";
import { amountText, dollarsText, energyText, flopsText } from "./amounts.ts";
import { dataRanks, type Degrees } from "./degrees.ts";
import { cacheBytesPerToken, type Serving } from "./inference.ts";
import { fits, lossAt, optimumOf, STANDARD_FIT, type FitName } from "./chinchilla.ts";
import { figuresText, originText, ownJson } from "./hardware-text.ts";
import { stateSchemes } from "./tables/choices.ts";
import { paddedVocab } from "./padded-vocab.ts";
import type { Sizes } from "../../runtime/contract/model.ts";
import { servingOf, stepTokens, type TrainingPlan } from "./plan.ts";

const GIGA = 1e9;

export type Row = readonly [name: string, text: string];

/** What stands below each other, each with its name; and what does not divide. */
export const planRows = (plan: TrainingPlan, fit: FitName = STANDARD_FIT): readonly Row[] => [
  ...modelRows(plan),
  ...hardwareRows(plan),
  ...memoryRows(plan),
  ...timeRows(plan),
  ...optimumRows(plan, fit),
  ...servingRows(plan),
  ...plan.misfits.map(({ message, help }): Row => ["does not divide", `${message}; ${help}`]),
];

export const planTitle = ({ costs, settings }: TrainingPlan): string =>
  `${costs.model.name} on ${counted(settings.devices, "device")}: ${settings.card.title}`;

function modelRows(plan: TrainingPlan): Row[] {
  const { settings: s, run } = plan;
  const ranks = dataRanks(s);
  const tokens = amountText(stepTokens(s));
  return [
    ["sizes", sizesText(plan.costs.model.sizes)],
    ["parameters", countsText(plan)],
    ["operations", perTokenText(plan)],
    [
      "in all",
      `${flopsText(run.flops)} for ${amountText(run.tokens)} tokens (6·N·D: ${flopsText(run.sixND)})`,
    ],
    ["spread", spreadText(plan)],
    [
      "step",
      `${tokens} tokens: ${s.accumulation} × a micro-batch of ${counted(s.micro, "sequence")} of ` +
        `${thousands(s.sequence)} tokens on ${counted(ranks, "rank")}`,
    ],
  ];
}

/** Of a device of the spec's own: its figures are not those of the table. */
const hardwareRows = ({ settings: { card } }: TrainingPlan): Row[] =>
  card.own ? [["hardware", `${card.name}: ${figuresText(card)} (${originText(card)})`]] : [];

function memoryRows({ memory, settings: { card }, fits }: TrainingPlan): Row[] {
  const all = `${sizeText(memory.bytes)} of ${sizeText(card.memory.value)} on the fullest device: ${fits}`;
  return [["memory", all], ...memory.terms.map(({ name, bytes }): Row => [`  ${name}`, sizeText(bytes)])];
}

/** Parts of a step that are shorter than this share of it are not listed. */
const SMALL = 0.005;

function timeRows(plan: TrainingPlan): Row[] {
  const { settings: s, step, mfu, run } = plan;
  const parts = step.parts
    .filter(({ seconds }) => seconds > SMALL * step.seconds)
    .sort((a, b) => b.seconds - a.seconds)
    .map(({ name, seconds }) => `${name} ${percent(seconds / step.seconds)}`);
  const rate = amountText(plan.tokensPerSecond);
  const days = duration(run.days * 86_400);
  const each = thousands(plan.tokensPerSecond / s.devices);
  const shares = `MFU ${percent(mfu.causal, 1)} causal, ${percent(mfu.full, 1)} full`;
  return [
    ["time of a step", `${timeText(1000 * step.seconds)} predicted: ${parts.join(", ")}`],
    ["speed", `${rate} tok/s, ${each} on each device; ${shares}${s.mfu ? " (given)" : ""}`],
    ["the run", `${amountText(run.hours)} device hours, ${days} with ${percent(s.goodput)} goodput`],
    ["money", moneyText(plan)],
    ["energy", `${energyText(run.energy)} (${thousands(s.card.power.value)} W a device, PUE ${s.pue})`],
  ];
}

function sizesText({ layers, width, heads, kvHeads, headDim, vocab }: Sizes): string {
  const grouped = kvHeads < heads ? `, ${kvHeads} of keys and values` : "";
  const of = `${counted(layers, "layer")} of width ${thousands(width)}`;
  return `${of}, ${heads} heads of ${headDim}${grouped}; ${thousands(vocab)} tokens`;
}

function countsText({ costs }: TrainingPlan): string {
  const { parameters, activeParameters, multiplying } = costs;
  const active = activeParameters < parameters ? `, ${thousands(activeParameters)} used by one token` : "";
  const { vocab } = costs.model.sizes;
  const padded = paddedVocab(vocab);
  const rows = padded > vocab ? `; ${thousands(vocab)} rows of logits, kept as ${thousands(padded)}` : "";
  return `${thousands(parameters)}${active}; ${thousands(multiplying)} multiply${rows}`;
}

function perTokenText({ flops, costs, settings }: TrainingPlan): string {
  const giga = (n: number): string => `${amountText(n / GIGA)} GFLOP`;
  const sixN = giga(6 * costs.activeParameters);
  const at = `at ${thousands(settings.sequence)} positions`;
  return `${giga(flops.causal)} a token causal, ${giga(flops.full)} full, ${sixN} by 6·N; ${at}`;
}

/** "tensor 8 × pipeline 16 × shard 128". */
export const degreesText = (degrees: Degrees): string =>
  (["tensor", "pipeline", "context", "expert", "shard"] as const)
    .filter((name) => degrees[name] > 1)
    .map((name) => `${name} ${degrees[name]}`)
    .join(" × ") || "one device";

function spreadText({ settings: s }: TrainingPlan): string {
  const { doc } = stateSchemes[s.states];
  const moments = s.optimizer === "adamw8" ? "; moments in 8 bits (adamw8)" : "";
  return `${degreesText(s)}; ${s.precision}; ${doc}${moments}; recompute ${s.recompute}`;
}

function moneyText({ run }: TrainingPlan): string {
  const { dollars, prices } = run;
  if (!dollars) return "no price is known of this device: --price says one";
  const named = (at: number): string => {
    const price = prices.reduce((a, b) => (at * b.dollars < at * a.dollars ? b : a));
    const of = [price.source, price.date].filter(Boolean).join(", ");
    return `$${price.dollars.toFixed(2)} an hour: ${of}`;
  };
  return dollars[0] === dollars[1]
    ? `${dollarsText(dollars[0])} (${named(1)})`
    : `${dollarsText(dollars[0])} (${named(1)}) to ${dollarsText(dollars[1])} (${named(-1)})`;
}

/** What the same operations are worth at best, by a fit that has a name. */
function optimumRows({ costs, run }: TrainingPlan, fit: FitName): Row[] {
  const { parameters, tokens, loss } = optimumOf(fits[fit], run.sixND);
  const here = lossAt(fits[fit], costs.activeParameters, run.tokens);
  const best = `${amountText(parameters)} parameters on ${amountText(tokens)} tokens`;
  const losses = `loss ${loss.toFixed(3)}, and ${here.toFixed(3)} of this run`;
  return [["best for 6·N·D", `${best}: ${losses} (${fit}: ${fits[fit].title})`]];
}

function servingRows(plan: TrainingPlan): Row[] {
  const { devices, context, one, many, texts } = servingOf(plan);
  const { card } = plan.settings;
  const ofText = `${sizeText(one.textBytes)} a text of ${thousands(context)}`;
  const cache = `${sizeText(one.cacheBytes)} a token, ${ofText}`;
  const weights = `weights ${sizeText(one.weightBytes)}`;
  const rows: Row[] = [["keys and values", `${cache} (16 bits); ${weights}`]];
  if (devices === 0) return [...rows, ["served", `not on ${counted(card.node, "device")} of a node`]];
  const rate = ({ decodeRate, isBoundBy }: Serving, of: number): string =>
    `${counted(of, "text")} ${amountText(decodeRate)} tok/s (${isBoundBy})`;
  const prompt = `a prompt of ${thousands(context)} in ${timeText(1000 * one.promptSeconds)}`;
  const all = [rate(one, 1), ...(texts > 1 ? [rate(many, texts)] : []), prompt].join(", ");
  return [...rows, ["served", `on ${counted(devices, "device")}: ${all}`]];
}

/** All numbers in base units: bytes, seconds, operations, dollars, joules. */
export function planJson(plan: TrainingPlan, fit: FitName = STANDARD_FIT): object {
  const { costs, settings, flops, memory, fits: fitting, step, mfu, run, misfits, tokensPerSecond } = plan;
  const { card, ...degrees } = settings;
  return {
    model: costs.model.name,
    sizes: costs.model.sizes,
    parameters: costs.parameters,
    active_parameters: costs.activeParameters,
    multiplying_parameters: costs.multiplying,
    hardware: card.name,
    ...(card.own && { own_hardware: ownJson(card) }),
    settings: degrees,
    flops_per_token: { ...flops, six_n: 6 * costs.activeParameters },
    memory: {
      bytes: memory.bytes,
      reserved: memory.reserved,
      of: card.memory.value,
      fits: fitting,
      terms: memory.terms,
    },
    step: { seconds: step.seconds, parts: step.parts },
    tokens_per_second: tokensPerSecond,
    mfu,
    run: { ...run, flops_convention: "causal" },
    optimum: {
      fit,
      ...optimumOf(fits[fit], run.sixND),
      loss_of_run: lossAt(fits[fit], costs.activeParameters, run.tokens),
    },
    cache_bytes_per_token: cacheBytesPerToken(costs, 2),
    serving: servingOf(plan),
    does_not_divide: misfits,
  };
}
