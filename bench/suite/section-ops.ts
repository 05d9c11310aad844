/**
 * Measures operations beside their references, limits and peers, and the speed of matrix products over their
 * size.
 */
import { counted } from "../../runtime/contract/amounts.ts";
import { benchOps, type OpRow } from "./bench-ops.ts";
import { limitNote, opHead, opLine, sizeHead, sizeRow, titleLines } from "./bench-table.ts";
import { cubeOf, opCases, productOf, type OpCase } from "./op-cases.ts";
import type { PeerRow } from "./peers.ts";
import { askAll, ratiosOf, type Measured, type Run } from "./section.ts";

/** Besides the sizes n×n×n, every peer is asked for one product of a GPT-2 layer. */
const SOME_PRODUCTS = ["256x768x3072"];

export async function operations(o: Run, into: Measured): Promise<void> {
  const cases = opCases(o.all).filter((c) => o.wanted(c.title));
  if (cases.length === 0) return;
  const torch = o.peers.here("sgemm").find((p) => p.products === "all");
  const answers = await askProducts(o, cases, into);
  await o.peers.closeAll();
  const beside = (row: OpRow): PeerRow[] =>
    (answers.get(row.product ?? "") ?? []).filter((p) => p.threads === row.workers);
  o.line("");
  o.line(opHead(o.workers, torch?.short));
  let last = { title: "", note: "" };
  let group: OpRow[] = []; // one case on one target, a row for each number of workers
  for await (const row of benchOps(o)) {
    into.ops.push({ ...row, ratios: ratiosOf(row.gflops, beside(row)) });
    group.push(row);
    if (group.length < o.workers.length) continue;
    const title = `${row.op} ${row.sizes}`;
    const note = limitNote(group);
    if (title !== last.title) titleLines(title, note).forEach(o.line);
    else if (note !== "" && note !== last.note) o.line(`    ${note}`);
    last = { title, note };
    o.line(opLine(group, (r) => ratiosOf(r.gflops, beside(r))[torch?.name ?? ""]));
    group = [];
  }
  speedOverSize(o, into);
}

/** Asks the peers for each product among these cases. Returns rates by the product's name. */
async function askProducts(
  o: Run,
  cases: readonly OpCase[],
  into: Measured,
): Promise<ReadonlyMap<string, readonly PeerRow[]>> {
  const here = o.peers.here("sgemm");
  const answers = new Map<string, PeerRow[]>();
  for (const product of new Set(cases.map(productOf).filter((p) => p !== undefined))) {
    const everyone = cubeOf(product) !== undefined || SOME_PRODUCTS.includes(product);
    if (here.length > 0) o.working(cases.find((c) => productOf(c) === product)!.title);
    const asked = here.filter((p) => p.products === "all" || everyone);
    const work = { what: "sgemm", which: product, name: product, ms: o.ms } as const;
    answers.set(product, await askAll(o, asked, work, into));
  }
  return answers;
}

/** A table of [n,n] · [n,n] by n: a line for each target and number of workers, and for each peer. */
function speedOverSize(o: Run, { ops, peerRows }: Measured): void {
  const cubes = ops.filter((r) => r.op === "matmul" && cubeOf(r.product) !== undefined);
  const sizes = [...new Set(cubes.map((r) => cubeOf(r.product)!))];
  if (sizes.length < 2) return;
  o.line("");
  o.line(sizeHead(sizes));
  for (const target of o.targets)
    for (const workers of o.workers) {
      const rates = cubes
        .filter((r) => r.target === target && r.workers === workers)
        .map((r) => [cubeOf(r.product)!, r.gflops] as const);
      o.line(sizeRow(sizes, `Sinter, ${target}, ${counted(workers, "worker")}`, new Map(rates)));
    }
  const products = peerRows.filter((p) => p.what === "sgemm" && cubeOf(p.which) !== undefined);
  for (const peer of new Set(peerRows.map((p) => p.peer)))
    for (const threads of o.workers) {
      const rates = products
        .filter((p) => p.peer === peer && p.threads === threads)
        .map((p) => [cubeOf(p.which)!, p.median] as const);
      if (rates.length > 0) o.line(sizeRow(sizes, `${peer}, ${counted(threads, "thread")}`, new Map(rates)));
    }
}
