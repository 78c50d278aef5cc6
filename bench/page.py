"""docs/performance.md, from what bench/run.sh kept."""

import table

TEXT = """# Performance

This page is written by `bench/run.sh --docs` from `bench/results/latest.json`, which holds every
single sample as well. A goal that is missed says **no** here until it is met.

{table}

`ratio` is muster divided by what it is held against: of costs and times smaller is better, of rates
larger, as the goal says. A row without a goal is for information.

## Machine

{machine}

## How it is measured

- Both sides run on the same machine in the same minute, in turn (ABBA), and a value is the median of
  its repeats. Rows that are one program run pinned to one core.
- **CPU** is user and system time of the process and of all the children that it waited for
  (`wait4`): ssh processes count, and so does the `ssh -G` that muster may ask. It is that of the
  controller's side; what sshd and the worker use on the hosts is the hosts' own.
- The fleets are hosts of `tests/lab`: network namespaces of one machine, each with its own sshd. So the
  hosts compete with both sides for the same cores, and a **wall clock** holds their work too: it says
  who needs less of everything, not how fast a real fleet would answer.
- The servers allow one key exchange, curve25519-sha256, for both sides. Ciphers are each client's own
  choice. clush runs with the fanout that suits it best here (32), which is quicker than its default.
- **check** does more than `true` does: it starts the worker, waits for its hello with hash and
  facts, and measures the clock with 20 pings. **copy** is `muster setup` after `muster clean`, with the
  worker padded to 8 MiB: hash, upload, verification on the host and a first start are in it.
- **start skew** is the last first op minus the first, over all workers of a start, as in the run's
  metadata.json. The hosts of the lab share one monotonic clock, which muster does not know; so the
  row below it is the truth. The store takes 1 ms for an op. With none, eight busy workers fight for
  the cores of one machine, and the span says how its scheduler deals with them.
- **tcp and udp over loopback** are two workers, the client's end bound to one processor and the server's to
  another, and so are both ends of iperf3 (`-A`), sockperf (`taskset`) and the bare loop. CPU is that of the
  processes of both ends in the window, iperf3's as it reports it; of tcp streams both count from the first byte.
  Both send 128 KiB a call and receive as much into a buffer of their own, by copying; what muster saves is waking
  up (docs/networks.md, "How a stream is received"). Both udp
  streams send 1472 bytes a datagram, as fast as they can; counted is what came. iperf3 knows no batches: the goal is for what
  `--gsro` is there for, and one by one stands below it. The bare loop (`bench/net_pingpong.c`) does nothing but
  send and recv, with one clock read for each round trip.
- **1000 flows against 32** is muster against itself, on one thread: what a transaction costs its client when
  it has to wait for many.
- **range_get, buffered writes** and a thread of fio are bound to the same processor, in turn. The file of range_get is
  in the page cache of a disk's file system (tmpfs takes no reads of io_uring but by a thread behind each); fio
  has registered files and buffers, and submits each read by itself, which is its default; a line more is for fio in
  batches. Writes go over 256 MiB that are there in memory, on both sides.
- **bare C loops** do the same system calls with two clock reads on as many threads, over the same files, by
  turns with the engine in one process.
- **O_DIRECT** is one thread, bound to a processor, on an ext4 of its own; its loop device does its work on the others, and
  its file lies in memory: what a real device would take is not in it, and what the device's own work takes
  is not in CPU. fio has registered files and buffers, and submits each read by itself, which is its default; the last
  line is for fio in batches. Processors are kept from halting on both sides (`/dev/cpu_dma_latency`): to wake up
  one of a virtual machine takes longer than several reads. Without it the ratio here is 0.76 to 0.85.
- **HTTP and S3** are one thread, bound to a processor, against `bench/http_sink.c` on another, which costs next
  to nothing; with TLS, against nginx. CPU is the client's, from the first exchange to the last: from wrk's, what
  it takes against a server that never answers is taken off. wrk sends the same request again and again. In the
  rows of **HTTP** muster's engine does as much, with a response that is checked and a clock read at its begin, its
  first byte and its end. In **signed S3** each op is more than that: a key is drawn, the request written and
  signed (SigV4), content taken from anywhere in 16 MiB, and latencies recorded in up to six histograms.
- **client CPU against the engine on libcurl** is muster against itself, with `http_engine: curl`.
- **Ceph's own gateway** (radosgw, one OSD in memory, all on the same machine) says how many ops a second a real
  server allows. Its client waits most of the time, and finds nothing in a cache when it wakes up.
- **from command to first op** ends when every host has written its first file, by that file's own
  time.

## Noise

The machine is shared, and a virtual one where the table above says so: wall clocks move by a tenth
from one run to the next, CPU times by a few percent. Each row waits until nobody else uses more than a
twentieth of the machine (for 20 s at most), and keeps how busy it was and how much time the hypervisor took:

{noise}

## Repeat it

```sh
bench/run.sh               # all rows: builds build/bench, needs root for the fleets
bench/run.sh check copy    # some of them
bench/run.sh --list
bench/run.sh --docs        # writes this page
```
"""


def _machine(facts):
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    kind = "virtual machine" if facts["virtual"] else "machine"
    return (f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']:g} GiB, {kind}; {facts['os']}, "
            f"Linux {facts['kernel']}; {versions}.")


def _noise(rows):
    lines = ["| row | measured (UTC) | busy before | stolen |", "| --- | --- | --- | --- |"]
    for row in rows:
        if "noise" in row:
            noise = row["noise"]
            lines.append(f"| {row['name']} | {row['date'].split('+')[0].replace('T', ' ')} | "
                         f"{noise['busy_before_percent']:g} % | {noise['stolen_percent']:g} % |")
    return "\n".join(lines)


def text(kept):
    return TEXT.format(table=table.markdown(kept["rows"]), machine=_machine(kept["machine"]),
                       noise=_noise(kept["rows"]))
