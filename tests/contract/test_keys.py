"""Keys are any Unicode up to 1,024 bytes, and each is its own object."""

import unicodedata
from types import SimpleNamespace

import pytest

BODY = b"what lies under an ugly key"

KEYS = {
    "space": "a b",
    "hash": "a#b",
    "question mark": "a?b",
    "query": "a?versionId=1&acl",
    "percent": "100%",
    "percent escape": "a%20b",
    "escaped slash": "a%2Fb",
    "escaped escape": "a%252Fb",
    "plus": "a+b",
    "ampersand and equals": "a&b=c",
    "punctuation": "a;b:c,d$e@f~g*h(i)j[k]l!m{n}o|p^q`r_s",
    "segments": "-rf/.hidden/a..b/ /%s %(x)s {0}/c.",
    "tags": "<a>&amp;b</a>",
    "quotes": 'it\'s "quoted" `so`',
    "key=value directories": "year=2026/month=01/part-0.parquet",
    "accent, composed": unicodedata.normalize("NFC", "é"),
    "accent, decomposed": unicodedata.normalize("NFD", "é"),
    "emoji": "🦄/👩‍👩‍👧",
    "right to left": "שלום/مرحبا",
    "East Asian": "漢字/カナ",
    "non-breaking space": "a\xa0b\u2028c",
    "byte order mark": "\ufeffa",
    "deep": "/".join("abcdefghijklmnopqrstuvwxyz"),
}
NEEDY = {
    "tab": ("a\tb", "tab-keys"),
    "newline": ("a\nb", "newline-keys"),
    "newline at the end": ("a\n", "newline-keys"),
    "carriage return": ("a\r\nb", "newline-keys"),
    "control characters": ("a\x01\x1f\x7fb", "control-character-keys"),
    "next line": ("a\x85b", "control-character-keys"),
    "space at the ends": (" a ", "space-at-ends-keys"),
    "backslash": ("a\\b\\..\\c", "backslash-keys"),
    "double slash": ("a//b", "double-slash-keys"),
    "URL inside": ("x/s3://bucket/key", "double-slash-keys"),
    "dot dot": ("..", "dot-keys"),
    "dot dot inside": ("a/../b", "dot-keys"),
    "dot and dot dot": ("./..", "dot-keys"),
    "slash at the end": ("dir/", "trailing-slash-keys"),
    "slashes at the end": ("dir//", "double-slash-keys"),
    "long name": ("n" * 600, "long-segment-keys"),
    "long name in Unicode": ("漢" * 200, "long-segment-keys"),
}
each_key = pytest.mark.parametrize(
    "key",
    [
        *(pytest.param(key, id=name) for name, key in KEYS.items()),
        *(pytest.param(key, id=name, marks=pytest.mark.needs(need)) for name, (key, need) in NEEDY.items()),
    ],
)


@pytest.fixture(params=["rooted", "full URL"])
def way(request, s3, bare, root):
    """The two ways to say where an object is, and what its S3Object says then."""
    if request.param == "rooted":
        return SimpleNamespace(s3=s3, name=lambda key: key, prefix=root, key=lambda key: key)
    return SimpleNamespace(s3=bare, name=lambda key: f"{root}/{key}", prefix=None, key=lambda key: f"{root}/{key}")


@each_key
def test_put_get_info(way, root, stored, key):
    url, name = f"{root}/{key}", way.name(key)

    assert way.s3.put(name, BODY) == url

    assert stored.list() == {key}
    assert stored.blob(key) == BODY
    got, told = way.s3.get(name), way.s3.info(name)
    assert (got.url, got.key, got.prefix, got.blob) == (url, way.key(key), way.prefix, BODY)
    assert (told.url, told.key, told.prefix, told.size) == (url, way.key(key), way.prefix, len(BODY))


