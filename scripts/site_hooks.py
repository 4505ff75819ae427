"""What MkDocs does to the pages of docs/ beside mkdocs.yml: pages from the rest of the repository, and links out of docs/.

The Markdown files are written for a reader of the repository. Of the files outside docs/, some are pages of the site too; a link
to another file becomes its name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
# a file of the repository -> its page
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "project/measurements.md",
    "CHANGELOG.md": "project/changes.md",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Headings have the anchors that they have on GitHub."""
    config.mdx_configs["toc"]["slugify"] = anchor
    return config


def anchor(heading: str, separator: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def on_files(files: Any, config: Any) -> Any:
    for source, page in PAGES.items():
        if page != "index.md":
            files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "llms.txt", content=(ROOT / "llms.txt").read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """`markdown` with links between pages of the site."""
    here = page.file.src_uri
    source = next((file for file, name in PAGES.items() if name == here and name != "index.md"), f"docs/{here}")

    def link(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        name, _, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", target):
            return match[0]
        file = os.path.relpath(ROOT / os.path.dirname(source) / name, ROOT).replace(os.sep, "/")
        to = file.removeprefix("docs/") if file.startswith("docs/") else PAGES.get(file)
        if to is None:
            return words  # a file that only a checkout has
        to = os.path.relpath(to, os.path.dirname(here) or ".").replace(os.sep, "/")
        return f"{picture}[{words}]({to}{'#' + anchor if anchor else ''})"

    # code is left as it is
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
