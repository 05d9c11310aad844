/**
 * `sinter serve RUN`: a model behind HTTP, as clients of OpenAI and of llama.cpp's server know it
 * (app/server). The port is open before the model is loaded, and says so meanwhile.
 */
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { laneRange } from "../../../runtime/contract/limits.ts";
import { Metrics } from "../../server/api/metrics.ts";
import { createApp } from "../../server/app.ts";
import { follow, type Followed } from "../../server/follow.ts";
import { listen, type Listening } from "../../server/listen.ts";
import { logModes, serverLog } from "../../server/log.ts";
import { chatPage } from "../../server/page.ts";
import { openPool } from "../../server/pool/pool.ts";
import type { ServedFacts, Serving } from "../../server/pool/serving.ts";
import {
  flag,
  negation,
  oneWord,
  read,
  real,
  text,
  whole,
  withDefault,
  type Options,
} from "../options/option.ts";
import { chatFormatOption, portOption, runOptions } from "../options/run-options.ts";
import { serveRun, type ServedRun } from "../runs/serve-run.ts";
import { untilStopped } from "../terminal/stop-signals.ts";
import { withPort } from "../terminal/taken-port.ts";
import { sayer, type Io } from "../terminal/io.ts";
import { defineVerb } from "./verb.ts";

/** Names the key where nobody is to see it in a list of processes. */
export const API_KEY_VARIABLE = "SINTER_API_KEY";

/** How long running requests may go on after the server was asked to end. */
const DRAIN_MS = 30_000;
/** And how long the last bytes of answers may take. */
const LAST_BYTES_MS = 1000;
const STALL_MS = 30_000;
const MOST_SECONDS = 86_400;

/** "a, b". */
const listOption = (value: string, help: string) =>
  read(text(value, help), (given) =>
    given
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== ""),
  );

const options = {
  host: withDefault("127.0.0.1", text("<address>", "address to listen on; 0.0.0.0: all of this machine's")),
  port: portOption,
  parallel: withDefault(
    "4",
    whole("<n>", "texts that grow at once, each with a context of its own", {
      least: laneRange.min,
      most: laneRange.max,
    }),
  ),
  ctxSize: whole("<n>", "tokens of each text's context (default: the model's)", { least: 1 }),
  queue: withDefault(
    "32",
    whole("<n>", "requests that may wait; further ones get 503", { least: 0, most: 65_536 }),
  ),
  timeout: real("<seconds>", "most that a request may take (default: as long as it likes)", {
    least: 0.001,
    most: MOST_SECONDS,
  }),
  alias: text("<name>", "name of the model in answers (default: the folder's)"),
  follow: flag("a run that is still training: its newest checkpoint, as soon as it is there"),
  chatFormat: chatFormatOption,
  ...runOptions,
  apiKey: text("<key>", `key that requests have to send (default: ${API_KEY_VARIABLE}, else none)`),
  allowedHosts: listOption(
    "<names>",
    "names of this server, a,b: other names are refused, addresses are not",
  ),
  corsOrigins: listOption("<origins>", "pages elsewhere that may ask, as https://a.example; *: all of them"),
  metrics: flag("GET /metrics, for Prometheus"),
  slots: flag("GET /slots: what each text is at"),
  noUi: negation("ui", "no page at /"),
  ssePingInterval: withDefault(
    "30",
    real("<seconds>", "silence after which a stream has a comment", { least: 0.01, most: MOST_SECONDS }),
  ),
  log: withDefault(
    "requests",
    read(text("<what>", `what is written to standard error: ${logModes.join(", ")}`), (given, name) =>
      oneWord(logModes, given, name),
    ),
  ),
  json: flag("one line for programs, when the model is there"),
};
type Asked = Options<typeof options>;

export const serveVerb = defineVerb({
  name: "serve",
  summary: "a model behind HTTP, for OpenAI's and llama.cpp's clients",
  arguments: [{ name: "<run>", help: "folder of a run; or a published model, as `sinter import` reads it" }],
  options,
  notes: [
    "Routes: /v1/models, /v1/completions, /v1/chat/completions, /v1/embeddings;",
    "/completion, /tokenize, /detokenize, /apply-template, /props, /slots, /health, /metrics; /spec.",
    "At / is a page to talk to the model. app/server/README.md lists all fields.",
    "A seeded request gets the same text alone and among others.",
    "SIGTERM and Ctrl-C let running requests end, for 30 s; a second one does not.",
  ],
  examples: [
    "sinter serve runs/quickstart",
    "sinter serve model.gguf --parallel 8 --ctx-size 2048 --weights q8_0",
    "sinter serve runs/llama --host 0.0.0.0 --allowed-hosts chat.example --metrics",
    'curl http://127.0.0.1:8080/v1/completions -d \'{"prompt": "Once", "max_tokens": 32}\'',
  ],
  async run([path], asked, io) {
    const { parallel: lanes, ctxSize: context } = asked;
    let run: ServedRun | undefined;
    const serving = openPool({
      queue: asked.queue,
      async open() {
        run ??= await serveRun(path!, { ...asked, lanes, context }, io);
        return run.open();
      },
    });
    serving.ready.catch(() => {}); // it may fail before anybody waits for it
    try {
      const stopped = untilStopped();
      const listening = await listenFor(serving, asked, () => run?.knowsChats ?? false, io);
      return await serveUntil(
        stopped,
        serving,
        listening,
        (facts, ended) => {
          announce(run!, facts, listening, asked, io);
          if (asked.follow) void follow(serving, followed(run!, io), { signal: ended });
        },
        io,
      );
    } finally {
      run?.close();
    }
  },
});

