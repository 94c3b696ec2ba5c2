// Starts `mlp lsp` and connects it with the editor.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const settings = vscode.workspace.getConfiguration("mlp");
  if (!settings.get("server")) return;
  const run = { command: settings.get("path"), args: ["lsp"] };
  client = new LanguageClient("mlp", "mlp", { run, debug: run }, { documentSelector: [{ language: "mlp" }] });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `mlp: \`${run.command} lsp\` cannot be started (${error.message}). Put mlp on the search path, or set "mlp.path".`,
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.stop();
}

async function restart() {
  await stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(vscode.commands.registerCommand("mlp.restart", restart));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("mlp") && restart()),
  );
  await start();
};

exports.deactivate = stop;
