/** A request's body: bytes, then JSON, then an object of a schema's form. */
import * as v from "valibot";
import { ApiError } from "./errors.ts";

/** Reads at most so many bytes. A body that says beforehand that it is larger is not read at all. */
export async function readBody(request: Request, most: number): Promise<string> {
  const tooLarge = (): never => {
    throw new ApiError("too large", `the body has more than ${most} bytes, which is the most that is read`);
  };
  if (Number(request.headers.get("content-length") ?? 0) > most) tooLarge();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > most) tooLarge();
    parts.push(part);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** The object in a body's text. */
export function parseJson(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = text.trim() === "" ? "it is empty" : (cause as Error).message.replace(/, ".*/s, "");
    throw new ApiError("bad JSON", `the body is not JSON: ${why}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const kind = value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
    throw new ApiError("wrong value", `the body has to be a JSON object, and is ${kind}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

/** The body as the schema has it. Throws `wrong value`, with the field's path as `param`. */
export function checkBody<Schema extends v.GenericSchema>(
  schema: Schema,
  body: unknown,
): v.InferOutput<Schema> {
  const { success, output, issues } = v.safeParse(schema, body, { abortEarly: true });
  if (success) return output;
  const { path, message } = issues[0];
  const param = pathText(path?.map(({ key }) => key) ?? []);
  throw new ApiError("wrong value", `${param}: ${message}`, { param });
}

/** "messages[0].content". */
const pathText = (keys: readonly unknown[]): string =>
  keys.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${String(key)}`)).join("");
