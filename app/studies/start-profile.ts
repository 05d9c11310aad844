/** What a start is made of: V8's profile of the main thread, by what the time went to. */
import { readFileSync } from "node:fs";

/** What is read of a .cpuprofile (Chrome DevTools protocol, Profiler.Profile). Times in µs. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
}

/** Milliseconds by what they went to, most first, of the profile's first `ms`. */
export function partsOfStart(file: string, ms: number): readonly (readonly [part: string, ms: number])[] {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
  const parts = new Map(nodes.map((node) => [node.id, partOf(node.callFrame)]));
  const sums = new Map<string, number>();
  let left = ms;
  for (const [i, id] of samples.entries()) {
    const spent = Math.min(left, timeDeltas[i]! / 1000);
    const part = parts.get(id)!;
    sums.set(part, (sums.get(part) ?? 0) + spent);
    if ((left -= spent) <= 0) break;
  }
  return [...sums].toSorted(([, a], [, b]) => b - a);
}

/** What V8 calls things that have no file. */
const withoutFile: Readonly<Record<string, string>> = {
  "(idle)": "waiting for threads and files",
  "(garbage collector)": "garbage collection",
  Module: "V8 compiles kernels",
};

/** "compiler/ops", "npm chevrotain", "node: modules", "kernels run". */
function partOf({ functionName, url }: ProfileNode["callFrame"]): string {
  if (url.startsWith("wasm:")) return "kernels run";
  if (url.startsWith("node:internal/modules")) return "node: modules";
  if (url === "") return withoutFile[functionName] ?? "node: native";
  if (url.startsWith("node:")) return "node: other";
  const [, inPackage] = url.split(/^.*\/node_modules\//);
  if (inPackage !== undefined) return `npm ${/^(?:@[^/]+\/)?[^/]+/.exec(inPackage)![0]}`;
  return /(?:app|bench|compiler|runtime)\/[^/]+(?=\/)/.exec(url)?.[0] ?? "sinter";
}
