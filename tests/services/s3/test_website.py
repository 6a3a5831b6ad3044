import pytest

from outcrop.services.s3 import errors, website

RULES = {
    "IndexDocument": {"Suffix": "index.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {
            "Condition": {"KeyPrefixEquals": "go"},
            "Redirect": {
                "ReplaceKeyWith": "x y",
                "HostName": "h.example",
                "Protocol": "https",
                "HttpRedirectCode": "302",
            },
        },
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "img/"},
            "Redirect": {"ReplaceKeyWith": "none.png"},
        },
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"HostName": "other.example"}},
    ],
}


@pytest.mark.parametrize(
    ("path", "status", "target"),
    [
        ("old/a b", None, (301, "http://here/base/new/a%20b")),
        ("gone", None, (302, "https://h.example/x%20y")),
        ("img/a", None, None),
        ("img/a", 404, (301, "http://here/base/none.png")),
        ("a", 404, (301, "http://other.example/a")),
        ("a", 403, None),
        ("a", None, None),
    ],
)
def test_redirect(path, status, target):
    assert website.redirect(RULES, path, status, "http", "here", "/base/") == target


def test_redirect_all():
    everything = {"RedirectAllRequestsTo": {"HostName": "h.example", "Protocol": "https"}}
    assert website.redirect_all(everything, "a b", "http") == "https://h.example/a%20b"
    assert website.redirect_all(RULES, "a", "http") is None


def test_key_of():
    assert [website.key_of(RULES, path) for path in ("", "a", "a/")] == ["index.html", "a", "a/index.html"]


def test_error_page():
    page = website.error_page(errors.NoSuchKey(Key="<b>"), 404, "id", errors.NoSuchKey(Key="404.html")).decode()
    assert "<title>404 Not Found</title>" in page
    assert "<li>Code: NoSuchKey</li>" in page
    assert "<li>Key: &lt;b&gt;</li>" in page
    assert "Custom Error Document" in page
