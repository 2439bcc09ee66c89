"""Names of kernels: there and back, whatever environments and namespaces are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.kernelspec import _is_valid_kernel_name

from conda_store_labextension.kernel_names import KernelName, find_kernel_name

PARTS = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())


@given(PARTS, PARTS, st.one_of(st.just(""), PARTS), st.integers(0, 2**31 - 1))
def test_a_name_says_what_it_was_made_of(namespace: str, environment: str, kernel: str, build: int) -> None:
    name = KernelName(namespace, environment, kernel, build)
    assert find_kernel_name(str(name)) == name
    assert find_kernel_name(str(name).upper()) == name
    assert _is_valid_kernel_name(str(name))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (KernelName("default", "course"), "conda-store-default-course"),
        (KernelName("default", "course", build=7), "conda-store-default-course-build-7"),
        (KernelName("ana@lab.org", "my-env", "ir", 7), "conda-store-ana_40lab.org-my_2denv-ir-build-7"),
        (KernelName("a", "build", "7"), "conda-store-a-build-7"),
        (KernelName("a", "b", "build", 7), "conda-store-a-b-build-build-7"),
        (KernelName("Ana", "x"), "conda-store-_41na-x"),
    ],
)
def test_names_as_they_stand_in_notebooks(name: KernelName, text: str) -> None:
    assert str(name) == text and find_kernel_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "python3",
        "conda-store",
        "conda-store-a",
        "conda-store-a-b-c-d",
        "conda-store-a--b",
        "conda-store-a-b-build-",
        "conda-store-a-b-build-0x",
        "conda-store-a-b-build-" + "9" * 11,
        "conda-store-a-_ff",
        "conda-store-a-b_",
        "conda-store-a-../../etc",
    ],
)
def test_other_names_are_none_of_ours(text: str) -> None:
    assert find_kernel_name(text) is None
