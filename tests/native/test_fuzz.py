"""20,000 messages of the fuzzer: each is answered, and nothing of the tasks that sent them is left."""

from __future__ import annotations

import pytest
from tests.native.fuzz import ONE_TASK, SLACK, Attack, left
from tests.native.natives import Natives

pytestmark = [pytest.mark.machine, pytest.mark.slow]


def test_garbage_to_every_object_leaves_nothing(natives: Natives) -> None:
    attack = Attack(natives)
    done, seed = 0, 1
    before = left()
    while done < 20_000:
        done += attack.run(seed, ONE_TASK)
        seed += 1
        if seed == 4:
            before = left()
    after = left()
    assert attack.errors == []
    assert after.memory - before.memory < 8 << 20
    assert after.descriptors <= before.descriptors + SLACK
    assert after.objects - before.objects < 2000
