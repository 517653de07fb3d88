# SPDX-License-Identifier: Apache-2.0
"""The reference page: HTML without scripts, and with nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from .document import Document, Node, Operation

STYLE = (Path(__file__).parent / "style.css").read_text("utf-8")
SCOPES = {"account": "key of the account", "agent": "key of the account or of the agent"}
SCHEMES = {"session": "signed-in browser", "socketToken": "key in the address"}
WIDTH = 76  # of a line of code
LONG = 20  # lines; what is longer is folded


def page(document: Document) -> str:
    info = document.root["info"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} API</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<input type="checkbox" id="contents-open" aria-label="Show the contents">
<header>
<h1><a href="#main">{escape(info["title"])} API</a></h1>
<small>{escape(info["summary"])}</small>
<label for="contents-open">Contents</label>
<span class="files"><a href="openapi.yaml">YAML</a> &middot; <a href="openapi.json">JSON</a></span>
</header>
<div class="columns">
<nav aria-label="Contents">{contents(document)}</nav>
<main id="main">
{text(info["description"])}
{schemes(document)}
{"".join(section(document, tag) for tag in document.root["tags"])}
{schemas(document)}
<footer>Made of <a href="openapi.yaml">openapi.yaml</a>, which the tests of the server compare with
its answers. {escape(info["license"]["name"])}.</footer>
</main>
</div>
</body>
</html>
"""


def text(markdown: str) -> str:
    """Paragraphs of the little Markdown that descriptions use."""
    return "".join(f"<p>{inline(p)}</p>\n" for p in re.split(r"\n\s*\n", markdown.strip()))


def inline(markdown: str) -> str:
    def code(match: re.Match[str]) -> str:
        kept.append(f"<code>{match[1]}</code>")
        return f"\0{len(kept) - 1}\0"

    kept: list[str] = []
    html = re.sub(r"`([^`]+)`", code, escape(markdown, quote=False))
    html = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html)
    html = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html)
    return re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], html)


def anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def tagged(document: Document, tag: str) -> list[Operation]:
    return [o for o in document.operations() if o.node["tags"] == [tag]]


def contents(document: Document) -> str:
    def item(o: Operation) -> str:
        return (f'<li><a href="#{o.id}" title="{escape(o.method)} {escape(o.path)}">'
                f'{method(o)}<span>{inline(o.node["summary"]).rstrip(".")}</span></a></li>')

    parts = ['<b><a href="#authentication">Authentication</a></b>']
    for tag in document.root["tags"]:
        items = "".join(item(o) for o in tagged(document, tag["name"]))
        parts.append(f'<b><a href="#{anchor(tag["name"])}">{escape(tag["name"])}</a></b>'
                     f"<ul>{items}</ul>")
    names = "".join(f'<li><a href="#{name}">{name}</a></li>' for name in objects(document))
    parts.append(f'<b><a href="#schemas">Schemas</a></b><ul>{names}</ul>')
    return "".join(parts)


def method(o: Operation, badge: str = "") -> str:
    return f'<span class="method {badge} {o.method.lower()}">{o.method}</span>'


def schemes(document: Document) -> str:
    where = {"http": "<code>Authorization: Bearer</code>", "header": "header", "cookie": "cookie",
             "query": "query"}

    def place(scheme: Node) -> str:
        name = f' <code>{scheme["name"]}</code>' if "name" in scheme else ""
        return where[scheme.get("in", scheme["type"])] + name

    rows = "".join(row(f"<b>{name}</b>", place(s), text(s["description"]))
                   for name, s in document.root["components"]["securitySchemes"].items())
    return f'<h2 id="authentication">Authentication</h2><dl class="rows">{rows}</dl>'


def section(document: Document, tag: Node) -> str:
    body = "".join(operation(document, o) for o in tagged(document, tag["name"]))
    return (f'<h2 id="{anchor(tag["name"])}">{escape(tag["name"])}</h2>\n'
            f'<div class="lead">{text(tag["description"])}</div>\n{body}')


