/** `sinter playground`: the page in which models are written, trained and taught. */
import { exitCodes } from "../../../runtime/base/errors.ts";
import { silenceTypeStripping } from "../../../runtime/node/node-warnings.ts";
import { startPageServer } from "../../../runtime/node/page-server.ts";
import { builtPage } from "../../playground/site/built-page.ts";
import { POLICY } from "../../playground/site/policy.ts";
import { flag, negation, text, withDefault } from "../options/option.ts";
import { portOption } from "../options/run-options.ts";
import { openAddress } from "../terminal/open-address.ts";
import { untilStopped } from "../terminal/stop-signals.ts";
import { withPort } from "../terminal/taken-port.ts";
import { defineVerb } from "./verb.ts";

const HERE = "127.0.0.1";

export const playgroundVerb = defineVerb({
  name: "playground",
  summary: "a page in which models are written, trained and taught",
  arguments: [],
  options: {
    port: portOption,
    host: withDefault(HERE, text("<address>", "address to listen on; 0.0.0.0: all of this machine's")),
    noOpen: negation("open", "do not open the page in a browser"),
    json: flag("one line for programs; opens nothing"),
  },
  notes: [
    "Everything happens in the page: nothing that is written, trained or said there leaves the browser.",
    "In a checkout the page is built first where that is needed; its packages are installed once.",
    "Ctrl-C ends it.",
  ],
  examples: ["sinter playground", "sinter playground --port 0 --no-open"],
  async run(_, { port, host, noOpen, json }, io) {
    silenceTypeStripping();
    const folder = await builtPage((line) => io.err(`${line}\n`));
    const headers = { "content-security-policy": POLICY };
    const { url, server } = await withPort(port, startPageServer({ folder, port, host, headers }));
    io.out(json ? `${JSON.stringify({ url, folder })}\n` : `Serving the page at ${url} (Ctrl-C ends it)\n`);
    if (io.tty && !json && !noOpen && host === HERE) openAddress(url);
    await untilStopped();
    server.close();
    server.closeAllConnections();
    return exitCodes.ok;
  },
});
