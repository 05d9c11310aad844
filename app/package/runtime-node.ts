/** `sinter/runtime/node`: threads and files of Node for `sinter/runtime`. It is `@sinter/runtime/node`. */
export * from "../../runtime/node/index.ts";
