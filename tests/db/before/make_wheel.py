"""Makes `outdial.whl.xz`: the wheel of the version before this one, as it is tested beside this one.

    git worktree add /tmp/before a8a74136
    python tests/db/before/make_wheel.py /tmp/before

The wheel is hatchling's of that checkout, whole. Only its zip is packed another way, for the repository's sake: nothing
in it is compressed by itself, and all of it together is by xz. To be made anew when a version is released: of that one.
"""

import io
import lzma
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

COMMIT = "a8a74136a91cce80726bb9be416f9490207bc6da"  # whose wheel it is
PACKED = Path(__file__).parent / "outdial.whl.xz"
NO_TIME = (2026, 11, 30, 0, 0, 0)


def make(checkout: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
        subprocess.run([sys.executable, *build, checkout], check=True)
        [wheel] = Path(folder).glob("*.whl")
        PACKED.write_bytes(packed(wheel.read_bytes()))


def packed(wheel: bytes) -> bytes:
    plain = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as given, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as stored:
        for name in sorted(given.namelist(), key=lambda name: (name.rsplit(".", 1)[-1], name)):  # like beside like
            stored.writestr(zipfile.ZipInfo(name, NO_TIME), given.read(name))
    return lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def unpack(folder: Path) -> None:
    """What `pip install --target` would put there of it."""
    with opened() as wheel:
        wheel.extractall(folder)


def opened() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(lzma.decompress(PACKED.read_bytes())))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
