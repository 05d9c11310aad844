/**
 * The language server: the compiler's language service, asked over the Language Server Protocol (3.18). It
 * reads no files; editors send the texts.
 */
import { CodeLensRefreshRequest, createConnection, type WatchDog } from "vscode-languageserver";
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { clientOf, type Client } from "./client.ts";
import { openSpecs } from "./documents.ts";
import { FollowingBytes } from "./exact-bytes.ts";
import { answerRequests, capabilities } from "./requests.ts";

/** As the protocol has it: 1 where the editor went away without saying so first. */
type Ended = 0 | 1;

/** Speaks with one editor until it leaves. */
export function serve(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<Ended> {
  return new Promise((done) => {
    const end = (): void => {
      specs.close();
      done(watchDog.shutdownReceived ? 0 : 1);
    };
    // an editor that dies closes the pipe, so its process needs no watching
    const watchDog: WatchDog = { shutdownReceived: false, initialize: () => undefined, exit: end };
    input.on("end", end);
    const connection = createConnection(
      (logger) =>
        createProtocolConnection(new StreamMessageReader(input), new StreamMessageWriter(output), logger),
      watchDog,
    );
    let client: Client | undefined;
    connection.onInitialize((params) => {
      client = clientOf(params);
      return { capabilities, serverInfo: { name: "sinter", version: COMPILER_VERSION } };
    });
    const bytes = new FollowingBytes();
    const specs = openSpecs(connection, async ({ analysis }, isCurrent) => {
      const isNew = await bytes.follow(analysis, isCurrent);
      if (isNew && isCurrent() && client?.refreshesLenses)
        await connection.sendRequest(CodeLensRefreshRequest.type).catch(() => undefined); // it has left
    });
    answerRequests(connection, { specs, bytes, client: () => client! });
    connection.listen();
  });
}
