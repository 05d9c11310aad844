/** Sizes in bytes as people write them: 1_000_000, 512MiB, 64GiB. */
const units: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Whole bytes; NaN: it is no size. */
export function readSize(given: string): number {
  const [, digits, unit] = /^([0-9][0-9_]*(?:\.[0-9]+)?) ?(|KiB|MiB|GiB|TiB)$/.exec(given) ?? [];
  return digits === undefined ? NaN : Math.floor(Number(digits.replaceAll("_", "")) * units[unit!]!);
}
