"""Tests of ``metaflow fasts3 rm``."""

import json
import os
import pty
import signal
import uuid
from types import SimpleNamespace

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied
from servers.stored import Stored

from metaflow_extensions.fasts3.cli import rm

KEYS = {"a/1.csv", "a/2.csv", "a/b/3.csv", "ab", "z"}


@pytest.fixture
def filled(stored):
    stored.put_all(dict.fromkeys(KEYS, b"x"))
    return stored


def test_keys(fasts3, root, filled):
    done = fasts3("rm", f"{root}/a/1.csv", f"{root}/z")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "Deleted 2 objects.\n")
    assert filled.list() == KEYS - {"a/1.csv", "z"}


def test_a_key_that_is_not_there_is_named_and_the_others_go(fasts3, root, filled):
    done = fasts3("rm", "--json", f"{root}/z", f"{root}/none", f"{root}/a")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"There is no object {root}/none.",
        f"There is no object {root}/a.",
        "Deleted 1 object.",
        "Error: 2 of the keys do not exist. To delete everything below a directory, add --recursive.",
    ]
    deleted = {one["url"]: one["deleted"] for one in map(json.loads, done.stdout.splitlines())}
    assert deleted == {f"{root}/z": True, f"{root}/none": False, f"{root}/a": False}
    assert filled.list() == KEYS - {"z"}


def test_a_dry_run_knows_what_is_not_there(fasts3, root, filled):
    done = fasts3("rm", "--dry-run", f"{root}/z", f"{root}/none")
    assert (done.exit_code, done.stdout) == (1, f"{root}/z\n")
    assert filled.list() == KEYS


def test_a_missing_key_may_be_no_error(fasts3, root, filled):
    done = fasts3("rm", "--missing-ok", f"{root}/z", f"{root}/none")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "Deleted 2 objects; keys that did not exist count as well (--missing-ok).\n"
    assert filled.list() == KEYS - {"z"}


def test_permission_to_delete_is_enough(fasts3, root, filled, monkeypatch):
    def refuse(*_, **__):
        raise MetaflowS3AccessDenied("no")

    monkeypatch.setattr(S3, "_infos", refuse)
    assert fasts3("rm", f"{root}/z").exit_code == 0
    assert filled.list() == KEYS - {"z"}


def test_objects_below_a_prefix(fasts3, root, filled):
    assert fasts3("rm", "--recursive", "--yes", f"{root}/a").exit_code == 0
    assert filled.list() == {"ab", "z"}


def test_objects_that_match_a_pattern(fasts3, root, filled):
    done = fasts3("rm", "--yes", "--json", "--root", root, "a/*.csv")
    assert done.exit_code == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"url": f"{root}/{key}", "deleted": True} for key in ("a/1.csv", "a/2.csv", "a/b/3.csv")
    ]
    assert filled.list() == {"ab", "z"}


def test_a_literal_wildcard_is_raw(fasts3, root, stored):
    stored.put_all({"a*": b"", "ab": b""})
    assert fasts3("rm", "--raw", f"{root}/a*").exit_code == 0
    assert stored.list() == {"ab"}


def test_a_dry_run_deletes_nothing_and_needs_no_confirmation(fasts3, root, filled):
    done = fasts3("rm", "--dry-run", f"{root}/z", f"{root}/a/*")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"{root}/{key}" for key in ("z", "a/1.csv", "a/2.csv", "a/b/3.csv")]
    assert filled.list() == KEYS


@pytest.mark.release
def test_more_than_a_page(fasts3, root, stored):
    for number in range(1100):
        stored.put(f"many/{number:04}")
    assert fasts3("rm", "--recursive", "--yes", f"{root}/many/").exit_code == 0
    assert stored.list() == set()


@pytest.mark.parametrize(
    "arguments", [["--recursive", "{root}/a"], ["{root}/a*"], ["--recursive", "--root", "{root}", "/"]]
)
def test_without_a_terminal_many_need_a_yes(fasts3, root, filled, arguments):
    done = fasts3("rm", *(argument.format(root=root) for argument in arguments), stdin="y\n")
    assert done.exit_code == 2
    assert "there is no terminal. Add --yes" in done.stderr
    assert filled.list() == KEYS


