/**
 * What `sinter bench` measures, part by part. Each part has names that a filter chooses from, and adds its
 * rows to the report.
 */
import type { Target } from "../../runtime/contract/targets.ts";
import {
  benchInference,
  DECODED,
  inferSize,
  phases,
  PROMPT,
  type InferRow,
  type Phase,
} from "./bench-infer.ts";
import { benchModel, mixtureSize, sizeLine, sizeNames } from "./bench-models.ts";
import { benchOps, type OpRow } from "./bench-ops.ts";
import {
  inferHead,
  inferLine,
  opHead,
  opLine,
  peerRateLine,
  ratioLine,
  sizeHead,
  sizeRow,
  trainHead,
  trainLine,
  workersText,
} from "./bench-table.ts";
import { benchTraining, type TrainRow } from "./bench-train.ts";
import type { Limits } from "../measure/limits.ts";
import { withOnnxFolder } from "./onnx-folder.ts";
import { opCases, productOf } from "./op-cases.ts";
import { profileLines, profileModel, type Profile, type ProfiledEntry } from "../measure/profile.ts";
import type { Peer, PeerRow, Peers, Work } from "./peers.ts";

export interface Run {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly limits: Limits;
  readonly peers: Peers;
  /** Small cases of operations too. */
  readonly all: boolean;
  /** After the figures of a step, a prompt or a token: where its time goes. */
  readonly profile: boolean;
  /** Milliseconds per operation. */
  readonly ms: number;
  wanted(title: string): boolean;
  line(text: string): void;
  /** Says what is worked on now, by its name. */
  working(title: string): void;
}

/** With the ratio to each peer that did the same work on as many threads, by the peer's name. */
export type Beside<T> = T & { readonly ratios: Readonly<Record<string, number>> };

export interface Measured {
  readonly ops: Beside<OpRow>[];
  readonly training: Beside<TrainRow>[];
  readonly inference: Beside<InferRow>[];
  readonly peerRows: PeerRow[];
  readonly profiles: Profile[];
}

export interface Section {
  titles(all: boolean): string[];
  run(o: Run, into: Measured): Promise<void>;
}

/** Whole steps and prompts are long: they get this many times what an operation gets. */
const LONG = 10;
/** Beside the sizes n×n×n, one layer of GPT-2: what every peer is asked. */
const SOME_PRODUCTS = ["256x768x3072"];

export const trainTitle = (size: string): string => `train ${size}`;
export const inferTitle = (phase: Phase, size = inferSize): string => `${phase} ${size}`;
/** Gigabytes and minutes: only when a filter names them. */
export const isHeavy = (title: string): boolean =>
  title.endsWith(" gpt2") || title.endsWith(` ${mixtureSize}`);

export const sections: readonly Section[] = [
  { titles: (all) => opCases(all).map((c) => c.title), run: operations },
  { titles: () => sizeNames.map(trainTitle), run: trainings },
  { titles: () => phases.map((phase) => inferTitle(phase)), run: inference },
  {
    titles: () => [trainTitle(mixtureSize), ...phases.map((phase) => inferTitle(phase, mixtureSize))],
    run: mixture,
  },
];

const ratiosOf = (ours: number, rows: readonly PeerRow[]): Record<string, number> =>
  Object.fromEntries(rows.map((r) => [r.peer, ours / r.median]));

/** Each peer of these on each number of threads that it makes use of. */
async function askAll(
  o: Run,
  asked: readonly Peer[],
  what: Work,
  which: string,
  name: string,
  ms: number,
  into: PeerRow[],
): Promise<PeerRow[]> {
  const rows: PeerRow[] = [];
  for (const peer of asked)
    for (const threads of o.workers.filter((n) => n <= peer.mostThreads))
      rows.push(...(await o.peers.ask(peer, what, which, name, threads, ms)));
  into.push(...rows);
  return rows;
}

const cube = (product: string | undefined): number | undefined => {
  const [M, K, N] = (product ?? "").split("x").map(Number);
  return M !== undefined && M === K && K === N && M > 0 ? M : undefined;
};

async function operations(o: Run, into: Measured): Promise<void> {
  const cases = opCases(o.all).filter((c) => o.wanted(c.title));
  if (cases.length === 0) return;
  const here = o.peers.here("sgemm");
  const torch = here.find((p) => p.products === "all");
  const answers = new Map<string, PeerRow[]>();
  for (const product of new Set(cases.map(productOf).filter((p) => p !== undefined))) {
    const everyone = cube(product) !== undefined || SOME_PRODUCTS.includes(product);
    if (here.length > 0) o.working(cases.find((c) => productOf(c) === product)!.title);
    answers.set(
      product,
      await askAll(
        o,
        here.filter((p) => p.products === "all" || everyone),
        "sgemm",
        product,
        product,
        o.ms,
        into.peerRows,
      ),
    );
  }
  await o.peers.closeAll();
  const beside = (row: OpRow): PeerRow[] =>
    (answers.get(row.product ?? "") ?? []).filter((p) => p.threads === row.workers);
  o.line("");
  o.line(opHead(o.workers, torch?.short));
  const group: OpRow[] = [];
  let title = "";
  for await (const row of benchOps(o)) {
    into.ops.push({ ...row, ratios: ratiosOf(row.gflops, beside(row)) });
    group.push(row);
    if (group.length < o.workers.length) continue;
    if (title !== (title = `${row.op} ${row.sizes}`)) o.line(title);
    o.line(opLine(group.splice(0), (r) => ratiosOf(r.gflops, beside(r))[torch?.name ?? ""]));
  }
  speedOverSize(o, into);
}

