"""Keys are any Unicode up to 1,024 bytes, and each is its own object."""

import unicodedata
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.semantics

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
KEYS_BY_CAPABILITY = {
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


def keys_for(server):
    """The keys that the server can store."""
    return [*KEYS.values(), *(key for key, need in KEYS_BY_CAPABILITY.values() if need not in server.lacks)]


def directories_for(server):
    """The same as names of directories."""
    names = dict.fromkeys(key.rstrip("/") for key in keys_for(server))
    if "directories-in-both-unicode-forms" in server.lacks:
        del names[KEYS["accent, decomposed"]]
    if "control-character-prefixes" in server.lacks:
        names.pop(KEYS_BY_CAPABILITY["control characters"][0], None)
    return list(names)


def body_of(key):
    """What no other key has."""
    return BODY + key.encode()


@pytest.fixture
def keys(server):
    return keys_for(server)


@pytest.fixture
def directories(server):
    return directories_for(server)


@pytest.fixture(params=["rooted", pytest.param("full URL", marks=pytest.mark.above_transfers)])
def way(request, s3, bare, root):
    """The two ways to name an object, and the attributes of its S3Object."""
    if request.param == "rooted":
        return SimpleNamespace(s3=s3, name=lambda key: key, prefix=root, key=lambda key: key)
    return SimpleNamespace(s3=bare, name=lambda key: f"{root}/{key}", prefix=None, key=lambda key: f"{root}/{key}")


def expected(way, root, keys):
    """The attributes of S3Objects, without their data."""
    return [(f"{root}/{key}", way.key(key), way.prefix) for key in keys]


def locations(objects):
    return [(one.url, one.key, one.prefix) for one in objects]


def test_put_get_info(way, root, stored, keys):
    assert [way.s3.put(way.name(key), body_of(key)) for key in keys] == [f"{root}/{key}" for key in keys]

    assert stored.blobs() == {key: body_of(key) for key in keys}
    got, infos = [way.s3.get(way.name(key)) for key in keys], [way.s3.info(way.name(key)) for key in keys]
    assert locations(got) == locations(infos) == expected(way, root, keys)
    assert [one.blob for one in got] == [body_of(key) for key in keys]
    assert [one.size for one in infos] == [len(body_of(key)) for key in keys]


def test_put_many_get_many_info_many_list_recursive(way, root, stored, keys):
    names = [way.name(key) for key in keys]

    stored_as = way.s3.put_many((name, body_of(key)) for name, key in zip(names, keys))
    assert stored_as == [(name, f"{root}/{key}") for name, key in zip(names, keys)]

    assert stored.blobs() == {key: body_of(key) for key in keys}
    got, infos = way.s3.get_many([*names, *names]), way.s3.info_many(names)
    assert locations(got) == expected(way, root, [*keys, *keys])
    assert [one.blob for one in got] == [body_of(key) for key in [*keys, *keys]]
    assert locations(infos) == expected(way, root, keys)
    assert [one.size for one in infos] == [len(body_of(key)) for key in keys]
    assert sorted(o.url for o in way.s3.list_recursive([way.name("")])) == sorted(f"{root}/{key}" for key in keys)


def test_lists_and_get_recursive(s3, root, stored, keys):
    stored.put_all({f"dir/{key}": body_of(key) for key in keys})
    tops = {first + slash: (first, not slash) for first, slash, _ in (key.partition("/") for key in keys)}

    listed, paths, got = s3.list_recursive(["dir"]), s3.list_paths(["dir"]), s3.get_recursive(["dir"])

    assert sorted((one.url, one.key) for one in listed) == sorted((f"{root}/dir/{key}", key) for key in keys)
    assert {one.url: (one.key, one.exists) for one in paths} == {f"{root}/dir/{top}": is_ for top, is_ in tops.items()}
    assert len(paths) == len(tops)
    assert {one.url: (one.key, one.blob) for one in got} == {f"{root}/dir/{key}": (key, body_of(key)) for key in keys}


def test_as_the_name_of_a_directory(bare, root, stored, directories):
    stored.put_all({f"{name}/leaf": body_of(name) for name in directories})
    urls = [f"{root}/{name}" for name in directories]
    leaves = [(f"{url}/leaf", "leaf") for url in urls]

    assert [(o.url, o.key) for o in bare.list_recursive(urls)] == leaves
    assert [(o.url, o.key) for o in bare.list_paths(urls)] == leaves
    got = bare.get_recursive(urls)
    assert [(o.url, o.key) for o in got] == leaves
    assert [o.blob for o in got] == [body_of(name) for name in directories]


def test_as_the_root(make_s3, root, stored, directories):
    for name in directories:
        s3 = make_s3(s3root=f"{root}/{name}")
        assert s3.put("leaf", body_of(name)) == f"{root}/{name}/leaf"
        (got,) = s3.get_all()
        assert (got.prefix, got.key, got.blob) == (f"{root}/{name}", "leaf", body_of(name))
    assert stored.blobs() == {f"{name}/leaf": body_of(name) for name in directories}


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


def test_keys_that_differ_a_little_are_two_objects(way, stored, server):
    pairs = [pair for *pair, needs in PAIRS.values() if not server.lacks.intersection(needs)]
    keys = [f"{number}/{key}" for number, pair in enumerate(pairs) for key in pair]
    names = [way.name(key) for key in keys]
    for key, name in zip(keys, names):
        way.s3.put(name, b"put " + body_of(key))
    assert stored.blobs() == {key: b"put " + body_of(key) for key in keys}
    assert [way.s3.get(name).blob for name in names] == [b"put " + body_of(key) for key in keys]

    way.s3.put_many((name, body_of(key)) for key, name in zip(keys, names))
    assert stored.blobs() == {key: body_of(key) for key in keys}
    assert [o.blob for o in way.s3.get_many(names)] == [body_of(key) for key in keys]
    assert [o.size for o in way.s3.info_many(names)] == [len(body_of(key)) for key in keys]


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
