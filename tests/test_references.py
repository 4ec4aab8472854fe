"""Only clauses that exist can be cited."""

import pytest

from tollproof.errors import CatalogueError
from tollproof.references import API, ASVS, CWE, RFC


def test_links() -> None:
    assert CWE(347).url == "https://cwe.mitre.org/data/definitions/347.html"
    assert API(10, 2023).url.endswith("0xaa-unsafe-consumption-of-apis/")
    assert RFC(9110, "11.6.1").url.endswith("rfc9110.html#section-11.6.1")
    assert RFC(9112, "A.1").url.endswith("#appendix-A.1")
    assert RFC(9112).url.endswith("rfc9112.html")
    assert "V9-Self-contained-Tokens" in ASVS("5.0.0", "9.1.2").url


def test_asvs_has_its_345_requirements() -> None:
    """The table is that of the published standard, which counts 345."""
    from tollproof.references import _ASVS_5

    assert sum(count for _, count in _ASVS_5.values()) == 345


@pytest.mark.parametrize(
    "cite",
    [
        lambda: CWE(0),
        lambda: CWE(99999),
        lambda: API(0, 2023),
        lambda: API(11, 2023),
        lambda: API(2, 2019),
        lambda: ASVS("4.0.3", "2.1.1"),
        lambda: ASVS("5.0.0", "9.1.99"),
        lambda: ASVS("5.0.0", "9.1.0"),
        lambda: ASVS("5.0.0", "99.1.1"),
        lambda: ASVS("5.0.0", "nine"),
        lambda: RFC(1),
        lambda: RFC(9110, "11..6"),
        lambda: RFC(9110, "eleven"),
    ],
    ids=[f"case {number}" for number in range(13)],
)
def test_what_does_not_exist_cannot_be_cited(cite: object) -> None:
    with pytest.raises(CatalogueError):
        cite()  # type: ignore[operator]