OF_A_BUCKET = ["", "/", "//", "/*", "/**", "/?*", "/*?", "/[!a]*", "/[a-z]*", "/*.csv", "/*/*", "//*", "/?/../*"]


@pytest.mark.parametrize("options", [[], ["--recursive"], ["--recursive", "--yes"], ["--dry-run"]])
@pytest.mark.parametrize("rest", OF_A_BUCKET)
def test_no_spelling_means_a_whole_bucket(fasts3, server, filled, options, rest):
    root = f"s3://{server.bucket}"
    for named in ([root + rest], ["--root", root, rest[1:]], ["--root", f"{root}//", rest[1:]]):
        if not named[-1]:
            continue  # an empty argument; see below
        done = fasts3("rm", *options, *named)
        assert done.exit_code == 2
        of_bucket = "a whole bucket, which is not deleted. Name a prefix"
        assert ("it ends in two slashes" if f"{root}//" in named[:-1] else of_bucket) in done.stderr
        assert filled.list() == KEYS


def test_below_a_root_a_pattern_needs_no_prefix(fasts3, root, filled):
    done = fasts3("rm", "--yes", "--no-progress", "--root", root, "*")
    assert (done.exit_code, done.stderr) == (0, f"Deleted {len(KEYS)} objects.\n")
    assert filled.list() == set()


def test_an_empty_root_is_not_left_out(fasts3, root, filled):
    done = fasts3("rm", "--yes", "--root", "", f"{root}/z")
    assert done.exit_code == 2
    assert "--root is empty" in done.stderr
    assert filled.list() == KEYS


@pytest.mark.parametrize("urls", [[""], ["z", ""]])
def test_an_empty_name_does_not_mean_all_of_the_root(fasts3, root, filled, urls):
    done = fasts3("rm", "--recursive", "--yes", "--root", root, *urls)
    assert done.exit_code == 2
    assert "An argument is empty" in done.stderr
    assert filled.list() == KEYS


def test_a_directory_needs_recursive(fasts3, root, filled):
    done = fasts3("rm", "--yes", f"{root}/a/")
    assert done.exit_code == 2
    assert "Add --recursive" in done.stderr
    assert filled.list() == KEYS


@pytest.mark.parametrize("url", ["{root}/none", "{root}/none*"])
def test_an_empty_prefix_is_an_error(fasts3, root, filled, url):
    url = url.format(root=root)
    done = fasts3("rm", "--yes", "--recursive", url)
    assert (done.exit_code, filled.list()) == (1, KEYS)
    others = fasts3("rm", "--yes", "--recursive", url, f"{root}/a")
    assert (others.exit_code, others.stderr.splitlines()[1:]) == (1, done.stderr.splitlines()[1:])
    assert filled.list() == {key for key in KEYS if not key.startswith("a/")}


def test_undeletable_objects_are_named_and_the_others_deleted(fasts3, root, filled, monkeypatch):
    delete_many = S3.delete_many

    def refuse(s3, urls):
        refused = {url: "AccessDenied: no\x1b[31m" for url in urls if url.endswith("1.csv")}
        if refused:
            error = MetaflowS3AccessDenied("no")
            error.failed = refused  # and of the others it is not known whether they were deleted
            raise error
        delete_many(s3, urls)

    monkeypatch.setattr(S3, "delete_many", refuse)
    done = fasts3("rm", "--recursive", "--yes", "--json", f"{root}/a")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"{root}/a/1.csv: AccessDenied: no\\x1b[31m",
        "Deleted 2 objects.",
        "Error: 1 of the objects could not be deleted.",
    ]
    assert [json.loads(line)["deleted"] for line in done.stdout.splitlines()] == [False, True, True]
    assert filled.list() == {"a/1.csv", "ab", "z"}


