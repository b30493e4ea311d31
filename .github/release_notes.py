"""What CHANGELOG.md says of a version, for its release; an error unless tag, version and changelog agree.

    python .github/release_notes.py v1.2.3
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


class NotReady(Exception):
    """This can't be released; the text says what to do."""


def version() -> str:
    """As src/outdial/version.py has it, which is the one place."""
    found = _VERSION.search((ROOT / "src/outdial/version.py").read_text())
    assert found is not None
    return found[1]


def notes(tag: str, version: str, changelog: str) -> str:
    """The section `## <version> - <date>` without its heading. Raises NotReady."""
    if tag != f"v{version}":
        raise NotReady(f"The tag is {tag}, and outdial.__version__ is {version}.")
    heading = re.compile(rf"^## {re.escape(version)} - (\S+)$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise NotReady(f"CHANGELOG.md has no section of {version}.")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", found[1]):
        raise NotReady(f"CHANGELOG.md says {found[1]} where the date of {version} should be.")
    section = changelog[found.end() :].split("\n## ", 1)[0].strip()
    if not section:
        raise NotReady(f"CHANGELOG.md says nothing of {version}.")
    return section


def main(tag: str) -> None:
    try:
        print(notes(tag, version(), (ROOT / "CHANGELOG.md").read_text()))
    except NotReady as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
