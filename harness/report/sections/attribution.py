# SPDX-License-Identifier: GPL-2.0
"""Break down the time for freeing a slot into parts.

perf samples kernel stacks in the guest. addr2line shows their functions, including inlined
ones; the innermost function that is listed here decides which part of the work a sample
belongs to.
"""

import collections
import itertools
import statistics
import subprocess

from machine import vm
from report.sections import common
from shared import BUILD, Error

TITLE = "Where the time of a slot goes"
SHOWS = "Which part of the work takes how much of the CPU time of a slot, unmap and worker."

MEGABYTES = 256
REPETITIONS = 4

# Roots of an unmap and of the worker that does its work; not of swap-out.
ROOTS = {"__vm_munmap", "percpu_defer_work"}

PARTS = ("slot lock and flags", "statistics", "class lock", "object and fullness",
         "zspage", "handle", "tree of zswap", "LRU of zswap", "memcg of zswap",
         "entry of zswap", "percpu_defer", "swap and page tables")

LOCKS = {"_raw_spin_lock", "_raw_spin_unlock", "queued_spin_lock_slowpath",
         "spin_lock", "spin_unlock"}
FUNCTIONS = {
    "slot lock and flags": (
        "zram_slot_free_notify", "slot_free", "zram_free_few", "zram_free_many",
        "zram_drain", "slot_detach",
        "zram_batch_add", "zram_batch_next", "zram_batch_free", "zram_batch_end"),
    "statistics": ("zram_account_freed",),
    "object and fullness": (
        "zs_free", "obj_free", "fix_fullness_group", "zs_free_bulk", "zs_bulk_free",
        "zs_bulk_free_class", "zs_bulk_free_run", "zs_bulk_run", "zs_bulk_zspage",
        "zs_bulk_class", "zs_bulk_unlink"),
    "zspage": ("__free_zspage_lockless", "zs_bulk_free_zspage", "trylock_zspage",
               "folios_put_refs", "folios_put"),
    "handle": ("cache_free_handle", "zs_bulk_free_handles"),
    "tree of zswap": ("xa_erase", "zswap_invalidate", "zswap_invalidate_range",
                      "zswap_invalidate_few", "zswap_invalidate_many",
                      "zswap_invalidate_now", "zswap_claim", "zswap_take", "zswap_drain"),
    "LRU of zswap": ("zswap_lru_del", "zswap_lru_del_many"),
    "memcg of zswap": ("obj_cgroup_uncharge_zswap", "obj_cgroup_put",
                       "zswap_uncharge_many"),
    "entry of zswap": ("zswap_pool_put", "zswap_entry_cache_free", "zswap_entry_free",
                       "zswap_entry_cache_free_many", "zswap_free_objects",
                       "zswap_free_entries"),
}
LIBRARY = "percpu_defer"
PART_OF = {name: part for part, names in FUNCTIONS.items() for name in names}


def part_of(names):
    """Return the part that a stack belongs to; its functions come innermost first."""
    lock = statistic = False
    for name in names:
        # Split parts such as "kmem_cache_free_bulk.part.0" count as the function.
        name = name.split(".")[0]
        lock |= name in LOCKS
        statistic |= "atomic64_" in name
        part = LIBRARY if name.startswith(LIBRARY) else PART_OF.get(name)
        if part == "object and fullness" and lock:
            return "class lock"
        if part == "slot lock and flags" and statistic:
            return "statistics"
        if part:
            return part
    return "swap and page tables"


def functions_at(vmlinux, addresses):
    """Map addresses to the names of the functions there, innermost first."""
    run = subprocess.run(
        ["addr2line", "-a", "-f", "-i", "-e", vmlinux], text=True, check=True,
        input="".join(f"{address:x}\n" for address in addresses),
        capture_output=True)
    names, found = None, {}
    for line in run.stdout.splitlines():
        if line.startswith("0x"):
            names = found.setdefault(int(line, 16), [])
        elif ":" not in line:
            names.append(line)
    return found


def count(kernel, column, backend, extra, megabytes, repetitions, stage):
    """Return the nanoseconds per slot of each repetition, and perf samples by part."""
    initramfs = kernel.initramfs.with_suffix(".perf")
    with open(initramfs, "wb") as out:
        for archive in (kernel.initramfs, extra):
            out.write(archive.read_bytes())

    def on_line(line):
        if line.startswith("repetition"):
            stage(f"  attribution: {line} of {repetitions}")

    costs, stacks = [], collections.Counter()
    for line in vm.run(kernel.image, initramfs, "attribution",
                       {"pd_backend": backend, "pd_cols": column, "pd_mb": megabytes,
                        "pd_reps": repetitions, "brd.rd_nr": 1,
                        "brd.rd_size": 2 * megabytes << 10},
                       log=BUILD / f"log/attribution-{backend}-{column}",
                       on_line=on_line):
        word = line.split()
        if word[0] == "cost":
            costs.append(int(word[1]) / (megabytes * 256))
        elif word[0] == "stack":
            # A caller's address is the one after the call.
            ips = [int(ip, 16) - (i > 0) for i, ip in enumerate(word[2:])]
            stacks[tuple(ips)] += int(word[1])

    vmlinux = kernel.image.parents[3] / "vmlinux"
    names = functions_at(vmlinux, set(itertools.chain(*stacks)))
    counts = collections.Counter(dict.fromkeys(PARTS, 0))
    for stack, number in stacks.items():
        chain = [name for ip in stack for name in names.get(ip, ())]
        if ROOTS & set(chain):
            counts[part_of(chain)] += number
    if not counts.total() or len(costs) != repetitions:
        raise Error(f"perf has no samples of {vmlinux}")
    return {"mb": megabytes, "ns": costs, "samples": counts}


def measure(kernels, quick, stage):
    data = {}
    for backend in common.BACKENDS:
        data[backend] = {}
        for kernel, column in (kernels.base, "base"), (kernels.patched, "on"):
            stage(f"attribution: {backend}, {column}")
            data[backend][column] = count(kernel, column, backend, kernels.perf,
                                          MEGABYTES // 4 if quick else MEGABYTES,
                                          1 if quick else REPETITIONS, stage)
    return data


def ns_by_part(row):
    cost = statistics.median(row["ns"]) / sum(row["samples"].values())
    return {part: cost * number for part, number in row["samples"].items()}


def grids(data):
    yield common.Grid(data, (common.Metric("CPU time of a slot", lambda row: row["ns"], "ns", 0),))


def more_tables(data):
    for backend, rows in data.items():
        base, patched = (ns_by_part(rows[column]) for column in ("base", "on"))
        counts = [sum(row["samples"].values()) for row in rows.values()]
        yield (f"{backend}, 1 x {rows['base']['mb']} MB, by the shares of {counts[0]} and "
               f"{counts[1]} samples of perf:\n")
        yield "| ns for a slot | base | patched |"
        yield "|---|---|---|"
        for part in PARTS:
            if base[part] or patched[part]:
                yield f"| {part} | {base[part]:.0f} | {patched[part]:.0f} |"
        yield f"| all | {sum(base.values()):.0f} | {sum(patched.values()):.0f} |"
        yield ""
