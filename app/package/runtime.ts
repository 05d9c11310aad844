/** `sinter/runtime`: what a program needs to run or train a bundle. It is all of `@sinter/runtime`. */
export * from "../../runtime/index.ts";
