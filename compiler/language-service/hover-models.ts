/** What a model is, in a few lines, and what a fact is in it. */
import { thousands } from "../../runtime/contract/amounts.ts";
import type { Word } from "../1-parse/ast.ts";
import { facts, isFact } from "../2-check/facts.ts";
import { sizeFields } from "../2-check/settings.ts";
import { grouped, quoted } from "../diagnostics/messages/message.ts";
import { tokenCosts } from "./costs.ts";
import { costLine, paragraphs } from "./describe.ts";
import type { Document } from "./document.ts";
import { contains } from "./roles.ts";

export function modelHover(doc: Document, name: string): string | undefined {
  const { checked, file } = doc;
  const node = file.models.find((model) => model.name.text === name);
  if (!node) return undefined;
  const i = checked.models.findIndex((model) => model.name === name);
  const like = node.like && `like \`${node.like.text}\``;
  const model = checked.models[i];
  if (!model) return paragraphs(`**${name}**`, like);
  const { sizes: s } = model;
  const sizes =
    `vocab ${s.vocab}, context ${s.context}, width ${s.width}, layers ${s.layers}, ` +
    `heads ${s.heads} (${s.kvHeads} of keys and values) of ${s.headDim}`;
  const { flops, bytes } = tokenCosts(model).whole;
  return paragraphs(
    `**${name}**`,
    like,
    sizes,
    origins(doc, name),
    `${thousands(checked.summaries[i]!.parameters)} parameters`,
    costLine(flops, bytes),
  );
}

/** "from `a`: context, heads; by default: kv_heads": where sizes come from that the model does not say. */
function origins({ symbols, file }: Document, name: string): string | undefined {
  const notes = symbols.models.find(({ resolved }) => resolved.node.name.text === name);
  if (!notes) return undefined;
  const { sizes, node } = notes.resolved;
  const origin = (key: string): string | undefined => {
    const given = sizes.get(key);
    if (!given) return "by default";
    const owner = file.models.find(({ span }) => contains(span, given.key.span.start));
    return owner && owner !== node ? `from ${quoted(owner.name.text)}` : undefined;
  };
  const groups = new Map<string, string[]>();
  for (const key of Object.keys(sizeFields)) {
    const from = origin(key);
    if (from !== undefined) groups.set(from, [...(groups.get(from) ?? []), key]);
  }
  return [...groups].map(([from, keys]) => `${from}: ${keys.join(", ")}`).join("; ");
}

/** "found: 8": what a fact is in the model that states it. */
export function factFound({ checked, file }: Document, { text, span }: Word): string | undefined {
  const owner = file.models.find((model) => contains(model.span, span.start));
  const model = checked.models.find(({ name }) => name === owner?.name.text);
  return model && isFact(text) ? `found: ${grouped(facts[text].of(model))}` : undefined;
}
