"""What may set a host of a lab apart from the others: Lab(each={"h2": {"port": 2222}}).

A host starts as DEFAULTS say, with the traits that Lab was given for all, and then its own.
Everything here is JSON, since it travels to the processes that make the hosts.
"""

import ctypes
import secrets
import subprocess

DEFAULTS = {
    # the way in
    "port": 22,
    "ipv6": False,         # no IPv4 address
    "behind": None,        # a host that is the only way to this one: its bastion
    "sshd_extra": "",      # lines of sshd_config, which come first and so win
    # host keys
    "host_keys": ["ed25519", "ecdsa"],
    "known": True,         # whether the controller's known_hosts has its host keys
    "ca": False,           # they are known only by the CA that signed them
    # login
    "keys": ["ed25519"],   # the controller's ~/.ssh/id_KIND that may log in. [] makes no authorized_keys and
                           # no .ssh; "cert" is a key that is not there either, but signed by a CA;
                           # "ed25519-sk" is one on a FIDO token, which ~/.ssh/config names
    "password": None,      # what root and bench log in with; then keys is [] unless it is given, too
    "ask": False,          # the password is asked for by keyboard-interactive (PAM), as method password is off
    "shell": None,         # the login shell of both
    # what is there
    "files": {},           # path -> text; of scripts, programs are made
    "disks": {},           # where -> what Lab.tmp makes of it: "noexec", "full", "ro"
}
PAM = """auth required pam_unix.so
account required pam_unix.so
session required pam_permit.so
"""


class Unknown(ValueError):
    """A trait that no host can have."""


def of_hosts(hosts, common, each):
    """host -> all its traits."""
    found = {}
    for name in hosts:
        own = {**common, **each.get(name, {})}
        if own.get("password") is not None:
            own.setdefault("keys", [])
        strange = sorted(set(own) - set(DEFAULTS)) + sorted(set(each) - set(hosts))
        if strange:
            raise Unknown(f"no host of a lab, nor a trait of one: {', '.join(strange)}")
        found[name] = {**DEFAULTS, **own}
    return found


def sshd_lines(traits):
    """What the traits say in sshd_config, before what all hosts have."""
    lines = traits["sshd_extra"].splitlines() + [f"Port {traits['port']}"]
    for kind in traits["host_keys"]:
        lines += [f"HostKey /etc/ssh/lab_{kind}"]
        lines += [f"HostCertificate /etc/ssh/lab_{kind}-cert.pub"] if traits["ca"] else []
    if "cert" in traits["keys"]:
        lines += ["TrustedUserCAKeys /etc/ssh/lab_ca.pub"]
    if traits["ask"]:
        lines += ["UsePAM yes", "KbdInteractiveAuthentication yes"]
    elif traits["password"] is not None:
        lines += ["PasswordAuthentication yes"]
    return lines


def files(state, traits):
    """Files of a host: path -> text."""
    found = {"/etc/pam.d/sshd": PAM} if traits["ask"] else {}
    if "cert" in traits["keys"]:
        found["/etc/ssh/lab_ca.pub"] = (state.dir / "ca.pub").read_text()
    return {**found, **traits["files"]}


def authorized(keys):
    """authorized_keys, of kind -> public key."""
    return "".join(text for kind, text in keys.items() if kind != "cert")


# keys ----------------------------------------------------------------------

def keygen(*args):
    return subprocess.Popen(["ssh-keygen", "-q", *args], stdin=subprocess.DEVNULL)


def make_key(path, kind, comment, *options):
    """Starts to make a key; None when it is there."""
    if kind == "rsa":
        options = ["-b", "2048"]
    return None if path.exists() else keygen("-t", kind, *options, "-N", "", "-C", comment, "-f", path)


def finish(keygens):
    for child in keygens:
        if child and child.wait():
            raise OSError("ssh-keygen failed")


def needs_token(traits):
    return any("ed25519-sk" in own["keys"] for own in traits.values())


def make_user_keys(state, traits):
    """What the controller can log in with, and the CA that signs for users and for hosts."""
    kinds = {"ed25519"}.union(*(own["keys"] for own in traits.values()))
    signs = "cert" in kinds or any(own["ca"] for own in traits.values())
    token = {"ed25519-sk": ["-w", state.token]}
    finish([make_key(state.home / f".ssh/id_{kind}", "ed25519" if kind == "cert" else kind, "lab",
                     *token.get(kind, [])) for kind in sorted(kinds)]
           + [make_key(state.dir / "ca", "ed25519", "ca") if signs else None])
    if "cert" in kinds:
        finish([keygen("-s", state.dir / "ca", "-I", "lab", "-n", "root,bench",
                       state.home / ".ssh/id_cert.pub")])


def make_host_keys(state, facts, names):
    for name in names:
        state.host(name).mkdir(parents=True, exist_ok=True)
    wanted = [(name, facts["traits"][name], state.host(name) / f"key_{kind}", kind)
              for name in names for kind in facts["traits"][name]["host_keys"]]
    finish([make_key(path, kind, name) for name, _, path, kind in wanted])
    finish([keygen("-s", state.dir / "ca", "-I", name, "-h", "-n", ",".join(known_as(name, facts["ips"][name])),
                   f"{path}.pub") for name, own, path, _ in wanted if own["ca"]])


def known_as(name, address):
    return name, f"{name}.lab", address


def known_hosts(state, traits, name, address):
    """Lines for the controller's known_hosts."""
    if not traits["known"]:
        return []
    names = known_as(name, address)
    if traits["port"] != 22:
        names = [f"[{one}]:{traits['port']}" for one in names]
    keys, marker = [state.host(name) / f"key_{kind}.pub" for kind in traits["host_keys"]], ""
    if traits["ca"]:
        keys, marker = [state.dir / "ca.pub"], "@cert-authority "
    return [f"{marker}{','.join(names)} {' '.join(key.read_text().split()[:2])}" for key in keys]


def password_hash(password):
    """As it stands in /etc/shadow; cheap, since what it protects lives for seconds. "*" for None: no password
    opens the account ("!" would refuse keys as well)."""
    if password is None:
        return "*"
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    salt = f"$6$rounds=1000${secrets.token_hex(8)}$"
    return crypt(password.encode(), salt.encode()).decode()
