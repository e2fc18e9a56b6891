"""Rules of the stateful test for corrections; each ends by comparing all reads."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model import hold_generators
from tests.model.hold_story import Holds


class HoldsAndCorrections(Holds):
    """What a story may do with usage that was wrong."""

    sent_corrections: list[dict[str, Any]]

    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        account = self.account(data)
        if not account.events:
            return
        event_id = data.draw(st.sampled_from(sorted(account.events)), "event")
        serial = next(self.serial)
        command = data.draw(
            hold_generators.corrections(self.both.reference, account, event_id, serial), "correction"
        )
        self.both.execute(command)
        self.sent_corrections.append(command)

    @precondition(lambda self: self.sent_corrections)
    @rule(data=st.data())
    def correct_again(self, data: st.DataObject) -> None:
        """A retry, or another correction of an event that was corrected before."""
        command = data.draw(st.sampled_from(self.sent_corrections), "again")
        account = self.both.reference.accounts[command["account"]]
        if data.draw(st.booleans(), "other"):
            command = data.draw(
                hold_generators.corrections(
                    self.both.reference, account, command["event_id"], next(self.serial)
                ),
                "correction",
            )
        self.both.execute(command)
