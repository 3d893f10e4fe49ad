"""Why a HEAD was refused: its response has no body with S3's code; a GET is refused for the same reason, and has one.

A HEAD signed with an expired token, or for another region than the bucket's, is answered a bare 400, as is one that is
wrong; a bare 403 may mean an unknown access key id, a wrong secret or a missing permission.
"""

from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Failure

# Statuses of HEADs that have more than one reason.
UNEXPLAINED = {
    "HeadObject": frozenset({400, 403}),
    # A 403 is no reason to ask for more: who may not look at a bucket may still use it.
    "HeadBucket": frozenset({400}),
}


def explanation(refusal: Failure, told: Failure) -> Failure:
    """The failure to report.

    Parameters
    ----------
    refusal : Failure
        Of the HEAD.
    told : Failure
        Of the GET.
    """
    return told if told.code in TRANSIENT or 300 <= told.status <= 403 else refusal
