/**
 * Settings of the sampler that a model was published with (generation_config.json) → the `sample` section of
 * its spec.
 */
import { generationKeys } from "../../../runtime/tokenizers/keys/generation-config.ts";
import { isHarmless, knownKey, shownValue } from "../../../runtime/base/known-keys.ts";
import { GENERATION_FILE } from "../../../runtime/tokenizers/beside/beside-files.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { isWithin, type Range } from "../../../runtime/contract/limits.ts";
import { sampleFields } from "../../../compiler/2-check/settings.ts";

export interface PublishedSampling {
  /** By their names in a spec. */
  readonly settings: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** The library's name of a setting → ours, and the library's default when it samples. */
const words = {
  temperature: { ours: "temperature", usual: 1 },
  top_k: { ours: "top_k", usual: 50 },
  top_p: { ours: "top_p", usual: 1 },
  min_p: { ours: "min_p", usual: 0 },
  repetition_penalty: { ours: "repeat_penalty", usual: 1 },
} as const satisfies Record<string, { readonly ours: keyof typeof sampleFields; readonly usual: number }>;
const theirs = Object.keys(words) as (keyof typeof words)[];

/**
 * With `do_sample` true, the settings are the published ones, and the library's defaults for what is left
 * out. With false, the likeliest token is taken. Without `do_sample`, the published settings count, and
 * Sinter's defaults for the rest.
 */
export function publishedSampling(tokenizer: Tokenizer): PublishedSampling {
  const bytes = tokenizer.files.get(GENERATION_FILE);
  if (!bytes) return { settings: {}, notes: [] };
  // openBeside has checked that it is an object
  const config = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
  const notes = refusals(config);
  const draws = config["do_sample"];
  if (draws === false)
    return {
      settings: { temperature: 0 },
      notes: [...notes, `${GENERATION_FILE} says do_sample false: temperature 0 is the spec's`],
    };
  const settings: Record<string, number> = {};
  for (const word of theirs) {
    const { ours, usual } = words[word];
    const value = config[word] ?? (draws === true ? usual : undefined);
    if (typeof value !== "number") continue;
    const why = outside(ours, value);
    if (why === undefined) settings[ours] = value;
    else
      notes.push(
        `${GENERATION_FILE}: ${word} is ${value}, ${why}: left out ` +
          "(--help of sinter sample has the settings)",
      );
  }
  const said = Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  return { settings, notes: said === "" ? notes : [...notes, `samples as ${GENERATION_FILE} says: ${said}`] };
}

/** Why a spec with this value would have an error; undefined: it would not. */
function outside(name: keyof typeof sampleFields, value: number): string | undefined {
  const range: Range = sampleFields[name];
  if (range.kind === "whole" && !Number.isInteger(value)) return "no whole number";
  return isWithin(range, value) ? undefined : `not from ${range.min} to ${range.max}`;
}

function refusals(config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const known = knownKey(generationKeys, key);
    if (known?.effect !== "refused" || isHarmless(known, value)) return [];
    const what = `${key} is ${shownValue(value)}: ${known.why}`;
    return [`${GENERATION_FILE}: ${what}, which is not done here. ${known.help}`];
  });
}
