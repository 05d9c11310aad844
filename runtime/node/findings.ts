/**
 * What was found out here before, kept where a program says: that joined code is right, that it pays, how
 * fast the vector unit is. A finding is known by all that may change it: the processor, the system, V8 and
 * its flags.
 */
import os from "node:os";
import type { Findings } from "../engine/host.ts";
import type { KeptBytes } from "../contract/kept-bytes.ts";
import { sha256 } from "../contract/sha256.ts";

let kept: KeptBytes | undefined;

/** All that this process finds out from now on is looked for and kept there. Undefined: no more. */
export const keepFindings = (where: KeptBytes | undefined): void => void (kept = where);

export const nodeFindings: Findings = {
  async read(about) {
    const bytes = await kept?.read(await nameOf(about));
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  },
  async write(about, found) {
    await kept?.write(await nameOf(about), new TextEncoder().encode(JSON.stringify(found)));
  },
};

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
