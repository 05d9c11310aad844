/**
 * What was found out here before, kept where a program says: that joined code is right, that it pays, how
 * fast the vector unit is. A finding is known by all that may change it: the processor, the system, V8 and
 * its flags.
 */
import os from "node:os";
import type { Findings } from "../engine/host.ts";
import { isObject } from "../base/schema.ts";
import type { KeptBytes } from "../contract/kept-bytes.ts";
import { sha256 } from "../contract/sha256.ts";

let kept: KeptBytes | undefined;

/** All that this process finds out from now on is looked for and kept there. Undefined: no more. */
export const keepFindings = (where: KeptBytes | undefined): void => void (kept = where);

export const nodeFindings: Findings = {
  async read(about) {
    const bytes = await kept?.read(await nameOf(about));
    return bytes && findingOf(bytes)?.found;
  },
  async write(about, found) {
    const finding: Finding = { about, found };
    await kept?.write(await nameOf(about), new TextEncoder().encode(JSON.stringify(finding)));
  },
};

/** What is kept: its name is a hash, so it says itself what it is about. */
export interface Finding {
  readonly about: readonly string[];
  readonly found: unknown;
}

/** Undefined: it was kept by an earlier release, which wrote only what was found. */
function findingOf(bytes: Uint8Array): Finding | undefined {
  const finding: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const isWhole = isObject(finding) && Array.isArray(finding["about"]) && "found" in finding;
  return isWhole ? (finding as unknown as Finding) : undefined;
}

/** Those of what was kept, by name, that hold for this machine and its engine as they are now. */
export async function findingsHere(
  all: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Promise<readonly Finding[]> {
  const here: Finding[] = [];
  for (const { name, bytes } of all) {
    const finding = findingOf(bytes);
    if (finding && name === (await nameOf(finding.about))) here.push(finding);
  }
  return here;
}

const nameOf = async (about: readonly string[]): Promise<string> =>
  `${await sha256(JSON.stringify([here(), ...about]))}.json`;

/** This machine and its engine. */
const here = (): readonly unknown[] => [
  os.machine(),
  os.release(),
  os.cpus()[0]?.model,
  process.versions.v8,
  ...[...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].filter((flag) => COMPILER_FLAGS.test(flag)),
];

/** Flags that change the machine code that V8 makes. */
const COMPILER_FLAGS = /wasm|turbo|jit|enable-/;