def operation(document: Document, o: Operation) -> str:
    path = re.sub(r"(\{\w+\})", r"<i>\1</i>", escape(o.path))
    parts = [f'<section class="operation" id="{o.id}">',
             f'<h3><a class="anchor" href="#{o.id}">{inline(o.node["summary"])}</a></h3>',
             f'<div class="line">{method(o, "badge")}<span class="path">{path}</span></div>',
             text(o.node.get("description", "")) if "description" in o.node else "",
             facts(o), parameters(document, o), body(document, o),
             f"<h4>Try it</h4><pre><code>{escape(curl(document, o))}</code></pre>",
             answers(document, o), "</section>\n"]
    return "\n".join(p for p in parts if p)


def facts(o: Operation) -> str:
    """Who may, how often, how much."""
    kinds = {name for item in o.security for name in item}
    who = [SCOPES[o.scope]] if o.scope else []
    who += [words for name, words in SCHEMES.items() if name in kinds]
    if not o.security or {} in o.security:
        who = ["anybody"] + (["who is signed in counts as that"] if who else [])
    items = ["Who: " + ", ".join(who)]
    if "x-rate-limit" in o.node:
        items.append(f'Limit: <code>{o.node["x-rate-limit"]}</code>')
    if "x-body-limit" in o.node:
        items.append(f'Body: up to {o.node["x-body-limit"] // 1024} KiB')
    return f'<ul class="facts">{"".join(f"<li>{i}</li>" for i in items)}</ul>'


def row(term: str, kind: str, description: str) -> str:
    return (f'<div class="row"><dt>{term}<span class="type">{kind}</span></dt>'
            f"<dd>{description}</dd></div>")


def parameters(document: Document, o: Operation) -> str:
    def one(p: Node) -> str:
        need = ' <span class="need">required</span>' if p.get("required") else ""
        kind = f'{p["in"]} &middot; {type_of(document, p["schema"])}'
        return row(f'<code>{escape(p["name"])}</code>{need}', kind,
                   text(p.get("description", "")) + limits(document, p["schema"]))

    if not o.parameters:
        return ""
    return f'<h4>Parameters</h4><dl class="rows">{"".join(map(one, o.parameters))}</dl>'


def body(document: Document, o: Operation) -> str:
    if not o.body:
        return ""
    optional = "" if o.node["requestBody"].get("required") else " (may be missing)"
    kind = " (form)" if o.form else optional
    return f'<h4>Body{kind}</h4>{fields(document, document.resolve(o.body))}'


def curl(document: Document, o: Operation) -> str:
    path = o.path
    for p in o.parameters_in("path"):
        path = path.replace("{%s}" % p["name"], str(document.example(p["schema"])))
    query = "&".join(f'{p["name"]}={document.example(p["schema"])}'
                     for p in o.parameters_in("query") if p.get("required"))
    words = ["curl"] + {"GET": [], "HEAD": ["-I"]}.get(o.method, [f"-X {o.method}"])
    if o.scope:
        words.append('-H "Authorization: Bearer $E2A_API_KEY"')
    elif {"session": []} in o.security and {} not in o.security:
        words.append('-b "e2a_session=$SESSION"')
        if o.method != "GET":
            words.append('-H "Origin: $E2A_URL"')
    words.append(f'"$E2A_URL{path}{"?" + query if query else ""}"')
    if o.body and o.form:
        words += [f"--data-urlencode '{k}={v}'" for k, v in document.example(o.body).items()]
    elif o.body:
        words.append(f"-d '{shown(document.example(o.body))}'")
    line = " ".join(words)
    return line if len(line) <= WIDTH else " \\\n  ".join([" ".join(words[:2]), *words[2:]])


