/** `sinter/runtime/node`: threads and files for `sinter/runtime`. */
export { nodeHost } from "./host.ts";
export { nodeFiles } from "./files.ts";
