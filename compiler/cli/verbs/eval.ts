/** `sinter eval DIR`: the loss of a trained model over a text. */
import { encodeText, split, type Tokens } from "../../../runtime/data.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { evaluateText } from "../../../runtime/evaluate.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { thousands } from "../../../runtime/report/amounts.ts";
import type { Run } from "../../../runtime/run-folder.ts";
import { sha256 } from "../../../runtime/sha256.ts";
import { dataPath, readData, readDataAgain } from "../data-text.ts";
import { textOption, wholeOption } from "../run-options.ts";
import type { Model } from "../../2-check/model.ts";
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
      .option("--data <file>", "UTF-8 text, - is standard input (default: the one that it was trained on)")
      .option("--part <name>", "all, train or held-out (default: all of another text, the held-out part of its own)")
      .option("--context <n>", "tokens of a window, at most the model's context (default: the context of training)")
      .option("--stride <n>", "tokens from window to window; below the context, every token is predicted from context − stride before it at least (default: the context)")
      .option("--workers <n>", "threads (default: all cores)")
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option("--json", "machine-readable")
      .addHelpText("after", "\nexamples:\n  sinter eval runs/shakespeare\n  sinter eval runs/shakespeare --data other.txt --json\n  sinter eval runs/shakespeare --weights q8_0\n  sinter eval runs/gpt2 --data wikitext.txt --context 1024 --stride 512");
  },
  async run([dir], options, io) {
    const part = textOption(options, "part");
    if (part !== undefined && !parts.includes(part as Part)) throw new SinterError("usage", `--part takes ${parts.join(", ")}, not \`${part}\``);
    const run = await openRunAt(dir!, io);
    const { tokens, chosen } = await textToEvaluate(run, textOption(options, "data"), part as Part | undefined, io);
    const { model: spec } = run.bundle.manifest, context = wholeOption(options, "context", 1, spec.sizes.context) ?? spec.train.context;
    const stride = wholeOption(options, "stride", 1, context) ?? context;
    const { model, step } = await loadRun(run, options, io, { variant: context === spec.train.context ? undefined : withWindows(spec, context) });
    try {
      const e = await evaluateText(model, tokens, run.tokenizer, { stride, breathe: nodeHost.breathe });
      const facts = { loss: e.loss, perplexity: e.perplexity, bits_per_byte: e.bitsPerByte, tokens: e.tokens, part: chosen, context, stride, step };
      io.out(options["json"] ? `${JSON.stringify(facts)}\n`
        : `loss ${e.loss.toFixed(4)}  perplexity ${e.perplexity.toFixed(3)}  ${e.bitsPerByte.toFixed(4)} bits per byte  (${thousands(e.tokens)} tokens, ${chosen === "all" ? "all of the text" : `its ${chosen} part`}, windows of ${context}${stride < context ? ` every ${stride}` : ""}, step ${step})\n`);
      return exitCodes.ok;
    } finally {
      await model.close();
    }
  },
};

/** The model, to be evaluated in windows of this context: as many tokens at once as before, at least one window. */
function withWindows(spec: Model, context: number): Model {
  const { train } = spec, batch = Math.max(1, Math.floor((train.batch * train.context) / context));
  return { ...spec, train: { ...train, batch, context } };
}

/** Of the text that a run was trained on, only the held-out part says something, so it is what one gets unasked. */
async function textToEvaluate(run: Run, data: string | undefined, part: Part | undefined, io: Io): Promise<{ tokens: Tokens; chosen: Part }> {
  if (data === undefined && run.record.imported)
    throw new SinterError("usage", `${run.record.model} was imported, and no text belongs to it`, "Name one: --data FILE");
  const text = data === undefined ? readDataAgain(run.record.data.path, io) : readData(dataPath(data, io), io);
  const tokens = encodeText(text, run.tokenizer, run.bundle.manifest.model.sizes.vocab);
  if (tokens.length < 2) throw new SinterError("input", `${data ?? "the text"} is too short: ${tokens.length} token${tokens.length === 1 ? "" : "s"}`, "At least two are needed: one to predict from, one to predict.");
  const own = (await sha256(text)) === run.record.data.sha256;
  const { heldOut, context } = run.record.settings;
  const chosen = part ?? (own && heldOut > 0 ? "held-out" : "all");
  if (chosen === "all") return { tokens, chosen };
  const both = split(tokens, heldOut, context);
  return { tokens: chosen === "train" ? both.train : both.heldOut, chosen };
}