def shown(value: Any, indent: str = "") -> str:
    """JSON for people: what fits into a line stays in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent + line) <= WIDTH or not value or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        items, ends = [shown(v, inner) for v in value], "[]"
    else:
        items = [f"{json.dumps(k)}: {shown(v, inner)}" for k, v in value.items()]
        ends = "{}"
    return f"{ends[0]}\n" + ",\n".join(inner + item for item in items) + f"\n{indent}{ends[1]}"


def answers(document: Document, o: Operation) -> str:
    def one(status: str, response: Node) -> str:
        parts = [text(response["description"])]
        if response.get("x-texts"):
            lines = "".join(f"<li><code>{placeholders(t)}</code></li>" for t in response["x-texts"])
            parts.append(f'<ul class="texts">{lines}</ul>')
        for media, content in response.get("content", {}).items():
            if not media.startswith("text/plain"):
                parts.append(answer_body(document, media, content.get("schema", {})))
        headers = ", ".join(f"<code>{name}</code>" for name in response.get("headers", {}))
        if headers:
            parts.append(f'<p class="small">with {headers}</p>')
        return (f'<div class="row answer"><dt class="status s{status[0]}">{status}</dt>'
                f'<dd>{"".join(parts)}</dd></div>')

    rows = "".join(one(*item) for item in o.responses.items())
    return f'<h4>Answers</h4><dl class="rows">{rows}</dl>'


def placeholders(line: str) -> str:
    return re.sub(r"&lt;(.+?)&gt;", r"<i>\1</i>", escape(line, quote=False))


def answer_body(document: Document, media: str, schema: Node) -> str:
    if media != "application/json" or "properties" not in str(document.resolve(schema)) \
            and "$ref" not in str(schema):
        return f'<p class="small">{escape(media)}</p>'
    example = shown(document.example(schema))
    block = f"<pre><code>{escape(example, quote=False)}</code></pre>"
    if example.count("\n") > LONG:
        block = f"<details><summary>Example</summary>{block}</details>"
    return f'<p class="small">{escape(media)} &middot; {type_of(document, schema)}</p>{block}'


def objects(document: Document) -> Iterator[str]:
    """Names of the schemas that have a section of their own."""
    return (name for name, s in document.schemas().items() if s.get("type") == "object")


def schemas(document: Document) -> str:
    def one(name: str) -> str:
        schema = document.schemas()[name]
        return (f'<section class="schema" id="{name}"><h3><a class="anchor" href="#{name}">{name}'
                f'</a></h3>{text(schema.get("description", ""))}{fields(document, schema)}'
                f"</section>\n")

    return (f'<h2 id="schemas">Schemas</h2>\n<p class="lead">Fields marked with a star are always '
            f'there.</p>{"".join(map(one, objects(document)))}')


def fields(document: Document, schema: Node) -> str:
    return f'<dl class="rows">{"".join(field_rows(document, schema, ""))}</dl>'


def field_rows(document: Document, schema: Node, prefix: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, given in schema["properties"].items():
        field = document.resolve(given)
        star = ' <span class="need" title="always there">*</span>' if name in required else ""
        yield row(f"<code>{escape(prefix + name)}</code>{star}", type_of(document, given),
                  text(field.get("description", "")) + limits(document, given))
        inner = field.get("items", field)
        if "$ref" not in inner and "$ref" not in given and "properties" in inner:
            yield from field_rows(document, inner, f"{prefix}{name}{'[]' * ('items' in field)}.")


def type_of(document: Document, schema: Node) -> str:
    target = schema.get("$ref", "").rpartition("/")[2]
    resolved = document.resolve(schema)
    if target and resolved.get("type") == "object":
        return f'<a href="#{target}">{target}</a>'
    if "oneOf" in resolved:
        return " or ".join(type_of(document, s) for s in resolved["oneOf"])
    kind = resolved.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "array" in kinds:
        items = f'array of {type_of(document, resolved["items"])}'
        return " or ".join([items] + [k for k in kinds if k != "array"])
    if kind is None:
        value = resolved.get("const", True)
        return {bool: "boolean", int: "integer", str: "string"}[type(value)]
    return kind


def limits(document: Document, schema: Node) -> str:
    """What a value may be, beyond its type."""
    s = document.resolve(schema)
    words: list[str] = []
    values: list[Any] = s.get("enum", [s["const"]] if "const" in s else [])
    if values:
        words.append(" or ".join(f"<code>{escape(str(v))}</code>" for v in values))
    if "minimum" in s and "maximum" in s:
        words.append(f'{s["minimum"]} to {s["maximum"]}')
    if "maxLength" in s:
        words.append(f'at most {s["maxLength"]} characters')
    if "maxItems" in s:
        words.append(f'at most {s["maxItems"]}')
    if "default" in s:
        words.append(f'default <code>{escape(str(s["default"]))}</code>')
    return f'<p class="small">{"; ".join(words)}</p>' if words else ""
