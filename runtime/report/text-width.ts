/** How much room texts take where every letter has one column, or two: in a terminal. */
const NOTHING = /\p{Mn}|\p{Me}|\u200b|\u200d|[\ufe00-\ufe0f]/u;
const WIDE = /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/u;

/** Columns of a terminal that a text takes. */
export const widthOf = (text: string): number =>
  Array.from(text).reduce((sum, c) => sum + (NOTHING.test(c) ? 0 : WIDE.test(c) ? 2 : 1), 0);

/** The text in exactly so many columns: cut, with a sign for it, or followed by spaces. */
export function fitted(text: string, width: number): string {
  if (widthOf(text) <= width) return text + " ".repeat(width - widthOf(text));
  const letters = Array.from(text);
  while (widthOf(letters.join("")) >= width) letters.pop();
  const cut = `${letters.join("")}…`;
  return cut + " ".repeat(width - widthOf(cut));
}
