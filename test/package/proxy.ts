/** A page of Vite's server as a page of ours, which adds the headers for threads. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A port that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** The port of one of Vite's servers. */
export const portOf = ({ httpServer }: { readonly httpServer: unknown }): number =>
  ((httpServer as Server).address() as AddressInfo).port;

/** Hands what the page asks for on to a server that sends no headers for threads, and adds them. */
export const through =
  (port: number) =>
  (asked: IncomingMessage, answer: ServerResponse): true => {
    const to = { host: "127.0.0.1", port, path: asked.url, method: asked.method };
    const sent = request({ ...to, headers: { ...asked.headers, host: `127.0.0.1:${port}` } }, (given) => {
      for (const [name, value] of Object.entries(given.headers)) answer.setHeader(name, value!);
      given.pipe(answer.writeHead(given.statusCode!));
    });
    asked.pipe(sent.on("error", () => answer.destroy()));
    return true;
  };
