"""A host whose docker, podman, kubectl and srun are stand-ins: programs that are strict about their command
lines, as the real ones are (stand-ins/)."""

import json
import pathlib
import shlex
import shutil
import sys

STAND_INS = pathlib.Path(__file__).resolve().parent / "stand-ins"


class Place:
    """A host's home, its PATH, and the state of its runtimes."""

    def __init__(self, folder):
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.state = folder / "state"
        for path in (self.home, self.bin):
            path.mkdir(parents=True)
        for name in ("sh", "id", "ls", "mkdir", "chmod", "rm", "rmdir", "cat", "uname", "sha256sum", "mv",
                     "sed", "tr", "env", "true"):
            (self.bin / name).symlink_to(shutil.which(name))

    def script(self, name, *words):
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text("#!/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                        f"exec {shlex.join(map(str, words))} \"$@\"\n")
        path.chmod(0o755)
        return path

    def runtime(self, name, **images):
        """Puts docker or podman there, anew."""
        shutil.rmtree(self.state / name, ignore_errors=True)
        for folder in ("images", "registry", "networks", "containers"):
            (self.state / name / folder).mkdir(parents=True)
        for folder, names in images.items():
            for image in names:
                (self.state / name / folder / image.replace("/", "%")).touch()
        return self.script(name, sys.executable, STAND_INS / "runtime.py", name, self.state / name)

    def command(self, name):
        """Puts kubectl, srun or scontrol there."""
        (self.state / name).mkdir(parents=True, exist_ok=True)
        return self.script(name, sys.executable, STAND_INS / f"{name}.py", self.state / name)

    def nodes(self, *names):
        """Of the Slurm allocation."""
        for name in ("srun", "scontrol"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
            (self.state / name / "nodes").write_text("\n".join(names) + "\n")

    def pods(self, **pods):
        folder = self.state / "kubectl/pods"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pods.items():
            (folder / name).write_text(text)

    def without(self, *names):
        for name in names:
            (self.bin / name).unlink(missing_ok=True)

    def mode(self, name, mode):
        (self.state / name / "mode").write_text(mode)

    def calls(self, name):
        path = self.state / name / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def containers(self, name):
        return sorted(p.name for p in (self.state / name / "containers").iterdir())

    def workers(self):
        return list(self.home.glob(".cache/muster-*/w-*"))
