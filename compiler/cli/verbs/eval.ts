/** `sinter eval DIR`: the loss of a trained model over a text. */
import { encodeText, split, type Tokens } from "../../../runtime/data.ts";
import { builtinText } from "../../../runtime/builtin-text.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { evaluateText } from "../../../runtime/evaluate.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { thousands } from "../../../runtime/report/progress.ts";
import { readText, type Run } from "../../../runtime/run-folder.ts";
import { sha256 } from "../../../runtime/sha256.ts";
import { pathFrom, textOption } from "../run-options.ts";
import { loadRun, openRunAt } from "../use-run.ts";
import type { Io, Verb } from "../verb.ts";
import { withWeightsOption } from "../weights.ts";

const parts = ["all", "train", "held-out"] as const;
type Part = (typeof parts)[number];

export const evalVerb: Verb = {
  name: "eval",
  summary: "the loss of a trained model over a text",
  configure(command) {
    withWeightsOption(command)
      .argument("<dir>", "folder of a run")
      .option("--data <file>", "UTF-8 text (default: the one that it was trained on)")
      .option("--part <name>", "all, train or held-out (default: all of another text, the held-out part of its own)")
      .option("--workers <n>", "threads (default: all cores)")
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option("--json", "machine-readable")
      .addHelpText("after", "\nexamples:\n  sinter eval runs/shakespeare\n  sinter eval runs/shakespeare --data other.txt --json\n  sinter eval runs/shakespeare --weights q8_0");
  },
  async run([dir], options, io) {
    const part = textOption(options, "part");
    if (part !== undefined && !parts.includes(part as Part)) throw new SinterError("usage", `--part takes ${parts.join(", ")}, not \`${part}\``);
    const run = await openRunAt(dir!, io);
    const { tokens, chosen } = await textToEvaluate(run, textOption(options, "data"), part as Part | undefined, io);
    const { model, step } = await loadRun(run, options, io);
    try {
      const e = await evaluateText(model, tokens, run.tokenizer, Infinity, nodeHost.breathe);
      const facts = { loss: e.loss, perplexity: e.perplexity, bits_per_byte: e.bitsPerByte, tokens: e.tokens, part: chosen, step };
      io.out(options["json"] ? `${JSON.stringify(facts)}\n`
        : `loss ${e.loss.toFixed(4)}  perplexity ${e.perplexity.toFixed(3)}  ${e.bitsPerByte.toFixed(4)} bits per byte  (${thousands(e.tokens)} tokens, ${chosen === "all" ? "all of the text" : `its ${chosen} part`}, step ${step})\n`);
      return exitCodes.ok;
    } finally {
      await model.close();
    }
  },
};

/** Of the text that a run was trained on, only the held-out part says something, so it is what one gets unasked. */
async function textToEvaluate(run: Run, data: string | undefined, part: Part | undefined, io: Io): Promise<{ tokens: Tokens; chosen: Part }> {
  if (data === undefined && run.record.imported)
    throw new SinterError("usage", `${run.record.model} was imported, and no text belongs to it`, "Name one: --data FILE");
  const path = data === undefined ? run.record.data.path : pathFrom(io, data);
  const text = path === undefined ? builtinText() : await readText(nodeFiles(), path);
  const tokens = encodeText(text, run.tokenizer, run.bundle.manifest.model.sizes.vocab);
  if (tokens.length < 2) throw new SinterError("input", `${path} is too short: ${tokens.length} token${tokens.length === 1 ? "" : "s"}`, "At least two are needed: one to predict from, one to predict.");
  const own = (await sha256(text)) === run.record.data.sha256;
  const { heldOut, context } = run.record.settings;
  const chosen = part ?? (own && heldOut > 0 ? "held-out" : "all");
  if (chosen === "all") return { tokens, chosen };
  const both = split(tokens, heldOut, context);
  return { tokens: chosen === "train" ? both.train : both.heldOut, chosen };
}
