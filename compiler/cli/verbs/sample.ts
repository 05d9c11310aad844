/** `sinter sample DIR -p PROMPT`: text from a trained model, as it comes. */
import { loadNewest } from "../../../runtime/checkpoint.ts";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { generate } from "../../../runtime/generate.ts";
import { createModel } from "../../../runtime/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { otherJson } from "../../../runtime/node/tokenizer-json.ts";
import { openRun } from "../../../runtime/run-folder.ts";
import { samplerDefaults } from "../../../runtime/sampler.ts";
import { pathFrom, realOption, targetOption, textOption, wholeOption, type Options } from "../run-options.ts";
import type { Verb } from "../verb.ts";
import type { SampleSettings } from "../../2-check/model.ts";

/** Arithmetic of a token below which waking a second worker takes longer than its help. */
const WORTH_SHARING = 2e7;

export const sampleVerb: Verb = {
  name: "sample",
  summary: "text from a trained model",
  configure(command) {
    command
      .argument("<dir>", "folder of a run")
      .option("-p, --prompt <text>", "text to go on from", "")
      .option("-n, --tokens <n>", "most tokens to add (default: the spec's)")
      .option("--temp <t>", "divides the logits; 0: always the likeliest token (default: the spec's)")
      .option("--top-k <k>", "keep the k likeliest tokens; 0: all")
      .option("--top-p <p>", "keep the likeliest tokens that have probability p together; 1: all")
      .option("--min-p <p>", "keep tokens at least p times as likely as the likeliest; 0: all")
      .option("--repeat-penalty <r>", "divides the logits of the last 64 tokens; 1: off")
      .option("--stop <text>", "end before this text (may be repeated)", (value: string, before: readonly string[] = []) => [...before, value])
      .option("--seed <n>", "same seed, same text (default: the spec's)")
      .option("--workers <n>", "threads (default: as many as help)")
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option("--json", "one JSON object at the end")
      .addHelpText("after", '\nexamples:\n  sinter sample runs/shakespeare -p "ROMEO:" -n 300\n  sinter sample runs/shakespeare -p "ROMEO:" --temp 0 --json');
  },
  async run([dir], options, io) {
    const files = nodeFiles();
    const workers = wholeOption(options, "workers", 1, 8), target = targetOption(options);
    const run = await openRun(files, pathFrom(io, dir!), otherJson);
    const settings = samplerOf(run.bundle.manifest.model.sample, options);
    const prompt = textOption(options, "prompt")!;
    const { infer, train } = run.bundle.manifest.modules;
    const small = ((infer ?? train)?.entries.find((e) => e.name === "decode")?.flops ?? 0) < WORTH_SHARING;
    const model = await createModel(run.bundle, infer ? "infer" : "train", { host: nodeHost, workers: workers ?? (small ? 1 : undefined), target });
    const stop = new AbortController();
    const heard = (): void => stop.abort();
    process.once("SIGINT", heard);
    try {
      const loaded = await loadNewest(files, run.folder, model, "weights");
      if (!loaded) throw new SinterError("input", `${run.folder} has no checkpoint yet`, "Train it first: sinter train --resume --out DIR");
      for (const why of loaded.skipped) io.err(`warning: skipped a checkpoint: ${why}\n`);
      const json = options["json"] === true;
      if (!json) io.out(prompt);
      const made = await generate(model, run.tokenizer, { ...settings, prompt, stop: (options["stop"] as readonly string[] | undefined) ?? [], signal: stop.signal }, json ? undefined : io.out);
      const perSecond = made.tokens.length < 2 ? undefined : ((made.tokens.length - 1) * 1000) / made.decodeMs;
      if (json) io.out(`${JSON.stringify({ prompt, text: made.text, tokens: made.tokens, prompt_tokens: made.promptTokens, reason: made.reason, step: loaded.state.step, tokens_per_second: perSecond })}\n`);
      else {
        io.out("\n");
        if (io.tty && perSecond !== undefined) io.err(`${made.tokens.length} tokens, ${perSecond.toFixed(0)} a second\n`);
      }
      return exitCodes.ok;
    } finally {
      process.off("SIGINT", heard);
      await model.close();
    }
  },
};

function samplerOf(spec: SampleSettings, options: Options) {
  return {
    ...samplerDefaults,
    ...spec,
    tokens: wholeOption(options, "tokens", 0) ?? spec.tokens,
    seed: wholeOption(options, "seed", 0) ?? spec.seed,
    temperature: realOption(options, "temp", 0) ?? spec.temperature,
    topK: wholeOption(options, "top-k", 0) ?? spec.topK,
    topP: realOption(options, "top-p", 0, 1) ?? spec.topP,
    minP: realOption(options, "min-p", 0, 1) ?? spec.minP,
    repeatPenalty: realOption(options, "repeat-penalty", 1e-6) ?? spec.repeatPenalty,
  };
}
