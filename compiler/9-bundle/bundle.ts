/**
 * Sources and plans → the files of a bundle:
 *
 *   manifest.json            all that the runtime needs to know
 *   train.wide.wasm …        one module per job and target; `infer` holds no gradients and no moments
 *   train.wide.kernels.ts …  what each was compiled from, to read
 *   report.txt               sizes, memory, fusions, kernels
 *   index.js, index.d.ts     the bundle as a package entry
 */
import type { Model } from "../2-check/model.ts";
import { control, hyper, MAX_WORKERS } from "../control.ts";
import { rowFloats, type Target } from "../op.ts";
import { kernelName } from "../6-tile/kernel-spec.ts";
import { callBytes, callFlops, programFlops, type Program } from "../6-tile/program.ts";
import type { Place, Placement } from "../7-place/place.ts";
import { assemble } from "./assemble.ts";
import type { BuiltModule } from "./built-module.ts";
import { indexDts, indexJs } from "./index-files.ts";
import { MANIFEST_VERSION, type EntryPlace, type Manifest, type ModuleManifest, type ProfileSite, type TensorPlace, type WasmFile } from "./manifest.ts";
import { report } from "./report.ts";
import { COMPILER_VERSION } from "../version.ts";

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export async function bundleFiles(model: Model, modules: readonly BuiltModule[]): Promise<{ manifest: Manifest; files: Map<string, Uint8Array<ArrayBuffer>> }> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const manifests: { train?: ModuleManifest; infer?: ModuleManifest } = {};
  for (const module of modules) {
    const wasm: Partial<Record<Target, WasmFile>> = {};
    for (const [target, source] of module.sources) {
      const built = await assemble(source, target, module.placement.pages);
      const file = `${module.name}.${target}.wasm`;
      files.set(file, built.wasm);
      files.set(`${module.name}.${target}.kernels.ts`, encode(source));
      wasm[target] = { file, bytes: built.wasm.length, sha256: await sha256(built.wasm), memoryFlagOffset: built.memoryFlagOffset };
    }
    manifests[module.name] = moduleManifest(module, wasm, model);
  }
  const parameters = countParameters(modules[0]!.placement);
  const manifest: Manifest = { version: MANIFEST_VERSION, compiler: COMPILER_VERSION, model, parameters, control, hyper, modules: manifests };
  files.set("manifest.json", encode(JSON.stringify(manifest, null, 1) + "\n"));
  files.set("report.txt", encode(report(manifest, modules)));
  files.set("index.js", encode(indexJs(manifest)));
  files.set("index.d.ts", encode(indexDts(manifest)));
  return { manifest, files };
}

export const countParameters = (placement: Placement): number =>
  [...placement.persistent.values()].filter((p) => p.value.storage === "parameter" && !p.value.members)
    .reduce((sum, { value }) => sum + value.slices * value.shape.reduce((a, b) => a * b, 1), 0);

function moduleManifest(module: BuiltModule, wasm: Partial<Record<Target, WasmFile>>, model: Model): ModuleManifest {
  const { placement } = module, programs = [...module.programs.values()][0]!;
  return {
    memoryBytes: placement.bytes,
    memoryPages: placement.pages,
    maxWorkers: MAX_WORKERS,
    tensors: [...placement.persistent.values()].filter((p) => !p.value.members).map(tensorPlace),
    entries: programs.map((p, index): EntryPlace => {
      const kept = (storage: string) => [...p.graph.values.values()].filter((v) => v.storage === storage).map((v) => v.name);
      const { entry } = p.graph, sequences = entry === "train" || entry === "evaluate";
      return {
        name: entry, index, inputs: kept("input"), outputs: kept("output"),
        batch: sequences ? model.train.batch : 1,
        context: sequences ? model.train.context : p.graph.values.get("tokens")!.shape.reduce((a, b) => a * b, 1) * p.graph.values.get("tokens")!.slices,
        flops: programFlops(p),
      };
    }),
    wasm,
    ...(placement.profile && { profile: { offset: placement.profile.offset, bytesPerWorker: placement.profile.bytesPerWorker, sites: profileSites(programs) } }),
  };
}

const profileSites = (programs: readonly Program[]): ProfileSite[] =>
  programs.flatMap((p) => p.sections.flatMap((s) => s.calls.map((call) => ({
    entry: p.graph.entry, section: s.name, kernel: kernelName(call.spec), times: s.times, flops: callFlops(call), bytes: callBytes(call),
  }))));

function tensorPlace({ value, offset, stride }: Place): TensorPlace {
  const layered = value.layered === true;
  const blocks = layered ? 1 : value.slices; // blocks of rows are contiguous: to the outside one tensor
  const [first, ...rest] = value.shape;
  return {
    name: value.name, storage: value.storage as TensorPlace["storage"], dtype: value.dtype,
    shape: [first! * blocks, ...rest], slices: layered ? value.slices : 1, layered, rowFloats: rowFloats(value.shape.at(-1)! * (rest.length === 0 ? blocks : 1)), offset, stride: stride * blocks,
    ...(value.of && { of: value.of }), ...(value.init && { init: value.init }), ...(value.decay !== undefined && { decay: value.decay }),
  };
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
}
