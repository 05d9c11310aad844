/** `sinter doctor`: what this machine can do, measured. */
import { cpus, freemem, totalmem } from "node:os";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { entryFastest, type EntryFastest } from "../../../runtime/engine/worker-choice.ts";
import { findingsHere } from "../../../runtime/node/findings.ts";
import { nodeHost, WORKERS_VARIABLE } from "../../../runtime/node/host.ts";
import { probe, probeBytes, threadsSupported } from "../../../runtime/engine/probe.ts";
import { counted, sizeText, timeText } from "../../../runtime/contract/amounts.ts";
import { textAt } from "../terminal/input.ts";
import {
  KERNEL_CACHE_VARIABLE,
  findingsKept,
  kernelFolder,
  kernelsKept,
  MOST_KERNEL_BYTES,
} from "../terminal/kernel-folder.ts";
import { flag } from "../options/option.ts";
import { defineVerb } from "./verb.ts";

const MEASURE_MS = 150;

export const doctorVerb = defineVerb({
  name: "doctor",
  summary: "what this machine can do",
  arguments: [],
  options: { json: flag("machine-readable") },
  notes: [
    "Rates are of one register tile of a matrix product, on one core, right now:",
    "other programs slow it down. Behind `workers` stands what entries of models used last were",
    "fastest with, and what a run of them took (a token, where one run writes several).",
  ],
  examples: [],
  async run(_, options, io) {
    const report = await examine();
    io.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : table(report));
    return report.simd ? exitCodes.ok : exitCodes.input;
  },
});

interface Health {
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memory: { readonly totalMiB: number; readonly freeMiB: number };
  readonly largePages: LargePages | undefined;
  readonly threads: boolean;
  readonly simd: boolean;
  readonly relaxed: boolean;
  /** The engine joins pairs of 128-bit operations, and the result is right. */
  readonly wide: { readonly right: boolean; readonly ratio: number | undefined };
  readonly gflops: Readonly<Partial<Record<Target, number>>>;
  /** What `train` compiles for here. */
  readonly target: Target;
  /** Of how many workers each entry was fastest, of those that ran last first. */
  readonly fastest: readonly EntryFastest[];
  /** Compiled kernels that are kept; undefined: none are, as the user wishes. */
  readonly kernels?: { readonly folder: string; readonly files: number; readonly bytes: number };
}

async function examine(): Promise<Health> {
  const gflops: Partial<Record<Target, number>> = {};
  const supported = (target: Target): boolean => WebAssembly.validate(probeBytes(target));
  const wideAsked = nodeHost.enableWide();
  let wideRight = false;
  for (const target of targets.filter(supported)) {
    const result = (await probe(target, MEASURE_MS, nodeHost))!;
    gflops[target] = result.gflops;
    if (target === "wide") wideRight = wideAsked && result.right;
  }
  const ratio =
    gflops.wide !== undefined && gflops.relaxed !== undefined ? gflops.wide / gflops.relaxed : undefined;
  const folder = kernelFolder();
  const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: nodeHost.cores,
    memory: { totalMiB: mib(totalmem()), freeMiB: mib(freemem()) },
    largePages: largePagesOf(textAt(LARGE_PAGES)),
    threads: threadsSupported(),
    simd: supported("simd"),
    relaxed: supported("relaxed"),
    wide: { right: wideRight, ratio },
    gflops,
    target: await bestTarget(nodeHost),
    fastest: folder === undefined ? [] : await fastestKept(folder),
    ...(folder !== undefined && { kernels: { folder, ...kernelsKept(folder) } }),
  };
}

async function fastestKept(folder: string): Promise<readonly EntryFastest[]> {
  const findings = await findingsHere(findingsKept(folder));
  return findings.flatMap(({ about, found }) => entryFastest(about, found) ?? []);
}

/** To whom Linux gives pages of 2 MiB instead of 4 KiB: to all, to who asks (V8 does not), to nobody. */
type LargePages = "always" | "madvise" | "never";

const LARGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled";

/** What is in brackets: "always [madvise] never". */
export const largePagesOf = (setting: string | undefined): LargePages | undefined =>
  (["always", "madvise", "never"] as const).find((name) => setting?.includes(`[${name}]`));

const small =
  "of 4 KiB; steps of large models gain some per cent with larger ones: " + `"always" in ${LARGE_PAGES}`;
const pagesText: Readonly<Record<LargePages, string>> = {
  always: "of 2 MiB where a memory has room for them",
  madvise: small,
  never: small,
};

/** So many of them are shown. */
const MOST_SHOWN = 12;

const fastestRow = ({ module, run, most, workers, ms }: EntryFastest): readonly [string, string] => [
  "",
  `${module}, ${run}: ${workers} of ${most}, ${timeText(ms)}`,
];

function table(h: Health): string {
  const rate = (target: Target): string =>
    h.gflops[target] === undefined ? "not here" : `${h.gflops[target].toFixed(0)} GFLOP/s on one core`;
  const rows: readonly (readonly [string, string])[] = [
    ["node", `${h.node} (V8 ${h.v8})`],
    ["processor", `${h.cpu}, ${counted(h.cores, "core")}`],
    ["memory", `${sizeText(h.memory.totalMiB * 2 ** 20)}, ${sizeText(h.memory.freeMiB * 2 ** 20)} free`],
    ...(h.largePages ? [["pages", pagesText[h.largePages]] as const] : []),
    ["threads", h.threads ? "yes: shared memory" : "no: one worker only"],
    ["simd", h.simd ? rate("simd") : "no: this engine cannot run Sinter's kernels"],
    ["relaxed", h.relaxed ? rate("relaxed") : "no: fused multiply-add is not known here"],
    ["wide", wideText(h, rate)],
    ["target", `${h.target} is what \`sinter train\` uses here`],
    ["kernels", keptText(h)],
    ["workers", workersText(h)],
    ...h.fastest.slice(0, MOST_SHOWN).map(fastestRow),
  ];
  return `${rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`).join("\n")}\n`;
}

function keptText({ kernels }: Health): string {
  if (!kernels) return `none are kept: ${KERNEL_CACHE_VARIABLE} is "off"`;
  const { folder, files, bytes } = kernels;
  const room = `${sizeText(bytes)} of ${sizeText(MOST_KERNEL_BYTES)}`;
  return `${counted(files, "compiled module")} kept, ${room} in ${folder}`;
}

/** Of a model that is opened without --workers. */
const workersText = ({ cores }: Health): string =>
  nodeHost.workers === undefined
    ? `${cores}, of which each entry uses as many as are fastest: found in its first runs`
    : `${nodeHost.workers}, as ${WORKERS_VARIABLE} says`;

/** From this ratio of `wide` to `relaxed` on, wide vectors are worth something. */
const LEAST_GAIN = 1.25;

function wideText({ wide }: Health, rate: (target: Target) => string): string {
  if (!wide.right) return "no: the engine does not join operations, or joins them wrongly";
  const ratio = wide.ratio === undefined ? "" : `, ${wide.ratio.toFixed(2)} × relaxed`;
  const gains = (wide.ratio ?? 0) >= LEAST_GAIN;
  const none = " (no gain: this processor has no 256-bit vectors, or they are not used)";
  return `${rate("wide")}${ratio}${gains ? "" : none}`;
}
