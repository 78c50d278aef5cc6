"""The cables of a lab: what a network can do to a host. Part of Lab."""

import os

from network import BRIDGE
from procs import run, wait_until

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BRIDGE_STATE = {"cut": "0", "whole": "3"}


class LabError(Exception):
    """A lab or one of its hosts does not do what it was told."""


class Unsupported(LabError):
    """This machine cannot hold a lab; the text says what is missing."""


class Cables:
    """Operations on the network between the controller and the hosts."""

    def _ip(self, lines, inside=None):
        target = self.pid(inside) if inside else self._keeper
        done = run([self._state.helper, "enter", str(target), "ip", "-batch", "-"],
                   stdin="\n".join(lines) + "\n", env={"PATH": PATH}, cwd="/")
        if done.rc:
            raise LabError(f"{inside or 'controller'}: {'; '.join(lines)}: {done.err.strip()}")

    def _flag(self, host, name):
        return self._state.host(host) / name

    def _port(self, host):
        """The interface of the bridge that the host hangs on."""
        port = self._facts["ports"][host]
        return port.replace("v", "t") if self._flag(host, "delay.pid").exists() else port

    def _bridge(self, host):
        return self._facts["links"][host][0]["bridge"]

    def _set_port(self, host, state):
        # by bridge(8): ip(8) announces a change of the link, upon which the bridge opens the port again
        argv = ["bridge", "link", "set", "dev", self._port(host), "state", BRIDGE_STATE[state]]
        done = run([self._state.helper, "enter", str(self._keeper), *argv], env={"PATH": PATH}, cwd="/")
        if done.rc:
            raise LabError(f"{' '.join(argv)}: {done.err.strip()}")

    def cut(self, host):
        """A silent black hole: no carrier loss, no reset, no ICMP. Neighbours are pinned, or ARP would
        fail after 3 s and turn silence into an error that a routed network does not give."""
        address, mac = self.ip(host), self._facts["macs"][host]
        gone = [f"neigh replace {address} lladdr {mac} nud permanent dev eth0"]
        others = [name for name in self.hosts if name != host and self.alive(name)]
        if self.alive(host):
            pairs = [(self._facts["gateway"], self._facts["gateway_mac"])]
            pairs += [(self.ip(name), self._facts["macs"][name]) for name in others]
            self._ip([f"neigh replace {ip} lladdr {mac} nud permanent dev eth0" for ip, mac in pairs],
                     host)
        for name in others:
            self._ip(gone, name)
        self._ip([gone[0].replace("eth0", BRIDGE)])
        self._flag(host, "cut").touch()
        self._set_port(host, "cut")

    def heal(self, host):
        """Undo cut."""
        if not self._flag(host, "cut").exists():
            return
        self._flag(host, "cut").unlink()
        if self.alive(host):
            self._set_port(host, "whole")
            self._ip(["neigh flush nud permanent dev eth0"], host)
        for name in self.hosts:
            if name != host and self.alive(name):
                self._ip([f"neigh flush nud permanent to {self.ip(host)} dev eth0"], name)
        self._ip([f"neigh flush nud permanent to {self.ip(host)} dev {BRIDGE}"])

    def unplug(self, host):
        """The cable is out: carrier loss there, no route to host here after a few seconds."""
        self._ip([f"link set {self._facts['ports'][host]} down"])

    def plug(self, host):
        self._ip([f"link set {self._facts['ports'][host]} up", f"neigh flush dev {BRIDGE}"])

    def delay(self, host, seconds, back=None, jitter=0.0, loss=0.0):
        """One-way delay to the host, and back (the same unless said); a jitter added to each frame; loss
        as a share of frames. All zero removes the delay line."""
        back = seconds if back is None else back
        if not (seconds or back or jitter or loss):
            self._remove_delay(host)
            return
        settings = [round(back * 1e6), round(seconds * 1e6), round(jitter * 1e6), round(loss * 1e6)]
        file = self._flag(host, "delay")
        part = file.with_suffix(".part")
        part.write_text(" ".join(map(str, settings)) + "\n")
        part.rename(file)
        if self._flag(host, "delay.pid").exists():
            self._signal_delay(host, "HUP")
        else:
            self._insert_delay(host)

    def _in_keeper(self, argv, check=True):
        done = run([self._state.helper, "enter", "-p", str(self._keeper), *argv],
                   env={"PATH": PATH}, cwd="/")
        if check and done.rc:
            raise LabError(f"{' '.join(map(str, argv))}: {done.err.strip()}")
        return done

    def _signal_delay(self, host, name):
        self._in_keeper(["kill", f"-{name}", self._flag(host, "delay.pid").read_text().strip()])

    def _insert_delay(self, host):
        if not os.path.exists("/dev/net/tun"):
            raise Unsupported("no /dev/net/tun for a delay line")
        port = self._facts["ports"][host]
        tap = port.replace("v", "t")
        self._ip([f"link set {port} nomaster"])
        log = self._flag(host, "delay.log")
        # in the background of a shell, so that it lives on when this command ends
        script = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
        done = self._in_keeper(["sh", "-c", script, log, self._state.helper, "delay", tap, port,
                                self._flag(host, "delay")])
        self._flag(host, "delay.pid").write_text(done.out)
        wait_until(lambda: self._exists(tap), 5, f"the delay line: {log}")
        self._ip([f"link set {tap} master {self._bridge(host)}", f"link set {tap} up"])
        if self._flag(host, "cut").exists():
            self._set_port(host, "cut")

    def _exists(self, interface):
        return not self.run_ctl(["ip", "link", "show", interface]).rc

    def _remove_delay(self, host, port_is_there=True):
        pid = self._flag(host, "delay.pid")
        if not pid.exists():
            return
        self._signal_delay(host, "KILL")
        pid.unlink()
        tap = self._facts["ports"][host].replace("v", "t")
        wait_until(lambda: not self._exists(tap), 5, "the delay line's end")
        if port_is_there:
            self._ip([f"link set {self._facts['ports'][host]} master {self._bridge(host)}"])
            if self._flag(host, "cut").exists():
                self._set_port(host, "cut")
