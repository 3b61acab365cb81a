"""Runs the samples of the document: each line for a shell does what it shows.

    samples.py OPENAPI_JSON URL
"""

import json
import subprocess
import sys
import urllib.request

SHOWN_SERVER = "http://127.0.0.1:7600"
SHOWN_ID = "41M7Y2P7SWET700000000001Q4"
# A tail does not end by itself: curl ends it (28) after it has shown what there was.
ENDLESS = {"tail", "tailByPost"}


def main(document_path, url):
    with open(document_path, encoding="utf-8") as file:
        document = json.load(file)
    with urllib.request.urlopen(f"{url}/api/v1/logs?limit=1") as answer:
        event_id = json.load(answer)["logs"][0]["id"]
    ran = 0
    for path, methods in document["paths"].items():
        for operation in methods.values():
            name = operation["operationId"]
            for sample in operation["x-codeSamples"]:
                line = sample["source"].replace(SHOWN_SERVER, url).replace(SHOWN_ID, event_id)
                line = line.replace("curl ", "curl -f --max-time 10 ", 1)
                expected = 0
                if name in ENDLESS:
                    line = line.replace("--max-time 10", "--max-time 1", 1)
                    expected = 28
                done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
                if done.returncode != expected or not done.stdout:
                    sys.exit(f"{path}: {line}\nended with {done.returncode}: {done.stderr.decode()}")
                ran += 1
    print(f"contract: {ran} samples work")


main(*sys.argv[1:])
