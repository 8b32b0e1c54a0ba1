"""A folder that every node sees: packs are trained in place."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tass_core.errors import SweepError
from tass_core.files import is_partial, remove, sync, sync_names, write_atomically


class Folder:
    """A ``jobs.storage.Storage``.

    Args:
        path: of the folder; it may be missing yet.
    """

    def __init__(self, path: str | Path) -> None:
        self._root = Path(path).absolute()

    @property
    def place(self) -> str:
        """The absolute path."""
        return str(self._root)

    @property
    def home(self) -> Path:
        """The folder itself."""
        return self._root

    def check(self) -> None:
        """Raise SweepError unless something can be written there."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._probe(self._root):
                pass
        except OSError as error:
            raise SweepError(f"--storage {self._root}: cannot be written ({error})") from None

    def names(self, folder: str) -> dict[str, int]:
        """Return the files below a folder, but for what is still being written."""
        root = self._root / folder
        found: dict[str, int] = {}
        for above, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not is_partial(Path(name))]
            for path in (Path(above) / name for name in files):
                # A process that trains there may remove it meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    if not is_partial(path):
                        found[path.relative_to(root).as_posix()] = path.stat().st_size
        return found

    def read(self, name: str) -> str:
        """Return a file's text."""
        return (self._root / name).read_text()

    def age(self, name: str) -> float:
        """Return the seconds since a file was written, by the clock of the file system."""
        path = self._root / name
        written = path.stat().st_mtime
        with self._probe(path.parent) as probe:
            return probe.stat().st_mtime - written

    def create(self, name: str, text: str) -> bool:
        """Write a file unless there is one; return whether it holds this text now."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._probe(path.parent) as whole:
            whole.write_text(text)
            sync(whole)
            try:
                os.link(whole, path)
            except FileExistsError:
                return path.read_text() == text
            except OSError:  # a file system without hard links
                with contextlib.suppress(FileExistsError), path.open("x") as file:
                    file.write(text)
                return path.read_text() == text
        sync_names(path.parent)
        return True

    def write(self, name: str, text: str) -> None:
        """Write a file, in the place of an older one."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial:
            partial.write_text(text)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file, or a folder with all that is below it."""
        source = self._root / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)

    def delete(self, name: str) -> None:
        """Remove a file, or all below a folder."""
        remove(self._root / name)

    def workspace(self, folder: str, files: Mapping[str, str]) -> Path:
        """Return the folder itself, which shares the files to begin with where it can."""
        target = self._root / folder
        for inner, name in files.items():
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            _link(self._root / name, target / inner)
        return target

    def stage(self, folder: str) -> Callable[[], None]:  # noqa: ARG002
        """Return a call that does nothing: every node sees the folder."""
        return lambda: None

    def leave(self, folder: str) -> None:
        """Do nothing: the folder is the storage's own."""

    @contextlib.contextmanager
    def _probe(self, folder: Path) -> Iterator[Path]:
        """Yield a file that nobody else has, for a moment."""
        probe = folder / f".{uuid.uuid4().hex}.partial"
        try:
            probe.touch()
            yield probe
        finally:
            probe.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name where the file system can: training replaces, never rewrites."""
    try:
        os.link(source, target)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, target)
