/**
 * The page at /: one file, kept in memory, that asks nobody but this server. What may run in it is named by
 * its hash, so that no text of a model ever does.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function chatPage(): Page {
  const html = readFileSync(fileURLToPath(new URL("./chat-page.html", import.meta.url)), "utf8");
  const hashes = (tag: string): string =>
    [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"))]
      .map(([, text]) => `'sha256-${createHash("sha256").update(text!).digest("base64")}'`)
      .join(" ");
  const policy = [
    "default-src 'none'",
    `script-src ${hashes("script")}`,
    `style-src ${hashes("style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return {
    html,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  };
}
