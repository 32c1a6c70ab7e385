# SPDX-License-Identifier: Apache-2.0
"""
Updates of a virtual gateway with two slots (QEMU, OVMF with Secure Boot, swtpm, RAUC's own service, our agent) by a real server, with
nobody at the device: releases are made, signed, published and assigned with the commands that operators have. One gateway lives
through all tests in their order. A part of `make e2e`.
"""

import json
import subprocess
import time

import pytest

from e2e_support import BUILD, full, needed, until
from update_story import begin

pytestmark = full


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    needed()
    subprocess.run(["ninja", "-C", str(BUILD), "next"], check=True, capture_output=True)
    with begin(tmp_path_factory.mktemp("story")) as one:
        yield one


def test_what_runs_is_published_first_and_the_baseline_is_the_rest(story):
    story.server.publish("1.0.0", 1, story.gateway.bundle("1.0.0", "good"))
    with story.on("1.0.0", "A") as gateway:
        story.device = gateway.attested()["device"]
        story.server.approve_baseline(story.device)
        baseline = json.loads((story.server.folder / "good.json").read_text())
        # The release has what its image brings; the baseline what the firmware measured by itself.
        assert not any(event["pcr"] in (9, 11) for event in baseline["events"]), baseline["events"]
        gateway.becomes("affirming", "trusted")
        gateway.off()


def test_an_update_is_proven_by_what_the_new_boot_measures(story):
    with story.on("1.0.0", "A") as gateway:
        ours = story.server.device()["agent"]
        assert subprocess.run([BUILD / "chainhold-agent", "--version"], check=True, capture_output=True, text=True).stdout.split()[1] == ours
        number = story.offer("1.1.0", 2, "next", floor=2)
        story.becomes(number, "installed")
        gateway.ended()
    off = time.monotonic()
    with story.on("1.1.0", "B") as gateway:
        up = time.monotonic()
        story.becomes(number, "proven")
        print(f"from switched off to proven: {time.monotonic() - off:.1f} s, of which {time.monotonic() - up:.1f} s since its agent was started")
        assert gateway.attest()["chain"] == "affirming"
        # The image brought the agent of a later release: that is who proved it.
        assert story.server.device()["agent"] == "9.9.9" and "9.9.9" in story.server.operator("device", "show", story.device)
        # Proven: it stays, also after the next reset.
        until(lambda: gateway.boot_order()["BootOrder"].startswith("0002"), what=gateway.console, every=1)
        gateway.off()


def test_what_may_not_be_installed_is_refused_on_the_device_and_seen_on_the_server(story):
    server, other = story.server, story.gateway.slot("A")
    with story.on("1.1.0", "B") as gateway:
        number = story.offer("1.2.0", 3, "stranger")
        assert "signature verification failed" in story.becomes(number, "refused")["reason"]
        # An honest server offers none of these: this one lies, with the releases, the log and the artefacts that it has.
        bundle = gateway.bundle("1.2.0", "good")
        older = server.folder / "gateway-1.0.0.release"
        unlogged = server.sign("1.2.1", 4, bundle)
        sensors = server.publish("1.2.2", 4, bundle, of="sensor")
        for file, why in ((older, "older than the floor"), (unlogged, "the record of the log is of another release"), (sensors, "class")):
            number = server.offer_unasked(story.device, file)
            one = story.becomes(number, "refused")
            assert why in one["reason"] and one["progress"] in (None, 0), one
        assert "BootNext" not in gateway.boot_order()
        gateway.off()
    assert story.gateway.slot("A") == other


@pytest.mark.parametrize("kind, sequence, resets", [("unsigned", 5, 0), ("panic", 6, 1), ("hang", 7, 1)])
def test_what_does_not_come_up_falls_back_and_is_seen_on_the_server(story, kind, sequence, resets):
    with story.on("1.1.0", "B") as gateway:
        number = story.offer(f"1.2.{sequence}", sequence, kind)
        story.becomes(number, "installed")
        gateway.ended()
    for _ in range(resets):
        story.gateway.goes_off()
    with story.on("1.1.0", "B") as gateway:
        assert story.becomes(number, "fell-back")["reason"]
        # A warning where the firmware tried the other option in this boot and says so.
        assert gateway.attest()["chain"] == ("warning" if kind == "unsigned" else "affirming")
        assert gateway.boot_order()["BootOrder"].split(",")[0] == "0002"
        gateway.off()


def test_what_boots_and_measures_what_nobody_expected_is_not_proven(story):
    def another_kernel(file):
        document = json.loads(file.read_text())
        event = next(e for e in document["reference"]["events"] if e["pcr"] == 11)
        event["digests"] = {name: "00" * (len(value) // 2) for name, value in event["digests"].items()}
        file.write_text(json.dumps(document) + "\n\n")

    with story.on("1.1.0", "B") as gateway:
        rollout, number = story.roll_out("1.3.0", 8, change=another_kernel)
        story.becomes(number, "installed")
        gateway.ended()
    with story.on("1.3.0", "A") as gateway:
        one = story.becomes(number, "not-proven")
        assert "PCR 11" in one["reason"], one
        # Its one canary did not prove it: nobody else is offered it, and it says why.
        halted = until(lambda: (now := story.server.rollout(rollout))["state"] == "halted" and now, what=lambda: story.server.rollout(rollout))
        assert halted["phase"] == 1 and "1 of 1 devices failed" in halted["reason"] and "PCR 11" in halted["reason"], halted
        assert gateway.attested()["state"] == "quarantined"
        # Nobody marked it good: the next start is the release before.
        assert gateway.boot_order()["BootOrder"].startswith("0002")
        gateway.run("sync; reboot -f", code=125)
        gateway.ended()
    with story.on("1.1.0", "B") as gateway:
        until(lambda: story.server.device()["state"] == "trusted", what=gateway.console, every=1)
        gateway.off()


def test_in_quarantine_it_takes_the_release_that_an_operator_gave_to_it_alone(story):
    with story.on("1.1.0", "B") as gateway:
        gateway.becomes("affirming", "trusted")
        story.server.operator("baseline", "retire", "--class", "gateway", "--reason", "recalled", story.server.measured["1.1.0"])
        gateway.becomes("contraindicated", "quarantined")
        number = story.offer("1.4.0", 9)
        story.becomes(number, "installed")
        gateway.ended()
    with story.on("1.4.0", "A") as gateway:
        story.becomes(number, "proven")
        until(lambda: story.server.device()["state"] == "trusted", what=gateway.console, every=1)
        gateway.off()
