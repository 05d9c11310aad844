/** Light or dark: as the system has it, or as the visitor chooses. */
import { kept } from "./settings.ts";

/** `choice` has the values "", "light" and "dark". */
export function openColours(choice: HTMLSelectElement): void {
  const setting = kept("colours");
  const show = (colours: string): void => {
    if (colours === "") delete document.documentElement.dataset["colours"];
    else document.documentElement.dataset["colours"] = colours;
  };
  choice.value = setting.now === "light" || setting.now === "dark" ? setting.now : "";
  show(choice.value);
  choice.addEventListener("change", () => {
    setting.set(choice.value || undefined);
    show(choice.value);
  });
}
