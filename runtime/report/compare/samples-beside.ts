/** What runs say, side by side: their answers to the same prompts, or their last texts. */
import type { TrainEvent } from "../../train/events.ts";
import { escapeHtml } from "../markup.ts";
import type { ComparedRun } from "./compared-run.ts";

/** So many prompts are shown. */
const MOST = 6;

type Sample = TrainEvent & { readonly kind: "sample" };

/** The last sample of each run for each prompt. Texts that were begun by nothing have the prompt "". */
export function samplesBeside(runs: readonly ComparedRun[]): string {
  const byRun = runs.map(({ events }) => lastSamples(events));
  const prompts = [...new Set(byRun.flatMap((samples) => [...samples.keys()]))];
  const sharing = (prompt: string): number => byRun.filter((samples) => samples.has(prompt)).length;
  const shown = prompts.sort((a, b) => sharing(b) - sharing(a)).slice(0, MOST);
  const figures = shown.map((prompt) => {
    const texts = runs.flatMap(({ name }, i) => {
      const sample = byRun[i]!.get(prompt);
      return sample ? [said(name, sample)] : [];
    });
    const asked = prompt === "" ? "" : `<figcaption>${escapeHtml(prompt)}</figcaption>`;
    return `<figure class="answers">${asked}<div class="pair">${texts.join("")}</div></figure>`;
  });
  return figures.length === 0 ? "" : `<h2>Samples</h2>${figures.join("\n")}`;
}

const lastSamples = (events: readonly TrainEvent[]): Map<string, Sample> =>
  new Map(events.flatMap((e) => (e.kind === "sample" ? [[e.prompt, e] as const] : [])));

const said = (name: string, { step, text }: Sample): string =>
  `<div><p class="unit">${escapeHtml(name)}, step ${step}</p>` +
  `<pre>${text === "" ? "(nothing)" : escapeHtml(text)}</pre></div>`;
