/** POST /v1/embeddings: what the model makes of a text, as one vector of length 1. */
import * as v from "valibot";
import { post } from "./call.ts";
import { ApiError } from "./errors.ts";
import { field, modelField, needed, tokenId, whole } from "./fields.ts";
import { promptsOf } from "./prompts.ts";
import { sideBySide } from "./texts.ts";

const ids = v.array(tokenId);

export const embeddingsSchema = v.object({
  input: needed(
    "a text, its ids, or a list of texts or of ids",
    v.union([
      v.pipe(v.string(), v.nonEmpty()),
      v.array(v.union([v.pipe(v.string(), v.nonEmpty()), tokenId, ids])),
    ]),
  ),
  encoding_format: field(
    "base64: little-endian f32, which OpenAI's client asks for",
    v.picklist(["float", "base64"]),
  ),
  dimensions: field("has to be the model's width", whole(1)),
  ...modelField,
});

export const embeddingsRoute = post(["/v1/embeddings"], embeddingsSchema, async (call, body, facts) => {
  const { width } = facts.manifest.model.sizes;
  if (typeof body.dimensions === "number" && body.dimensions !== width)
    throw new ApiError("not supported", `dimensions: the vectors have ${width}, and are not shortened`, {
      param: "dimensions",
    });
  const prompts = inputs(() => promptsOf(body.input, facts));
  const how = { signal: call.signal, adapters: facts.adapters };
  const vectors = await sideBySide(call, prompts, ({ tokens }) => call.serving.embed(tokens, how), 1);
  const embeddingOf = (vector: Float32Array): string | readonly number[] =>
    body.encoding_format === "base64"
      ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64")
      : [...vector];
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.tokens.length, 0);
  return Response.json({
    object: "list",
    data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: embeddingOf(vector) })),
    model: facts.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
});

/** What is wrong with a prompt is wrong with the field `input` here. */
function inputs<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    throw new ApiError(cause.kind, cause.message.replace(/^prompt: /, "input: "), { cause, param: "input" });
  }
}
