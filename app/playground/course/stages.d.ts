/** Specs that are imported with the module of a stage (app/vite). */
declare module "*.sinter?stage=sft" {
  import type { LinkedBundle } from "../../../runtime/index.ts";

  const bundle: LinkedBundle;
  export default bundle;
}
declare module "*.sinter?stage=reward" {
  export { default } from "*.sinter?stage=sft";
}
declare module "*.sinter?stage=rl" {
  export { default } from "*.sinter?stage=sft";
}
