"""Which addresses and cables the hosts of a lab have.

All hosts hang on the bridge br0, where the controller is, but for those behind a bastion: these hang on a
bridge of their own, on which the bastion has a second card and the controller has no address, so there is
no way to them but through the bastion.
"""

import os
import subprocess

BRIDGE = "br0"
IPV6 = "fd4c:6d75::"


def run_ip(lines, what):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{what}: {done.stderr.strip()}")


def plan(hosts, traits):
    """Facts of a lab: "ips" is what SSH connects to, by host; "macs" and "ports" are of the card eth0;
    "links" has all cards of each host, "bridges" all bridges."""
    outer = f"10.{16 + os.getpid() % 200}"
    inner = f"172.{16 + os.getpid() % 16}"
    bastions = sorted({t["behind"] for t in traits.values() if t["behind"]})
    facts = {"ips": {}, "macs": {}, "ports": {}, "links": {}, "gateway": f"{outer}.255.1",
             "gateway_mac": "02:4c:00:ff:ff:01", "bridges": [BRIDGE], "ipv6": False}
    for i, name in enumerate(hosts, 1):
        own, tail = traits[name], f"{i >> 8:02x}:{i & 255:02x}:01"
        bridge, address, length = BRIDGE, f"{outer}.{i >> 8}.{i & 255}", 16
        if own["behind"]:
            segment = bastions.index(own["behind"]) + 1
            bridge, address, length = f"br{segment}", f"{inner}.{segment}.{i}", 24
        elif own["ipv6"]:
            address, length, facts["ipv6"] = f"{IPV6}{i:x}", 64, True
        facts["ips"][name], facts["macs"][name], facts["ports"][name] = address, f"02:4c:00:{tail}", f"v{i}"
        facts["links"][name] = [{"bridge": bridge, "port": f"v{i}", "card": "eth0", "length": length,
                                 "mac": f"02:4c:00:{tail}", "address": address}]
        if name in bastions:
            segment = bastions.index(name) + 1
            facts["bridges"].append(f"br{segment}")
            facts["links"][name].append({"bridge": f"br{segment}", "port": f"w{i}", "card": "eth1",
                                         "mac": f"02:4c:01:{tail}", "length": 24,
                                         "address": f"{inner}.{segment}.254"})
    return facts


def make_bridges(facts):
    """In the controller's network."""
    lines = ["link set lo up"]
    for bridge in facts["bridges"]:
        mac = f"address {facts['gateway_mac']} " if bridge == BRIDGE else ""
        lines += [f"link add {bridge} {mac}type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
                  f"link set {bridge} up"]
    lines += [f"addr add {facts['gateway']}/16 dev {BRIDGE}"]
    if facts["ipv6"]:
        lines += [f"addr add {IPV6}ffff/64 dev {BRIDGE} nodad"]
    run_ip(lines, "bridge")


def unplug_the_dead(facts, name):
    """The kernel takes the links of a killed host away at leisure."""
    for link in facts["links"][name]:
        subprocess.run(["ip", "link", "del", link["port"]], stderr=subprocess.DEVNULL, check=False)


def plug_in(facts, pids):
    """From the controller's network to hosts: name -> pid."""
    lines = []
    for name, pid in pids.items():
        for link in facts["links"][name]:
            lines += [f"link add {link['port']} type veth peer name {link['card']}"
                      f" address {link['mac']} netns {pid}",
                      f"link set {link['port']} master {link['bridge']}", f"link set {link['port']} up"]
    run_ip(lines, "links")


def connect(facts, name):
    """Inside a host, whose cards are plugged in."""
    lines = ["link set lo up"]
    for link in facts["links"][name]:
        nodad = " nodad" if ":" in link["address"] else ""
        lines += [f"addr add {link['address']}/{link['length']} dev {link['card']}{nodad}",
                  f"link set {link['card']} up"]
    first = facts["links"][name][0]
    if first["bridge"] == BRIDGE:
        via = f"{IPV6}ffff" if ":" in first["address"] else facts["gateway"]
        lines += [f"route add default via {via}"]
    run_ip(lines, name)