function speedOverSize(o: Run, { ops, peerRows }: Measured): void {
  const cubes = ops.filter((r) => r.op === "matmul" && cube(r.product) !== undefined);
  const sizes = [...new Set(cubes.map((r) => cube(r.product)!))];
  if (sizes.length < 2) return;
  o.line("");
  o.line(sizeHead(sizes));
  for (const target of o.targets)
    for (const workers of o.workers) {
      const rates = cubes
        .filter((r) => r.target === target && r.workers === workers)
        .map((r) => [cube(r.product)!, r.gflops] as const);
      o.line(sizeRow(sizes, `Sinter, ${target}, ${workersText(workers)}`, new Map(rates)));
    }
  for (const peer of new Set(peerRows.map((p) => p.peer)))
    for (const threads of o.workers) {
      const rates = peerRows
        .filter(
          (p) =>
            p.peer === peer && p.threads === threads && p.what === "sgemm" && cube(p.which) !== undefined,
        )
        .map((p) => [cube(p.which)!, p.median] as const);
      if (rates.length > 0)
        o.line(sizeRow(sizes, `${peer}, ${threads} thread${threads === 1 ? "" : "s"}`, new Map(rates)));
    }
}

async function trainings(o: Run, into: Measured): Promise<void> {
  for (const size of sizeNames.filter((s) => o.wanted(trainTitle(s)))) {
    o.line("");
    o.line(`${trainTitle(size)}: ${sizeLine(size)}`);
    o.line(trainHead());
    const peers = await askAll(o, o.peers.here("train"), "train", size, size, LONG * o.ms, into.peerRows);
    await o.peers.closeAll();
    for (const row of peers) o.line(peerRateLine(row));
    o.working(trainTitle(size));
    for await (const row of benchTraining(size, { ...o, ms: LONG * o.ms })) {
      into.training.push({
        ...row,
        ratios: ratiosOf(
          row.tokensPerSecond,
          peers.filter((p) => p.threads === row.workers),
        ),
      });
      o.line(trainLine(row));
      const ratios = ratioLine(row.tokensPerSecond, row.workers, peers);
      if (ratios) o.line(ratios);
    }
    await profiles(o, "train", size, into);
  }
}

/** A mixture of experts, which no peer here has. The bytes of a token are those of the experts it goes to. */
async function mixture(o: Run, into: Measured): Promise<void> {
  const size = mixtureSize;
  const chosen = phases.filter((phase) => o.wanted(inferTitle(phase, size)));
  if (o.wanted(trainTitle(size))) {
    ["", `${trainTitle(size)}: ${sizeLine(size)}`, trainHead()].forEach(o.line);
    o.working(trainTitle(size));
    for await (const row of benchTraining(size, { ...o, ms: LONG * o.ms })) {
      into.training.push({ ...row, ratios: {} });
      o.line(trainLine(row));
    }
    await profiles(o, "train", size, into);
  }
  if (chosen.length === 0) return;
  const rows: InferRow[] = [];
  o.working(inferTitle(chosen[0]!, size));
  for await (const row of benchInference({ ...o, phases: chosen, ms: LONG * o.ms }, size)) rows.push(row);
  for (const phase of chosen) {
    ["", `${inferTitle(phase, size)}: ${sizeLine(size)}`, inferHead(phase)].forEach(o.line);
    for (const row of rows.filter((r) => r.phase === phase)) {
      into.inference.push({ ...row, ratios: {} });
      o.line(inferLine(row));
    }
    await profiles(o, phase, size, into);
  }
}

/** One table for each target and number of workers. */
async function profiles(o: Run, entry: ProfiledEntry, size: string, into: Measured): Promise<void> {
  if (!o.profile) return;
  for (const target of o.targets)
    for (const workers of o.workers) {
      const profile = await profileModel(benchModel(size), { ...o, entry, target, workers, ms: LONG * o.ms });
      into.profiles.push(profile);
      o.line("");
      profileLines(profile).forEach(o.line);
    }
}

async function inference(o: Run, into: Measured): Promise<void> {
  const chosen = phases.filter((phase) => o.wanted(inferTitle(phase)));
  if (chosen.length === 0) return;
  const asked = o.peers.here("infer");
  const all: PeerRow[] = [];
  if (asked.length > 0) {
    await withOnnxFolder(inferSize, async (folder) =>
      all.push(...(await askAll(o, asked, "infer", folder, inferSize, LONG * o.ms, into.peerRows))),
    );
    await o.peers.closeAll();
  }
  const rows: InferRow[] = [];
  o.working(inferTitle(chosen[0]!));
  for await (const row of benchInference({ ...o, phases: chosen, ms: LONG * o.ms })) rows.push(row);
  for (const phase of chosen) {
    const peers = all.filter((p) => p.what === phase);
    o.line("");
    o.line(
      phase === "prefill"
        ? `${inferTitle(phase)}: a prompt of ${PROMPT} tokens at once`
        : `${inferTitle(phase)}: ${DECODED} tokens one by one, after those ${PROMPT}`,
    );
    o.line(inferHead(phase));
    for (const row of peers) o.line(peerRateLine(row));
    for (const row of rows.filter((r) => r.phase === phase)) {
      into.inference.push({
        ...row,
        ratios: ratiosOf(
          row.tokensPerSecond,
          peers.filter((p) => p.threads === row.workers),
        ),
      });
      o.line(inferLine(row));
      const ratios = ratioLine(row.tokensPerSecond, row.workers, peers);
      if (ratios) o.line(ratios);
    }
    await profiles(o, phase, inferSize, into);
  }
}
