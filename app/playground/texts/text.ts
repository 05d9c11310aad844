/** What a text is: the same thing in every language that the page speaks. */

/** The languages, each by its own name. */
export const languages = { en: "English", nl: "Nederlands" } as const;
export type Language = keyof typeof languages;

/** A text in every language. */
export type Text = Readonly<Record<Language, string>>;

export type TextValues = Readonly<Record<string, string | number>>;

/** A text with its braces filled in; a name that `values` lacks is left as it stands. */
export function filled(text: Text, language: Language, values: TextValues = {}): string {
  return text[language].replace(/\{(\w+)\}/g, (brace, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name]! : brace;
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}
