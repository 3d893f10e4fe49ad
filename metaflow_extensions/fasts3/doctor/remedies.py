"""What else to do where nobody has chosen an endpoint: a local server's settings are often only in another shell."""

from metaflow_extensions.fasts3.doctor.origins import endpoint_setting
from metaflow_extensions.fasts3.doctor.subject import Subject

PASTE = "With a local server: paste into this shell the lines that `metaflow fasts3 serve` has printed."


def with_local_server(remedy: str, subject: Subject) -> str:
    """A remedy, and where requests would go to AWS because nothing says otherwise, that of a local server's users.

    Parameters
    ----------
    remedy : str
    subject : Subject
    """
    return remedy if _has_endpoint(subject) else f"{remedy} {PASTE}"


def _has_endpoint(subject: Subject) -> bool:
    recipe = subject.connection.recipe if subject.connection else None
    if recipe is not None and recipe.endpoint_url:
        return True  # perhaps that of a company's provider
    try:
        return bool(endpoint_setting(subject.session).value)
    except Exception:  # files of boto3 that can't be read; the check of the client tells
        return True
