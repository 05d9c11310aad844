/**
 * How amounts are written for people, each in one way everywhere: sizes in powers of 1024 (KiB, MiB, GiB,
 * TiB), counts with commas, rates in tokens per second, times in the unit that suits them. Bandwidths stay in
 * GB/s (1e9 bytes), as the field measures them. Imports nothing, so that compiler and runtime can both use
 * it.
 */
const sizeUnits = ["KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** "512 bytes", "4 KiB", "1.10 MiB", "41.6 MiB", "3.26 GiB": three digits, or all of a whole number. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} ${Math.round(bytes) === 1 ? "byte" : "bytes"}`;
  let value = bytes / 1024;
  let unit = 0;
  while (Math.round(value) >= 1024 && unit < sizeUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? thousands(value) : threeDigits(value)} ${sizeUnits[unit]}`;
}

/** "12,345,678". */
export const thousands = (n: number): string =>
  Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");

/** "1 worker", "2 workers", "1,024 workers". */
export const counted = (n: number, noun: string): string => `${thousands(n)} ${noun}${n === 1 ? "" : "s"}`;

/** "42 %", or with digits behind the point. */
export const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

/** "0.42 tok/s", "7.31 tok/s", "42.6 tok/s", "27,100 tok/s". */
export const rateText = (tokensPerSecond: number): string => `${threeDigits(tokensPerSecond)} tok/s`;

/** "12.3 µs", "1.20 ms", "450 ms", "12.0 s": of one measured thing. */
export function timeText(ms: number): string {
  if (ms < 1) return `${threeDigits(1000 * ms)} µs`;
  return ms < 10_000 ? `${threeDigits(ms)} ms` : `${threeDigits(ms / 1000)} s`;
}

/** "42 s", "3 min 5 s", "2 h 10 min", "4 d 7 h": how long something takes or took. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${thousands(Math.floor(s / 86_400))} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** "9.31", "41.6", "1,024". */
export const threeDigits = (n: number): string =>
  n < 9.995 ? n.toFixed(2) : n < 99.95 ? n.toFixed(1) : thousands(n);
