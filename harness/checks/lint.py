# SPDX-License-Identifier: GPL-2.0
"""Checks of "make lint", the static analysis of the project's files."""

from checks import lint_build, lint_text

CHECKS = {check.__name__.replace("_", "-"): check for check in (
    lint_build.gcc, lint_build.clang, lint_build.context, lint_build.sparse,
    lint_text.coccicheck, lint_text.checkpatch, lint_text.kernel_doc, lint_text.shellcheck,
    lint_text.pyflakes, lint_text.codespell)}
