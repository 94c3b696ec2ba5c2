// Prints the tokens of a file as Visual Studio Code's own engine finds them, one line each: `line<TAB>text<TAB>scopes`.
// node tokens.js GRAMMAR FILE, with vscode-textmate and vscode-oniguruma where node finds them.
const fs = require("fs");
const textmate = require("vscode-textmate");
const oniguruma = require("vscode-oniguruma");

async function main([grammarFile, file]) {
  const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(grammarFile, "utf8"), grammarFile),
  });
  const grammar = await registry.loadGrammar("source.mlp");
  let state = textmate.INITIAL;
  fs.readFileSync(file, "utf8").split("\n").forEach((line, number) => {
    const found = grammar.tokenizeLine(line, state);
    state = found.ruleStack;
    for (const token of found.tokens) {
      const text = line.slice(token.startIndex, token.endIndex);
      if (text.trim()) console.log(`${number + 1}\t${text}\t${token.scopes.slice(1).join(" ")}`);
    }
  });
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
