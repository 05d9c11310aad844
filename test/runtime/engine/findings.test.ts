/** What was found out about this machine is found out once, where it is kept, and anew elsewhere. */
import { afterEach, expect, test } from "vitest";
import { whyNot } from "../../../runtime/engine/choose-target.ts";
import { peakGflops } from "../../../runtime/engine/probe.ts";
import { keepFindings, nodeFindings } from "../../../runtime/node/findings.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { keptInMemory } from "../../support/kept-in-memory.ts";

afterEach(() => keepFindings(undefined));

/** A host that counts the modules that it compiles. */
function countingHost() {
  const counted = { compiled: 0 };
  const compile: typeof nodeHost.compile = (...given) => {
    counted.compiled++;
    return nodeHost.compile(...given);
  };
  return { counted, host: { ...nodeHost, compile } };
}

test("a finding is read where it was kept, and is none of another question", async () => {
  await nodeFindings.write(["a"], true);
  expect(await nodeFindings.read(["a"])).toBeUndefined(); // nothing is kept
  const kept = keptInMemory();
  keepFindings(kept);
  await nodeFindings.write(["a"], true);
  await nodeFindings.write(["b"], 12.5);
  expect(await nodeFindings.read(["a"])).toBe(true);
  expect(await nodeFindings.read(["b"])).toBe(12.5);
  expect(await nodeFindings.read(["c"])).toBeUndefined();
  for (const name of kept.all.keys()) expect(name).toMatch(/^[0-9a-f]{64}\.json$/);
});

test("a target is tried out once", async () => {
  keepFindings(keptInMemory());
  const { counted, host } = countingHost();
  const first = await whyNot("wide", host, false);
  expect(counted.compiled).toBeGreaterThan(0);
  counted.compiled = 0;
  expect(await whyNot("wide", host, false)).toBe(first);
  expect(counted.compiled).toBe(first === undefined ? 0 : 2); // what does not suit is tried again
});

test("a machine's peak is the most that was ever measured", async () => {
  const kept = keptInMemory();
  keepFindings(kept);
  const measured = (await peakGflops("simd", nodeHost))!;
  expect(measured).toBeGreaterThan(0);
  const [name] = kept.all.keys();
  kept.all.set(name!, new TextEncoder().encode(JSON.stringify({ about: [], found: 1e9 })));
  expect(await peakGflops("simd", nodeHost)).toBe(1e9);
});
