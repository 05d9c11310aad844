/** The long form of a diagnostic as Markdown: what `sinter explain CODE` says. */
import { messages, type Code } from "../diagnostics/messages.ts";
import type { Message } from "../diagnostics/messages/message.ts";

export function explanation(code: Code): string {
  const { title, explain, wrong, right } = messages[code] as unknown as Message<never>;
  const example = (heading: string, text: string | undefined): string[] =>
    text === undefined ? [] : [`${heading}:`, `\`\`\`sinter\n${text}\n\`\`\``];
  return [`**${code}**: ${title}`, explain, ...example("Wrong", wrong), ...example("Right", right)].join(
    "\n\n",
  );
}
