/** POST /tokenize and /detokenize: between texts and ids. */
import * as v from "valibot";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { post } from "./call.ts";
import { ApiError } from "./errors.ts";
import { field, flag, needed, tokenId } from "./fields.ts";

export const tokenizeSchema = v.object({
  content: needed("the text", v.string()),
  add_special: field("the token that begins texts comes first", flag),
  parse_special: field("names of special tokens become these tokens (default: true)", flag),
  with_pieces: field("what each token stands for goes with it", flag),
});

export const tokenizeRoute = post(["/tokenize"], tokenizeSchema, async (_, body, { tokenizer }) => {
  const special = body.parse_special ?? true;
  const ids = body.content === "" ? [] : tokenizer.encode(body.content, { special });
  const { beginOfText } = tokenizer;
  const tokens = body.add_special && beginOfText !== undefined ? [beginOfText, ...ids] : ids;
  const withPieces = (): object[] => tokens.map((id) => ({ id, piece: pieceOf(tokenizer, id) }));
  return Response.json({ tokens: body.with_pieces ? withPieces() : tokens });
});

/** A text; where the token is no text by itself, its bytes. */
function pieceOf(tokenizer: Tokenizer, id: number): string | readonly number[] {
  const bytes = tokenizer.bytes(id);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return [...bytes];
  }
}

export const detokenizeSchema = v.object({ tokens: needed("the ids", v.array(tokenId)) });

export const detokenizeRoute = post(["/detokenize"], detokenizeSchema, async (_, body, { tokenizer }) => {
  const unknown = body.tokens.findIndex((id) => id >= tokenizer.size);
  if (unknown >= 0)
    throw new ApiError("wrong value", `tokens[${unknown}]: there is no token ${body.tokens[unknown]}`, {
      param: `tokens[${unknown}]`,
    });
  return Response.json({ content: decode(tokenizer, body.tokens) });
});
