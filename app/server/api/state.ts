/** GET routes: what is served, and how the server is. */
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { ServedFacts } from "../pool/serving.ts";
import { loadedFacts, type Call, type Route } from "./call.ts";
import { ApiError } from "./errors.ts";
import { settingsOf } from "./native.ts";
import { samplingFor } from "./sampling.ts";
import { namesOf, servedAs } from "./served-as.ts";

const get = (
  paths: readonly string[],
  run: (call: Call) => Response,
  how: Pick<Route, "isOpen"> = {},
): Route => ({
  method: "GET",
  paths,
  run,
  ...how,
});

const modelOf = ({ manifest, name, created, context, weightsBytes }: ServedFacts, id: string): object => ({
  id,
  object: "model",
  created,
  owned_by: "sinter",
  ...(id !== name && { parent: name }),
  max_model_len: context,
  meta: {
    n_vocab: manifest.model.sizes.vocab,
    n_ctx_train: manifest.model.sizes.context,
    n_embd: manifest.model.sizes.width,
    n_params: manifest.parameters,
    size: weightsBytes,
  },
});

const nameOf = ({ special }: Tokenizer, id: number | undefined): string =>
  [...special].find(([, other]) => other === id)?.[0] ?? "";

/** Throws where a part of the server was not switched on. */
function needOn(isOn: boolean, flag: string): void {
  if (!isOn) throw new ApiError("switched off", `this is off; the server's flag ${flag} switches it on`);
}

function slots(call: Call): Response {
  const { serving, query, settings } = call;
  needOn(settings.hasSlots, "--slots");
  loadedFacts(call);
  const lanes = serving.lanes();
  if (query.get("fail_on_no_slot") === "1" && lanes.every(({ isBusy }) => isBusy))
    throw new ApiError("no free slot", "all slots are busy", { headers: { "retry-after": "1" } });
  return Response.json(
    lanes.map(({ id, context, isBusy, promptTokens, made }) => ({
      id,
      n_ctx: context,
      is_processing: isBusy,
      n_prompt_tokens: promptTokens,
      n_decoded: made,
    })),
  );
}

function props(call: Call): Response {
  const facts = servedAs(loadedFacts(call), undefined);
  const { tokenizer, context, lanes, adapter, name, fingerprint, step } = facts;
  const sampling = samplingFor({}, { tokens: undefined, continues: true }, facts);
  return Response.json({
    default_generation_settings: { n_ctx: context, params: { ...settingsOf(sampling), seed: -1 } },
    total_slots: lanes,
    model_alias: name,
    ...(adapter && { adapter: adapter.name }),
    // the name alone: where it lies is nobody's business
    model_path: name,
    chat_template: templateOf(tokenizer.files)?.template ?? "",
    knows_chats: call.settings.knowsChats(),
    bos_token: nameOf(tokenizer, tokenizer.beginOfText),
    eos_token: nameOf(tokenizer, tokenizer.endOfText),
    modalities: { vision: false, audio: false },
    build_info: `sinter ${call.settings.version}`,
    system_fingerprint: fingerprint,
    ...(step !== undefined && { step }),
  });
}

export const stateRoutes: readonly Route[] = [
  get(
    ["/health", "/v1/health"],
    (call) => {
      loadedFacts(call);
      return Response.json({ status: "ok" });
    },
    { isOpen: true },
  ),
  get(
    ["/v1/models", "/models"],
    (call) => {
      const facts = loadedFacts(call);
      return Response.json({ object: "list", data: namesOf(facts).map((id) => modelOf(facts, id)) });
    },
    { isOpen: true },
  ),
  get(
    ["/v1/models/:model{.+}", "/models/:model{.+}"],
    (call) => {
      const facts = loadedFacts(call);
      const { model } = call.path;
      const names = namesOf(facts);
      if (model !== undefined && names.includes(model)) return Response.json(modelOf(facts, model));
      const known = names.join(" and ");
      throw new ApiError("no model", `there is no model ${JSON.stringify(model)}; what is here is ${known}`);
    },
    { isOpen: true },
  ),
  get(["/props"], props),
  get(["/slots"], slots),
  get(["/metrics"], ({ serving, metrics, settings }) => {
    needOn(settings.hasMetrics, "--metrics");
    return new Response(metrics.text(serving), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  }),
  get(
    ["/spec"],
    (call) =>
      new Response(loadedFacts(call).spec, { headers: { "content-type": "text/plain; charset=utf-8" } }),
  ),
];
