# SPDX-License-Identifier: GPL-2.0
"""What sections of the report share: samples, how they are told and drawn.

Samples are lists of numbers, one for each repetition.
"""

import math
import statistics
import typing

from shared import Error

BACKENDS = ("zram", "zswap")
# Of a swap device: for 2 GB, and what is left over from before.
SWAP_MB = 2200
# Why the last page may be back later than with the unmodified kernel.
WAITS = "what was freed waits for more, for up to 10 ms, before it goes to a worker"


def repetitions(quick):
    """How often sections measure, unless they say otherwise."""
    return 2 if quick else 3


def cell(samples, digits=1):
    """For a table: "median (min-max)"."""
    middle, low, high = (f"{number:.{digits}f}" for number in
                         (statistics.median(samples), min(samples), max(samples)))
    return f"{middle} ({low}-{high})"


def ratio(a, b):
    """For a table: how many times b is a, by their medians."""
    middle = statistics.median(b)
    return f"{statistics.median(a) / middle:.2f}" if middle else "-"


class Samples(typing.NamedTuple):
    """A comparison of what was measured several times."""

    what: str
    base: list
    patched: list
    unit: str
    more_is_better: bool = False
    reason: str = ""    # why it is bound to be worse, if it is

    def worse(self):
        """A line if no sample of patched is as good as any of base, else None.

        A single sample, as in a quick run of some sections, says nothing.
        """
        base, patched = self.base, self.patched
        if min(len(base), len(patched)) < 2:
            return None
        if (max(patched) >= min(base) if self.more_is_better
                else min(patched) <= max(base)):
            return None
        middle = statistics.median(base)
        change = f", {statistics.median(patched) / middle - 1:+.1%}" if middle else ""
        return (f"{self.what}: {cell(patched)} {self.unit} instead of {cell(base)}"
                f"{change}{self.reason and '; ' + self.reason}")

    def chance(self):
        """How likely that line is if the kernels do not differ."""
        if min(len(self.base), len(self.patched)) < 2:
            return 0
        return 1 / math.comb(len(self.base) + len(self.patched), len(self.base))


class Events(typing.NamedTuple):
    """A comparison of how many of as many tries something bad happened in."""

    what: str
    base: int
    patched: int
    tries: int

    def at_random(self, least):
        """How likely patched has so many, if those that there were are spread at random."""
        both = self.base + self.patched
        return sum(math.comb(self.tries, one) * math.comb(self.tries, both - one)
                   for one in range(least, both + 1)) / math.comb(2 * self.tries, both)

    def worse(self):
        if self.patched <= self.base:
            return None
        return (f"{self.what} in {self.patched} of {self.tries} tries instead of {self.base}; "
                f"so many or more come by chance in {self.at_random(self.patched):.0%} of "
                "such comparisons")

    def chance(self):
        """How likely that line is if the kernels do not differ."""
        return self.at_random((self.base + self.patched) // 2 + 1)


def collect(kernel, job, params, fields, stage, **more):
    """Boot a guest job, and return {line: {key: {field: [numbers]}}}.

    `fields` names the lines to collect, and the fields of each. Such a line is
    "LINE KEY... NUMBER...", with a number for each field; what is in between, with
    blanks, is the key. A line "repetition N" is progress. With pd_reps in `params`
    each key must have come so often.
    """
    found = {line: {} for line in fields}
    wanted = params.get("pd_reps")

    def on_line(text):
        line, *words = text.split() or [""]
        if line == "repetition":
            stage(f"  {job}: repetition {words[0]} of {wanted}")
        elif line in fields:
            names = fields[line]
            key = " ".join(words[:-len(names)])
            samples = found[line].setdefault(key, {name: [] for name in names})
            for name, number in zip(names, words[-len(names):], strict=True):
                samples[name].append(float(number) if "." in number else int(number))

    kernel.run(job, params, on_line=on_line, **more)
    for line, keys in found.items():
        if not keys:
            raise Error(f"the job '{job}' printed no line '{line}'")
        for key, samples in keys.items():
            got = len(next(iter(samples.values())))
            if got != (wanted or got):
                raise Error(f"the job '{job}' printed '{line} {key}' {got} times, "
                                 f"not {wanted}")
    return found


def _script(settings, style, series):
    """A gnuplot script with its data, rows "x median min max", for each name."""
    lines = list(settings)
    for number, rows in enumerate(series.values()):
        lines += [f"$data{number} << EOD",
                  *(f"{x} {statistics.median(y)} {min(y)} {max(y)}" for x, y in rows),
                  "EOD"]
    plots = (f'$data{number} {style} linetype {number + 1} linewidth 1.5 title "{name}"'
             for number, name in enumerate(series))
    return "\n".join([*lines, "plot " + ", \\\n     ".join(plots), ""])


def lines_plot(title, xlabel, ylabel, series, *settings):
    """Lines with ranges; series is {name: [(x, samples), ...]}."""
    return _script([f'set title "{title}"', f'set xlabel "{xlabel}"',
                    f'set ylabel "{ylabel}"', "set key outside", "set grid", *settings],
                   "using 1:2:3:4 with yerrorlines", series)


def bars_plot(title, ylabel, series, *settings):
    """Groups of bars with ranges; series is {name: [(group, samples), ...]}."""
    quoted = {name: [(f'"{group}"', y) for group, y in rows]
              for name, rows in series.items()}
    return _script([f'set title "{title}"', f'set ylabel "{ylabel}"',
                    "set style data histograms",
                    "set style histogram errorbars gap 1 linewidth 1",
                    "set style fill solid 0.7 border", "set yrange [0:*]",
                    "set key outside", "set grid ytics", *settings],
                   "using 2:3:4:xtic(1)", quoted)
