/**
 * Exact bytes of the models of a spec. Finding them takes up to a hundred milliseconds for each model, so
 * they follow when everything else has been shown: one model after the other, between requests, and no
 * further where the text has changed. What is known of a model stays known while it is the same.
 */
import type { CodeLens } from "vscode-languageserver";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { exactBytes } from "../../../compiler/language-service/exact-bytes.ts";
import type {
  Analysis,
  ModelFacts,
  ModuleBytes,
} from "../../../compiler/language-service/language-service.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { rangeOf } from "./places.ts";

export type BytesOfModel = Readonly<Record<ModuleName, ModuleBytes>>;

/** Models whose bytes are remembered; a spec has a handful. */
const REMEMBERED = 100;

export class FollowingBytes {
  private readonly known = new Map<string, BytesOfModel>();

  of({ model }: ModelFacts): BytesOfModel | undefined {
    return this.known.get(JSON.stringify(model));
  }

  /** `isCurrent`: whether the text is still the one that was analysed. Returns whether anything is new. */
  async follow({ models }: Analysis, isCurrent: () => boolean): Promise<boolean> {
    let isNew = false;
    for (const facts of models) {
      await new Promise((next) => setImmediate(next)); // requests go first
      if (!isCurrent()) break;
      if (this.of(facts)) continue;
      if (this.known.size >= REMEMBERED) this.known.clear();
      this.known.set(JSON.stringify(facts.model), exactBytes(facts.model, nodeHost.cores));
      isNew = true;
    }
    return isNew;
  }
}

/** A lens that says what the modules of a model take here, where that is known. */
export function bytesLens(
  document: TextDocument,
  { span }: ModelFacts,
  bytes: BytesOfModel | undefined,
): CodeLens[] {
  if (bytes === undefined) return [];
  const title = `train ${bytesText(bytes.train)} · infer ${bytesText(bytes.infer)}`;
  return [{ range: rangeOf(document, span), command: { title, command: "" } }];
}

function bytesText({ bytes, memories, fits }: ModuleBytes): string {
  const size = memories > 1 ? `${sizeText(bytes)} in ${memories} memories` : sizeText(bytes);
  return fits ? size : `${size}: too large`;
}
