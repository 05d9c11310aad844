/**
 * `sinter/runtime/browser`: threads and files of a page for `sinter/runtime`. It is
 * `@sinter/runtime/browser`.
 */
export * from "../../runtime/browser/index.ts";
