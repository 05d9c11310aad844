/** What the settings of `rl` say together: what can not be, or would teach nothing, is told beforehand. */
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Scope } from "./scope.ts";

type Values = Readonly<Record<string, unknown>>;

/** Where the block names no estimator, it is the one that is right where the divergence counts. */
export const withEstimator = (values: Values, { bindings }: Scope): Values =>
  bindings.has("estimator") ? values : { ...values, estimator: values["kl_in"] === "loss" ? "k2" : "k1" };

/** Whether the settings agree with each other. */
export function checkRl(values: Values, { bindings }: Scope, report: Reporter): boolean {
  const n = values as Readonly<Record<string, number>>;
  const spanOf = (...keys: readonly string[]): Span | undefined =>
    keys.map((key) => bindings.get(key)?.value?.span).find((span) => span !== undefined);
  const wrong: readonly (readonly [is: boolean, keys: readonly string[], what: string, help: string])[] = [
    [
      n["group"] === 1 && values["advantage"] !== "gae",
      ["group", "advantage", "objective"],
      "a group of 1: an answer has no other to be compared with, and nothing is learnt",
      "use `group 2` or more, or a value head: `objective ppo`",
    ],
    [
      n["prompts"]! * n["group"]! !== n["batch"]! * n["accumulate"]!,
      ["accumulate", "batch", "group", "prompts"],
      `prompts × group are ${n["prompts"]! * n["group"]!} answers, and batch × accumulate are ` +
        `${n["batch"]! * n["accumulate"]!}`,
      "leave `accumulate` out, and let `batch` divide the answers",
    ],
    [
      n["answer"]! >= n["context"]!,
      ["answer", "context"],
      `answers of ${n["answer"]} tokens leave no room for a prompt in a context of ${n["context"]}`,
      "use a smaller `answer`, or a larger `context`",
    ],
    [
      n["steps"]! % n["updates"]! !== 0,
      ["steps", "updates"],
      `${n["steps"]} steps are no multiple of ${n["updates"]} updates of the same answers`,
      "use a multiple",
    ],
    [
      n["target"]! > 0 && n["kl"] === 0,
      ["target"],
      "`target` moves `kl`, which is 0",
      "say where it begins: `kl 0.05`",
    ],
  ];
  const found = wrong.find(([is]) => is);
  const at = found && spanOf(...found[1]);
  if (found && at) report("E0605", at, { what: found[2], help: found[3] });
  const idle = spanOf("estimator");
  if (idle && values["kl_in"] === "loss" && values["estimator"] === "k1")
    report("W0606", idle, {
      what: "k1 in the loss pulls nowhere: on average its gradient is 0",
      help: "use `estimator k2`, or `kl_in reward`",
      instead: "k2",
    });
  return at === undefined;
}
