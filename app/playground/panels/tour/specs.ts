/** The specs of the tour's steps, as text. */
import answers from "../../../../specs/answers.sinter?raw";
import gpt2 from "../../../../specs/gpt2.sinter?raw";
import quickstart from "../../../../specs/quickstart.sinter?raw";

export const specs: Readonly<Record<string, string>> = { answers, gpt2, quickstart };
