export * from "../control.ts";
