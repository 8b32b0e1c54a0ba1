"""Where packs live: a folder, or any file system that pyarrow knows.

::

    packs/<pack key>/members.json     what the pack is, see ``jobs.packs.Pack``
    packs/<pack key>/...              its state and results, see ``tass_core.training``

A path without a scheme is used in place; every node must see it. With a scheme (``s3://``,
``gs://``, ``file://``) a pack trains in a local folder that is copied there after each epoch.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow import fs

from jobs.packs import Pack
from tass_core.errors import SweepError
from tass_core.files import write_atomically

HOME = Path("tass-runs")
"""Where the driver keeps its outbox, logs and lock when the storage is remote."""
_LAST = "pack.json"


class Storage:
    """The packs of one storage path. Cheap to build, on the driver as on workers.

    Args:
        uri: a path, or a URI that ``pyarrow.fs.FileSystem.from_uri`` accepts.

    Raises:
        SweepError: the URI names no file system that can be used.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.remote = "://" in uri
        try:
            if self.remote:
                self._fs, self._root = fs.FileSystem.from_uri(uri)
            else:
                self._fs, self._root = fs.LocalFileSystem(), str(Path(uri).absolute())
        except (OSError, ValueError) as error:
            raise SweepError(
                f"--storage {uri}: {error}; allowed: a folder, or a URI such as s3://bucket/folder"
            ) from None
        self._copied: dict[str, tuple[int, int]] = {}

    @property
    def home(self) -> Path:
        """The driver's own folder."""
        return HOME if self.remote else Path(self._root)

    @property
    def place(self) -> str:
        """The storage path as workers on any node must name it."""
        return self.uri if self.remote else self._root

    def check(self) -> None:
        """Raise SweepError unless something can be written there."""
        probe = f"{self._root}/.probe-{os.getpid()}"
        try:
            self._fs.create_dir(self._root, recursive=True)
            with self._fs.open_output_stream(probe) as stream:
                stream.write(b"tass")
            self._fs.delete_file(probe)
        except OSError as error:
            raise SweepError(f"--storage {self.uri}: cannot be written ({error})") from None

    def open_pack(self, pack: Pack) -> Path:
        """Return the local folder of a pack, with what earlier runs left there."""
        folder = self._local(pack.key)
        folder.mkdir(parents=True, exist_ok=True)
        if self.remote:
            self._pull(f"packs/{pack.key}", folder)
        manifest = folder / "members.json"
        if not manifest.exists():
            with write_atomically(manifest) as partial:
                partial.write_text(json.dumps(pack.to_dict()) + "\n")
        return folder

    def publish(self, pack_key: str) -> None:
        """Copy what changed in a pack's folder to a remote storage, its state's index last."""
        if not self.remote:
            return
        folder = self._local(pack_key)
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == _LAST):
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if self._copied.get(str(path)) != mark:
                target = f"{self._root}/packs/{pack_key}/{path.relative_to(folder)}"
                self._fs.create_dir(str(Path(target).parent), recursive=True)
                fs.copy_files(str(path), target, None, self._fs)
                self._copied[str(path)] = mark
        self._drop_old(f"{self._root}/packs/{pack_key}", folder)

    def packs(self) -> Iterator[tuple[Pack, dict[str, Any]]]:
        """Yield every pack and its ``pack.json``, which is empty before the first epoch."""
        selector = fs.FileSelector(f"{self._root}/packs", allow_not_found=True)
        for info in sorted(self._fs.get_file_info(selector), key=lambda info: str(info.path)):
            described = self._json(f"{info.path}/members.json")
            if described:
                yield Pack.from_dict(described), self._json(f"{info.path}/{_LAST}")

    def records(self, pack_key: str) -> dict[str, str]:
        """Return trial key -> status of a pack's members, as its last epoch left them."""
        saved = self._json(f"{self._root}/packs/{pack_key}/{_LAST}")
        return {record["key"]: record["status"] for record in saved.get("records", ())}

    def fetch(self, relative: str) -> Path | None:
        """Return a local path of a file or folder of the storage, or None when it is gone."""
        info = self._fs.get_file_info(f"{self._root}/{relative}")
        if info.type == fs.FileType.NotFound:
            return None
        if not self.remote:
            return Path(self._root) / relative
        target = Path(tempfile.mkdtemp(prefix="tass-fetch-")) / Path(relative).name
        if info.type == fs.FileType.Directory:
            target.mkdir()
        fs.copy_files(f"{self._root}/{relative}", str(target), self._fs, None)
        return target

    def delete(self, relative: str) -> None:
        """Remove a folder of the storage; one that is gone already is fine."""
        path = f"{self._root}/{relative}"
        if self._fs.get_file_info(path).type == fs.FileType.Directory:
            self._fs.delete_dir(path)
        if self.remote and relative.startswith("packs/"):
            shutil.rmtree(self._local(relative.split("/")[1]), ignore_errors=True)

    def size(self, relative: str) -> int:
        """Return the bytes under a folder of the storage."""
        selector = fs.FileSelector(f"{self._root}/{relative}", True, True)
        return sum(info.size or 0 for info in self._fs.get_file_info(selector) if info.is_file)

    def split(self, pack: Pack, key: str) -> Pack:
        """Return a pack of one member, which goes on from where the whole pack stopped."""
        alone = Pack({key: pack.members[key]}, attempt=pack.attempt)
        source, target = self._local(pack.key), self._local(alone.key)
        if self.remote:
            self._pull(f"packs/{pack.key}", source)
        index = source / _LAST
        if alone.key == pack.key or target.exists() or not index.exists():
            return alone
        saved = json.loads(index.read_text())
        saved["records"] = [record for record in saved["records"] if record["key"] == key]
        with write_atomically(target) as partial:
            partial.mkdir()
            for state in source.glob("state-*.safetensors"):
                shutil.copy2(state, partial)
            if (source / "trials" / key).exists():
                shutil.copytree(source / "trials" / key, partial / "trials" / key)
            (partial / _LAST).write_text(json.dumps(saved) + "\n")
            (partial / "members.json").write_text(json.dumps(alone.to_dict()) + "\n")
        self.publish(alone.key)
        return alone

    def _local(self, pack_key: str) -> Path:
        if not self.remote:
            return Path(self._root) / "packs" / pack_key
        name = "".join(letter if letter.isalnum() else "-" for letter in self.uri)
        return Path(tempfile.gettempdir()) / f"tass-packs-{os.getuid()}" / name / pack_key

    def _pull(self, relative: str, folder: Path) -> None:
        """Replace a local pack folder by the storage's, which alone is complete."""
        source = f"{self._root}/{relative}"
        if self._fs.get_file_info(source).type != fs.FileType.Directory:
            return
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        fs.copy_files(source, str(folder), self._fs, None)

    def _json(self, path: str) -> dict[str, Any]:
        try:
            with self._fs.open_input_stream(path) as stream:
                value = json.loads(stream.read())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def _drop_old(self, path: str, folder: Path) -> None:
        """Remove the files of earlier epochs, which the local folder no longer has."""
        selector = fs.FileSelector(path, allow_not_found=True, recursive=True)
        for info in self._fs.get_file_info(selector):
            if info.is_file and not (folder / Path(info.path).relative_to(path)).exists():
                self._fs.delete_file(info.path)
