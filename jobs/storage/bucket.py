"""Storage behind a URI: a pack trains in a folder of its node and is copied after each epoch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyarrow import fs

from jobs.packs import Pack
from jobs.storage.folder import Folder
from jobs.storage.saved import INDEX, MEMBERS, SavedPack, describe, index_of, read_saved
from tass_core.errors import SweepError
from tass_core.files import remove

HOME = Path("tass-runs")
"""Where the driver of a bucket keeps its outbox, logs and lock."""


class Bucket:
    """A ``jobs.storage.Storage``.

    Args:
        uri: one that ``pyarrow.fs.FileSystem.from_uri`` accepts.

    Raises:
        SweepError: the URI names no file system that can be used.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        try:
            self._fs, self._root = fs.FileSystem.from_uri(uri)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"--storage {uri}: {error}; allowed: a folder, or a URI such as s3://bucket/folder"
            ) from None
        name = "".join(letter if letter.isalnum() else "-" for letter in uri)
        self._here = Path(tempfile.gettempdir()) / f"tass-packs-{os.getuid()}" / name
        self._copied: dict[Path, tuple[int, int]] = {}
        """File of this node -> time and size of what the bucket has of it."""
        self._fetched = tempfile.TemporaryDirectory(prefix="tass-fetch-")

    @property
    def place(self) -> str:
        """The URI."""
        return self._uri

    @property
    def home(self) -> Path:
        """A folder in the working directory."""
        return HOME

    def check(self) -> None:
        """Raise SweepError unless something can be written there."""
        probe = f"{self._root}/.probe-{os.getpid()}"
        try:
            self._write(probe, "tass")
            self._fs.delete_file(probe)
        except OSError as error:
            raise SweepError(f"--storage {self._uri}: cannot be written ({error})") from None

    def open_pack(self, pack: Pack) -> Path:
        """Return a folder of this node that holds what the bucket has of the pack, no more."""
        remove(self._here / "packs" / pack.key)
        folder = Folder(self._here).open_pack(pack)
        if self._type(self._path(pack.key)) == fs.FileType.Directory:
            fs.copy_files(self._path(pack.key), str(folder), self._fs, None)
        return folder

    def publish(self, pack_key: str) -> None:
        """Copy what has changed, the index last, and then remove what the index names no more."""
        folder, root = self._here / "packs" / pack_key, self._path(pack_key)
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == INDEX):
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if self._copied.get(path) != mark:
                target = f"{root}/{path.relative_to(folder)}"
                self._make_parent(target)
                fs.copy_files(str(path), target, None, self._fs)
                self._copied[path] = mark
        for name in self._files(root):
            if not (folder / name).exists():
                self._fs.delete_file(f"{root}/{name}")

    def packs(self) -> Iterator[SavedPack]:
        """Yield every pack by its key; what cannot be read is left out."""
        selector = fs.FileSelector(f"{self._root}/packs", allow_not_found=True)
        for path in sorted(str(info.path) for info in self._fs.get_file_info(selector)):
            members, index = self._text(f"{path}/{MEMBERS}"), self._text(f"{path}/{INDEX}")
            saved = read_saved(path, members, index)
            if saved is not None:
                yield saved

    def fetch(self, relative: str) -> Path:
        """Return a copy, which stays for as long as this object; FileNotFoundError for nothing."""
        source = f"{self._root}/{relative}"
        kind = self._type(source)
        if kind == fs.FileType.NotFound:
            raise FileNotFoundError(f"{source} is not there")
        target = Path(tempfile.mkdtemp(dir=self._fetched.name)) / Path(relative).name
        if kind == fs.FileType.Directory:
            target.mkdir()
        fs.copy_files(source, str(target), self._fs, None)
        return target

    def sizes(self, relative: str) -> Mapping[str, int]:
        """Return path -> bytes of the files in a folder."""
        return {name: info.size for name, info in self._files(f"{self._root}/{relative}").items()}

    def split(self, pack: Pack, key: str) -> Pack:
        """Return a pack of one member; the bucket copies its files by itself."""
        alone = Pack({key: pack.members[key]}, attempt=pack.attempt)
        source, target = self._path(pack.key), self._path(alone.key)
        index = self._text(f"{source}/{INDEX}")
        if index is None or self._type(f"{target}/{INDEX}") != fs.FileType.NotFound:
            return alone
        for name in self._files(source):
            if name.startswith(("state-", f"trials/{key}/")):
                self._make_parent(f"{target}/{name}")
                self._fs.copy_file(f"{source}/{name}", f"{target}/{name}")
        self._write(f"{target}/{MEMBERS}", describe(alone))
        self._write(f"{target}/{INDEX}", index_of(key, index))
        return alone

    def delete(self, relative: str) -> None:
        """Remove a folder; one that is gone already is fine."""
        path = f"{self._root}/{relative}"
        if self._type(path) == fs.FileType.Directory:
            self._fs.delete_dir(path)

    def _path(self, pack_key: str) -> str:
        return f"{self._root}/packs/{pack_key}"

    def _type(self, path: str) -> fs.FileType:
        return self._fs.get_file_info(path).type

    def _files(self, folder: str) -> dict[str, fs.FileInfo]:
        """Return the files below a folder, by their paths from there."""
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        found = [info for info in self._fs.get_file_info(selector) if info.is_file]
        return {str(Path(info.path).relative_to(folder)): info for info in found}

    def _text(self, path: str) -> str | None:
        if self._type(path) != fs.FileType.File:
            return None
        with self._fs.open_input_stream(path) as stream:
            return bytes(stream.read()).decode()

    def _write(self, path: str, text: str) -> None:
        self._make_parent(path)
        with self._fs.open_output_stream(path) as stream:
            stream.write(text.encode())

    def _make_parent(self, path: str) -> None:
        self._fs.create_dir(str(Path(path).parent), recursive=True)
