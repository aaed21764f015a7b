"""For MkDocs: files of deploy/ that pages link to are part of the site, so that links work in both."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).resolve().parents[1]
_FOLDER = "deploy"


def on_files(files: Files, *, config: Any) -> Files:
    """All of deploy/ lies beside the pages."""
    for path in sorted((_ROOT / _FOLDER).rglob("*")):
        if path.is_file():
            name = path.relative_to(_ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """`../deploy/` of a page in docs/ is `deploy/` of a page of the site."""
    return markdown.replace(f"](../{_FOLDER}/", f"]({_FOLDER}/")
