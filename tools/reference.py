"""Write the generated parts of docs/ anew: settings, exit codes and commands, as the code has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from cohortium import check, cli, config
from cohortium.clinical import sdtm
from cohortium.govern import roles

DOCS = Path(__file__).parents[1] / "docs"


def settings() -> str:
    sections: dict[str, list[str]] = {}
    for name, default, help in config.settings():
        section, _, key = name.partition(".")
        shown = json.dumps(str(default) if isinstance(default, Path) else default, ensure_ascii=False)
        sections.setdefault(section, []).append(f"| `{key}` | `{shown}` | {help} |")
    return "\n".join(
        f"## `[{section}]`\n\n| setting | default | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
        for section, rows in sections.items()
    )


def exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in cli.EXIT_CODES.items()]
    return "\n".join(["| code | meaning |", "| --- | --- |", *rows, ""])


def commands() -> str:
    return "\n".join(
        f"### `{name}`\n\n```text\n{help}\n```\n" for name, help in _help("cohortium", typer.main.get_command(cli.app))
    )


def allowed() -> str:
    columns = list(roles.May)
    rows = [
        f"| {kind} | {each.value} | "
        + " | ".join("yes" if may in roles.ALLOWED[each] else "" for may in columns)
        + " |"
        for kind, group in (("role", roles.Role), ("visibility", roles.Visibility), ("standing", roles.Standing))
        for each in group
    ]
    head = "| | | " + " | ".join(may.value for may in columns) + " |"
    return "\n".join([head, "| --- | --- |" + " --- |" * len(columns), *rows, ""])


def rules() -> str:
    head = "| check | rule | severity | what must hold | how to mend |\n| --- | --- | --- | --- | --- |"
    return "\n".join([head, *map(_rule, check.load("dragon").rules), ""])


def _rule(rule: check.Rule) -> str:
    limits = "; ".join(f"`{name}` {_limit(value)}" for name, value in rule.limits.items())
    what = f"{rule.explanation} ({limits})" if limits else rule.explanation
    return f"| {rule.check or ''} | `{rule.id}` | {rule.severity} | {what} | {rule.mend} |"


def _limit(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else ", ".join(value) if isinstance(value, tuple) else str(value)


def domains() -> str:
    head = "| domain | required | expected |\n| --- | --- | --- |"
    return "\n".join([head, *map(_domain, sdtm.described()), ""])


def _domain(domain: str) -> str:
    known = sdtm.variables(domain).values()
    cells = (
        ", ".join(f"`{each.name}`" for each in known if each.core is core)
        for core in (sdtm.Core.REQUIRED, sdtm.Core.EXPECTED)
    )
    return f"| {domain} | {' | '.join(cells)} |"


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "exit codes": exit_codes,
    "commands": commands,
    "roles": allowed,
    "rules": rules,
    "domains": domains,
}


def renewed(page: str) -> str:
    """The page with every generated part as it should be."""
    for name, write in PARTS.items():
        begin, end = f"<!-- begin {name} (written by `make docs`) -->\n", f"<!-- end {name} -->"
        text = f"{begin}\n{write()}\n{end}"
        page = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: text, page, flags=re.DOTALL)  # noqa: B023
    return page


def _help(name: str, command: Any) -> Iterator[tuple[str, str]]:
    with typer.Context(command, info_name=name, terminal_width=100) as context:
        yield name, command.get_help(context).rstrip()
    for child, each in getattr(command, "commands", {}).items():
        yield from _help(f"{name} {child}", each)


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(renewed(path.read_text("utf-8")), "utf-8")
