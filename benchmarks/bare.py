"""The bare client that polls are compared with: downloads and decodes every page, imports nothing of ours.

python -m benchmarks.bare URL TOKEN PAGE_SIZE
"""

import json
import resource
import sys
import time

import httpx
import orjson


def download(url: str, token: str, page_size: int) -> tuple[int, int]:
    """Returns how many appointments there are, having decoded all of them, and how many requests that took."""
    offset, total = 0, 1
    with httpx.Client(timeout=30, headers={"Authorization": f"Bearer {token}"}) as client:
        while offset < total:
            params = {"offset": offset, "limit": page_size}
            page = orjson.loads(client.get(f"{url}/enterprises/acme/appointments", params=params).content)
            total, offset = page["meta"]["totalCount"], offset + page_size
    return total, offset // page_size


def main() -> None:
    """Prints rows, wall and CPU seconds of the download, and the peak memory of the process."""
    url, token, page_size = sys.argv[1:]
    began, cpu = time.perf_counter(), time.process_time()
    rows, requests = download(url, token, int(page_size))
    figures = {
        "rows": rows,
        "requests": requests,
        "wall_seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
