/** One sentence with two cues as a page: lines from "it" to what it looks at, in each layer. */
import { percent } from "../../../runtime/contract/amounts.ts";
import { attentionLines } from "../../../runtime/report/attention-map.ts";
import { element, escapeHtml, htmlPage, scrolled } from "../../../runtime/report/markup.ts";
import { pageStyle } from "../../../runtime/report/page-style.ts";
import { shownToken } from "../../../runtime/look/token-text.ts";
import type { Asked } from "./ask.ts";
import type { ItResult } from "./run-it.ts";

export function itPage(seed: number, result: ItResult): string {
  const { sentences, trained, untrained, fixed } = result;
  const about =
    `specs/it.sinter, seed ${seed}. In ${sentences} sentences whose words did not stand together in ` +
    `training, “it” looks at the noun that is meant in ${percent(trained.head.right, 1)}; before the first ` +
    `step in ${percent(untrained.head.right, 1)}, always at ${fixed.name} in ${percent(fixed.right, 1)}. ` +
    `The next word is right in ${percent(trained.nextWord, 1)}, without that head in ` +
    `${percent(trained.withoutHead, 1)}.`;
  const body = result.examples.map((example) => figures(example, result)).join("\n");
  return htmlPage({
    title: "What “it” looks at",
    heading: "What “it” looks at",
    about,
    style: pageStyle,
    body,
  });
}

function figures({ sentence, tokens, looks }: Asked, { tokenizer }: ItResult): string {
  const texts = tokens.map((id) => shownToken(tokenizer, id).text);
  const T = tokens.length;
  const drawn = looks.map(({ layer, head, at }) => {
    const weights = new Float32Array(T * T);
    weights.set(at, T * (T - 1));
    const title = `Layer ${layer + 1}, head ${head + 1}`;
    const lines = attentionLines({ tokens: texts, weights }, { title, query: T - 1 });
    return element("figure", {}, element("figcaption", {}, title) + scrolled(title, lines));
  });
  const heading = `${sentence.before} → ${sentence.deed}`;
  return `<h2>${escapeHtml(heading)}</h2>\n${element("div", { class: "pair" }, drawn.join(""))}`;
}
