/** Settings of a block that stands beside models, by name; unknown and doubled ones are told. */
import type { Expect, Setting } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Fields } from "./fields.ts";
import type { NameRecorder } from "./record.ts";
import type { Binding } from "./scope.ts";

export interface SettingsOptions {
  /** What they stand in, for messages: "a plan". */
  readonly where: string;
  /** What other programs call a setting. */
  readonly namesOfOthers: Readonly<Record<string, string>>;
  readonly report: Reporter;
  readonly record: NameRecorder;
}

export function settingsBound(
  items: readonly (Setting | Expect)[],
  fields: Fields,
  { where, namesOfOthers, report, record }: SettingsOptions,
): Map<string, Binding> {
  const meant = (key: string): string | undefined =>
    Object.hasOwn(namesOfOthers, key) ? namesOfOthers[key] : nearest(key, Object.keys(fields));
  const bindings = new Map<string, Binding>();
  for (const item of items) {
    if (item.kind !== "setting") continue;
    const { key, value, pattern } = item;
    const before = bindings.get(key.text);
    if (pattern) report("E0223", pattern[0]!.span, { key: key.text });
    record.define("setting", key);
    if (!Object.hasOwn(fields, key.text))
      report("E0202", key.span, { key: key.text, where, nearest: meant(key.text), help: undefined });
    else if (before)
      report("E0206", key.span, { what: key.text }, [{ text: "the first is here", span: before.key.span }]);
    else bindings.set(key.text, { kind: "setting", key, value });
  }
  return bindings;
}
