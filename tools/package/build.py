"""Builds the package that would be deployed: what .funcignore leaves, and what requirements.txt brings.

Azure's remote build installs the requirements into `.python_packages/lib/site-packages` beside the app, and so does
this (Microsoft Learn, "Python developer reference for Azure Functions").
"""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

from guardrails import PYTHON

ROOT: Final = Path(__file__).parents[2]
SITE: Final = Path(".python_packages", "lib", "site-packages")
MIB: Final = 1024 * 1024
AZURE: Final = (
    *("--only-binary", ":all:", "--implementation", "cp", "--python-version", ".".join(map(str, PYTHON))),
    *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
)
"""For pip: wheels for the machines of Flex Consumption, Linux on x86-64, whatever machine builds."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package: its folder, the archive of it, and their sizes in bytes."""

    folder: Path
    archive: Path

    @property
    def site(self) -> Path:
        """Where its dependencies are."""
        return self.folder / SITE

    @property
    def unpacked(self) -> int:
        """All files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def packed(self) -> int:
        """The archive."""
        return self.archive.stat().st_size

    def sizes(self) -> dict[str, float]:
        """Return the sizes in MiB, and how many packages requirements.txt names."""
        return {
            "package_mib": round(self.unpacked / MIB, 1),
            "package_zip_mib": round(self.packed / MIB, 1),
            "direct_packages": len(direct_packages(self.folder / "requirements.txt")),
        }


def build(out: Path, *how: str) -> Package:
    """Build it in a folder, in the place of an older one. Raises CalledProcessError where pip cannot install.

    `how`: more words for pip: `AZURE` for the machines there; none for this machine.
    """
    folder, archive = out / "package", out / "package.zip"
    shutil.rmtree(folder, ignore_errors=True)
    archive.unlink(missing_ok=True)
    for name in deployed_files(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    install(folder / SITE, *how, "-r", str(folder / "requirements.txt"))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder))
    return Package(folder, archive)


def install(target: Path, *what: str) -> None:
    """Install packages into a folder, as source only. Raises CalledProcessError."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--target", str(target), *what], check=True, cwd=ROOT)  # noqa: S603 - our own words


def deployed_files(root: Path) -> list[str]:
    """Return the files below a folder that its .funcignore leaves, in order."""
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text("utf-8").splitlines())
    left: list[str] = []
    for folder, folders, files in root.walk(follow_symlinks=True):
        at = f"{folder.relative_to(root).as_posix()}/".removeprefix("./")
        folders[:] = [name for name in folders if not ignored.match_file(f"{at}{name}/")]
        left += (name for name in (at + file for file in files) if not ignored.match_file(name))
    return sorted(left)


def direct_packages(requirements: Path) -> list[str]:
    """Return the lines of a requirements file that name a package."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]
