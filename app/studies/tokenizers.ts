/**
 * npm run study -- tokenizers TOKENIZER TEXT…
 * for example  npm run study -- tokenizers data/gpt2 tinystories.txt
 *
 * One tokenizer (a file or folder, as `sinter tokenizer` takes it) on each text: MB/s (1e6 bytes of UTF-8,
 * CPU time of this thread) of the first encoding, of later ones, of decoding; beside @huggingface/tokenizers
 * on the same text in the same run, whose ids must be equal. Then 20,000 equal letters, and the training of
 * 4,096 merges on all the texts. GPT-2's two files and tokenizer.json have the peer.
 */
import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import { readFileSync } from "node:fs";
import { nodeFiles } from "../../runtime/node/files.ts";
import { otherJson } from "../../runtime/node/bounded-tokenizer.ts";
import { pieceCounter } from "../../runtime/tokenizers/bpe/count-pieces.ts";
import { GPT2_FILES } from "../../runtime/tokenizers/published/gpt2.ts";
import { openTokenizer } from "../../runtime/tokenizers/tokenizer-files.ts";
import { JSON_FILE } from "../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../runtime/tokenizers/base/tokenizer.ts";
import { trainBpe } from "../../runtime/tokenizers/bpe/train-bpe.ts";
import { missing } from "./asked.ts";

const ROUNDS = 3;
const PEER_CHARACTERS = 2 ** 20; // the peer is slow, so it gets one megabyte
const cpuSeconds = (): number => process.threadCpuUsage().user / 1e6;

function timed<T>(work: () => T): { readonly value: T; readonly seconds: number } {
  const began = cpuSeconds();
  const value = work();
  return { value, seconds: cpuSeconds() - began };
}

/** The package's tokenizer with the same files, where they are enough for it. */
function peerOf({ files }: Tokenizer): HuggingFace | undefined {
  const contents = (name: string): string | undefined => {
    const bytes = files.get(name);
    return bytes && new TextDecoder().decode(bytes);
  };
  const json = contents(JSON_FILE);
  const [encoder, merges] = GPT2_FILES.map(contents);
  if (json !== undefined) return new HuggingFace(JSON.parse(json) as object, {});
  if (encoder === undefined || merges === undefined) return undefined;
  return new HuggingFace(
    {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel" },
      model: {
        type: "BPE",
        vocab: JSON.parse(encoder) as object,
        merges: merges
          .split("\n")
          .slice(1)
          .filter((line) => line !== ""),
      },
    },
    {},
  );
}

const rate = (text: string, seconds: number): string =>
  (Buffer.byteLength(text) / 1e6 / seconds).toFixed(1).padStart(7);

function measure(path: string, tokenizer: Tokenizer, peer: HuggingFace | undefined): void {
  const text = readFileSync(path, "utf8");
  const first = timed(() => tokenizer.encode(text));
  const ids = first.value;
  const best = Math.min(...Array.from({ length: ROUNDS }, () => timed(() => tokenizer.encode(text)).seconds));
  const back = timed(() => decode(tokenizer, ids));
  let beside = "";
  if (peer) {
    const part = text.slice(0, PEER_CHARACTERS);
    const theirs = timed(() => peer.encode(part, { add_special_tokens: false }).ids);
    const ours = tokenizer.encode(part);
    if (ours.length !== theirs.value.length || ours.some((id, i) => id !== theirs.value[i]))
      throw new Error(`${path}: the peer has other ids`);
    const againSeconds = timed(() => peer.encode(part, { add_special_tokens: false })).seconds;
    beside = `${rate(part, theirs.seconds)} ${rate(part, againSeconds)}`;
  }
  console.log(
    `${path.slice(path.lastIndexOf("/") + 1).padEnd(26)} ${rate(text, first.seconds)} ` +
      `${rate(text, best)} ${rate(text, back.seconds)}   ` +
      `${beside}${back.value === text ? "" : "   (not all characters have tokens)"}`,
  );
}

const [path, ...texts] = process.argv.slice(2);
if (path === undefined || texts.length === 0) throw missing("say which tokenizer and which texts");
const wall = performance.now();
const tokenizer = await openTokenizer(nodeFiles(), path, otherJson);
console.log(
  `${path}: ${tokenizer.name}, ${tokenizer.size} tokens, read in ${(performance.now() - wall).toFixed(0)} ms`,
);
const peer = peerOf(tokenizer);
console.log(
  `${"MB/s".padEnd(26)}   first   later  decode   ` +
    `${peer ? "@huggingface/tokenizers: first, later; ids equal" : "no peer for this file"}`,
);
for (const text of texts) measure(text, tokenizer, peer);
const letters = timed(() => tokenizer.encode("a".repeat(20_000)));
console.log(`20,000 equal letters: ${(1000 * letters.seconds).toFixed(1)} ms`);
const counter = pieceCounter("gpt2", []);
const counting = timed(() => texts.forEach((text) => counter.add(readFileSync(text, "utf8"))));
const training = timed(() => trainBpe(counter.counts, { vocab: 256 + 4096, special: [], atLeast: 2 }));
console.log(
  `training 4,096 merges: ${counting.seconds.toFixed(2)} s counting, ${training.seconds.toFixed(2)} s ` +
    `joining, ${counter.counts.size} different pieces`,
);
