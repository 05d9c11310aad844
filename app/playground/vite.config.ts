/** How the page is built: static files with relative addresses, which any server can host in any folder. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { sinter } from "../vite/index.ts";
import { compilerParts } from "./compile/compiler-parts.ts";
import { leanCompiler } from "./lean-compiler.ts";
import { pageHtml } from "./page-html.ts";
import { serviceWorkerFile } from "./service-worker-file.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
/**
 * Specs of the gallery are compiled as they are imported, so that they can be looked into; declaration files
 * would stand beside them.
 */
const specs = () => sinter({ types: false, entries: ["look"] });

export default defineConfig({
  root: here,
  base: "./",
  plugins: [
    specs(),
    pageHtml(readFileSync(new URL("../../specs/quickstart.sinter", import.meta.url), "utf8")),
    serviceWorkerFile(),
  ],
  worker: { format: "es", plugins: () => [specs(), leanCompiler(), compilerParts()] },
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy allows no scripts and styles in addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 16_000, // kB: the compiler of AssemblyScript, loaded on need
  },
  server: { fs: { allow: ["../.."] } },
});
