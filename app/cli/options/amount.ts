/** Options that take large amounts, written as people write them: 15T, 300B, 4M, 2.5e9. */
import { readAmount } from "../../../compiler/planner/amounts.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { read, text, type Option } from "./option.ts";

export const amount = (value: string, help: string): Option<number | undefined> =>
  read(text(value, help), (given, name) => {
    const found = readAmount(given);
    if (found !== undefined) return found;
    const why = `${name} takes an amount such as 15T, 300B, 4M or 2.5e9, not \`${given}\``;
    throw new SinterError("usage", why);
  });
