/**
 * The post-processors of tokenizer.json files: the tokens before a text. Tokens that they put behind a text
 * are left out, since a prompt is continued.
 */
import { badValue, field, list, shown, text, integer, type JsonNode } from "../base/json-fields.ts";
import { stepsOf, typeOf, Unsupported } from "./json-steps.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";

type Ids = ReadonlyMap<string, number>;

/** The table of post-processors, which give the ids before a text. Any other type is refused by name. */
const postProcessors: Readonly<Record<string, (node: JsonNode, ids: Ids) => readonly number[]>> = {
  ByteLevel: () => [], // changes offsets only
  TemplateProcessing: template,
  RobertaProcessing: (node) => [pairOf(field(node, "cls"))],
  BertProcessing: (node) => [pairOf(field(node, "cls"))],
};

/** The token that the post-processor puts before a text. Throws Unsupported where there are several. */
export function firstSpecial(root: JsonNode, ids: Ids): number | undefined {
  const before = stepsOf(field(root, "post_processor"), "processors").flatMap((step) => {
    const type = typeOf(step);
    const find = Object.hasOwn(postProcessors, type) ? postProcessors[type] : undefined;
    if (!find) throw new Unsupported(`post_processor ${shown(type)}`);
    return find(step, ids);
  });
  if (before.length > 1)
    throw new Unsupported(`a post_processor that puts ${before.length} tokens before a text`);
  return before[0];
}

/** The id in a pair `["<s>", 0]`. */
function pairOf(node: JsonNode): number {
  const [name, id, more] = list(node, 2);
  if (!name || !id || more) throw badValue(node, `is ${shown(node.value)}, not a name and its id`);
  text(name);
  return integer(id, MAX_TOKENS - 1);
}

function template(node: JsonNode, ids: Ids): readonly number[] {
  const before: number[] = [];
  const single = list(field(node, "single"), 16);
  for (const step of single) {
    if (field(step, "Sequence").value !== undefined) return before;
    const name = text(field(field(step, "SpecialToken"), "id"));
    const id = ids.get(name);
    if (id === undefined) throw badValue(step, `names ${shown(name)}, which is not in the vocabulary`);
    const given =
      field(node, "special_tokens").value === undefined
        ? undefined
        : field(field(node, "special_tokens"), name);
    const listed =
      given?.value === undefined
        ? [id]
        : list(field(given, "ids"), 16).map((one) => integer(one, MAX_TOKENS - 1));
    if (listed.length !== 1 || listed[0] !== id)
      throw new Unsupported(`a post_processor's ${shown(name)} with the ids ${listed.join(", ")}`);
    before.push(id);
  }
  return before;
}
