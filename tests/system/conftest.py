# SPDX-License-Identifier: Apache-2.0
"""Counts that a test prints (vectors that pass, mutations tried) are results, so they are shown although it passed."""

import re

COUNTS = re.compile(r"\b\d+ (pass|flips|agree|both accept|pieces of evidence)\b")


def pytest_terminal_summary(terminalreporter):
    lines = [line for report in terminalreporter.getreports("passed") if report.when == "call"
             for line in report.capstdout.splitlines() if COUNTS.search(line)]
    if lines:
        terminalreporter.section("counts")
    for line in lines:
        terminalreporter.write_line(line)
