"""What may set a host of a lab apart from the others: Lab(each={"h2": {"port": 2222}}).

A host starts as DEFAULTS say, with the traits that Lab was given for all, and then its own.
Everything here is JSON, since it travels to the processes that make the hosts.
"""

import ctypes
import secrets

DEFAULTS = {
    "sshd_extra": "",            # lines of sshd_config, which come first and so win
    "host_keys": ["ed25519", "ecdsa"],
    "keys": ["ed25519"],   # the controller's keys that may log in; [] makes no authorized_keys and no .ssh
    "password": None,      # what root and bench log in with; then keys is [] unless it is given, too
    "known": True,         # whether the controller's known_hosts has its host keys
    "ask": False,          # the password is asked for by keyboard-interactive (PAM), as method password is off
}


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
    lines = traits["sshd_extra"].splitlines()
    if traits["ask"]:
        lines += ["UsePAM yes", "KbdInteractiveAuthentication yes"]
    elif traits["password"] is not None:
        lines += ["PasswordAuthentication yes"]
    return lines


PAM = """auth required pam_unix.so
account required pam_unix.so
session required pam_permit.so
"""


def files(traits):
    """Files of a host, below its root: path -> text."""
    return {"/etc/pam.d/sshd": PAM} if traits["ask"] else {}


def password_hash(password):
    """As it stands in /etc/shadow; cheap, since what it protects lives for seconds. "*" for None: no password
    opens the account ("!" would refuse keys as well)."""
    if password is None:
        return "*"
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    salt = f"$6$rounds=1000${secrets.token_hex(8)}$"
    return crypt(password.encode(), salt.encode()).decode()
