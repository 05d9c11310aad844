/**
 * `sinter/runtime` has what a program needs to run or train a bundle. `sinter/runtime/node` has the host and
 * the file system of Node, `sinter/runtime/browser` those of a page.
 */
export type { Manifest, ModuleManifest, ModuleName } from "./contract/manifest.ts";
export type { Bundle } from "./engine/bundle.ts";
export { parseManifest } from "./engine/bundle.ts";
export type { Tensor } from "./engine/tensors.ts";
export type {
  BundleTypes,
  LinkedBundle,
  ModelOf,
  ModulesOf,
  ModuleTypes,
  TensorsByName,
  TypedModel,
} from "./engine/linked-bundle.ts";
export { SinterError, exitCodes } from "./base/errors.ts";
export { randomStream, type Random } from "./base/random.ts";
export type { Host, Pool } from "./engine/host.ts";
export type { Lane } from "./engine/lane.ts";
export type { LaneTokens } from "./engine/lane.ts";
export type { LaneLoop } from "./engine/lane-loop.ts";
export { NoLaneError, type Lanes } from "./engine/lanes.ts";
export type { LoopText, LoopTokens, ModuleLoop } from "./engine/text-loop.ts";
export {
  createModel,
  type Batch,
  type ModelOptions,
  type RunningModel,
  type StepOptions,
} from "./engine/model.ts";
export {
  generateTogether,
  TextBatch,
  type BatchOptions,
  type BatchText,
  type BatchTextOptions,
  type Grown,
  type PromptProgress,
  type TextPhase,
} from "./sample/batch.ts";
export type { BiasOptions } from "./sample/bias.ts";
export type { OpenLane } from "./engine/reservations.ts";
export { decodeRate, generate, type GenerateOptions, type Generated } from "./sample/generate.ts";
export {
  createSession,
  openSession,
  type DrawnText,
  type Drawing,
  type Fed,
  type Session,
  type SessionCalls,
} from "./sample/session.ts";
export { embedTokens } from "./sample/embed.ts";
export { headMap, headSummaries, withoutHeads, type HeadEffect, type HeadSummary } from "./look/heads.ts";
export {
  lookInside,
  lookLimit,
  type HeadPlace,
  type Hidden,
  type Inside,
  type LayerInside,
  type LookOptions,
} from "./look/inside.ts";
export { nearestTokens, outputScores, type Neighbour } from "./look/embeddings.ts";
export {
  answersOf,
  excitingTokens,
  layerNeurons,
  neuronScores,
  strongest,
  type Answer,
  type ExcitingToken,
  type NeuronPlace,
} from "./look/neurons.ts";
export {
  lookAtText,
  neighboursOf,
  writtenBy,
  type LikelyToken,
  type Looked,
  type ShownCell,
  type ShownNeighbour,
  type TextInside,
  type TextInsideOptions,
  type WrittenToken,
} from "./look/text-inside.ts";
export { shownToken, type ShownToken } from "./look/token-text.ts";
export type { Lens, LensCell, LensOptions } from "./look/lens.ts";
export { scoreTokens, type ScoreOptions } from "./sample/score.ts";
export type { RowChunkOptions } from "./sample/row-chunks.ts";
export type { TokenLogprob } from "./sample/logprobs.ts";
export { sampleToken, samplerDefaults, type SamplerSettings } from "./sample/sampler.ts";
export { evaluateText } from "./train/evaluate.ts";
export { rollOut, type Ask, type Rollout, type RollOutOptions } from "./train/rollouts.ts";
export {
  answerPair,
  type AnswerPair,
  type AnswerPairOptions,
  type DrawnAnswer,
} from "./train/answer-pair.ts";
export { feedbackLine, type Choice, type Judged } from "./train/examples/feedback.ts";
export {
  labelActionOf,
  Labelling,
  type Chosen,
  type LabelAction,
  type LabellingOptions,
  type ShownPair,
} from "./train/labelling.ts";
export { openRun, readBundle } from "./store/run-folder.ts";
export { loadNewest } from "./store/checkpoint.ts";
export {
  decode,
  tokenDecoder,
  type EncodeOptions,
  type TokenDecoder,
  type Tokenizer,
} from "./tokenizers/base/tokenizer.ts";
export { openTokenizer } from "./tokenizers/tokenizer-files.ts";
export { byteTokenizer } from "./tokenizers/plain/bytes.ts";
export type { ChatFormat, ChatMessage } from "./tokenizers/chat/chat.ts";
export { builtInChat, chatFormatNames, type ChatFormatName } from "./tokenizers/chat/chat-formats.ts";
export { pieceCounter } from "./tokenizers/bpe/count-pieces.ts";
export { trainBpe, type BpeTraining, type TrainedBpe } from "./tokenizers/bpe/train-bpe.ts";
export { tokenizerJson } from "./tokenizers/bpe/write-tokenizer-json.ts";
