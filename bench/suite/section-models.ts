/** Whole models: training steps, prefill and decode, with the peers that do the same. */
import { PROMPT } from "../measure/random-tokens.ts";
import { benchInference, DECODED, inferSize, phases, type InferRow, type Phase } from "./bench-infer.ts";
import { mixtureSize, sizeLine, sizeNames } from "./bench-models.ts";
import {
  inferHead,
  inferLine,
  peerRateLine,
  processesLine,
  ratioLine,
  trainHead,
  trainLine,
} from "./bench-table.ts";
import { benchTraining, withProcesses, type TrainRow } from "./bench-train.ts";
import { withOnnxFolder } from "./onnx-folder.ts";
import type { PeerRow } from "./peers.ts";
import { askAll, LONG, profiles, ratiosOf, type Beside, type Measured, type Run } from "./section.ts";

export const trainTitle = (size: string): string => `train ${size}`;
export const inferTitle = (phase: Phase, size = inferSize): string => `${phase} ${size}`;

export async function trainings(o: Run, into: Measured): Promise<void> {
  for (const size of sizeNames.filter((s) => o.wanted(trainTitle(s)))) {
    heading(o, `${trainTitle(size)}: ${sizeLine(size)}`, trainHead());
    const work = { what: "train", which: size, name: size, ms: LONG * o.ms } as const;
    const peers = await askAll(o, o.peers.here("train"), work, into);
    await o.peers.closeAll();
    await trainingRows(o, size, peers, into);
  }
}

export async function inference(o: Run, into: Measured): Promise<void> {
  const chosen = phases.filter((phase) => o.wanted(inferTitle(phase)));
  if (chosen.length === 0) return;
  const answers = await askInference(o, into);
  const rows = await measured(o, chosen, inferSize);
  for (const phase of chosen) {
    const about = {
      prefill: `a prompt of ${PROMPT} tokens at once`,
      decode: `${DECODED} tokens one by one, after those ${PROMPT}`,
    };
    heading(o, `${inferTitle(phase)}: ${about[phase]}`, inferHead(phase));
    const peers = answers.filter((p) => p.what === phase);
    for (const row of peers) o.line(peerRateLine(row));
    for (const row of rows.filter((r) => r.phase === phase))
      addRow(o, row, peers, into.inference, inferLine(row));
    await profiles(o, phase, inferSize, into);
  }
}

/** A mixture of experts, which no peer here has. The bytes of a token are those of the experts it goes to. */
export async function mixture(o: Run, into: Measured): Promise<void> {
  const size = mixtureSize;
  const chosen = phases.filter((phase) => o.wanted(inferTitle(phase, size)));
  if (o.wanted(trainTitle(size))) {
    heading(o, `${trainTitle(size)}: ${sizeLine(size)}`, trainHead());
    await trainingRows(o, size, [], into);
  }
  if (chosen.length === 0) return;
  const rows = await measured(o, chosen, size);
  for (const phase of chosen) {
    heading(o, `${inferTitle(phase, size)}: ${sizeLine(size)}`, inferHead(phase));
    for (const row of rows.filter((r) => r.phase === phase))
      addRow(o, row, [], into.inference, inferLine(row));
    await profiles(o, phase, size, into);
  }
}

const heading = (o: Run, ...lines: readonly string[]): void => ["", ...lines].forEach(o.line);

/** The peers' lines, then ours on each target and number of workers. */
async function trainingRows(o: Run, size: string, peers: readonly PeerRow[], into: Measured): Promise<void> {
  for (const row of peers) o.line(peerRateLine(row));
  o.working(trainTitle(size));
  for await (const first of benchTraining(size, { ...o, ms: LONG * o.ms })) {
    const further: (readonly number[])[] = [];
    while (further.length < o.processes - 1)
      further.push(await o.again({ ...first, name: trainTitle(size) }));
    const row = further.length === 0 ? first : withProcesses(first, further);
    addRow(o, row, peers, into.training, trainLine(row));
    const scatter = processesLine(row);
    if (scatter) o.line(scatter);
  }
  await profiles(o, "train", size, into);
}

async function measured(o: Run, chosen: readonly Phase[], size: string): Promise<InferRow[]> {
  o.working(inferTitle(chosen[0]!, size));
  const rows: InferRow[] = [];
  for await (const row of benchInference({ ...o, phases: chosen, ms: LONG * o.ms }, size)) rows.push(row);
  return rows;
}

async function askInference(o: Run, into: Measured): Promise<PeerRow[]> {
  const asked = o.peers.here("infer");
  if (asked.length === 0) return [];
  let answers: PeerRow[] = [];
  await withOnnxFolder(inferSize, async (folder) => {
    const work = { what: "infer", which: folder, name: inferSize, ms: LONG * o.ms } as const;
    answers = await askAll(o, asked, work, into);
  });
  await o.peers.closeAll();
  return answers;
}

/** Prints a row of ours, with its ratios to the peers on as many threads, and adds it to the report. */
function addRow<Row extends TrainRow | InferRow>(
  o: Run,
  row: Row,
  peers: readonly PeerRow[],
  into: Beside<Row>[],
  line: string,
): void {
  const same = peers.filter((p) => p.threads === row.workers);
  into.push({ ...row, ratios: ratiosOf(row.tokensPerSecond, same) });
  o.line(line);
  const ratios = ratioLine(row.tokensPerSecond, row.workers, peers);
  if (ratios) o.line(ratios);
}
