/** Specs as the page imports them: their text, and what they were compiled to when the page was built. */
declare module "*.sinter?train" {
  import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";

  const bundle: LinkedBundle;
  export default bundle;
}
