/**
 * Starts `sinter lsp --stdio` for the specs of a window, and runs `sinter check` and `sinter train` in a
 * terminal. Everything else that the editor shows comes from the language server.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { LanguageClient, type Executable } from "vscode-languageclient/node";

const LANGUAGE = "sinter";
const lensCommands = ["sinter.check", "sinter.train"] as const;

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    ...lensCommands.map((name) =>
      vscode.commands.registerCommand(name, (uri?: string, model?: string) =>
        runInTerminal(name.slice("sinter.".length), uri, model),
      ),
    ),
    vscode.commands.registerCommand("sinter.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("sinter.path")) void restart();
    }),
  );
  await start();
}

export const deactivate = async (): Promise<void> => client?.stop();

async function restart(): Promise<void> {
  await client?.dispose();
  await start();
}

async function start(): Promise<void> {
  const { command, args } = program();
  const server: Executable = {
    command,
    args: [...args, "lsp", "--stdio"],
    // on Windows, npm installs programs as batch files, which only a shell starts
    options: { shell: process.platform === "win32" && args.length === 0 },
  };
  client = new LanguageClient(LANGUAGE, "Sinter", server, {
    documentSelector: [{ language: LANGUAGE }],
    initializationOptions: { lensCommands },
    synchronize: { configurationSection: LANGUAGE },
  });
  try {
    await client.start();
  } catch {
    const choice = await vscode.window.showErrorMessage(
      `The language server of Sinter did not start: ${[command, ...args].join(" ")}. ` +
        "Install sinter in the workspace (npm install sinter), or say where it is.",
      "Settings",
    );
    if (choice === "Settings")
      await vscode.commands.executeCommand("workbench.action.openSettings", "sinter.path");
  }
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The program of the settings, or of the workspace, or of the PATH. In a workspace that is not trusted, VS
 * Code leaves out its settings (package.json, "restrictedConfigurations").
 */
function program(): Program {
  const given = vscode.workspace.getConfiguration(LANGUAGE).get<string>("path", "");
  const found = given !== "" ? given : inWorkspace();
  if (found === undefined) return { command: LANGUAGE, args: [] };
  return found.endsWith(".js") ? { command: "node", args: [found] } : { command: found, args: [] };
}

function inWorkspace(): string | undefined {
  if (!vscode.workspace.isTrusted) return undefined;
  return (vscode.workspace.workspaceFolders ?? [])
    .flatMap(({ uri }) =>
      ["node_modules/sinter/sinter.js", "sinter.js"].map((path) => join(uri.fsPath, path)),
    )
    .find((path) => existsSync(path));
}

/** From the command palette, `uri` and `model` are missing: the spec in front, its first model. */
async function runInTerminal(verb: string, uri?: string, model?: string): Promise<void> {
  const document = uri === undefined ? vscode.window.activeTextEditor?.document : await opened(uri);
  if (document === undefined || (document.isDirty && !(await document.save()))) return;
  const { command, args } = program();
  const words = [...args, verb, document.uri.fsPath, ...(model === undefined ? [] : ["--model", model])];
  await vscode.tasks.executeTask(
    new vscode.Task(
      { type: LANGUAGE },
      vscode.workspace.getWorkspaceFolder(document.uri) ?? vscode.TaskScope.Workspace,
      `${verb} ${model ?? ""}`.trim(),
      LANGUAGE,
      new vscode.ShellExecution(command, words),
    ),
  );
}

const opened = (uri: string): Thenable<vscode.TextDocument> =>
  vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
