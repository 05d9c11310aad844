/**
 * `sinter/runtime/browser`: threads and files of a page for `sinter/runtime`, and a model that a page can use
 * without being held up by it.
 */
export { openModel, type Opening, type PageModel, type TextStream } from "./page-model.ts";
export type { ModelFacts, OpenOptions, PageGenerateOptions } from "./messages.ts";
export { browserHost } from "./host.ts";
export { fetchFiles, type FetchOptions } from "./fetch-files.ts";
export { blobFiles } from "./blob-files.ts";
export { opfsFiles } from "./opfs-files.ts";
