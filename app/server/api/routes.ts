/** THE table of routes. The page at / is the server's own (app/server/app.ts). */
import type { Route } from "./call.ts";
import { chatRoute, templateRoute } from "./chat.ts";
import { completionsRoute } from "./completions.ts";
import { embeddingsRoute } from "./embeddings.ts";
import { nativeRoute } from "./native.ts";
import { stateRoutes } from "./state.ts";
import { detokenizeRoute, tokenizeRoute } from "./tokens.ts";

export const routes: readonly Route[] = [
  ...stateRoutes,
  completionsRoute,
  chatRoute,
  embeddingsRoute,
  nativeRoute,
  tokenizeRoute,
  detokenizeRoute,
  templateRoute,
];
