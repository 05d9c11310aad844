/** The text of the module that an imported spec becomes: a `LinkedBundle` of the runtime. */
import type { Manifest } from "../../runtime/contract/manifest.ts";

/** `urls`: by file, an expression that gives its absolute address. */
export function bundleModule(manifest: Manifest, urls: ReadonlyMap<string, string>): string {
  const rows = [...urls].map(([file, expression]) => `  ${JSON.stringify(file)}: ${expression},\n`);
  return `export const manifest = ${JSON.stringify(manifest)};
const urls = {
${rows.join("")}};
export default { manifest, urls };
`;
}

/** The absolute address of what this module's server has. `path`: an expression. */
export const servedUrl = (path: string): string => `new URL(${path}, import.meta.url).href`;

/** The file itself as an address, where there is no server: programs that Vite runs in Node. */
export const dataUrl = (wasm: Uint8Array): string =>
  JSON.stringify(`data:application/wasm;base64,${Buffer.from(wasm).toString("base64")}`);
