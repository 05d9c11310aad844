/**
 * Debian's Python, which has Debian's packages: PyTorch, and readers of other programs' formats.
 * SINTER_PYTHON names another.
 */
import { spawnSync } from "node:child_process";

export const PYTHON = process.env["SINTER_PYTHON"] ?? "/usr/bin/python3";

/** Whether it is here and has the module. */
export const pythonHas = (module: string): boolean =>
  spawnSync(PYTHON, ["-c", `import ${module}`]).status === 0;
