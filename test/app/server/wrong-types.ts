/** Bodies that are wrong in one field, made from a route's schema. */
import type * as v from "valibot";

type Kind = "null" | "boolean" | "number" | "string" | "list" | "object";
const samples: Readonly<Record<Kind, unknown>> = {
  null: null,
  boolean: true,
  number: 0.125,
  string: "\u{1f600}",
  list: [[]],
  object: { zz: {} },
};

interface AnySchema {
  readonly type: string;
  readonly wrapped?: AnySchema;
  readonly options?: readonly AnySchema[];
  readonly entries?: Readonly<Record<string, AnySchema>>;
  readonly item?: AnySchema;
}

/** Kinds of JSON values that a schema can take. */
function kindsOf(schema: AnySchema): readonly Kind[] {
  switch (schema.type) {
    case "nullish":
      return ["null", ...kindsOf(schema.wrapped!)];
    case "union":
      return schema.options!.flatMap(kindsOf);
    case "picklist":
    case "literal": // of a union whose other options say the kind
      return ["string"];
    case "array":
    case "tuple":
      return ["list"];
    case "object":
    case "record":
      return ["object"];
    default:
      return [schema.type as Kind];
  }
}

export interface WrongBody {
  readonly param: string;
  readonly body: unknown;
}

/** For each field, and each field of an object in it, values of all kinds that it does not take. */
export function wrongBodies(schema: v.GenericSchema, valid: Readonly<Record<string, unknown>>): WrongBody[] {
  return within(schema as unknown as AnySchema, valid, "", (body) => body);
}

function within(
  { entries = {} }: AnySchema,
  valid: Readonly<Record<string, unknown>>,
  prefix: string,
  whole: (body: unknown) => unknown,
): WrongBody[] {
  return Object.entries(entries).flatMap(([name, field]) => {
    const param = `${prefix}${name}`;
    const kinds = kindsOf(field);
    const wrong = (Object.keys(samples) as Kind[]).filter((kind) => !kinds.includes(kind));
    const here = wrong.map((kind) => ({ param, body: whole({ ...valid, [name]: samples[kind] }) }));
    const inner = field.type === "nullish" ? field.wrapped! : field;
    const given = valid[name];
    if (inner.entries)
      here.push(
        ...within(inner, (given ?? {}) as Record<string, unknown>, `${param}.`, (v) =>
          whole({ ...valid, [name]: v }),
        ),
      );
    if (inner.type === "array" && inner.item!.entries)
      here.push(
        ...within(inner.item!, (given as object[])[0] as Record<string, unknown>, `${param}[0].`, (v) =>
          whole({ ...valid, [name]: [v] }),
        ),
      );
    if (field.type !== "nullish") {
      const { [name]: _, ...rest } = valid;
      here.push({ param, body: whole(rest) });
    }
    return here;
  });
}
