/**
 * `sinter page [FOLDER]`: a page with a model of yours, served from this machine; or the runtime as
 * JavaScript, for any other server.
 */
import { existsSync, statSync } from "node:fs";
import { relative } from "node:path";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { startPageServer, writeRuntime } from "../../../runtime/node/page-server.ts";
import { flag, text } from "../options/option.ts";
import { portOption } from "../options/run-options.ts";
import { wholeFolder } from "../terminal/whole-folder.ts";
import { silenceTypeStripping } from "../../../runtime/node/node-warnings.ts";
import { untilStopped } from "../terminal/stop-signals.ts";
import { withPort } from "../terminal/taken-port.ts";
import { defineVerb } from "./verb.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

const ENTRY = "browser/index.js";

export const pageVerb = defineVerb({
  name: "page",
  summary: "serve a page with a model of yours from this machine",
  arguments: [
    {
      name: "[folder]",
      help: "what is served; its index.html, or else an example that wants bundle/ and model.gguf in it",
      standard: ".",
    },
  ],
  options: {
    port: portOption,
    out: text("<dir>", "serve nothing: write the runtime as JavaScript into this folder, for another server"),
    json: flag("one line for programs"),
  },
  notes: [
    "The runtime is at /sinter/, and answers carry the two headers that give a page threads.",
    "Only this machine reaches it.",
    "Ctrl-C ends it.",
  ],
  examples: [
    "sinter compile runs/imported/spec.sinter --module infer --target simd,relaxed -o site/bundle",
    "sinter export runs/imported --to gguf -o site/model.gguf",
    "sinter page site",
    "sinter page --out site/sinter",
  ],
  async run([folder], options, io) {
    silenceTypeStripping();
    const { out, port, json } = options;
    if (out !== undefined) return writeOut(out, json, io);
    const root = pathFrom(io, folder ?? ".");
    if (!existsSync(root) || !statSync(root).isDirectory())
      throw new SinterError(
        "input",
        `there is no folder ${root} to serve`,
        "Name the folder that has bundle/ and model.gguf: sinter page FOLDER",
      );
    const { url, server } = await withPort(port, startPageServer({ folder: root, port }));
    io.out(json ? `${JSON.stringify({ url })}\n` : `Serving ${root} at ${url} (Ctrl-C ends it)\n`);
    await untilStopped();
    server.close();
    server.closeAllConnections();
    return exitCodes.ok;
  },
});

async function writeOut(out: string, json: boolean, io: Io): Promise<number> {
  const files = await wholeFolder(pathFrom(io, out), ENTRY, writeRuntime);
  const entry = `./${relative(io.cwd, pathFrom(io, out)) || "."}/${ENTRY}`;
  io.out(
    json
      ? `${JSON.stringify({ files, entry })}\n`
      : `${files} files in ${out}: import { openModel } from "${entry}"\n`,
  );
  return exitCodes.ok;
}