/** Serves until the server is asked to end. `announce` is called when the model is there. */
async function serveUntil(
  stopped: Promise<void>,
  serving: Serving,
  listening: Listening,
  announced: (facts: ServedFacts, ended: AbortSignal) => void,
  io: Io,
): Promise<number> {
  const ended = new AbortController();
  try {
    const facts = await Promise.race([serving.ready, stopped]);
    if (!facts) return exitCodes.ok; // nothing runs yet, and what loads ends with the program
    announced(facts, ended.signal);
    await stopped;
    ended.abort();
    const { running, waiting } = serving.counts();
    if (running + waiting > 0)
      io.err(`ending: ${running + waiting} requests may go on for ${DRAIN_MS / 1000} s\n`);
    await serving.drain(DRAIN_MS);
    return exitCodes.ok;
  } finally {
    await listening.close(LAST_BYTES_MS);
    if (serving.facts) await serving.close();
  }
}

const followed = (run: ServedRun, io: Io): Followed => ({
  newest: () => run.newest(),
  renew: () => run.renew(),
  renewed: (step) => io.err(`step ${thousands(step ?? 0)}\n`),
  failed: (cause) => io.err(`warning: ${(cause as Error).message}\n`),
});

function listenFor(serving: Serving, asked: Asked, knowsChats: () => boolean, io: Io): Promise<Listening> {
  const { host, port, apiKey, allowedHosts = [], corsOrigins = [], noUi, log } = asked;
  const service = {
    serving,
    metrics: new Metrics(),
    settings: {
      timeoutMs: asked.timeout === undefined ? undefined : 1000 * asked.timeout,
      pingMs: 1000 * asked.ssePingInterval,
      stallMs: STALL_MS,
      hasMetrics: asked.metrics,
      hasSlots: asked.slots,
      knowsChats,
      version: COMPILER_VERSION,
    },
  };
  const app = createApp(service, {
    access: {
      allowedHosts: [host, ...allowedHosts].map((name) => name.toLowerCase()),
      corsOrigins,
      apiKey: apiKey ?? keyOfEnvironment(),
    },
    page: noUi ? undefined : chatPage(),
    log: serverLog(log, (line) => io.err(`${line}\n`)),
  });
  return withPort(port, listen(app, { host, port }));
}

/** An empty one is none: a script has not set it. */
const keyOfEnvironment = (): string | undefined => process.env[API_KEY_VARIABLE] || undefined;

function announce(
  { memory, name }: ServedRun,
  { lanes, context, fingerprint, manifest, step, adapter }: ServedFacts,
  { url }: Listening,
  { apiKey, json }: Asked,
  io: Io,
): void {
  const hasKey = (apiKey ?? keyOfEnvironment()) !== undefined;
  if (json) {
    const facts = {
      url,
      model: name,
      adapter: adapter?.name,
      lanes,
      context,
      memory: memory.bytes,
      fingerprint,
      step,
      key: hasKey,
    };
    return io.out(`${JSON.stringify(facts)}\n`);
  }
  const say = sayer(io, false);
  const key = hasKey ? ` -H "Authorization: Bearer $${API_KEY_VARIABLE}"` : "";
  say(`${name}: ${thousands(manifest.parameters)} parameters, step ${thousands(step ?? 0)}`);
  say(
    `${lanes} texts at once × ${thousands(context)} tokens: ${thousands(memory.bytes)} bytes ` +
      `(${sizeText(memory.bytes)}, ${sizeText(memory.cacheBytes)} of it keys and values)`,
  );
  if (adapter) say(`with its adapters: ask for the model ${adapter.name}`);
  say(`Serving at ${url}/ (Ctrl-C ends it)`);
  say(`try: curl ${url}/v1/completions${key} -d '{"prompt": "Once", "max_tokens": 32}'`);
  if (!hasKey)
    say(`no API key is set: whoever reaches this address may ask (--api-key, or ${API_KEY_VARIABLE})`);
}
