"""Image references: what people write and what it means."""

from __future__ import annotations

import pytest

from conda_store.registry.references import Reference, ReferenceInvalid

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
        ("index.docker.io/library/debian:12", "docker.io/library/debian:12"),
        ("bitnami/python", "docker.io/bitnami/python:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("host:5000/a/b.c__d-e", "host:5000/a/b.c__d-e:latest"),
        ("[::1]:5000/x:y", "[::1]:5000/x:y"),
        ("GHCR.io/x/y:Tag", "ghcr.io/x/y:Tag"),
        (f"quay.io/x@{DIGEST}", f"quay.io/x@{DIGEST}"),
        (f"quay.io/x:1@{DIGEST}", f"quay.io/x:1@{DIGEST}"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
    ],
)
def test_a_reference_is_written_whole_and_reads_back(text: str, whole: str) -> None:
    assert str(Reference.parse(text)) == whole
    assert Reference.parse(whole) == Reference.parse(text)
    assert hash(Reference.parse(whole)) == hash(Reference.parse(text))


def test_equal_means_the_same_image() -> None:
    assert Reference("index.docker.io", "debian") == Reference.parse("debian:latest")
    assert Reference.parse(f"x:1@{DIGEST}") == Reference.parse(f"x:2@{DIGEST}")
    assert Reference.parse("x:1") != Reference.parse("x:2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid part"),
        ("https://quay.io/x", "scheme"),
        ("Debian", "lower-case"),
        ("quay.io/", "invalid part"),
        ("quay.io//x", "invalid part"),
        ("quay.io/a..b", "invalid part"),
        ("quay.io/_x", "invalid part"),
        ("quay.io/../x", "invalid part"),
        ("x:", "empty tag"),
        ("x:" + "t" * 129, "tag"),
        ("x:a b", "tag"),
        ("x@sha256:abc", "digits after '@'"),
        ("x@sha512:" + "a" * 128, "digits after '@'"),
        ("-bad.host/x", "registry host"),
        ("host:port/x", "registry host"),
        ("quay.io/" + "a" * 250, "longer than 255"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ReferenceInvalid, match=reason):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["https://ana:secret@quay.io/x", "ana:secret@quay.io/x", "ana:secret@quay.io/X:1"])
def test_a_password_in_a_reference_is_not_repeated(text: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        Reference.parse(text)
    assert "secret" not in caught.value.message
