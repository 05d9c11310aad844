/**
 * node measure.ts PART: one part of the study of many cores (cores.sh), which says what parts there are. It
 * reads bundles from $OUT/bundles, takes the modules that measure limits from $OUT/kernels, and adds what it
 * finds to $OUT/rows.jsonl. Apart from `export`, it needs no package of the project.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { useKernelCache } from "../../../compiler/9-bundle/kernel-cache.ts";
import type { KeptBytes } from "../../../runtime/contract/kept-bytes.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { fillTensors } from "../../../runtime/engine/fill.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { readBundle } from "../../../runtime/store/run-folder.ts";
import { measureLimits } from "../../measure/limits.ts";
import { PROMPT, promptTokens, randomBatches } from "../../measure/random-tokens.ts";
import { median, timesOf } from "../../measure/statistics.ts";
import { startPeer } from "../../suite/peer-process.ts";
import { tableOf, type Found } from "./table.ts";

const OUT = process.env["OUT"]!;
const ROWS = join(OUT, "rows.jsonl");
/** Of 1, 2, 4 … sixteen, those that there are cores for. */
const all = [1, 2, 4, 8, 16] as const;
const counts = all.filter((workers) => workers <= Math.min(nodeHost.cores, MAX_WORKERS));
const SAMPLING = { warm: 1, least: 3, ms: 2000 } as const;

const file = (name: string): string => join(OUT, "kernels", name);
const carried: KeptBytes = {
  read: async (name) => (existsSync(file(name)) ? new Uint8Array(readFileSync(file(name))) : undefined),
  write: async (name, wasm) => {
    mkdirSync(join(OUT, "kernels"), { recursive: true });
    writeFileSync(file(name), wasm);
  },
};
useKernelCache(carried);

function found(row: Found): void {
  appendFileSync(ROWS, `${JSON.stringify(row)}\n`);
  console.log(`${row.part} ${row.who} ${row.what} ${row.workers}: ${row.value.toFixed(1)} ${row.unit}`);
}

/** How many threads a core has, where Linux says so. */
function threadsPerCore(): string {
  const siblings = "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list";
  if (!existsSync(siblings)) return "not known here";
  const numbers = readFileSync(siblings, "utf8")
    .trim()
    .split(",")
    .map((range) => range.split("-").map(Number));
  return `${numbers.reduce((sum, [from, to = from]) => sum + to! - from! + 1, 0)}`;
}

/** What is measured on, and with how many workers. */
async function machine(): Promise<void> {
  const target = await bestTarget(nodeHost);
  const above = all.filter((workers) => workers > nodeHost.cores);
  console.log(
    `${cpus()[0]?.model.trim()}, ${nodeHost.cores} cores as the system counts them, threads per core: ` +
      `${threadsPerCore()}; Node ${process.versions.node}, target ${target}; workers: ${counts.join(", ")}` +
      (above.length > 0 ? ` (skipped: ${above.join(", ")}, for which there are no cores)` : ""),
  );
}

async function limits(): Promise<void> {
  const target = await bestTarget(nodeHost);
  const { fma, read } = await measureLimits([target], counts);
  for (const workers of counts) {
    const limit = { part: "limits", who: "limit", workers } as const;
    found({ ...limit, what: "multiply-add", value: fma[target]![workers]!, unit: "GFLOP/s" });
    found({ ...limit, what: "read", value: read[workers]!, unit: "GB/s" });
  }
}

const openBundle = async (name: string, module: "train" | "infer", workers: number): Promise<RunningModel> =>
  createModel(await readBundle(nodeFiles(), join(OUT, "bundles", name)), module, {
    host: nodeHost,
    workers,
    target: await bestTarget(nodeHost),
    ...(module === "train" && { seed: 1 }),
  });

async function training(part: string): Promise<void> {
  for (const workers of counts) {
    const model = await openBundle(part, "train", workers);
    const { batch, context, flops } = model.entry("train");
    const batches = randomBatches(model);
    const ms = median(
      await timesOf(SAMPLING, async (i) => {
        const micro = [batches[i % batches.length]!];
        const { loss } = await model.trainStep(micro, { lr: 1e-3, step: i + 1 });
        if (!Number.isFinite(loss)) throw new Error(`step ${i + 1}: loss ${loss}: not timed`);
      }),
    );
    await model.close();
    const value = (1000 * batch * context) / ms;
    found({ part, who: "Sinter", what: "train", workers, value, unit: "tok/s", gflops: flops / ms / 1e6 });
    await torch(part, workers);
  }
}

const PYTORCH = fileURLToPath(new URL("../../peers/pytorch.py", import.meta.url));

/** Seconds after which no step of PyTorch begins: a part has twenty of them with it and its start. */
const TORCH_WITHIN = 12;

/** PyTorch's steps in a process of its own. Absent where cores.sh has found none. */
async function torch(part: string, threads: number): Promise<void> {
  const python = process.env["TORCH_PYTHON"];
  if (python === undefined) return;
  try {
    const peer = await startPeer(python, [PYTORCH, "serve", "--auto-core"]);
    try {
      if (threads === 1) console.log(peer.about);
      const seconds = SAMPLING.ms / 1000;
      const [rate] = await peer.ask({ what: "train", which: part, threads, seconds, within: TORCH_WITHIN });
      found({ part, who: "PyTorch", what: "train", workers: threads, value: rate!.median, unit: "tok/s" });
    } finally {
      await peer.close();
    }
  } catch (error) {
    console.log(
      `skipped: PyTorch, ${part} on ${threads} (${error instanceof Error ? error.message : error})`,
    );
  }
}
const TOKENS = 32;

async function inference(part: string): Promise<void> {
  for (const workers of counts) {
    const model = await openBundle(part, "infer", workers);
    fillTensors(model.of("parameter")); // speed does not depend on what they are
    const prompt = promptTokens(model.manifest.model.sizes.vocab);
    const prefill = median(await timesOf({ ...SAMPLING, least: 2 }, () => model.feed(prompt, 0)));
    const decode = median(
      await timesOf({ ...SAMPLING, least: TOKENS }, (i) => model.feed([i], PROMPT + (i % TOKENS))),
    );
    await model.close();
    const row = { part, who: "Sinter", workers, unit: "tok/s" } as const;
    found({ ...row, what: "prefill", value: (1000 * PROMPT) / prefill });
    found({ ...row, what: "decode", value: 1000 / decode });
  }
}

function table(): void {
  const rows = readFileSync(ROWS, "utf8").trimEnd().split("\n");
  console.log(`\n${tableOf(rows.map((row) => JSON.parse(row) as Found))}`);
}

/** Compiles the modules that measure limits, for either target, so that they are found in $OUT/kernels. */
const compileLimits = (): Promise<unknown> => measureLimits(["wide", "relaxed"], [1]);

const part = process.argv[2];
if (part === "export") await compileLimits();
else if (part === "machine") await machine();
else if (part === "limits") await limits();
else if (part === "1b") await inference(part);
else if (part === "table") table();
else await training(part!);
