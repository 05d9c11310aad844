/**
 * What the page may do: run its own scripts and WebAssembly, and speak to the server that it came from.
 * index.html says so itself, for hosts that send no headers; `sinter playground` sends it, too.
 */
export const POLICY = Object.entries({
  "default-src": "'none'",
  "script-src": "'self' 'wasm-unsafe-eval'",
  "worker-src": "'self'",
  "style-src": "'self'",
  "connect-src": "'self'",
  "img-src": "'self' data: blob:",
  "manifest-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'self'",
})
  .map(([name, sources]) => `${name} ${sources}`)
  .join("; ");
