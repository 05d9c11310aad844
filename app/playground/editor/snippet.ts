/** Snippets: texts with places to fill in. */

/**
 * A snippet of the Language Server Protocol as CodeMirror writes it. There `${1:text}` is the same, a brace
 * of the text itself has a backslash before it, and `$1` does not exist.
 */
export const codeMirrorSnippet = (insert: string): string =>
  insert.replaceAll(place, (whole, short: string | undefined, escaped: string | undefined) => {
    if (short !== undefined) return `\${${short}}`;
    if (escaped !== undefined) return /[{}]/.test(escaped) ? `\\${escaped}` : escaped;
    return /^[{}]$/.test(whole) ? `\\${whole}` : whole;
  });

/** `${1:text}`, `${1}`, `$1`, an escaped character, a brace. */
const place = /\$\{\d+(?::(?:[^}\\]|\\.)*)?\}|\$(\d+)|\\([$}\\])|[{}]/g;
