/**
 * Rows of the vocabulary as clusters keep it: filled up to a multiple, since products whose sides are odd are
 * slow there (50,257 becomes 50,304: nanoGPT, llm.c). Rows that only fill it up are no tokens: they are cut
 * off before the softmax, and no file has them.
 */
const MULTIPLE = 64;
/** Smaller vocabularies are left as they are. */
const LEAST = 1024;

export const paddedVocab = (vocab: number): number =>
  vocab < LEAST ? vocab : Math.ceil(vocab / MULTIPLE) * MULTIPLE;
