/** The fields of all requests as a list in Markdown, for app/server/README.md: what works, what does not. */
import * as v from "valibot";
import { refusedFields } from "./refusals.ts";
import { routes } from "./routes.ts";

export function fieldList(): string {
  const sections = routes.flatMap(({ paths, schema }) =>
    schema
      ? [
          `### POST ${paths[0]}`,
          "",
          ...fieldsOf(schema).map(({ name, text }) => `- [x] \`${name}\`: ${text}`),
          "",
        ]
      : [],
  );
  const refused = Object.entries(refusedFields).map(([name, { help }]) => `- [ ] \`${name}\`: ${help}`);
  return [...sections, "### Refused by name", "", ...refused].join("\n");
}

function fieldsOf(schema: v.GenericSchema): readonly { readonly name: string; readonly text: string }[] {
  const { entries } = schema as v.ObjectSchema<v.ObjectEntries, undefined>;
  return Object.entries(entries).map(([name, entry]) => {
    const { documentation } = v.getMetadata(entry) as { readonly documentation: string };
    return { name, text: `${documentation}${entry.type === "nullish" ? "" : " (needed)"}` };
  });
}
