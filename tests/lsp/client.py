"""Drives `mlp lsp` over stdio with the client of pygls, as an editor would: client.py PROGRAM DIRECTORY."""

import asyncio
import pathlib
import sys

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

PROGRAM, DIRECTORY = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()

MAIN = """# 🦀 é
project "p" {}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
environment "staging" {
  provider = provider.local.here
  endpoint "e" {
    scaling = { min = 3 }
  }
}
variable "v" {
  type    = number
  default = 2
}
model "m" {
  aliases = ["champion"]
}
endpoint "e" {
  kind    = "online"
  model   = model.m.alias.champion
  scaling = { min = var.v, max = max(4, 5) }
}
"""
OTHER = 'storage "s" {\n  description = "é🦀" == "" ? "x" : upper(var.v)\n}\n'


class Editor:
    """What an editor remembers: its documents and what was said of them."""

    def __init__(self):
        self.client = LanguageClient("test", "1")
        self.said = {}
        self.heard = asyncio.Event()
        self.versions = {}

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params):
            self.said[params.uri] = params.diagnostics
            self.heard.set()

        @self.client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def registered(params):
            self.registered = params.registrations

    async def start(self):
        await self.client.start_io(PROGRAM, "lsp", "--stdio")
        watched = lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
        capabilities = lsp.ClientCapabilities(
            workspace=lsp.WorkspaceClientCapabilities(did_change_watched_files=watched)
        )
        folders = [lsp.WorkspaceFolder(uri=DIRECTORY.as_uri(), name="p")]
        params = lsp.InitializeParams(
            capabilities=capabilities, root_uri=DIRECTORY.as_uri(), workspace_folders=folders
        )
        self.result = await self.client.initialize_async(params)
        self.client.initialized(lsp.InitializedParams())

    def uri(self, name):
        return (DIRECTORY / name).as_uri()

    def document(self, name="main.mlp"):
        return lsp.TextDocumentIdentifier(uri=self.uri(name))

    def open(self, name, text):
        self.versions[name] = 1
        item = lsp.TextDocumentItem(uri=self.uri(name), language_id="mlp", version=1, text=text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))

    def change(self, name, *changes):
        """Each change is (range or None, text)."""
        self.versions[name] += 1
        document = lsp.VersionedTextDocumentIdentifier(uri=self.uri(name), version=self.versions[name])
        events = [
            lsp.TextDocumentContentChangePartial(range=range, text=text)
            if range
            else lsp.TextDocumentContentChangeWholeDocument(text=text)
            for range, text in changes
        ]
        params = lsp.DidChangeTextDocumentParams(text_document=document, content_changes=events)
        self.client.text_document_did_change(params)

    async def until(self, name, holds, what):
        """Waits until what is said of a file is as wanted."""
        for _ in range(600):
            said = [one.message for one in self.said.get(self.uri(name), [])]
            if holds(said):
                return self.said.get(self.uri(name), [])
            self.heard.clear()
            try:
                await asyncio.wait_for(self.heard.wait(), 0.1)
            except asyncio.TimeoutError:
                pass
        raise AssertionError(f"{what}: {self.said}")


