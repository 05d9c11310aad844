/** The compiler's version: part of every bundle and checkpoint. A test holds it against package.json. */
export const COMPILER_VERSION = "0.1.0";

/** What makes wasm of generated source. A test holds it against package.json. */
export const TOOLCHAIN = "assemblyscript 0.28.20, binaryen 131.0.0-nightly.20260721";
