/** Where the time of a step, a prompt or a token goes, as bars of kernels. */
import { counted, percent } from "../../runtime/contract/amounts.ts";
import type { BenchReport } from "../suite/bench.ts";
import { barChart, type Bar } from "./bars.ts";
import { keys } from "./colours.ts";
import { card, responsive } from "./page-frame.ts";
import { short } from "./svg.ts";

const MOST_KERNELS = 14;

/** Bars of the longest kernels, and of the time spent waiting. */
export function profiles(r: BenchReport): string {
  return r.profiles
    .map((p) => {
      const bars = p.kernels.slice(0, MOST_KERNELS).map((k): Bar => ({
        name: `${k.kernel} (${k.section})`,
        value: k.ms,
        words: `${short(k.ms)} ms, ${percent(k.ofLimit)} of limit`,
        colour: k.bound === "arithmetic" ? "wide" : "jax",
        own: false,
      }));
      const waiting: Bar = {
        name: "waiting for other workers",
        value: p.waitingMs,
        words: `${short(p.waitingMs)} ms`,
        colour: "other",
        own: false,
      };
      const legend = keys([
        { name: "bound by arithmetic", colour: "wide" },
        { name: "bound by memory", colour: "jax" },
      ]);
      return card(
        `Where the time goes: ${p.entry}, ${p.target}, ${counted(p.workers, "worker")}`,
        `${short(p.ms)} ms a run, ${short(p.gflops)} GFLOP/s; milliseconds per run and worker, with the ` +
          "share of the measured limit.",
        legend + responsive((width) => barChart("Profile", [{ name: "", bars: [...bars, waiting] }], width)),
      );
    })
    .join("\n");
}
