"""Metaflow's own use of `S3` as a datastore: artifacts, cards, included files, resume."""

import pytest

SIZES = (2**10, 100 * 2**10, 5 * 2**20, 50 * 2**20)


def check_past_artifacts(output):
    for size in SIZES:
        assert f"{size} bytes are intact." in output
    assert "Its last task said: Artifacts of 1024 to 52428800 bytes are intact." in output
    assert "The default card of ArtifactsFlow/" in output


@pytest.mark.timeout(900)
def test_artifacts_cards_and_logs_then_resume_and_spin(user, stored):
    flow = user.runs("artifacts_flow.py", "--datastore", "s3", "run")
    assert "Artifacts of 1024 to 52428800 bytes are intact." in flow
    [page] = [key for key in stored("metaflow") if key.endswith(".html") and "/start/" in key]
    assert page.startswith("mf.cards/ArtifactsFlow/")
    for own_class in (False, True):
        check_past_artifacts(user.runs("read_past_artifacts.py", own_class=own_class))

    for command in ("resume", "spin"):  # what was stored by the run is loaded, by each in its own way
        again = user.runs("artifacts_flow.py", "--datastore", "s3", command, "end")
        assert "Artifacts of 1024 to 52428800 bytes are intact." in again


@pytest.mark.release
@pytest.mark.timeout(900)
def test_artifacts_and_cards_of_metaflows_own_class(user):
    user.runs("artifacts_flow.py", "--datastore", "s3", "run", own_class=True)
    check_past_artifacts(user.runs("read_past_artifacts.py"))


@pytest.mark.release
@pytest.mark.parametrize("datastore", ["local", "s3"])
def test_an_included_file_and_a_card_from_the_command_line(user, stored, datastore):
    notes = user.folder / "notes.txt"
    notes.write_text("Grüße, zwölf Wörter\nand five more\n", encoding="utf-8")
    card = ("--with", "card") if datastore == "s3" else ()
    flow = user.runs("include_file_flow.py", "--datastore", datastore, "run", *card, "--notes", str(notes))
    assert "6 words in 34 characters." in flow
    assert bool(stored("data")) == (datastore == "s3")
    if card:
        [run] = {word.split("/")[0].strip("[]") for word in flow.split() if word.count("/") == 2 and "/start/" in word}
        page = user.runs("include_file_flow.py", "--datastore", "s3", "card", "get", f"{run}/start/1")
        assert "<html" in page