def position(text, words, inside=0):
    """The place behind some words, in UTF-16 units."""
    offset = text.index(words) + len(words) - inside
    before = text[:offset]
    line = before.count("\n")
    column = before[before.rfind("\n") + 1 :]
    return lsp.Position(line=line, character=len(column.encode("utf-16-le")) // 2)


def cut(text, range):
    """The text of a range in UTF-16 units."""
    lines = text.split("\n")
    assert range.start.line == range.end.line
    line = lines[range.start.line].encode("utf-16-le")
    return line[range.start.character * 2 : range.end.character * 2].decode("utf-16-le")


def check(holds, what):
    if not holds:
        raise AssertionError(what)


async def diagnostics(editor):
    await editor.until("other.mlp", lambda said: said == [], "nothing is wrong with the file on the disk")
    editor.open("main.mlp", MAIN)
    editor.open("other.mlp", OTHER)
    typed = MAIN.replace("kind    =", "kindd   =")
    at = position(MAIN, "  kind")
    editor.change("main.mlp", (lsp.Range(start=at, end=at), "d"), (None, typed))
    found = await editor.until("main.mlp", lambda said: any("kindd" in one for one in said), "a slip is reported")
    check(cut(typed, found[0].range) == "kindd", found)
    check(found[0].code == "MLP0304" and found[0].source == "mlp", found)
    params = lsp.CodeActionParams(
        text_document=editor.document(), range=found[0].range, context=lsp.CodeActionContext(diagnostics=found)
    )
    actions = await editor.client.text_document_code_action_async(params)
    check(actions and actions[0].title == "Write `kind`", actions)
    edit = actions[0].edit.changes[editor.uri("main.mlp")][0]
    check(cut(typed, edit.range) == "kindd" and edit.new_text == "kind", edit)
    editor.change("main.mlp", (None, MAIN))
    await editor.until("main.mlp", lambda said: said == [], "what was mended is taken back")
    wrong = OTHER.replace("var.v", "var.w")
    editor.change("other.mlp", (None, wrong))
    found = await editor.until("other.mlp", lambda said: any("var.w" in one for one in said), "another file")
    check(cut(wrong, found[0].range) in ("var.w", "w"), found)
    editor.change("other.mlp", (None, OTHER))
    await editor.until("other.mlp", lambda said: said == [], "mended")


async def meanings(editor):
    async def hover(words):
        params = lsp.HoverParams(text_document=editor.document(), position=position(MAIN, words, 1))
        found = await editor.client.text_document_hover_async(params)
        return found.contents.value if found else ""

    said = await hover("scaling = { min")
    for one in ["The fewest replicas", "staging: `3` (environment.staging, main.mlp:10)", "local: `2` (main.mlp:23)"]:
        check(one in said, f"{one} in {said}")
    check("Serving" in await hover("\nendpoint"), "the documentation of a block")
    check("max(" in await hover("= max"), "the documentation of a function")

    at = lsp.TextDocumentPositionParams(text_document=editor.document(), position=position(MAIN, "min = var.v"))
    params = lsp.DefinitionParams(text_document=at.text_document, position=at.position)
    found = await editor.client.text_document_definition_async(params)
    check([cut(MAIN, one.range) for one in found] == ["v"] and found[0].range.start.line == 12, found)
    params = lsp.ReferenceParams(
        text_document=at.text_document, position=at.position, context=lsp.ReferenceContext(include_declaration=True)
    )
    found = await editor.client.text_document_references_async(params)
    check(sorted(pathlib.Path(one.uri).name for one in found) == ["main.mlp", "main.mlp", "other.mlp"], found)


async def completion(editor):
    async def labels(text):
        editor.change("other.mlp", (None, text))
        end = position(text + "\0", text[-20:]) if text else lsp.Position(line=0, character=0)
        end = lsp.Position(line=text.count("\n"), character=len(text[text.rfind("\n") + 1 :].encode("utf-16-le")) // 2)
        params = lsp.CompletionParams(text_document=editor.document("other.mlp"), position=end)
        found = await editor.client.text_document_completion_async(params)
        return {one.label for one in (found.items if hasattr(found, "items") else found)}

    for text, wanted in [
        ("en", {"endpoint", "environment"}),
        ('endpoint "x" {\n  ', {"kind", "variant", "owner", "scaling"}),
        ('endpoint "x" {\n  kind = "', {"online", "batch"}),
        ('endpoint "x" {\n  model = ', {"model.m.alias.champion", "var", "max"}),
        ('endpoint "x" {\n  model = model.m.alias.', {"champion"}),
        ('endpoint "x" {\n  scaling = { min = var.', {"v"}),
        ('endpoint "x" {\n  accelerator = { name = ["', {"H100", "L4"}),
        ('locals {\n  é = "🦀 ${up', {"upper"}),
        ('environment "x" {\n  endpoint "', {"e"}),
    ]:
        found = await labels(text)
        check(wanted <= found, f"{text!r}: {wanted - found} is missing in {sorted(found)}")
    editor.change("other.mlp", (None, OTHER))


async def edits(editor):
    params = lsp.RenameParams(text_document=editor.document(), position=position(MAIN, 'variable "v'), new_name="size")
    found = await editor.client.text_document_rename_async(params)
    counts = {pathlib.Path(uri).name: len(all) for uri, all in found.changes.items()}
    check(counts == {"main.mlp": 2, "other.mlp": 1}, counts)
    for words, why in [('environment "local', "state"), ("alias.champion", "registry")]:
        params = lsp.RenameParams(text_document=editor.document(), position=position(MAIN, words), new_name="x")
        try:
            await editor.client.text_document_rename_async(params)
            raise AssertionError(f"{words} was renamed")
        except AssertionError:
            raise
        except Exception as refused:
            check(why in str(refused), refused)

    untidy = 'storage "s" {\ndescription   =   "é🦀"\n}\n'
    editor.change("other.mlp", (None, untidy))
    options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)
    params = lsp.DocumentFormattingParams(text_document=editor.document("other.mlp"), options=options)
    found = await editor.client.text_document_formatting_async(params)
    check(len(found) == 1 and "  description =" in found[0].new_text, found)
    editor.change("other.mlp", (None, OTHER))

    params = lsp.DocumentSymbolParams(text_document=editor.document())
    found = await editor.client.text_document_document_symbol_async(params)
    check({"endpoint e", "model m", "variable v"} <= {one.name for one in found}, found)
    legend = editor.result.capabilities.semantic_tokens_provider.legend.token_types
    params = lsp.SemanticTokensParams(text_document=editor.document())
    data = (await editor.client.text_document_semantic_tokens_full_async(params)).data
    line = column = 0
    words = {}
    for at in range(0, len(data), 5):
        line, column = line + data[at], data[at + 1] + (column if data[at] == 0 else 0)
        start, end = lsp.Position(line, column), lsp.Position(line, column + data[at + 2])
        words.setdefault(cut(MAIN, lsp.Range(start, end)), set()).add(legend[data[at + 3]])
    check("comment" in words["# 🦀 é"], words)
    for word, kind in [("endpoint", "type"), ("kind", "property"), ("max", "function"), ("champion", "enumMember")]:
        check(kind in words[word], f"{word}: {words[word]}")


async def main():
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / "main.mlp").write_text(MAIN)
    (DIRECTORY / "other.mlp").write_text(OTHER)
    editor = Editor()
    await editor.start()
    check(editor.result.server_info.name == "mlp", editor.result)
    for part in [diagnostics, meanings, completion, edits]:
        await part(editor)
        print(part.__name__, "ok", flush=True)
    await editor.client.shutdown_async(None)
    editor.client.exit(None)
    code = await asyncio.wait_for(editor.client._server.wait(), 30)
    check(code == 0, f"the server ended with {code}")
    print("all ok")


asyncio.run(asyncio.wait_for(main(), 200))
