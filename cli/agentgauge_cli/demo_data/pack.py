"""Packs a folder of recorded sessions into the archive of the demo; the same folder, the same bytes.

python -m agentgauge_cli.demo_data.pack FOLDER
"""

import sys
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile, ZipInfo

from agentgauge_cli.demo_data import ARCHIVE

_EARLIEST = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, archive: Path) -> None:
    """Write all `*.jsonl` of a folder, in the order of their names and without their dates."""
    with ZipFile(archive, "w", ZIP_LZMA) as target:
        for file in sorted(folder.rglob("*.jsonl")):
            entry = ZipInfo(file.relative_to(folder).as_posix(), _EARLIEST)
            entry.compress_type = ZIP_LZMA
            target.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    pack(Path(sys.argv[1]), ARCHIVE)
