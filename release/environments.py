"""What is built, and fresh environments that it is installed into."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_UV = Path(sys.executable).parent / "uv"


class CheckError(Exception):
    """Something does not hold; the message says what."""


@dataclass(frozen=True)
class Environment:
    """A fresh environment with the wheel in it.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @property
    def programs(self) -> Path:
        """Its folder of programs."""
        return self.folder / "bin"

    def python(self, *arguments: str, timeout: float = 180.0) -> str:
        """Run its Python, away from the repository, and return what it prints.

        Raises:
            CheckError: it failed.
        """
        return run(str(self.programs / "python"), *arguments, cwd=self.folder, timeout=timeout)

    def has(self, package: str) -> bool:
        """Whether a package can be imported there."""
        asked = f"import importlib.util as u; print(u.find_spec({package!r}) is not None)"
        return self.python("-c", asked).strip() == "True"


def run(*command: str, cwd: Path = ROOT, timeout: float = 600.0) -> str:
    """Run a command and return what it prints.

    Raises:
        CheckError: it failed; the message has its output.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise CheckError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and of that the wheel; returns the wheel and the sdist."""
    run(str(_UV), "build", "--quiet", "--out-dir", str(folder))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def install(wheel: Path, extra: str, folder: Path, *, lowest: bool = False) -> Environment:
    """Make an environment with the wheel and an extra, or several with commas between them.

    In the versions that tests run with, or ``lowest``: in the oldest that our own requirements allow.
    """
    versions = ["--constraint", str(ROOT / "constraints.txt")]
    if lowest:  # of what is asked for directly, so each requirement has to be: those of a wheel alone are not
        versions = ["--resolution", "lowest-direct", "--requirement", str(ROOT / "pyproject.toml")]
        versions += [f"--extra={name}" for name in extra.split(",")]
    run(str(_UV), "venv", "--quiet", "--python", sys.executable, str(folder))
    run(
        str(_UV),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(folder / "bin" / "python"),
        *versions,
        f"{wheel}[{extra}]",
    )
    return Environment(folder)
