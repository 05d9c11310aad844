/**
 * How the global norm of all gradients is summed: squares of a chunk first, then the chunks' sums, tensor by
 * tensor and layer by layer. A chunk lies within one layer's tensor, so its sum is the same in whichever
 * memory that layer is.
 */
export const NORM_CHUNK_BYTES = 64 * 1024;

/** How many chunks a tensor has, or a layer's part of one; `bytes` are those of its padded rows. */
export const normChunks = (bytes: number): number => Math.ceil(bytes / NORM_CHUNK_BYTES);
