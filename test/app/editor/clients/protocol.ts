/** An editor in this process: it speaks the protocol with a language server that it has for itself. */
import { PassThrough } from "node:stream";
import {
  createProtocolConnection,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  PublishDiagnosticsNotification,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
  type ClientCapabilities,
  type InitializeResult,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
  type TextDocumentContentChangeEvent,
} from "vscode-languageserver/node";
import { serve } from "../../../../app/editor/lsp/serve.ts";

export const uri = "file:///a/spec.sinter";
export const textDocument = { uri };

export interface Editor {
  readonly connection: ProtocolConnection;
  readonly told: InitializeResult;
  /** All diagnostics so far, oldest first. */
  readonly published: readonly PublishDiagnosticsParams[];
  open(text: string, version?: number): void;
  change(version: number, ...changes: TextDocumentContentChangeEvent[]): void;
  /** The next diagnostics that fit. */
  diagnostics(fit: (of: PublishDiagnosticsParams) => boolean): Promise<PublishDiagnosticsParams>;
  /** Ends as the protocol has it, or abruptly; resolves to the server's exit code. */
  leave(how: "politely" | "without a word" | "closing the pipe"): Promise<number>;
}

export async function editor(
  capabilities: ClientCapabilities = {},
  initializationOptions?: object,
): Promise<Editor> {
  const [toServer, toEditor] = [new PassThrough(), new PassThrough()];
  const ended = serve(toServer, toEditor);
  const connection = createProtocolConnection(
    new StreamMessageReader(toEditor),
    new StreamMessageWriter(toServer),
  );
  const published: PublishDiagnosticsParams[] = [];
  const waiting = new Set<(of: PublishDiagnosticsParams) => void>();
  connection.onNotification(PublishDiagnosticsNotification.type, (params) => {
    published.push(params);
    for (const look of waiting) look(params);
  });
  connection.listen();
  const asked = { processId: null, rootUri: null, capabilities, initializationOptions };
  const told = await connection.sendRequest(InitializeRequest.type, asked);
  await connection.sendNotification(InitializedNotification.type, {});
  return {
    connection,
    told,
    published,
    open: (text, version = 1) =>
      void connection.sendNotification(DidOpenTextDocumentNotification.type, {
        textDocument: { uri, languageId: "sinter", version, text },
      }),
    change: (version, ...contentChanges) =>
      void connection.sendNotification(DidChangeTextDocumentNotification.type, {
        textDocument: { uri, version },
        contentChanges,
      }),
    diagnostics: (fit) =>
      new Promise((found) => {
        const look = (params: PublishDiagnosticsParams): void => {
          if (!fit(params)) return;
          waiting.delete(look);
          found(params);
        };
        waiting.add(look);
      }),
    async leave(how) {
      if (how === "politely") await connection.sendRequest(ShutdownRequest.type);
      if (how === "closing the pipe") toServer.end();
      else await connection.sendNotification(ExitNotification.type);
      const code = await ended;
      connection.dispose();
      return code;
    },
  };
}
