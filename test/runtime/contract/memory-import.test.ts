/** One binary serves one thread and several; only the flag byte of its memory import differs. */
import { expect, test } from "vitest";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";

/** A module that imports "m" "m", a memory of one page. Byte 16 holds the flags of its limits. */
const module = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 2, 9, 1, 1, 109, 1, 109, 2, 3, 1, 1);
const FLAGS = 16;

test.each([true, false])("shared: %s", (shared) => {
  const bytes = withSharedMemory(module, FLAGS, shared);
  expect(bytes).not.toBe(module);
  expect(bytes[FLAGS]).toBe(shared ? 3 : 1);
  const code = new WebAssembly.Module(bytes);
  const memory = (other: boolean): WebAssembly.Memory =>
    new WebAssembly.Memory({ initial: 1, maximum: 1, shared: other });
  expect(new WebAssembly.Instance(code, { m: { m: memory(shared) } })).toBeDefined();
  expect(() => new WebAssembly.Instance(code, { m: { m: memory(!shared) } })).toThrow(WebAssembly.LinkError);
});
