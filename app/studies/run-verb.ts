/** Verbs of the command line as programs of their own, as a person starts them. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What Node is given to start the command line. */
export const sinterProgram = fileURLToPath(new URL("../../sinter.js", import.meta.url));

/** Waits for its end. Throws where that is a failure; what it says on standard error is always shown. */
export const runVerb = (words: readonly string[], output: "shown" | "hidden"): void =>
  void execFileSync(process.execPath, [sinterProgram, ...words], {
    stdio: ["inherit", output === "shown" ? "inherit" : "ignore", "inherit"],
  });
