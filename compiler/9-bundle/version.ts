/** The compiler's version: part of every bundle and checkpoint. A test holds it against package.json. */
export const COMPILER_VERSION = "0.1.0";