def test_deleted_objects_are_not_deleted_again(fasts3, root, filled, monkeypatch):
    calls = []

    def refuse(s3, urls):
        calls.append(sorted(urls))
        error = MetaflowS3AccessDenied("no")
        error.failed, error.result = {f"{root}/a/1.csv": "AccessDenied: no"}, len(urls) - 1
        raise error

    monkeypatch.setattr(S3, "delete_many", refuse)
    done = fasts3("rm", "--recursive", "--yes", f"{root}/a")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[1:] == ["Deleted 2 objects.", "Error: 1 of the objects could not be deleted."]
    assert calls == [[f"{root}/{key}" for key in sorted(KEYS) if key.startswith("a/")]]


def test_deleted_objects_are_counted_after_an_error(fasts3, root, filled, monkeypatch):
    delete_many = S3.delete_many

    def refuse(s3, urls):
        if f"{root}/ab" in urls:
            raise MetaflowS3AccessDenied("no more")
        delete_many(s3, urls)

    monkeypatch.setattr(S3, "delete_many", refuse)
    done = fasts3("rm", "--yes", f"{root}/a/*", f"{root}/ab*")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == ["Deleted at least 3 objects.", "Error: no more"]
    assert filled.list() == {"ab", "z"}


def test_a_general_refusal_ends_it(fasts3, root, filled, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = fasts3("rm", f"{root}/z")
    assert done.exit_code == 1
    assert "SignatureDoesNotMatch" in done.stderr
    assert filled.list() == KEYS


@pytest.mark.parametrize(("reply", "left"), [(b"y\n", {"ab", "z"}), (b"\n", KEYS)])
def test_a_terminal_confirms(start, root, filled, reply, left):
    ours, theirs = pty.openpty()
    process = start("rm", "--recursive", f"{root}/a", stdin=theirs)
    os.close(theirs)
    os.write(ours, reply)
    _, stderr = process.communicate(timeout=200)
    os.close(ours)
    question, _, _ = stderr.decode().rpartition("Deleted ")  # which ends with how many were
    assert (process.returncode, question) == (0, f"Delete 3 objects below {root}/a? [y/N]: ")
    assert filled.list() == left


@pytest.fixture
def confirm(fasts3, monkeypatch):
    """Run a command with a terminal and a reply to its question; return its exit status and the question."""

    def run(reply, *arguments):
        questions = []
        monkeypatch.setattr(rm, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
        monkeypatch.setattr(rm.click, "confirm", lambda text, err: questions.append(text) or reply)
        return fasts3("rm", *arguments).exit_code, "".join(questions)

    return run


@pytest.fixture
def alike(here, filled):
    """Local files with the names of keys, which a shell puts in the place of a pattern without quotes."""
    for name in ("ab", "z"):
        (here / name).touch()


def test_names_of_local_files_need_confirmation(confirm, root, filled, alike):
    code, question = confirm(False, "--root", root, "ab", "z")
    assert code == 0
    assert "was a pattern left unquoted?" in question
    assert question.endswith(" Delete 2 objects?")
    assert filled.list() == KEYS
    assert confirm(True, "--root", root, "ab", "z")[0] == 0
    assert filled.list() == KEYS - {"ab", "z"}


def test_without_a_terminal_names_of_local_files_need_a_yes(fasts3, root, filled, alike):
    done = fasts3("rm", "--root", root, "ab", "z", stdin="y\n")
    assert done.exit_code == 2
    assert "was a pattern left unquoted?" in done.stderr
    assert filled.list() == KEYS
    assert fasts3("rm", "--root", root, "z", stdin="").exit_code == 0  # one alone no pattern has become
    assert fasts3("rm", "--root", root, "--yes", "--missing-ok", "ab", "z").exit_code == 0
    assert filled.list() == KEYS - {"ab", "z"}


def test_ctrl_c_at_the_confirmation(start, root, filled):
    ours, theirs = pty.openpty()
    process = start("rm", "--recursive", f"{root}/a", stdin=theirs)
    process.stderr.read(len("Delete"))  # the question
    process.send_signal(signal.SIGINT)
    os.write(ours, b"\n")  # a signal that arrives just before the command blocks does not wake it
    assert process.wait(200) == 130
    os.close(ours)
    os.close(theirs)
    assert filled.list() == KEYS


def test_the_only_object_that_fits_is_named_in_the_question(confirm, root, filled):
    question = f"Delete {root}/a/b/3.csv, the only object that matches {root}/a/b/*?"
    assert confirm(False, f"{root}/a/b/*") == (0, question)
    assert filled.list() == KEYS
    question = f"Delete {root}/a/b/3.csv, the only object below {root}/a/b?"
    assert confirm(True, "--recursive", f"{root}/a/b") == (0, question)
    assert filled.list() == KEYS - {"a/b/3.csv"}


def test_brackets_in_a_name_do_not_delete_another_object_without_confirmation(confirm, root, stored):
    stored.put_all({"report1.csv": b""})
    assert confirm(False, f"{root}/report[1].csv")[1].startswith(f"Delete {root}/report1.csv, the only")
    assert stored.list() == {"report1.csv"}


def test_one_named_object_needs_no_confirmation(confirm, root, stored):
    stored.put_all({"a*": b"", "b": b""})
    assert confirm(False, f"{root}/a*") == (0, "")
    assert stored.list() == {"b"}


@pytest.fixture
def slashed(moto, monkeypatch):
    """A bucket with a key with a leading slash, on a server that supports such keys."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.endpoint_url)
    client = moto.boto3_client()
    bucket = f"slashed-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    found = Stored(client, bucket, "")
    found.put_all({"tmp.slashed": b"precious", "/tmp.slashed": b"", "/other.slashed": b""})
    yield found
    client.close()


@pytest.mark.parametrize("options", [[], ["--raw"]])
def test_a_key_that_begins_with_a_slash_is_that_key(fasts3, slashed, options):
    assert fasts3("rm", *options, f"s3://{slashed.bucket}//tmp.slashed").exit_code == 0
    assert slashed.list() == {"tmp.slashed", "/other.slashed"}
    assert fasts3("rm", "--yes", f"s3://{slashed.bucket}//o*").exit_code == 0
    assert slashed.list() == {"tmp.slashed"}


def test_recursive_has_a_short_name(fasts3, root, filled):
    assert fasts3("rm", "-r", "--yes", f"{root}/a").exit_code == 0
    assert filled.list() == {"ab", "z"}


def test_include_and_exclude(fasts3, root, filled):
    done = fasts3("rm", "-r", "--yes", "--include", "*.csv", "--exclude", "b/*", f"{root}/a")
    assert (done.exit_code, done.stderr) == (0, "Deleted 2 objects.\n")
    assert filled.list() == {"a/b/3.csv", "ab", "z"}
    assert fasts3("rm", "--yes", "--exclude", "b", f"{root}/a*").exit_code == 0
    assert filled.list() == {"z"}


@pytest.mark.parametrize("urls", [["{root}/z"], ["{root}/z", "{root}/a/*"]])
def test_include_and_exclude_do_not_select_among_keys(fasts3, root, filled, urls):
    done = fasts3("rm", "--yes", "--exclude", "z", *(url.format(root=root) for url in urls))
    assert done.exit_code == 2
    assert f"{root}/z is the key of one object" in " ".join(done.stderr.split())
    assert filled.list() == KEYS


def test_a_dry_run_counts(fasts3, root, filled):
    assert fasts3("rm", "--dry-run", "-r", f"{root}/a").stderr == "Would delete 3 objects.\n"


def test_quiet_prints_errors_only(fasts3, root, filled):
    assert fasts3("rm", "--quiet", f"{root}/z").stderr == ""
    done = fasts3("rm", "-q", f"{root}/ab", f"{root}/none")
    assert done.stderr.splitlines()[0] == f"There is no object {root}/none."
    assert "Deleted" not in done.stderr
    assert filled.list() == KEYS - {"z", "ab"}


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
def test_overlapping_prefixes_are_counted_once(fasts3, root, filled, dry_run):
    done = fasts3("rm", "-r", "--yes", *dry_run, f"{root}/a/b/", f"{root}/a", f"{root}/a/", f"{root}/a/*.csv")
    assert (done.exit_code, done.stderr) == (0, f"{'Would delete' if dry_run else 'Deleted'} 3 objects.\n")
    assert filled.list() == (KEYS if dry_run else {"ab", "z"})


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
@pytest.mark.parametrize(
    "arguments",
    [
        ["{root}/a/1*", "{root}/a/*.csv"],  # a pattern within another
        ["{root}/a/[12].csv", "{root}/*3.csv", "{root}/a/*"],  # the last one has objects of both only
        ["{root}/a/1.csv", "{root}/a/2.csv", "{root}/a/b/3.csv", "{root}/a*/*"],  # keys, and a pattern of them
        ["--recursive", "--exclude", "*.tmp", "{root}/a", "{root}/a/b"],
    ],
)
def test_objects_that_several_arguments_select_are_counted_once(fasts3, root, filled, arguments, dry_run):
    done = fasts3("rm", "--yes", *dry_run, *(one.format(root=root) for one in arguments))
    assert (done.exit_code, done.stderr) == (0, f"{'Would delete' if dry_run else 'Deleted'} 3 objects.\n")
    assert len(set(done.stdout.splitlines())) == len(done.stdout.splitlines()) == (3 if dry_run else 0)
    assert filled.list() == (KEYS if dry_run else {"ab", "z"})


def test_a_pattern_without_objects_is_named_beside_others(fasts3, root, filled):
    done = fasts3("rm", "--yes", f"{root}/a/1*", f"{root}/b*", f"{root}/a/*")
    assert (done.exit_code, filled.list()) == (1, {"ab", "z"})
    assert f"No key matches {root}/b*." in " ".join(done.stderr.split())


def test_filters_apply_to_the_paths_below_each_of_overlapping_prefixes(fasts3, root, filled):
    assert fasts3("rm", "-r", "--yes", "--include", "3.csv", f"{root}/a", f"{root}/a/b").exit_code == 1
    assert filled.list() == KEYS - {"a/b/3.csv"}


def test_an_empty_prefix_is_named_beside_missing_keys(fasts3, root, filled):
    done = fasts3("rm", "--yes", f"{root}/none", f"{root}/none*")
    assert done.exit_code == 1
    assert f"No key matches {root}/none*. 1 of the keys does not exist." in " ".join(done.stderr.split())


@pytest.mark.parametrize("url", ["{root}/none/", "{root}/none*"])
def test_an_empty_prefix_may_be_no_error(fasts3, root, filled, url):
    done = fasts3("rm", "-r", "--yes", "--missing-ok", url.format(root=root))
    assert (done.exit_code, done.stderr) == (0, "Deleted 0 objects.\n")


def test_an_object_whose_key_ends_in_a_slash_is_raw(fasts3, odd):
    odd.put_all({"d/": b"x", "d/e": b""})
    done = fasts3("rm", f"s3://{odd.bucket}/{odd.prefix}d/")
    assert (done.exit_code, odd.list()) == (2, {"d/", "d/e"})
    assert "or --raw" in done.stderr
    assert fasts3("cat", "--raw", f"s3://{odd.bucket}/{odd.prefix}d/").stdout == "x"
    assert fasts3("rm", "--raw", f"s3://{odd.bucket}/{odd.prefix}d/").exit_code == 0
    assert odd.list() == {"d/e"}


def test_a_root_with_two_slashes_is_not_the_directory_above(fasts3, root, filled):
    done = fasts3("rm", "-r", "--yes", "--root", f"{root}/a//", "/")
    assert (done.exit_code, filled.list()) == (2, KEYS)
    assert "it ends in two slashes" in done.stderr
