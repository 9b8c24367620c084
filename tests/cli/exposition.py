"""Reads metrics on standard input with the Python client of Prometheus, prints what it made of them as JSON.

The first argument is the format: text (0.0.4) or openmetrics (1.0).
"""

import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text

PARSERS = {"text": text, "openmetrics": openmetrics}

families = PARSERS[sys.argv[1]].text_string_to_metric_families(sys.stdin.read())
told = [
    {
        "name": family.name,
        "kind": family.type,
        "unit": family.unit,
        "help": family.documentation,
        "samples": [
            {"name": sample.name, "labels": sample.labels, "value": sample.value}
            for sample in family.samples
        ],
    }
    for family in families
]
json.dump(told, sys.stdout)
