/** The import of a spec: which file, and what its query asks. */
import { stageNames, type StageName } from "../../runtime/contract/model.ts";
import type { SpecQuery } from "../cli/options/spec-types.ts";

export interface SpecImport extends SpecQuery {
  readonly file: string;
  /** As the import has it, without what Vite adds. */
  readonly query: string;
}

/** What Vite puts behind a module's name: the time of an update, and that it is imported. */
const VITES_OWN = new Set(["t", "import"]);

/**
 * Reads a module's id: "/src/gpt2.sinter?model=gpt2-xl&train". Undefined: it is no spec, or the query asks
 * for something that is not ours (`?raw` and `?url` are Vite's).
 */
export function specImport(id: string): SpecImport | undefined {
  const [file, all = ""] = id.split("?", 2) as [string, string?];
  if (!file.endsWith(".sinter") || file.startsWith("\0")) return undefined;
  const words = all.split("&").filter((word) => word !== "" && !VITES_OWN.has(word.split("=")[0]!));
  let model: string | undefined;
  let train = false;
  let stage: StageName | undefined;
  for (const word of words) {
    const [key, value] = word.split("=", 2) as [string, string?];
    if (key === "train" && !value) train = true;
    else if (key === "model" && value) model = decodeURIComponent(value);
    else if (key === "stage" && isStage(value)) stage = value;
    else return undefined;
  }
  return {
    file,
    query: words.join("&"),
    train,
    ...(model !== undefined && { model }),
    ...(stage && { stage }),
  };
}

const isStage = (word: string | undefined): word is StageName => stageNames.some((name) => name === word);
