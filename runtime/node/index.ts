/**
 * `sinter/runtime/node`: threads and files for `sinter/runtime`, and what it reads through other packages.
 */
export { nodeHost } from "./host.ts";
export { nodeFiles } from "./files.ts";
export { otherJson } from "./bounded-tokenizer.ts";
export { chatFormatOf, templateChat } from "./chat-template.ts";
