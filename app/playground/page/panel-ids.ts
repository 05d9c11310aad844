/** What the panels are called; apart from the table that leads to their code (panels.ts). */
export type PanelId = "tour" | "structure" | "kernels" | "train" | "inside" | "sampling" | "teach" | "cost";
