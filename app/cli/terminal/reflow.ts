/**
 * Fits the paragraphs of a help text into the terminal's width. Indented lines, which are tables and
 * examples, stay as they are.
 */
export function reflow(text: string, columns: number): string {
  const out: string[] = [];
  let paragraph: string[] = [];
  const end = (): void => {
    if (paragraph.length > 0) out.push(...wrapped(paragraph.join(" "), columns));
    paragraph = [];
  };
  for (const line of text.split("\n")) {
    if (/^\S/.test(line)) paragraph.push(line);
    else {
      end();
      out.push(line);
    }
  }
  end();
  return out.join("\n");
}

function wrapped(paragraph: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of paragraph.split(" ")) {
    if (line !== "" && `${line} ${word}`.length > columns - 1) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
