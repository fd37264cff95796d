"""A worker that says how long each audio is: the least that a worker must do."""

import json
import sys

for line in sys.stdin:  # ends when Podium closes our input
    message = json.loads(line)
    if "podium" in message:
        answer = {"identity": {"model": "echo"}, "batched": True, "sampling_rate": 16000}
    else:
        answer = {
            "id": message["id"],
            "responses": [
                {"id": item["id"], "text": f"{item['seconds']:.2f} seconds"}
                for item in message["batch"]
            ],
        }
    print(json.dumps(answer), flush=True)
