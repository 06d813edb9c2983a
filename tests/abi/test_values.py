"""Values: what goes in comes out, and no bytes do harm."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry.abi import values

PLAIN = st.recursive(
    st.none()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.binary()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.binary() | st.text("ab"), inner, max_size=3)
    ),
    max_leaves=12,
)


class Device:
    """Stands for something with a port."""


@given(st.lists(PLAIN, max_size=5))
def test_what_goes_in_comes_out(given: list[Any]) -> None:
    assert values.unpack(values.pack(*given)) == given


@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_an_error(data: bytes) -> None:
    with contextlib.suppress(values.ValueFormatError):
        values.unpack(data, lambda name, description: (name, description), lambda number: number)


@given(st.lists(PLAIN, min_size=1, max_size=3), st.data())
def test_cut_values_are_an_error_or_fewer(given: list[Any], data: st.DataObject) -> None:
    packed = values.pack(*given)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with contextlib.suppress(values.ValueFormatError):
        assert values.unpack(packed[:cut]) == given[: len(values.unpack(packed[:cut]))]


def test_objects_and_callbacks_are_names_and_numbers() -> None:
    packed = values.pack(Device(), test_what_goes_in_comes_out, name_of=lambda target: (0x103, (b"writable", 1)), number_of=lambda call: 7)
    assert values.unpack(packed, lambda name, description: (name, description), lambda number: number) == [(0x103, (b"writable", 1)), 7]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"q", id="tag that is none"),
        pytest.param(b"i123", id="short number"),
        pytest.param(b"b\xff\xff\xff\xffx", id="bytes longer than all"),
        pytest.param(b"t\xff\xff\xff\x7f", id="sequence longer than all"),
        pytest.param(b"t\x01\0\0\0" * 1000, id="too deep"),
        pytest.param(b"d\x01\0\0\0nn", id="key that is none"),
        pytest.param(b"o\x03\x01\0\0n", id="object where there are none"),
        pytest.param(b"c" + bytes(8), id="callback where there are none"),
    ],
)
def test_nonsense_is_an_error(data: bytes) -> None:
    with pytest.raises(values.ValueFormatError):
        values.unpack(data)


@pytest.mark.parametrize("value", [1 << 63, {1, 2}, object()], ids=["too large", "a set", "an object without names"])
def test_what_has_no_form_is_an_error(value: object) -> None:
    with pytest.raises(values.ValueFormatError):
        values.pack(value)