@each_key
def test_put_many_get_many_info_many_list_recursive(way, root, stored, key):
    url, name, other = f"{root}/{key}", way.name(key), way.name("other")

    assert way.s3.put_many([(other, b"other"), (name, BODY)]) == [(other, f"{root}/other"), (name, url)]

    assert stored.list() == {key, "other"}
    assert stored.blob(key) == BODY
    for got in way.s3.get_many([name, other, name])[::2]:
        assert (got.url, got.key, got.prefix, got.blob) == (url, way.key(key), way.prefix, BODY)
    assert {o.url for o in way.s3.list_recursive([way.name("")])} == {url, f"{root}/other"}
    _, told = way.s3.info_many([other, name])
    assert (told.url, told.key, told.prefix, told.size) == (url, way.key(key), way.prefix, len(BODY))


@each_key
def test_lists_and_get_recursive(s3, root, stored, key):
    stored.put(f"dir/{key}", BODY)
    top, slash, _ = key.partition("/")

    (listed,) = s3.list_recursive(["dir"])
    (path,) = s3.list_paths(["dir"])
    (got,) = s3.get_recursive(["dir"])

    assert (listed.url, listed.key) == (f"{root}/dir/{key}", key)
    assert (path.url, path.key, path.exists) == (f"{root}/dir/{top}{slash}", top, not slash)
    assert (got.url, got.key, got.blob) == (f"{root}/dir/{key}", key, BODY)


@each_key
def test_as_the_name_of_a_directory(bare, root, stored, key):
    key = key.rstrip("/")
    stored.put(f"{key}/leaf", BODY)
    directory = f"{root}/{key}"

    assert [(o.url, o.key) for o in bare.list_recursive([directory])] == [(f"{directory}/leaf", "leaf")]
    assert [(o.url, o.key) for o in bare.list_paths([directory])] == [(f"{directory}/leaf", "leaf")]
    assert [(o.key, o.blob) for o in bare.get_recursive([directory])] == [("leaf", BODY)]


@each_key
def test_as_the_root(make_s3, root, stored, key):
    key = key.rstrip("/")
    s3 = make_s3(s3root=f"{root}/{key}")

    assert s3.put("leaf", BODY) == f"{root}/{key}/leaf"

    assert stored.blobs() == {f"{key}/leaf": BODY}
    (got,) = s3.get_all()
    assert (got.prefix, got.key, got.blob) == (f"{root}/{key}", "leaf", BODY)


PAIRS = {
    "after a question mark": ("a?1", "a?2", ()),
    "question mark": ("a", "a?", ()),
    "after a hash": ("a#1", "a#2", ()),
    "hash": ("a", "a#", ()),
    "parameters": ("a;1", "a;2", ()),
    "plus or space": ("a+b", "a b", ()),
    "escaped or not": ("a%20b", "a b", ()),
    "escaped letter": ("%41", "A", ()),
    "escaped slash": ("a%2Fb", "a/b", ()),
    "entity": ("a&amp;b", "a&b", ()),
    "case": ("key", "KEY", ()),
    "slash at the end": ("dir/", "dir", ("trailing-slash-keys",)),
    "Unicode composition": (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), ()),
    "Unicode compatibility": ("\ufb01", "fi", ()),
    "tab": ("a\tb", "ab", ("tab-keys",)),
    "newline": ("a\nb", "ab", ("newline-keys",)),
    "carriage return": ("a\rb", "a\nb", ("newline-keys",)),
    "space at the end": ("a ", "a", ("space-at-ends-keys",)),
    "double slash": ("a//b", "a/b", ("double-slash-keys",)),
    "dot dot": ("a/../b", "b", ("dot-keys",)),
    "dot": ("a/./b", "a/b", ("dot-keys",)),
    "backslash": ("a\\b", "a/b", ("backslash-keys",)),
    "after 255 bytes": ("n" * 255 + "1", "n" * 255 + "2", ("long-segment-keys",)),
}


