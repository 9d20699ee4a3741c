"""Files that are meant to do harm, or that were harmed: made here, byte by byte.

Run as a script it reads a folder of them in a process of its own and tells what became of each, and
how much memory that took.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def _saved(image: Any, kind: str, **options: Any) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def photograph() -> Any:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _half(kind: str) -> bytes:
    data = _saved(photograph(), kind)
    return data[: len(data) // 2]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, *chunks: bytes, bits: int = 8, rows: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + _chunk(b"IEND", b"")


def _zeros(size: int) -> bytes:
    """`size` zero bytes as zlib writes them, made without holding them."""
    packer = zlib.compressobj(9)
    piece = bytes(1024**2)
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


def _jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(_saved(photograph(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _jpeg_of_many_scans() -> bytes:
    data = _saved(photograph(), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * 3_000 + b"\xff\xd9"


def _tiff(*tags: tuple[int, int, int, int], following: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    )


def _webp_canvas() -> bytes:
    head = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    return b"RIFF" + struct.pack("<I", len(head) + 4) + b"WEBP" + head


def _bad_checksum() -> bytes:
    data = bytearray(_saved(photograph(), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    return bytes(data)


def _bmp(width: int, height: int) -> bytes:
    head = b"BM" + bytes(8) + struct.pack("<II", 54, 40)
    return head + struct.pack("<iiHHI", width, height, 1, 24, 0) + bytes(20)


REFUSED: dict[str, Callable[[], bytes]] = {
    "empty.png": lambda: b"",
    "words.jpg": lambda: b"no picture at all",
    "page.png": lambda: b"<html><img src=x></html>",
    "document.png": lambda: b"%PDF-1.7\n1 0 obj",
    "drawing.png": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "script.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "program.gif": lambda: b"\x7fELF" + bytes(200),
    "cut.png": lambda: _half("PNG"),
    "cut.jpg": lambda: _half("JPEG"),
    "cut.webp": lambda: _half("WEBP"),
    "cut.bmp": lambda: _half("BMP"),
    "cut.tiff": lambda: _half("TIFF"),
    "cut.gif": lambda: _half("GIF"),
    "head.jpg": lambda: b"\xff\xd8\xff\xe0",
    "head.png": lambda: b"\x89PNG\r\n\x1a\n",
    "checksum.png": _bad_checksum,
    "no-size.png": lambda: _png(0, 5),
    "huge.png": lambda: _png(2**31 - 1, 2**31 - 1),
    "bomb.png": lambda: _png(30_000, 30_000, bits=1),
    "wide.png": lambda: _png(12_000, 12_000),
    "huge.gif": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0\0\0,",
    "huge.bmp": lambda: _bmp(2**31 - 1, 2**31 - 1),
    "upside.bmp": lambda: _bmp(-9, -(2**31)),
    "huge.tiff": lambda: _tiff((256, 4, 1, 10**6), (257, 4, 1, 10**6), (258, 3, 1, 8)),
    "counts.tiff": lambda: _tiff((256, 4, 2**32 - 1, 8), (257, 4, 2**31, 8), (273, 4, 2**30, 8)),
    "loop.tiff": lambda: _tiff((256, 4, 1, 8), following=8),
    "huge.webp": _webp_canvas,
    "huge.jpg": lambda: _jpeg_of_size(65_500, 65_500),
    "scans.jpg": _jpeg_of_many_scans,
    "text.png": lambda: _png(9, 9, _chunk(b"zTXt", b"a\0\0" + _zeros(300 * 1024**2))),
    "profile.png": lambda: _png(9, 9, _chunk(b"iCCP", b"a\0\0" + _zeros(300 * 1024**2))),
}
"""Each of these is named with a reason."""


def _animated() -> bytes:
    return _saved(photograph(), "GIF", save_all=True, append_images=[photograph()] * 5)


def _broken_exif() -> bytes:
    data = _saved(photograph(), "JPEG")
    block = b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 40
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def _large() -> bytes:
    """As large as is allowed, with transparency."""
    from PIL import Image

    image = Image.new("P", (7_000, 7_000), 1)
    return _saved(image, "PNG", transparency=0, compress_level=1)


READ: dict[str, Callable[[], bytes]] = {
    "animated.gif": _animated,
    "printers.jpg": lambda: _saved(photograph().convert("CMYK"), "JPEG"),
    "printers.tiff": lambda: _saved(photograph().convert("CMYK"), "TIFF"),
    "really-png.jpg": lambda: _saved(photograph(), "PNG"),
    "really-jpeg.webp": lambda: _saved(photograph(), "JPEG"),
    "exif.jpg": _broken_exif,
    "behind.jpg": lambda: _saved(photograph(), "JPEG") + bytes(100_000),
    "line.png": lambda: _png(40_000, 1, rows=bytes(40_001)),
    "large.png": _large,
}
"""Each of these is strange, and a picture."""


def write(folder: Path) -> None:
    """All of them, beside what is no plain file."""
    folder.mkdir()
    for name, make in {**REFUSED, **READ}.items():
        (folder / name).write_bytes(make())
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "itself.png").symlink_to(folder / "itself.png")


def write_zip(place: Path, good: bytes) -> None:
    """A zip whose members climb out, unpack to far more than they are, lie, or are links."""
    with warnings.catch_warnings(), zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as zipped:
        warnings.simplefilter("ignore")
        zipped.writestr("cat/good.png", good)
        zipped.writestr("dog/good.png", good)
        zipped.writestr("../../out.png", good)
        zipped.writestr("/out.png", good)
        zipped.writestr("C:/out.png", good)
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
        with zipped.open("cat/bomb.png", "w", force_zip64=True) as file:
            for _ in range(200):
                file.write(bytes(1024**2))
        zipped.writestr(zipfile.ZipInfo("cat/rare.png"), good, zipfile.ZIP_LZMA)


def write_tar(place: Path, good: bytes) -> None:
    """A tar whose members climb out, are links, or are devices."""
    with tarfile.open(place, "w:gz") as tar:
        for name in ("cat/good.png", "dog/good.png", "../../out.png", "/out.png"):
            entry = tarfile.TarInfo(name)
            entry.size = len(good)
            tar.addfile(entry, io.BytesIO(good))
        for name, kind in (("cat/link.png", tarfile.SYMTYPE), ("cat/zero.png", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)


def _most_bytes() -> int:
    """The most memory that this process held: its own, where the system tells it apart from that of
    who started it."""
    import resource

    try:
        told = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return 1024 * next(int(line.split()[1]) for line in told.splitlines() if "VmHWM" in line)


def main(folder: str) -> None:
    """Tell of each file whether it was read, else why not, and the most memory that was held."""

    from tunesmith.data.picture_headers import look
    from tunesmith.modalities.pictures import pixels

    told: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        cell = os.path.join(folder, name)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            _, present = pixels([cell], 32)
        told[name] = "read" if present[0] else str(seen[-1].message)
        if present[0] and look(cell):
            told[name] = f"read, though {look(cell)}"
    held = _most_bytes()
    print(json.dumps({"told": told, "bytes": held}))


if __name__ == "__main__":
    main(sys.argv[1])
