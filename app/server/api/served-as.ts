/** A model and the same model with adapters are asked by two names, and share everything else. */
import type { ServedFacts } from "../pool/serving.ts";

/** What is known of the model that a request has named, and whether adapters count for it. */
export interface NamedFacts extends ServedFacts {
  readonly adapters: boolean;
}

/** The model without adapters answers to any name but theirs. */
export function servedAs(facts: ServedFacts, model: unknown): NamedFacts {
  const { adapter } = facts;
  const isAdapter = adapter !== undefined && model === adapter.name;
  return isAdapter
    ? { ...facts, name: adapter.name, format: adapter.format, adapters: true }
    : { ...facts, adapters: adapter === undefined };
}

/** All names, the model's own first. */
export const namesOf = ({ name, adapter }: ServedFacts): readonly string[] =>
  adapter ? [name, adapter.name] : [name];
