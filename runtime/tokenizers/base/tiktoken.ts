/**
 * Reads tiktoken's ranks files: one token a line, as its bytes in base64, a space, and its rank. The ranks
 * are the ids and the order of merges (github.com/openai/tiktoken, load.py; Llama 3's tokenizer.model has
 * this form).
 */
import { SinterError } from "../../base/errors.ts";

export const MAX_TOKENS = 2 ** 20; // the largest published vocabularies have 2^18
/** The longest token or piece. It keeps the search for all ways to make each token a matter of seconds. */
export const MAX_TOKEN_BYTES = 256;
export const MAX_TABLE_BYTES = 8 * 2 ** 20;
const LINE = /^([A-Za-z0-9+/]+={0,2}) (\d{1,7})$/;

/** The tokens by rank, 0 … n − 1, each once. Throws a SinterError that names the line. */
export function parseRanks(bytes: Uint8Array, from: string): readonly Uint8Array[] {
  const bad = (why: string, line?: number): SinterError =>
    new SinterError(
      "corrupt",
      `${from}: ${line === undefined ? "" : `line ${line}: `}${why}`,
      "A ranks file has lines such as `IQ== 0`: base64, a space, the rank.",
    );
  if (bytes.length > MAX_TABLE_BYTES)
    throw bad(`it has ${bytes.length} bytes; at most ${MAX_TABLE_BYTES} are read`);
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw bad("it is empty");
  if (lines.length > MAX_TOKENS) throw bad(`${lines.length} tokens; at most ${MAX_TOKENS} are read`);
  const tokens: Uint8Array[] = [];
  // one buffer for all, since a small buffer takes more memory than its bytes
  const pool = new Uint8Array(bytes.length);
  let used = 0;
  const lineOf = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const [, base64, digits] = LINE.exec(line) ?? [];
    if (base64 === undefined)
      throw bad(`not a token and its rank: ${JSON.stringify(line.slice(0, 40))}`, i + 1);
    const rank = Number(digits);
    if (rank >= lines.length) throw bad(`rank ${rank}; ranks are 0 … ${lines.length - 1}`, i + 1);
    if (tokens[rank] !== undefined) throw bad(`rank ${rank} stands there a second time`, i + 1);
    if (lineOf.has(base64)) throw bad(`the token of line ${lineOf.get(base64)} again`, i + 1);
    if (base64.length > (4 * MAX_TOKEN_BYTES) / 3 || base64.length % 4 !== 0)
      throw bad(`not base64 of up to ${MAX_TOKEN_BYTES} bytes`, i + 1);
    lineOf.set(base64, i + 1);
    const binary = atob(base64);
    const begin = used;
    for (let c = 0; c < binary.length; c++) pool[used++] = binary.charCodeAt(c);
    tokens[rank] = pool.subarray(begin, used);
  }
  const single = tokens.reduce((n, token) => n + (token.length === 1 ? 1 : 0), 0);
  if (single !== 256) throw bad(`${single} tokens of one byte; all 256 have to be there`);
  return tokens;
}
