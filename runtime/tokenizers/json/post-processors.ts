/**
 * Post-processors of tokenizer.json files: what stands before a text. What they put behind it, a text that
 * goes on has not.
 */
import { badPlace, field, list, shown, text, whole, type JsonPlace } from "../base/json-fields.ts";
import { stepsOf, typeOf, Unsupported } from "./json-steps.ts";
import { MAX_TOKENS } from "../base/tiktoken.ts";

type Ids = ReadonlyMap<string, number>;

/** THE table of post-processors: ids before a text. Every other type is refused by name. */
const postProcessors: Readonly<Record<string, (place: JsonPlace, ids: Ids) => readonly number[]>> = {
  ByteLevel: () => [], // moves offsets alone
  TemplateProcessing: template,
  RobertaProcessing: (place) => [pairOf(field(place, "cls"))],
  BertProcessing: (place) => [pairOf(field(place, "cls"))],
};

/** The token that the post-processor puts before a text. Throws Unsupported where it is more than one. */
export function firstSpecial(root: JsonPlace, ids: Ids): number | undefined {
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

/** `["<s>", 0]` */
function pairOf(place: JsonPlace): number {
  const [name, id, more] = list(place, 2);
  if (!name || !id || more) throw badPlace(place, `is ${shown(place.value)}, not a name and its id`);
  text(name);
  return whole(id, MAX_TOKENS - 1);
}

function template(place: JsonPlace, ids: Ids): readonly number[] {
  const before: number[] = [];
  const single = list(field(place, "single"), 16);
  for (const step of single) {
    if (field(step, "Sequence").value !== undefined) return before;
    const name = text(field(field(step, "SpecialToken"), "id"));
    const id = ids.get(name);
    if (id === undefined) throw badPlace(step, `names ${shown(name)}, which is not in the vocabulary`);
    const given =
      field(place, "special_tokens").value === undefined
        ? undefined
        : field(field(place, "special_tokens"), name);
    const listed =
      given?.value === undefined
        ? [id]
        : list(field(given, "ids"), 16).map((one) => whole(one, MAX_TOKENS - 1));
    if (listed.length !== 1 || listed[0] !== id)
      throw new Unsupported(`a post_processor's ${shown(name)} with the ids ${listed.join(", ")}`);
    before.push(id);
  }
  return before;
}
