// Starts and stops the extension with a stand-in for the editor and its client, and prints what it does.
const Module = require("module");
const load = Module._load;

const editor = {
  workspace: {
    getConfiguration: () => ({ get: (name) => ({ server: true, path: "/some/mlp" })[name] }),
    onDidChangeConfiguration: () => ({}),
  },
  window: { showErrorMessage: (text) => console.log("error", text) },
  commands: { registerCommand: (name) => console.log("command", name) },
};

class LanguageClient {
  constructor(id, name, server) {
    console.log("server", server.run.command, ...server.run.args);
  }
  async start() {
    console.log("started");
  }
  async stop() {
    console.log("stopped");
  }
}

Module._load = function (name, ...rest) {
  if (name === "vscode") return editor;
  if (name === "vscode-languageclient/node") return { LanguageClient };
  return load.call(this, name, ...rest);
};

const extension = require("../extension.js");
extension
  .activate({ subscriptions: [] })
  .then(() => extension.deactivate())
  .then(() => console.log("done"));
