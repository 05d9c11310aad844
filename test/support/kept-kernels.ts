/**
 * Runs before each test file: what one test has compiled, no other compiles again, also in programs that they
 * start. Kernels are known by all that their bytes depend on, so this changes no result.
 */
import { useKernelCache } from "../../compiler/9-bundle/kernel-cache.ts";
import { kernelCacheWhenAsked, kernelFolder } from "../../app/cli/terminal/kernel-folder.ts";
import { compiledBeside } from "./kernel-compilers.ts";

const folder = kernelFolder();
if (folder !== undefined) useKernelCache(kernelCacheWhenAsked(folder), compiledBeside);
