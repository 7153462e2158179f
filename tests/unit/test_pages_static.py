"""The pages' own files: what they may hold, and that vendored ones are what their authors published."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

import dashboards
from dashboards.assets import Assets

ROOT = Path(dashboards.__file__).parent
VENDOR = ROOT / "static" / "vendor"
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))
OWN = sorted([*(ROOT / "static" / "js").iterdir(), *(ROOT / "static" / "css").iterdir()])


def test_vendored_files_are_the_published_ones() -> None:
    listed = {}
    for package in tomllib.loads((VENDOR / "VENDOR.toml").read_text())["package"]:
        assert {"name", "version", "licence", "home"} <= package.keys()
        listed |= {f"{package['folder']}/{name}": digest for name, digest in package["sha256"].items()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.glob("*/*")
    }
    assert found == listed
    assert {path.rpartition("/")[0] for path in found if path.endswith("LICENSE")} == {"htmx", "uplot"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_script_no_style_and_no_other_host(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"\|\s*safe\b|autoescape false|Markup", text)
    assert not re.search(r"(href|src|action)=\"(https?:)?//", text)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_scripts_and_styles_name_no_other_host(path: Path) -> None:
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text())


def test_scripts_write_text_as_text() -> None:
    uses = {path.name: path.read_text().count("innerHTML") for path in OWN if path.suffix == ".js"}
    # rows that the server rendered; and the name of a swap that htmx does
    assert {name: count for name, count in uses.items() if count} == {"list.js": 1, "trace.js": 2}
    for path in OWN:
        assert not re.search(r"insertAdjacentHTML|outerHTML|document\.write|\beval\(|new Function", path.read_text())


def test_every_file_has_an_address_that_changes_with_it() -> None:
    assets = Assets()
    assert re.fullmatch(r"/static/[0-9a-f]{12}/css/app\.css", assets.path("css/app.css"))
    with pytest.raises(KeyError):
        assets.path("../app.py")


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


COLOURS = dict(
    re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", (ROOT / "static/css/app.css").read_text())
)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["text", "quiet", "accent", "error", "amber", "k-llm", "k-tool"])
def test_text_can_be_read(name: str, mode: int) -> None:
    grounds = ("bg", "raise", "hover", "chosen") if name in ("text", "quiet", "error") else ("bg",)
    for ground in grounds:
        assert _contrast(COLOURS[name].split(", ")[mode], COLOURS[ground].split(", ")[mode]) >= 4.5, ground


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_kinds_stand_out_from_the_ground(mode: int) -> None:
    kinds = [name for name in COLOURS if name.startswith("k-")]
    assert len(kinds) == 11
    for name in kinds:
        assert _contrast(COLOURS[name].split(", ")[mode], COLOURS["bg"].split(", ")[mode]) >= 3, name
