/**
 * A process that compiles kernels for tests (kernel-compilers.ts starts it): it is asked by HTTP, with a
 * recipe as JSON, and answers with the module. It says its port to its parent, and ends with it.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { compileKernels } from "../../compiler/9-bundle/assemble.ts";
import type { Recipe } from "../../compiler/9-bundle/kernel-cache.ts";

const server = createServer(async (request, response) => {
  try {
    const { wasm } = await compileKernels(JSON.parse(await text(request)) as Recipe);
    response.end(wasm);
  } catch {
    response.writeHead(500).end(); // the test compiles it again, and meets the error itself
  }
});
server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
