/**
 * `sinter/client`: the type of specs that have no declaration file yet. Vite's plugin and `sinter types`
 * write one, which says more: the sizes, and the names of tensors and entries.
 */
declare module "*.sinter" {
  import type { LinkedBundle } from "sinter/runtime";

  const bundle: LinkedBundle;
  export default bundle;
}