@pytest.mark.parametrize(
    ("one", "other"),
    [pytest.param(*pair, id=name, marks=pytest.mark.needs(*need)) for name, (*pair, need) in PAIRS.items()],
)
def test_keys_that_differ_a_little_are_two_objects(way, stored, one, other):
    names = [way.name(one), way.name(other)]
    way.s3.put(names[0], b"put one")
    way.s3.put(names[1], b"put other")
    assert stored.blobs() == {one: b"put one", other: b"put other"}
    assert [way.s3.get(name).blob for name in names] == [b"put one", b"put other"]

    way.s3.put_many(zip(names, [b"one of many", b"other of many!"]))
    assert stored.blobs() == {one: b"one of many", other: b"other of many!"}
    assert [o.blob for o in way.s3.get_many(names)] == [b"one of many", b"other of many!"]
    assert [o.size for o in way.s3.info_many(names)] == [11, 14]


@pytest.mark.needs("leading-slash-keys")
def test_a_full_url_names_the_key_that_begins_with_a_slash(make_s3, own_bucket, tmp_path):
    own_bucket.put_all({"dir/lead": b"another", "lead": b"another"})
    bucket = f"s3://{own_bucket.bucket}"
    url, s3 = f"{bucket}//dir/lead", make_s3()
    below, rooted = make_s3(s3root=f"{bucket}//dir"), make_s3(s3root=bucket)
    local = tmp_path / "lead"
    local.write_bytes(b"from a file")

    for store, body in (
        (lambda: s3.put(url, b"put"), b"put"),
        (lambda: s3.put_many([(url, b"one of many")]), b"one of many"),
        (lambda: s3.put_files([(url, str(local))]), b"from a file"),
        (lambda: s3.upload(tmp_path, f"{bucket}//dir"), b"from a file"),
        (lambda: below.put("//lead", b"below"), b"below"),
    ):
        store()
        assert own_bucket.blobs() == {"dir/lead": b"another", "lead": b"another", "/dir/lead": body}

    assert [(o.url, o.blob) for o in (s3.get(url), *s3.get_many([url]), *s3.iter_many([url], keep=True))] == [
        (url, b"below")
    ] * 3
    assert [o.size for o in (s3.info(url), *s3.info_many([url]), *s3.list_recursive([f"{bucket}//dir"]))] == [5] * 3
    assert [(o.key, o.blob) for o in below.get_all()] == [("lead", b"below")]
    assert [o.path for o in s3.download(f"{bucket}//", tmp_path / "to")] == [str(tmp_path / "to" / "dir" / "lead")]
    assert rooted.get("//dir/lead").blob == b"another"  # of a key below a root, leading slashes are dropped

    s3.delete(url)
    assert own_bucket.list() == {"dir/lead", "lead"}
    s3.put(url, b"")
    assert s3.delete_recursive([f"{bucket}//dir"]) == 1
    assert own_bucket.list() == {"dir/lead", "lead"}


@pytest.mark.needs("long-keys")
@pytest.mark.parametrize("fill", ["a", "é"], ids=["ASCII", "two bytes each"])
def test_a_key_may_have_1024_bytes(way, stored, fill):
    room = 1024 - len(stored.prefix.encode())
    segment = fill * (90 // len(fill.encode())) + "/"
    key = (segment * 12).encode()[:room].decode(errors="ignore").rstrip("/")
    key += "z" * (room - len(key.encode()))
    assert len((stored.prefix + key).encode()) == 1024

    way.s3.put(way.name(key), BODY)
    assert stored.blobs() == {key: BODY}
    assert way.s3.get(way.name(key)).blob == BODY
    assert way.s3.get_many([way.name(key)])[0].blob == BODY
    assert [o.blob for o in way.s3.get_recursive([way.name(key.partition("/")[0])])] == [BODY]


def test_all_of_them_at_once(s3, stored):
    keys = [f"{number}/{key}" for number, key in enumerate(KEYS.values())]
    s3.put_many((key, key.encode()) for key in keys)

    assert stored.blobs() == {key: key.encode() for key in keys}
    assert [o.text for o in s3.get_many(keys)] == keys
    assert sorted(o.text for o in s3.get_all()) == sorted(keys)
    assert sorted(o.key for o in s3.list_recursive()) == sorted(keys)
