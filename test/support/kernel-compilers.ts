/**
 * Processes that compile kernels for tests. A test file has a process of its own, which would need two
 * seconds to load the compiler's tools and to warm them up; these do it once. There is one for each process
 * that runs tests.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { TestProject } from "vitest/node";
import type { CompileBeside } from "../../compiler/9-bundle/kernel-cache.ts";
import { inProject } from "./paths.ts";

/** Names the ports of those processes. */
const PORTS_VARIABLE = "SINTER_TEST_COMPILERS";

/** Vitest calls this before all tests, and what it returns after them. */
export async function setup({ config }: TestProject): Promise<() => void> {
  const compilers = Array.from({ length: config.maxWorkers }, () =>
    fork(inProject("test/support/kernel-compiler.ts")),
  );
  const ports = await Promise.all(compilers.map(async (compiler) => (await once(compiler, "message"))[0]));
  process.env[PORTS_VARIABLE] = ports.join();
  return () => compilers.forEach((compiler) => compiler.disconnect());
}

/** Undefined: there is no such process, or it does not compile this. */
export const compiledBeside: CompileBeside = async (recipe) => {
  const ports = process.env[PORTS_VARIABLE]?.split(",") ?? [];
  if (ports.length === 0) return undefined;
  const port = ports[Number(process.env["VITEST_POOL_ID"] ?? 0) % ports.length];
  const asked = request({ host: "127.0.0.1", port, method: "POST", agent: false });
  asked.end(JSON.stringify(recipe));
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const body = await buffer(answer);
  return answer.statusCode === 200 ? new Uint8Array(body) : undefined;
};
