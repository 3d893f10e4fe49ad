"""The data of a past run, as in a notebook: prints what the latest run of VersionedFlow stored.

python versioned_flow.py run
python read_past_run.py
"""

from metaflow import S3, Flow, Run


def main():
    print("S3 is", S3.__module__)
    run = Flow("VersionedFlow").latest_run
    with S3(run=run) as s3:
        print(f"{run.pathspec} stored {len(s3.get_all())} objects, these among them:")
        for path in s3.list_paths():
            print(" ", path.key if path.exists else f"{path.key}/", "at", path.url)
        pixels = s3.get("pixels")
        print(f"The pixels are {pixels.size} bytes, {pixels.metadata['width']} x {pixels.metadata['height']}.")

    # Any run will do, not only the latest.
    with S3(run=Run(f"VersionedFlow/{run.id}")) as s3:
        print("The greeting:", s3.get("greeting.txt").text)
        squares = s3.get_recursive(["squares"])
        print("The squares:", " ".join(square.text for square in squares[:5]), "...", squares[-1].text)


if __name__ == "__main__":
    main()
