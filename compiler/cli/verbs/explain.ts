/** `sinter explain CODE`: the long form of a diagnostic. */
import { codes, isCode, messages, type Code } from "../../diagnostics/messages.ts";
import { nearest } from "../../diagnostics/nearest.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import type { Verb } from "../verb.ts";

export const explainVerb: Verb = {
  name: "explain",
  summary: "explain a diagnostic's code",
  configure(command) {
    command
      .argument("[code]", "a code such as E0203; without one, all codes are listed")
      .addHelpText("after", "\nexamples:\n  sinter explain E0203\n  sinter explain");
  },
  async run(args, _options, io) {
    const [asked] = args;
    if (asked === undefined) {
      io.out(`${codes.map((c) => `${c}  ${messages[c].title}`).join("\n")}\n`);
      return exitCodes.ok;
    }
    const code = /^[ew]?\d+$/i.test(asked) ? codeOf(asked) : undefined;
    if (code === undefined) {
      const near = nearest(asked.toUpperCase(), codes);
      throw new SinterError("usage", `there is no code \`${asked}\``, near ? `did you mean ${near}?` : "`sinter explain` lists the codes");
    }
    io.out(explainCode(code));
    return exitCodes.ok;
  },
};

/** "E0203", "e0203" and "203" are one code. */
function codeOf(asked: string): Code | undefined {
  const upper = asked.toUpperCase(), digits = asked.replace(/\D/g, "").padStart(4, "0");
  return isCode(upper) ? upper : codes.find((c) => c.slice(1) === digits);
}

export function explainCode(code: Code): string {
  const { title, explain, wrong, right } = messages[code] as { title: string; explain: string; wrong?: string; right?: string };
  const block = (heading: string, text: string | undefined): string[] => (text === undefined ? [] : ["", `${heading}:`, ...text.split("\n").map((l) => `    ${l}`)]);
  return [`${code}: ${title}`, "", explain, ...block("wrong", wrong), ...block("right", right), ""].join("\n");
}
