"""Runs the commands of the documents: every fenced block that is marked `sh ci`, in order, against one fresh program."""

import argparse
import pathlib
import subprocess

from up import Up

BLOCK_S_MAX = 120
# A refused request must fail the block, which curl alone would not do.
PRELUDE = 'set -euo pipefail; curl() { command curl --fail-with-body --max-time 30 "$@"; }\n'


def blocks(path):
    """Each marked block with the number of its first line."""
    first, lines = None, []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.startswith("```sh ci"):
            first, lines = number + 1, []
        elif line.startswith("```") and first:
            yield first, "\n".join(lines)
            first = None
        elif first:
            lines.append(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    documents = [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").rglob("*.md"))]
    # The documents that a newcomer reads first are run first.
    documents.sort(key=lambda path: (path.name != "README.md", path.name != "tutorial.md", str(path)))
    count = 0
    with Up(arguments.binary) as up:
        for document in documents:
            for line, block in blocks(document):
                script = PRELUDE + block.replace("127.0.0.1:8420", f"127.0.0.1:{up.port}")
                done = subprocess.run(
                    ["bash", "-c", script],
                    env=up.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=BLOCK_S_MAX,
                )
                if done.returncode != 0:
                    said = done.stdout.decode(errors="replace")[-4000:]
                    raise SystemExit(f"{document}:{line} ended with {done.returncode}:\n{block}\n---\n{said}")
                count += 1
    print(f"{count} blocks of commands in {len(documents)} documents work")


if __name__ == "__main__":
    main()
