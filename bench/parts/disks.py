"""Small disks of our own that get full or read-only: an ext4 in a file, mounted as root."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEGABYTE = 1024 * 1024


class Disk:
    """A mounted disk of some megabytes. `device` is its name in /sys/fs/ext4."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.image, self.mounted = folder / "image", folder / "disk"
        self.mounted.mkdir()
        with self.image.open("wb") as image:
            image.truncate(megabytes * MEGABYTE)
        run("mkfs.ext4", "-q", "-m", "0", self.image)
        self.mount()

    def mount(self) -> None:
        """Mount it; it becomes read-only at its first error, as disks of servers do."""
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.mounted)
        self.device = Path(os.path.realpath(f"/sys/dev/block/{self._number()}")).name

    def unmount(self) -> None:
        """Unmount it, for good: a disk that is only hidden would be written to behind the back of the next mount."""
        for _ in range(100):
            if subprocess.run(["umount", self.mounted], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise OSError(f"{self.mounted} stays in use")

    def fill(self, left: int) -> None:
        """Fill it but for some bytes."""
        free = shutil.disk_usage(self.mounted).free
        with (self.mounted / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(1, free - left))

    def empty(self) -> None:
        """Give the space back."""
        (self.mounted / "ballast").unlink()

    def break_(self) -> None:
        """An error of the disk: from now on it is read-only, also for who has files open.

        Frozen for that moment: a flush in flight when ext4 stops may be told as done and be lost, whoever asked for it.
        """
        run("fsfreeze", "--freeze", self.mounted)
        try:
            Path(f"/sys/fs/ext4/{self.device}/trigger_fs_error").write_text("a disk error made by a test\n")
        finally:
            run("fsfreeze", "--unfreeze", self.mounted)

    def repair(self) -> None:
        """Unmount, check and mount it again."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", self.image], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.mount()

    def _number(self) -> str:
        device = self.mounted.stat().st_dev
        return f"{os.major(device)}:{os.minor(device)}"


def run(*command: str | Path) -> None:
    """Run a command of the system; raises OSError where it cannot."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")


@contextmanager
def disk(megabytes: int) -> Iterator[Disk | None]:
    """A disk of its own; None where we may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="minamoto-disk-"))
    try:
        made = Disk(folder, megabytes)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        yield None
        return
    try:
        yield made
    finally:
        made.unmount()
        shutil.rmtree(folder, ignore_errors=True)
