/** esbuild follows no `new URL("…", import.meta.url)`: what the page finds that way is named here. */
import { copyFileSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: [
    { in: "src/main.ts", out: "main" },
    // the model's threads, which are started beside main.js
    { in: "@sinter/runtime/browser/model-worker", out: "model-worker" },
    { in: "@sinter/runtime/browser/pool-worker", out: "pool-worker" },
    // its kernels, which are loaded from there
    { in: "src/flowers/infer.relaxed.wasm", out: "infer.relaxed" },
    { in: "src/flowers/infer.simd.wasm", out: "infer.simd" },
  ],
  loader: { ".wasm": "copy" },
  bundle: true,
  minify: true,
  format: "esm",
  outdir: "site",
});
copyFileSync("src/index.html", "site/index.html");
