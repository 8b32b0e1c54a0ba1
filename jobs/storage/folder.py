"""A folder that every node sees: packs are trained in place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from jobs.packs import Pack
from jobs.storage.saved import INDEX, MEMBERS, SavedPack, describe, index_of, read_saved
from tass_core.errors import SweepError
from tass_core.files import remove, write_atomically


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
        probe = self._root / f".probe-{os.getpid()}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe.write_text("tass")
            probe.unlink()
        except OSError as error:
            raise SweepError(f"--storage {self._root}: cannot be written ({error})") from None

    def open_pack(self, pack: Pack) -> Path:
        """Return the pack's own folder."""
        folder = self._folder(pack.key)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MEMBERS).exists():
            with write_atomically(folder / MEMBERS) as partial:
                partial.write_text(describe(pack))
        return folder

    def publish(self, pack_key: str) -> None:
        """Nothing: every node sees the folder."""

    def packs(self) -> Iterator[SavedPack]:
        """Yield every pack by its key; what cannot be read is left out."""
        for folder in sorted((self._root / "packs").glob("[!.]*")):
            saved = read_saved(str(folder), _text(folder / MEMBERS), _text(folder / INDEX))
            if saved is not None:
                yield saved

    def fetch(self, relative: str) -> Path:
        """Return the path of a file or folder; FileNotFoundError when it is not there."""
        path = self._root / relative
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
        return path

    def sizes(self, relative: str) -> Mapping[str, int]:
        """Return path -> bytes of the files in a folder."""
        root = self._root / relative
        files = [path for path in root.rglob("*") if path.is_file()]
        return {str(path.relative_to(root)): path.stat().st_size for path in files}

    def split(self, pack: Pack, key: str) -> Pack:
        """Return a pack of one member; its folder shares the files with the whole pack's."""
        alone = Pack({key: pack.members[key]}, attempt=pack.attempt)
        source, target = self._folder(pack.key), self._folder(alone.key)
        index = _text(source / INDEX)
        if index is None or (target / INDEX).exists():
            return alone
        with write_atomically(target) as partial:
            partial.mkdir()
            for state in source.glob("state-*.safetensors"):
                _link(state, partial / state.name)
            if (source / "trials" / key).exists():
                shutil.copytree(
                    source / "trials" / key, partial / "trials" / key, copy_function=_link
                )
            (partial / INDEX).write_text(index_of(key, index))
            (partial / MEMBERS).write_text(describe(alone))
        return alone

    def delete(self, relative: str) -> None:
        """Remove a folder; one that is gone already is fine."""
        remove(self._root / relative)

    def _folder(self, pack_key: str) -> Path:
        return self._root / "packs" / pack_key


def _text(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _link(source: str | Path, target: str | Path) -> None:
    """Give a file a second name where the file system can: training replaces, never rewrites."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
