/** Dates as templates ask for them: the directives of C's strftime that are in use, in English. */
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const two = (n: number): string => String(n).padStart(2, "0");

const directives: Readonly<Record<string, (d: Date) => string>> = {
  Y: (d) => String(d.getFullYear()),
  y: (d) => two(d.getFullYear() % 100),
  m: (d) => two(d.getMonth() + 1),
  d: (d) => two(d.getDate()),
  e: (d) => String(d.getDate()).padStart(2),
  B: (d) => months[d.getMonth()]!,
  b: (d) => months[d.getMonth()]!.slice(0, 3),
  A: (d) => days[d.getDay()]!,
  a: (d) => days[d.getDay()]!.slice(0, 3),
  H: (d) => two(d.getHours()),
  M: (d) => two(d.getMinutes()),
  S: (d) => two(d.getSeconds()),
  "%": () => "%",
};

/** Unknown directives stay as they are. */
export const strftime = (date: Date, format: string): string =>
  format.replace(/%(.)/g, (all, letter: string) =>
    Object.hasOwn(directives, letter) ? directives[letter]!(date) : all,
  );
