/**
 * `sinter/vite`: specs as modules of a program.
 *
 *   import { sinter } from "sinter/vite";
 *   export default { plugins: [sinter()] };          vite.config.js
 *
 *   import gpt2 from "./gpt2.sinter";                a bundle, for openModel and createModel
 *   import gpt2 from "./gpt2.sinter?train"           with the module that learns instead
 *   import gpt2 from "./gpt2.sinter?stage=rl"        with the module of a stage of which it has a block
 *   import xl from "./gpt2.sinter?model=gpt2-xl"     one model of a file that has several
 *
 * In development, the kernels are served from memory, and an edited spec replaces its module in the page; a
 * spec with errors replaces nothing, and Vite shows the errors over the page. A build has the kernels among
 * its assets. Beside each spec the plugin writes its types (cli/options/spec-types.ts).
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DevEnvironment, EnvironmentModuleNode, Plugin, Rollup, UserConfig } from "vite";
import type { AskedEntry } from "../../runtime/contract/entries.ts";
import type { CacheFormat, Weights } from "../../runtime/contract/memory-formats.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { KERNEL_CACHE_VARIABLE, kernelFolder } from "../cli/terminal/kernel-folder.ts";
import { declarationPath, writeDeclaration } from "../cli/options/spec-types.ts";
import { TUNE_FILE } from "../cli/options/tune-options.ts";
import { bundleModule, dataUrl, servedUrl } from "./bundle-module.ts";
import type { Compiled } from "./compile-spec.ts";
import { asOne, type Finding } from "./finding.ts";
import { ServedKernels } from "./served-kernels.ts";
import { SpecCompiler } from "./spec-compiler.ts";
import { specImport, type SpecImport } from "./spec-import.ts";

const NAME = "vite-plugin-sinter";

/** What a module is loaded in. Rollup has no environments. */
type Context = Pick<Rollup.PluginContext, "emitFile"> & {
  readonly environment?: Rollup.PluginContext["environment"];
};

export interface SinterOptions {
  /**
   * Whether the server and the preview send the headers with which pages have shared memory, and models
   * several threads: Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy. What the page embeds from
   * other origins then has to allow it. Default: false.
   */
  readonly isolate?: boolean;
  /** Whether declaration files are written beside specs. Default: true. */
  readonly types?: boolean;
  /** Instruction sets: the page takes the best that its engine has. Default: relaxed and simd. */
  readonly targets?: readonly Target[];
  /** How the module `infer` keeps its matrices. Default: "f32". */
  readonly weights?: Weights;
  /** How the module `infer` keeps keys and values of earlier positions. Default: "f32". */
  readonly cache?: CacheFormat;
  /**
   * What modules can do besides: `lookInside`, and `infer` `scoreTokens`, `embedTokens`. Default: nothing.
   */
  readonly entries?: readonly AskedEntry[];
}

/** Vite's plugin. Rollup takes it too, for imports without a query. */
export function sinter(options: SinterOptions = {}): Plugin {
  const { isolate = false, types = true, targets = ["relaxed", "simd"], weights, cache, entries } = options;
  const served = new ServedKernels();
  let base = "/";
  let compiler: SpecCompiler | undefined;

  const compile = async (spec: SpecImport, text: string): Promise<Compiled> => {
    compiler ??= new SpecCompiler(kernelsOf(process.cwd()));
    const compiled = await compiler.compile({ ...spec, text, targets, weights, cache, entries });
    if (types && compiled.kind === "bundle" && !spec.file.includes("/node_modules/"))
      writeDeclaration(declarationPath(spec.file, spec.query), compiled.types);
    return compiled;
  };

  const plugin: Plugin = {
    name: NAME,
    config: () => withDefaults(isolate, () => [plugin]),
    configResolved(config) {
      base = config.base;
      compiler = new SpecCompiler(kernelsOf(config.root));
    },
    configureServer(server) {
      server.middlewares.use(served.answer);
    },
    load: {
      filter: { id: /\.sinter(?:\?|$)/ },
      async handler(id) {
        const spec = specImport(id);
        if (!spec) return;
        this.addWatchFile(spec.file);
        const compiled = await compile(spec, readFileSync(spec.file, "utf8"));
        if (compiled.kind === "wrong") return this.error({ id: spec.file, ...asOne(compiled.errors) });
        for (const file of compiled.watch) this.addWatchFile(file);
        for (const warning of compiled.warnings) this.warn({ id: spec.file, ...warning });
        for (const note of compiled.notes) this.info(note);
        const urls = urlsOf(this, compiled, (file, wasm) => base + served.add(file, wasm));
        return { code: bundleModule(compiled.manifest, urls), moduleType: "js" };
      },
    },
    async hotUpdate({ file, modules, read }) {
      if (!file.endsWith(".sinter")) return;
      if (this.environment.config.consumer === "server") return;
      const text = await read();
      for (const { id } of modules) {
        const spec = specImport(id ?? "");
        const compiled = spec && (await compile(spec, text));
        if (compiled?.kind === "wrong") return keepOld(this.environment, compiled.errors);
      }
      return;
    },
    watchChange(file) {
      if (basename(file) === TUNE_FILE) compiler?.forget();
    },
    async closeBundle() {
      await compiler?.close();
    },
  };
  return plugin;
}

/** For each file, the expression of its address in the module that is loaded. */
function urlsOf(
  context: Context,
  { manifest, wasm }: Extract<Compiled, { kind: "bundle" }>,
  serve: (file: string, wasm: Uint8Array) => string,
): ReadonlyMap<string, string> {
  const { environment } = context;
  const urlOf = (file: string, source: Uint8Array): string => {
    if (environment?.config.consumer === "server") return dataUrl(source);
    if (environment?.mode === "dev")
      // Vite would look for a file of that name
      return servedUrl(`/* @vite-ignore */ ${JSON.stringify(serve(file, source))}`);
    const asset = context.emitFile({ type: "asset", name: `${manifest.model.name}.${file}`, source });
    return servedUrl(`import.meta.ROLLUP_FILE_URL_${asset}`);
  };
  return new Map([...wasm].map(([file, bytes]) => [file, urlOf(file, bytes)]));
}

/** What the plugin asks of Vite. */
const withDefaults = (isolate: boolean, plugins: () => Plugin[]): UserConfig => ({
  // optimised, the runtime's threads would not be found beside it
  optimizeDeps: { exclude: ["sinter", "@sinter/runtime"] },
  worker: { format: "es", plugins },
  ...(isolate && { server: { headers: ISOLATION }, preview: { headers: ISOLATION } }),
});

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Shows what is wrong over the page, and updates nothing. */
function keepOld(
  { hot, logger }: DevEnvironment,
  errors: readonly [Finding, ...Finding[]],
): EnvironmentModuleNode[] {
  const { message, loc, frame } = asOne(errors);
  logger.error(`${message}\n${loc.file}:${loc.line}:${loc.column}\n${frame}`, { timestamp: true });
  hot.send({ type: "error", err: { message, loc, frame, id: loc.file, plugin: NAME, stack: "" } });
  return [];
}

/** Where kernels are kept: below the nearest node_modules, unless the environment names another folder. */
function kernelsOf(root: string): string | undefined {
  if (process.env[KERNEL_CACHE_VARIABLE]) return kernelFolder();
  for (let folder = root; ; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(modules)) return join(modules, ".cache/sinter");
    if (folder === dirname(folder)) return kernelFolder();
  }
}
