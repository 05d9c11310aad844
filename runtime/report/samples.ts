/** What a model has said: texts at their steps, or the answers to a question before and after training. */
import type { TrainEvent } from "../train/events.ts";
import { escapeHtml } from "./markup.ts";

type Sample = TrainEvent & { readonly kind: "sample" };

/** So many texts are shown, the newest first. */
const MOST = 6;

export function samplesSection(events: readonly TrainEvent[]): string {
  const samples = events.filter((e) => e.kind === "sample");
  if (samples.length === 0) return "";
  const byPrompt = Map.groupBy(samples, ({ prompt }) => prompt);
  const areAnswers = samples.every(({ prompt }) => prompt !== "");
  const figures = areAnswers
    ? [...byPrompt.values()].slice(-MOST).map(beforeAndAfter)
    : samples.slice(-MOST).reverse().map(text);
  return [`<h2>${areAnswers ? "Answers, before and after" : "Samples"}</h2>`, ...figures].join("\n");
}

const text = ({ step, prompt, text: said }: Sample): string =>
  `<figure><figcaption>step ${step}</figcaption><pre>${escapeHtml(prompt + said)}</pre></figure>`;

function beforeAndAfter(answers: readonly Sample[]): string {
  const [first] = answers;
  const last = answers.at(-1)!;
  const shown = first === last ? [last] : [first!, last];
  const each = shown.map(
    ({ step, text: said }) =>
      `<div><p class="unit">step ${step}</p><pre>${said === "" ? "(nothing)" : escapeHtml(said)}</pre></div>`,
  );
  const asked = `<figcaption>${escapeHtml(last.prompt)}</figcaption>`;
  return `<figure class="answers">${asked}<div class="pair">${each.join("")}</div></figure>`;
}
