# SPDX-License-Identifier: GPL-2.0
"""Split the time in which a slot of zram is freed into its parts.

perf takes samples of kernel stacks in the guest. addr2line tells which functions
they are in, inlined ones included; the innermost one that is known here decides
which part of the work a sample belongs to.
"""

import collections
import itertools
import statistics
import subprocess

import vm

MEGABYTES = 256
REPETITIONS = 6
SLOTS = MEGABYTES * 256

# What happens in an unmap and in the worker that does its work; not in swap-out.
ROOTS = {"__vm_munmap", "percpu_defer_drain_cpu", "percpu_defer_aged"}

PARTS = ("slot lock and flags", "statistics", "class lock", "object and fullness",
         "zspage", "handle", "percpu_defer", "swap and page tables")

LOCKS = {"_raw_spin_lock", "_raw_spin_unlock", "queued_spin_lock_slowpath",
         "spin_lock", "spin_unlock"}
FUNCTIONS = {
    "slot lock and flags": (
        "zram_slot_free_notify", "slot_free", "zram_drain", "slot_detach",
        "zram_batch_add", "zram_batch_next", "zram_batch_free", "zram_batch_end"),
    "statistics": ("zram_account_freed",),
    "object and fullness": (
        "zs_free", "obj_free", "fix_fullness_group", "zs_free_bulk", "zs_bulk_free",
        "zs_bulk_free_class", "zs_bulk_free_run", "zs_bulk_run", "zs_bulk_zspage",
        "zs_bulk_class", "zs_bulk_unlink"),
    "zspage": ("__free_zspage_lockless", "zs_bulk_free_zspage", "trylock_zspage",
               "folios_put_refs", "folios_put"),
    "handle": ("cache_free_handle", "kmem_cache_free_bulk"),
    "percpu_defer": (
        "percpu_defer_aged", "percpu_defer_drain_cpu",
        "percpu_defer_drain_buf", "percpu_defer_map_drain_ranges",
        "percpu_defer_map_push", "percpu_defer_map_append", "percpu_defer_map_kill",
        "percpu_defer_rotate"),
}
PART_OF = {name: part for part, names in FUNCTIONS.items() for name in names}


def part_of(names):
    """The part that a stack belongs to; its functions, innermost first."""
    lock = statistic = False
    for name in names:
        # "kmem_cache_free_bulk.part.0" is that function all the same.
        name = name.split(".")[0]
        lock |= name in LOCKS
        statistic |= "atomic64_" in name
        part = PART_OF.get(name)
        if part == "object and fullness" and lock:
            return "class lock"
        if part == "slot lock and flags" and statistic:
            return "statistics"
        if part:
            return part
    return "swap and page tables"


def functions_at(vmlinux, addresses):
    """Address to the names of the functions there, innermost first."""
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


def measure(kernel, extra):
    """Returns nanoseconds for a slot by part, and how many samples that rests on."""
    initramfs = kernel.initramfs.with_suffix(".perf")
    with open(initramfs, "wb") as out:
        for archive in (kernel.initramfs, extra):
            out.write(archive.read_bytes())
    costs, stacks = [], collections.Counter()
    for line in vm.run(kernel.image, initramfs, "attribution",
                       {"pd_mb": MEGABYTES, "pd_reps": REPETITIONS}):
        word = line.split()
        if word[0] == "cost":
            costs.append(int(word[1]))
        elif word[0] == "stack":
            # A caller's address is the one behind the call.
            ips = [int(ip, 16) - (i > 0) for i, ip in enumerate(word[2:])]
            stacks[tuple(ips)] += int(word[1])

    vmlinux = kernel.image.parents[3] / "vmlinux"
    names = functions_at(vmlinux, set(itertools.chain(*stacks)))
    counts = collections.Counter()
    for stack, count in stacks.items():
        chain = [name for ip in stack for name in names.get(ip, ())]
        if ROOTS & set(chain):
            counts[part_of(chain)] += count
    samples = counts.total()
    if not samples or len(costs) != REPETITIONS:
        raise vm.VmError(f"perf has no samples of {vmlinux}")
    cost = statistics.median(costs) / SLOTS
    return {part: cost * counts[part] / samples for part in PARTS}, samples


def table(base, patched):
    """Markdown, from what measure() returned for each."""
    lines = [f"**Where the time of a slot goes**, unmap and worker, 1 x {MEGABYTES} MB: "
             f"ns, by the shares of {base[1]} and {patched[1]} samples\n",
             "| part | base | patched |", "|---|---|---|"]
    lines += [f"| {part} | {base[0][part]:.0f} | {patched[0][part]:.0f} |"
              for part in PARTS]
    lines.append(f"| all | {sum(base[0].values()):.0f} "
                 f"| {sum(patched[0].values()):.0f} |\n")
    return "\n".join(lines)
