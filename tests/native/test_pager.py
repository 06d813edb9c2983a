"""Memory that a pager in a native task manages: what its clients see, and what it is told."""

from __future__ import annotations

import pytest
from tests.native.natives import Natives
from tests.native.pagers import Paging

pytestmark = pytest.mark.machine
SERVE = """
log = []
pager = PagerService(service)
pager.serve_object(port, Pages(log))
service.run()
"""


@pytest.fixture
def paging(natives: Natives) -> Paging:
    return Paging(natives)


def test_a_touched_page_comes_from_the_pager(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    client = paging.client(
        port,
        """
at = map_object(100 * PAGE)
assert read(at + 5 * PAGE, 8) == b"0000005\\n"
assert read(at + 99 * PAGE + 8, 8) == b"0000099\\n"
view(at, PAGE)[:5] = b"hello"
assert read(at, 16) == b"hello00\\n0000000\\n"
""",
    )
    assert paging.natives.ended(client) == ""
