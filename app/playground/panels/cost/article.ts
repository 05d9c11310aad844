/** THE table of models that articles compare, and what they write of them; the specs say all else. */
import gpt2 from "../../../../specs/gpt2.sinter?raw";
import gpt3 from "../../../../specs/gpt3.sinter?raw";
import gpt4 from "../../../../specs/gpt4-rumour.sinter?raw";
import llama3 from "../../../../specs/llama3.sinter?raw";

export interface ArticleRow {
  readonly title: string;
  readonly year: number;
  readonly text: string;
  /** Of the text's models. */
  readonly model: string;
  readonly isRumour?: true;
  /** What is said of parameters and of training; absent: that it varies. */
  readonly parameters: string;
  readonly dollars?: string;
  /** A rumour's tokens, where no published run has them. */
  readonly tokens?: number;
}

const llama = (model: string, title: string, parameters: string): ArticleRow => ({
  title,
  year: 2024,
  text: llama3,
  model,
  parameters,
});

export const articleRows: readonly ArticleRow[] = [
  { title: "GPT-2", year: 2019, text: gpt2, model: "gpt2-xl", parameters: "1.5B", dollars: "~$50K" },
  { title: "GPT-3", year: 2020, text: gpt3, model: "gpt3-175b", parameters: "175B", dollars: "~$4–12M" },
  {
    title: "GPT-4, 16 × 111B",
    year: 2023,
    text: gpt4,
    model: "gpt4-rumour-16x111b",
    isRumour: true,
    parameters: "~1.7T",
    dollars: "~$78M+",
  },
  {
    title: "GPT-4, 8 × 220B",
    year: 2023,
    text: gpt4,
    model: "gpt4-rumour-8x220b",
    isRumour: true,
    parameters: "~1.7T",
    dollars: "~$78M+",
    tokens: 13e12,
  },
  llama("llama3-8b", "Llama 3 8B", "8B"),
  llama("llama3-70b", "Llama 3 70B", "70B"),
  llama("llama3.1-8b", "Llama 3.1 8B", "8B"),
  llama("llama3.1-70b", "Llama 3.1 70B", "70B"),
  llama("llama3.1-405b", "Llama 3.1 405B", "405B"),
];
