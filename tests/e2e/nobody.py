"""muster as a user without rights: with a copy of its programs that this user can reach, in a home of its own."""

import os
import shutil

from harness import built

NOBODY = 65534


def as_nobody(place, *args, limits=()):
    """argv of muster (its worker may not have more than limits, options of prlimit), that home, and how it is run."""
    for path in (place.parent, place):
        os.chmod(path, 0o755)
    for program in (built("MUSTER", "src/orchestrator/muster"),
                    *built("MUSTER_WORKER_DIR", "src/worker").glob("worker-linux-*")):
        shutil.copy2(program, place)
        os.chmod(place / program.name, 0o755)
    home = place / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    argv = [*(["prlimit", *limits] if limits else []), "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", "--inh-caps=-all", place / "muster", *args]
    return argv, home, {"cwd": home, "env": {"HOME": str(home), "USER": "nobody", "LOGNAME": "nobody",
                                             "MUSTER_WORKER_DIR": str(place)}}
